//! AdminRevokeUserSession (auth-flows.md §19): an administrator ends one session of a user.

use wire::{AdminRevokeUserSessionRequest, AdminRevokeUserSessionResponse};

use crate::{
    ApiError, Ctx, lookup,
    tracking::{self, Associated},
};

/// Ends a session: its refresh and access tokens, or the browser's cookie, are refused. With `RevokeAssociatedSessions`
/// LINKED the SSO session that a token session was born of goes along, and all token sessions of an SSO session do.
///
/// # Errors
/// `ResourceNotFoundException`, also for a session that is not that user's; `OperationNotEnabledException`,
/// `UserNotFoundException`.
pub async fn run(ctx: &Ctx, input: AdminRevokeUserSessionRequest) -> Result<AdminRevokeUserSessionResponse, ApiError> {
    let pool = lookup::pool(ctx, &input.user_pool_id).await?;
    tracking::check_enabled(&pool)?;
    let user = lookup::user_for_administrator(ctx, &pool, &input.username).await?;
    tracking::revoke(ctx, &user, &input.session_id, Associated::of(input.revoke_associated_sessions)).await?;
    Ok(AdminRevokeUserSessionResponse {})
}
