//! `Session` strings (auth-flows.md §7): sealed for one challenge of one client, good for a few minutes, usable until
//! they have led to success once.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use crypto::seal::Purpose;
use domain::{
    Spent,
    session::{Entrance, SignIn, SignInSession, Waiting},
    time,
};
use store::{Changes, CommitError, Taken};
use wire::{ChallengeNameType, ErrorKind, Timestamp};

use super::{Proven, Request};
use crate::{ApiError, Ctx};

/// How long a sign-in at the login pages may take from its first step on (oauth-federation.md §3.1, §11), in milliseconds,
/// however long the client's sessions last.
const LONGEST_AT_PAGES: i64 = 5 * time::MINUTE;

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
    let mut session = new(ctx, request, &proven.user.sub, proven.sign_in.clone(), challenge, waiting);
    session.password_version = proven.password_version;
    seal(ctx, request, &session)
}

/// A session of the user, or the stand-in, `sub`, who has proven no password so far.
pub(super) fn new(
    ctx: &Ctx,
    request: &Request,
    sub: &str,
    sign_in: SignIn,
    challenge: ChallengeNameType,
    waiting: Waiting,
) -> SignInSession {
    let begun_at = sign_in.begun_at.or((request.entrance == Entrance::Hosted).then_some(ctx.now));
    let sign_in = SignIn { begun_at, ..sign_in };
    SignInSession {
        id: ctx.uuid(),
        pool_id: request.pool.id.clone(),
        client_id: request.client.id.clone(),
        sub: sub.to_owned(),
        entrance: request.entrance,
        challenge,
        expires_at: end_of_step(ctx, request, &sign_in),
        password_version: None,
        sign_in,
        waiting,
    }
}

/// The session as the client gets it.
///
/// # Errors
/// When it cannot be written as JSON.
pub(super) fn seal(ctx: &Ctx, request: &Request, session: &SignInSession) -> Result<String, ApiError> {
    let payload = serde_json::to_vec(session)?;
    let identity = identity(&request.client.id, session.challenge);
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
    let session = unread(ctx, request, challenge)?;
    check_unspent(ctx, &session.id).await?;
    Ok(session)
}

/// The same, as far as the session tells by itself. Whether it was used is still to be looked at.
///
/// # Errors
/// Those of [`resume`], but for the one of a session that was used.
pub(super) fn unread(ctx: &Ctx, request: &Request, challenge: ChallengeNameType) -> Result<SignInSession, ApiError> {
    let session = open(ctx, request.required_session()?, &request.client.id, challenge)?;
    check_unread(ctx, request, &session)?;
    Ok(session)
}

/// Refuses a session that does not belong to this request's client and entrance, or that is of no use any more.
///
/// # Errors
/// Those of [`resume`].
pub(super) async fn check(ctx: &Ctx, request: &Request, session: &SignInSession) -> Result<(), ApiError> {
    check_unread(ctx, request, session)?;
    check_unspent(ctx, &session.id).await
}

fn check_unread(ctx: &Ctx, request: &Request, session: &SignInSession) -> Result<(), ApiError> {
    if session.entrance != request.entrance
        || session.pool_id != request.pool.id
        || session.client_id != request.client.id
    {
        return Err(invalid());
    }
    request.watch.resumes(&session.sign_in);
    check_age(ctx, session.expires_at)
}

/// The session of an operation that sets up a second factor and names neither pool nor client: the session does.
///
/// # Errors
/// Those of [`resume`].
pub(super) async fn resume_set_up(ctx: &Ctx, text: &str) -> Result<SignInSession, ApiError> {
    let session = open(ctx, text, "", ChallengeNameType::MfaSetup)?;
    check_age(ctx, session.expires_at)?;
    check_unspent(ctx, &session.id).await?;
    Ok(session)
}

/// What is in a session that waits for the answer to `challenge`. Whether it is still good is not looked at.
///
/// # Errors
/// `NotAuthorizedException` for what is no such session.
pub(super) fn open(
    ctx: &Ctx,
    text: &str,
    client_id: &str,
    challenge: ChallengeNameType,
) -> Result<SignInSession, ApiError> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| invalid())?;
    let identity = identity(client_id, challenge);
    let opened = ctx.app.ring.open_bytes(Purpose::SignInSession, &identity, &bytes).map_err(|_| invalid())?;
    let session: SignInSession = serde_json::from_slice(&opened).map_err(|_| invalid())?;
    if session.challenge == challenge { Ok(session) } else { Err(invalid()) }
}

/// Refuses a session, by its id, that has led to success, or was used and has led to nothing.
///
/// # Errors
/// `NotAuthorizedException`.
pub(super) async fn check_unspent(ctx: &Ctx, id: &str) -> Result<(), ApiError> {
    match ctx.app.store.spent(id).await? {
        None => Ok(()),
        Some(_) => Err(what_became_of(ctx, id).await?),
    }
}

