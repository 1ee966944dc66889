//! AdminUserGlobalSignOut (auth-flows.md §18): an administrator ends all sign-ins of a user. New ones work at once.

use wire::{AdminUserGlobalSignOutRequest, AdminUserGlobalSignOutResponse};

use super::sign_out_everywhere;
use crate::{ApiError, Ctx, lookup};

/// Refuses all tokens of the user from now on.
///
/// # Errors
/// `ResourceNotFoundException`, `UserNotFoundException`.
pub async fn run(ctx: &Ctx, input: AdminUserGlobalSignOutRequest) -> Result<AdminUserGlobalSignOutResponse, ApiError> {
    let pool = lookup::pool(ctx, &input.user_pool_id).await?;
    let user = lookup::user_for_administrator(ctx, &pool, &input.username).await?;
    sign_out_everywhere(ctx, &pool.id, &user.sub).await?;
    Ok(AdminUserGlobalSignOutResponse {})
}
