//! DeleteUserPoolClient (accounts.md §14.1).

use store::{Changes, Key};
use wire::DeleteUserPoolClientRequest;

use crate::{ApiError, Ctx, lookup, retry};

/// Deletes a client.
///
/// # Errors
/// `ResourceNotFoundException`.
pub async fn run(ctx: &Ctx, input: DeleteUserPoolClientRequest) -> Result<(), ApiError> {
    retry::on_conflict(ctx, async || {
        let (client, _) = lookup::current_client_of_pool(ctx, &input.user_pool_id, &input.client_id).await?;
        let mut changes = Changes::new();
        changes.delete(Key::Client { id: client.id.clone() }, client.version);
        ctx.app.commit(changes).await?;
        Ok(())
    })
    .await
}
