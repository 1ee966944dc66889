//! DeleteTerms (oauth-federation.md §13).

use store::Changes;
use wire::DeleteTermsRequest;

use super::{find, of_client};
use crate::{ApiError, Ctx, lookup, retry};

/// Deletes a terms document.
///
/// # Errors
/// `ResourceNotFoundException`.
pub async fn run(ctx: &Ctx, input: DeleteTermsRequest) -> Result<(), ApiError> {
    retry::on_conflict(ctx, async || {
        let pool = lookup::current_pool(ctx, &input.user_pool_id).await?;
        let terms = find(ctx, &pool.id, &input.terms_id).await?;
        let mut changes = Changes::new();
        changes.delete_part(&terms);
        if let Some(of_client) = of_client(ctx, &pool.id, &terms.client_id, &terms.name).await? {
            changes.delete_part(&of_client);
        }
        ctx.app.commit(changes).await?;
        Ok(())
    })
    .await
}