/// The refusal of a session, by its id, that was used.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn what_became_of(ctx: &Ctx, id: &str) -> Result<ApiError, ApiError> {
    let is_dead = ctx.app.store.spent(&end_of_life(id)).await?.is_some();
    Ok(if is_dead { invalid() } else { used() })
}

/// What marks a session as used.
pub(super) fn mark(session: &SignInSession) -> Spent {
    Spent { id: session.id.clone(), expires_at: session.expires_at }
}

/// Commits changes that use something up.
///
/// # Errors
/// `NotAuthorizedException` when it was used meanwhile; conflicts.
pub(super) async fn commit(ctx: &Ctx, changes: Changes) -> Result<(), ApiError> {
    match ctx.app.commit(changes).await {
        Err(CommitError::Taken(Taken::Spent { .. })) => Err(used()),
        // Somebody has verified the same address at this moment: decide again.
        Err(CommitError::Taken(Taken::Name { .. })) => Err(CommitError::Conflict.into()),
        outcome => Ok(outcome?),
    }
}

/// Uses up nothing but a session.
///
/// # Errors
/// `NotAuthorizedException` when it was used meanwhile.
pub(super) async fn spend(ctx: &Ctx, spent: Spent) -> Result<(), ApiError> {
    let mut changes = Changes::new();
    changes.insert(spent);
    commit(ctx, changes).await
}

/// Marks a session that was used as one that has led to nothing: from now on it is no session at all.
///
/// # Errors
/// When the store cannot be written.
pub(super) async fn kill(ctx: &Ctx, used: &Spent) -> Result<(), ApiError> {
    let mut changes = Changes::new();
    changes.insert(Spent { id: end_of_life(&used.id), expires_at: used.expires_at });
    Ok(ctx.app.commit(changes).await?)
}

/// Marks the session of a refused step, by the mark that it leaves when it is used, as one that has led to nothing, if one
/// of the pool's functions is what has failed after it was used up.
///
/// # Errors
/// When the store cannot be read or written.
pub(super) async fn kill_after_trigger(
    ctx: &Ctx,
    refusal: &ApiError,
    mark: impl FnOnce() -> Option<Spent>,
) -> Result<(), ApiError> {
    let is_of_function = matches!(
        refusal.kind,
        ErrorKind::UserLambdaValidation | ErrorKind::UnexpectedLambda | ErrorKind::InvalidLambdaResponse
    );
    let Some(mark) = is_of_function.then(mark).flatten() else { return Ok(()) };
    let dead = end_of_life(&mark.id);
    let (used, dead) = tokio::try_join!(ctx.app.store.spent(&mark.id), ctx.app.store.spent(&dead))?;
    if used.is_some() && dead.is_none() { kill(ctx, &mark).await } else { Ok(()) }
}

/// The mark of the session of an answer to `challenge`, if it is one.
pub(super) fn mark_of(ctx: &Ctx, request: &Request, challenge: ChallengeNameType) -> Option<Spent> {
    open(ctx, request.session.as_deref()?, &request.client.id, challenge).ok().map(|session| mark(&session))
}

/// What is marked as spent when a session has led to nothing.
fn end_of_life(id: &str) -> String {
    format!("{id}/dead")
}

/// When a step that begins now is over.
///
/// It is asked once, when the step begins, and sealed: were it worked out again from the client when the answer comes,
/// a longer time that the client was given meanwhile would outlive the mark that the step has been used.
pub(super) fn end(ctx: &Ctx, request: &Request) -> Timestamp {
    ctx.now.plus(request.client.auth_session_milliseconds())
}

/// The same for a step of a sign-in under way, which ends with the whole sign-in at the latest.
pub(super) fn end_of_step(ctx: &Ctx, request: &Request, sign_in: &SignIn) -> Timestamp {
    let end = end(ctx, request);
    sign_in.begun_at.map_or(end, |begun_at| end.min(begun_at.plus(LONGEST_AT_PAGES)))
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

/// What every error that is about a session begins with.
const ABOUT_SESSIONS: &str = "Invalid session for the user";

/// Whether a step was refused because its session is of no use, now or ever: the sign-in has to begin anew.
#[must_use]
pub fn is_over(error: &ApiError) -> bool {
    error.kind == ErrorKind::NotAuthorized && error.message.starts_with(ABOUT_SESSIONS)
}

/// Not a session, or one for somebody or something else.
pub(super) fn invalid() -> ApiError {
    ApiError::not_authorized("Invalid session for the user.")
}

/// It has led to success before.
pub(super) fn used() -> ApiError {
    ApiError::not_authorized("Invalid session for the user, session can only be used once.")
}

/// What a session is sealed for: it does not open for another challenge or another client. The operations that set up
/// a software token know no client but the one that the session names, which is compared wherever there is one.
fn identity(client_id: &str, challenge: ChallengeNameType) -> String {
    let client_id = if challenge == ChallengeNameType::MfaSetup { "" } else { client_id };
    format!("{}/{client_id}", challenge.as_str())
}
