//! AdminGetUserAuthFactors (auth-flows.md §19): an administrator sees what a user can sign in with.

use wire::{AdminGetUserAuthFactorsRequest, AdminGetUserAuthFactorsResponse};

use super::auth_factors;
use crate::{ApiError, Ctx, lookup};

/// Shows a user's factors.
///
/// # Errors
/// `ResourceNotFoundException` and `UserNotFoundException`.
pub async fn run(
    ctx: &Ctx,
    input: AdminGetUserAuthFactorsRequest,
) -> Result<AdminGetUserAuthFactorsResponse, ApiError> {
    let pool = lookup::pool(ctx, &input.user_pool_id).await?;
    let user = lookup::user_for_administrator(ctx, &pool, &input.username).await?;
    Ok(AdminGetUserAuthFactorsResponse {
        username: user.username.clone(),
        preferred_mfa_setting: user.mfa.preferred_setting(),
        user_mfa_setting_list: user.mfa.setting_list(),
        configured_user_auth_factors: Some(auth_factors::configured(ctx, &pool, &user).await?),
    })
}
