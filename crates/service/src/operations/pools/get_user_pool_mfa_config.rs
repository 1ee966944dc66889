//! GetUserPoolMfaConfig (accounts.md §16).

use wire::{GetUserPoolMfaConfigRequest, GetUserPoolMfaConfigResponse};

use super::factors;
use crate::{ApiError, Ctx, lookup};

/// Shows what the pool says about second factors and passkeys.
///
/// # Errors
/// `ResourceNotFoundException`.
pub async fn run(ctx: &Ctx, input: GetUserPoolMfaConfigRequest) -> Result<GetUserPoolMfaConfigResponse, ApiError> {
    let pool = lookup::current_pool(ctx, &input.user_pool_id).await?;
    Ok(factors::answer(&pool))
}
