//! DeleteManagedLoginBranding (oauth-federation.md §12.1).

use store::Changes;
use wire::DeleteManagedLoginBrandingRequest;

use super::{find, of_client};
use crate::{ApiError, Ctx, lookup, retry};

/// Deletes a style.
///
/// # Errors
/// `ResourceNotFoundException`.
pub async fn run(ctx: &Ctx, input: DeleteManagedLoginBrandingRequest) -> Result<(), ApiError> {
    retry::on_conflict(ctx, async || {
        let pool = lookup::current_pool(ctx, &input.user_pool_id).await?;
        let style = find(ctx, &pool.id, &input.managed_login_branding_id).await?;
        let mut changes = Changes::new();
        changes.delete_part(&style);
        if let Some(of_client) = of_client(ctx, &pool.id, &style.client_id).await? {
            changes.delete_part(&of_client);
        }
        ctx.app.commit(changes).await?;
        Ok(())
    })
    .await
}
