//! GetUserPoolSessionConfiguration (auth-flows.md §19).

use wire::{GetUserPoolSessionConfigurationRequest, GetUserPoolSessionConfigurationResponse};

use super::of_pool;
use crate::{ApiError, Ctx, lookup};

/// Shows what a pool says about sessions: DISABLED and 20 while nobody has set it.
///
/// # Errors
/// `ResourceNotFoundException`.
pub async fn run(
    ctx: &Ctx,
    input: GetUserPoolSessionConfigurationRequest,
) -> Result<GetUserPoolSessionConfigurationResponse, ApiError> {
    Ok(of_pool(&*lookup::current_pool(ctx, &input.user_pool_id).await?))
}
