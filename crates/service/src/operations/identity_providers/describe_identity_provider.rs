//! DescribeIdentityProvider (oauth-federation.md §15).

use wire::{DescribeIdentityProviderRequest, DescribeIdentityProviderResponse};

use super::{answer, find};
use crate::{ApiError, Ctx, lookup};

/// Shows a provider.
///
/// # Errors
/// `ResourceNotFoundException`.
pub async fn run(
    ctx: &Ctx,
    input: DescribeIdentityProviderRequest,
) -> Result<DescribeIdentityProviderResponse, ApiError> {
    let pool = lookup::current_pool(ctx, &input.user_pool_id).await?;
    let provider = find(ctx, &pool.id, &input.provider_name).await?;
    Ok(DescribeIdentityProviderResponse { identity_provider: answer(ctx, &provider)? })
}
