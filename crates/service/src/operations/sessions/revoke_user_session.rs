//! RevokeUserSession (auth-flows.md §19): users end one of their other sessions.

use domain::TrackedSession;
use wire::{RevokeUserSessionRequest, RevokeUserSessionResponse};

use crate::{
    ApiError, Ctx,
    tokens::access,
    tracking::{self, Associated},
};

/// Ends a session of the token's user: its refresh and access tokens, or the browser's cookie, are refused. With
/// `RevokeAssociatedSessions` LINKED the SSO session that a token session was born of goes along, and all token sessions of
/// an SSO session do.
///
/// # Errors
/// Those of the access token (auth-flows.md §8), `OperationNotEnabledException`, `InvalidParameterException` for the
/// token's own session, and `ResourceNotFoundException` when the user has no such session.
pub async fn run(ctx: &Ctx, input: RevokeUserSessionRequest) -> Result<RevokeUserSessionResponse, ApiError> {
    let caller = access::authenticate(ctx, &input.access_token).await?;
    tracking::check_enabled(&caller.pool)?;
    let associated = Associated::of(input.revoke_associated_sessions);
    if let Some(origin_jti) = caller.claims.origin_jti.as_deref() {
        let current = tracking::id_of(ctx, &caller.pool.id, origin_jti);
        let (pool_id, sub) = (&caller.pool.id, &caller.user.sub);
        // Decision: what would take the current session along is refused like the current session.
        let own = match associated {
            Associated::End => ctx.app.store.user_part::<TrackedSession>(pool_id, sub, &current).await?,
            Associated::Stay => None,
        };
        let takes_along = own.is_some_and(|own| own.origin_session_id.as_ref() == Some(&input.session_id));
        if current == input.session_id || takes_along {
            // Decision: neither the error nor its words are recorded.
            return Err(ApiError::invalid_parameter(
                "The current session cannot be revoked with its own access token. Use RevokeToken or GlobalSignOut.",
            ));
        }
    }
    tracking::revoke(ctx, &caller.user, &input.session_id, associated).await?;
    Ok(RevokeUserSessionResponse {})
}
