//! DeleteResourceServer (oauth-federation.md §19). Clients that name its scopes keep them; they count again when a
//! resource server of that identifier is made anew (oauth-federation.md §10.1).

use store::Changes;
use wire::DeleteResourceServerRequest;

use super::find;
use crate::{ApiError, Ctx, lookup, retry};

/// Deletes a resource server.
///
/// # Errors
/// `ResourceNotFoundException`.
pub async fn run(ctx: &Ctx, input: DeleteResourceServerRequest) -> Result<(), ApiError> {
    retry::on_conflict(ctx, async || {
        let pool = lookup::current_pool(ctx, &input.user_pool_id).await?;
        let server = find(ctx, &pool.id, &input.identifier).await?;
        let mut changes = Changes::new();
        changes.delete_part(&server);
        ctx.app.commit(changes).await?;
        Ok(())
    })
    .await
}
