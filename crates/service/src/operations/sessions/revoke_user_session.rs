//! RevokeUserSession (auth-flows.md §19): users end one of their other sessions.

use wire::{RevokeUserSessionRequest, RevokeUserSessionResponse};

use crate::{ApiError, Ctx, tokens::access, tracking};

/// Ends a session of the token's user: its refresh and access tokens are refused.
///
/// `RevokeAssociatedSessions` makes no difference as long as there are no SSO sessions ([`crate::tracking`]).
///
/// # Errors
/// Those of the access token (auth-flows.md §8), `OperationNotEnabledException`, `InvalidParameterException` for the
/// token's own session, and `ResourceNotFoundException` when the user has no such session.
pub async fn run(ctx: &Ctx, input: RevokeUserSessionRequest) -> Result<RevokeUserSessionResponse, ApiError> {
    let caller = access::authenticate(ctx, &input.access_token).await?;
    tracking::check_enabled(&caller.pool)?;
    let current = caller.claims.origin_jti.as_deref().map(|jti| tracking::id_of(ctx, &caller.pool.id, jti));
    if current.as_deref() == Some(input.session_id.as_str()) {
        // Decision: neither the error nor its words are recorded.
        return Err(ApiError::invalid_parameter(
            "The current session cannot be revoked with its own access token. Use RevokeToken or GlobalSignOut.",
        ));
    }
    tracking::revoke(ctx, &caller.user, &input.session_id).await?;
    Ok(RevokeUserSessionResponse {})
}
