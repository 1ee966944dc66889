//! DeleteUserPoolDomain (oauth-federation.md §14). The look of its classic pages stays with the pool.

use store::{Changes, Key};
use wire::{DeleteUserPoolDomainRequest, DeleteUserPoolDomainResponse};

use super::find;
use crate::{ApiError, Ctx, lookup, retry};

/// Takes a domain away from a pool.
///
/// # Errors
/// `ResourceNotFoundException`; `InvalidParameterException` for a domain that is not the pool's.
pub async fn run(ctx: &Ctx, input: DeleteUserPoolDomainRequest) -> Result<DeleteUserPoolDomainResponse, ApiError> {
    retry::on_conflict(ctx, async || {
        let pool = lookup::current_pool(ctx, &input.user_pool_id).await?;
        let domain = find(ctx, &pool, &input.domain).await?;
        let mut changes = Changes::new();
        changes.delete(Key::Domain { domain: domain.value.domain }, domain.version);
        ctx.app.commit(changes).await?;
        Ok(DeleteUserPoolDomainResponse {})
    })
    .await
}
