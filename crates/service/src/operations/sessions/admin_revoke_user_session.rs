//! AdminRevokeUserSession (auth-flows.md §19): an administrator ends one session of a user.

use wire::{AdminRevokeUserSessionRequest, AdminRevokeUserSessionResponse};

use crate::{ApiError, Ctx, lookup, tracking};

/// Ends a session: its refresh and access tokens are refused. `RevokeAssociatedSessions` makes no difference as long
/// as there are no SSO sessions ([`crate::tracking`]).
///
/// # Errors
/// `ResourceNotFoundException`, also for a session that is not that user's; `OperationNotEnabledException`,
/// `UserNotFoundException`.
pub async fn run(ctx: &Ctx, input: AdminRevokeUserSessionRequest) -> Result<AdminRevokeUserSessionResponse, ApiError> {
    let pool = lookup::pool(ctx, &input.user_pool_id).await?;
    tracking::check_enabled(&pool)?;
    let user = lookup::user_for_administrator(ctx, &pool, &input.username).await?;
    tracking::revoke(ctx, &user, &input.session_id).await?;
    Ok(AdminRevokeUserSessionResponse {})
}
