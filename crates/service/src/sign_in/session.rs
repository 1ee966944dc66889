//! `Session` strings (auth-flows.md §7): sealed for one challenge of one client, good for a few minutes, usable until
//! they have led to success once.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use crypto::seal::Purpose;
use domain::session::{SignInSession, Waiting};
use wire::{ChallengeNameType, Timestamp};

use super::{Proven, Request};
use crate::{ApiError, Ctx};

/// A session that waits for the answer to `challenge`.
///
/// # Errors
/// When it cannot be written as JSON.
pub(super) fn start(
    ctx: &Ctx,
    request: &Request,
    proven: &Proven,
    challenge: ChallengeNameType,
    waiting: Waiting,
) -> Result<String, ApiError> {
    let session = SignInSession {
        id: ctx.uuid(),
        pool_id: request.pool.id.clone(),
        client_id: request.client.id.clone(),
        sub: proven.user.sub.clone(),
        entrance: request.entrance,
        challenge,
        expires_at: end(ctx, request),
        password_version: proven.password_version,
        sign_in: proven.sign_in.clone(),
        waiting,
    };
    seal(ctx, request, &session)
}

/// The session as the client gets it.
///
/// # Errors
/// When it cannot be written as JSON.
pub(super) fn seal(ctx: &Ctx, request: &Request, session: &SignInSession) -> Result<String, ApiError> {
    let payload = serde_json::to_vec(session)?;
    let identity = identity(request, session.challenge);
    let sealed = ctx.app.ring.seal_bytes(ctx.entropy(), Purpose::SignInSession, &identity, &payload);
    Ok(URL_SAFE_NO_PAD.encode(sealed))
}

/// The session of this request, which must be one that waits for the answer to `challenge`.
///
/// # Errors
/// The four of auth-flows.md §7.
pub(super) async fn resume(
    ctx: &Ctx,
    request: &Request,
    challenge: ChallengeNameType,
) -> Result<SignInSession, ApiError> {
    let bytes = URL_SAFE_NO_PAD.decode(request.required_session()?).map_err(|_| invalid())?;
    let identity = identity(request, challenge);
    let opened = ctx.app.ring.open_bytes(Purpose::SignInSession, &identity, &bytes).map_err(|_| invalid())?;
    let session: SignInSession = serde_json::from_slice(&opened).map_err(|_| invalid())?;
    if session.entrance != request.entrance || session.pool_id != request.pool.id || session.challenge != challenge {
        return Err(invalid());
    }
    check_age(ctx, session.expires_at)?;
    if ctx.app.store.spent(&session.id).await?.is_some() {
        return Err(used());
    }
    Ok(session)
}

/// When a step that begins now is over.
///
/// It is asked once, when the step begins, and sealed: were it worked out again from the client when the answer comes,
/// a longer time that the client was given meanwhile would outlive the mark that the step has been used.
pub(super) fn end(ctx: &Ctx, request: &Request) -> Timestamp {
    ctx.now.plus(request.client.auth_session_milliseconds())
}

/// Refuses a step that is over.
///
/// # Errors
/// `NotAuthorizedException`.
pub(super) fn check_age(ctx: &Ctx, expires_at: Timestamp) -> Result<(), ApiError> {
    if ctx.now < expires_at {
        return Ok(());
    }
    Err(ApiError::not_authorized("Invalid session for the user, session is expired."))
}

/// Not a session, or one for somebody or something else.
pub(super) fn invalid() -> ApiError {
    ApiError::not_authorized("Invalid session for the user.")
}

/// It has led to success before.
pub(super) fn used() -> ApiError {
    ApiError::not_authorized("Invalid session for the user, session can only be used once.")
}

/// What a session is sealed for: it does not open for another challenge or another client.
fn identity(request: &Request, challenge: ChallengeNameType) -> String {
    format!("{}/{}", challenge.as_str(), request.client.id)
}
