//! GetIdentityProviderByIdentifier (oauth-federation.md §15).

use domain::IdentityProviderIdentifier;
use wire::{GetIdentityProviderByIdentifierRequest, GetIdentityProviderByIdentifierResponse};

use super::{answer, find};
use crate::{ApiError, Ctx, lookup};

/// Shows the provider that has an identifier.
///
/// # Errors
/// `ResourceNotFoundException`.
pub async fn run(
    ctx: &Ctx,
    input: GetIdentityProviderByIdentifierRequest,
) -> Result<GetIdentityProviderByIdentifierResponse, ApiError> {
    let pool = lookup::current_pool(ctx, &input.user_pool_id).await?;
    let found = ctx.app.store.part::<IdentityProviderIdentifier>(&pool.id, &input.idp_identifier).await?;
    // Decision: the service's words are not recorded.
    let none = || ApiError::not_found(format!("Identity provider {} does not exist.", input.idp_identifier));
    let provider = find(ctx, &pool.id, &found.ok_or_else(none)?.provider_name).await?;
    Ok(GetIdentityProviderByIdentifierResponse { identity_provider: answer(ctx, &provider)? })
}
