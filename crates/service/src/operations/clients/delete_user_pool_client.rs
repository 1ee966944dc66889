//! DeleteUserPoolClient (accounts.md §14.1). What login pages show for the client goes with it.

use store::Key;
use wire::DeleteUserPoolClientRequest;

use super::leftovers;
use crate::{ApiError, Ctx, capacity, lookup, retry};

/// Deletes a client.
///
/// # Errors
/// `ResourceNotFoundException`.
pub async fn run(ctx: &Ctx, input: DeleteUserPoolClientRequest) -> Result<(), ApiError> {
    retry::on_conflict(ctx, async || {
        let (client, pool) = lookup::current_client_of_pool(ctx, &input.user_pool_id, &input.client_id).await?;
        let mut changes = leftovers::of(ctx, &client).await?;
        capacity::hold(&mut changes, &pool);
        changes.delete(Key::Client { id: client.id.clone() }, client.version);
        ctx.app.commit(changes).await?;
        Ok(())
    })
    .await
}
