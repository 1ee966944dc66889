//! From a sign-up straight to a sign-in (auth-flows.md §4, §7): SignUp answers a `Session`, ConfirmSignUp takes it and
//! answers another, and USER_AUTH takes that one as the proof of the code that was confirmed.
//!
//! Decision: ConfirmSignUp answers its session whether it was given one or not. Amplify for JavaScript sends none, puts
//! what it is answered in the place of the session of SignUp, and only completes `autoSignIn` when it is answered one. The
//! session proves no more than the code does, which has to be right either way.
//!
//! Decision: USER_AUTH with the session of SignUp itself is told that the user is not confirmed as long as that is so,
//! and from then on begins as it does without one. Clients whose users are confirmed by a link have no other session,
//! and ask with it until somebody has followed the link. It cannot stand for a proof: that the address is the owner's
//! was proven elsewhere, not by whoever signed up with it.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use crypto::seal::Purpose;
use domain::{Client, Code, Factor, Medium, Pool, Spent, session::SignIn, session::SignUpSession};
use store::{Changes, Key};
use wire::{AuthFlowType, ChallengeNameType, ExplicitAuthFlowsType, UserStatusType};

use super::{
    Proven, Request, pre_authentication, session,
    user_auth::{self, Subject},
};
use crate::{ApiError, Ctx, retry, tokens::access::not_confirmed, triggers::Once};

/// Which of the two sessions it is: neither passes for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// That of SignUp, whose code is on its way.
    SignedUp,
    /// That of ConfirmSignUp, whose code was right.
    Confirmed,
}

/// The session that SignUp and ConfirmSignUp answer for the code of the sign-up; none where the client could not go on
/// with it to USER_AUTH, or the pool does not take such codes as the first factor.
///
/// Decision: that of SignUp lives as long as the code, and not as long as a step of a sign-in: it proves nothing by
/// itself, and a user who takes five minutes to find the mail is to be confirmed all the same. That of ConfirmSignUp is
/// good for one step of a sign-in.
///
/// # Errors
/// When it cannot be written as JSON.
pub(crate) fn issue(
    ctx: &Ctx,
    client: &Client,
    pool: &Pool,
    code: &Code,
    stage: Stage,
) -> Result<Option<String>, ApiError> {
    if !client.explicit_auth_flows.contains(&ExplicitAuthFlowsType::AllowUserAuth)
        || !pool.takes_codes_first(code.medium)
    {
        return Ok(None);
    }
    let session = SignUpSession {
        id: ctx.uuid(),
        pool_id: pool.id.clone(),
        client_id: client.id.clone(),
        sub: code.sub.clone(),
        medium: code.medium,
        destination: code.destination.clone(),
        expires_at: match stage {
            Stage::SignedUp => code.expires_at,
            Stage::Confirmed => ctx.now.plus(client.auth_session_milliseconds()),
        },
    };
    seal(ctx, &session, stage).map(Some)
}

/// Refuses what is not the session that SignUp answered for `sub`.
///
/// # Errors
/// Those of auth-flows.md §7.
pub(crate) fn check(ctx: &Ctx, client: &Client, sub: &str, text: &str) -> Result<(), ApiError> {
    match open(ctx, client, text)? {
        (Stage::SignedUp, session) if session.sub == sub => Ok(()),
        _ => Err(session::invalid()),
    }
}

/// What the session of a USER_AUTH that begins proves: that of ConfirmSignUp the first factor, that of SignUp nothing.
///
/// # Errors
/// Those of the session (auth-flows.md §7), `NotAuthorizedException`, `UserNotConfirmedException` for the session of a
/// sign-up that nobody has confirmed, and those of PreAuthentication ([`crate::triggers::call`]).
pub(super) async fn proof(ctx: &Ctx, request: &Request) -> Result<Option<Proven>, ApiError> {
    match open(ctx, &request.client, request.required_session()?)? {
        (Stage::Confirmed, session) => {
            let let_in = Once::default();
            retry::on_conflict(ctx, || verify(ctx, request, &session, &let_in)).await.map(Some)
        }
        (Stage::SignedUp, session) => check_confirmed(ctx, request, &session).await.map(|()| None),
    }
}

/// Whether the request brings a session that [`proof`] takes for the first factor, whomever its parameters name.
///
/// # Errors
/// Those of the session (auth-flows.md §7).
pub(super) fn is_proof(ctx: &Ctx, request: &Request) -> Result<bool, ApiError> {
    let Some(text) = &request.session else { return Ok(false) };
    let (stage, _) = open(ctx, &request.client, text)?;
    Ok(stage == Stage::Confirmed)
}

/// The mark of the session that this request brings as its proof, if it does.
pub(super) fn mark_of(ctx: &Ctx, request: &Request) -> Option<Spent> {
    let (stage, session) = open(ctx, &request.client, request.session.as_deref()?).ok()?;
    (stage == Stage::Confirmed).then(|| mark(&session))
}

/// What marks a session as used.
fn mark(session: &SignUpSession) -> Spent {
    Spent { id: session.id.clone(), expires_at: session.expires_at }
}

async fn check_confirmed(ctx: &Ctx, request: &Request, session: &SignUpSession) -> Result<(), ApiError> {
    let username = request.required("USERNAME")?;
    request.check_secret_hash(ctx, username)?;
    if !request.names(ctx, username, &session.sub).await? {
        return Err(session::invalid());
    }
    match ctx.app.store.user(&request.pool.id, &session.sub).await? {
        None => Err(session::invalid()),
        Some(user) if user.status == UserStatusType::Unconfirmed => Err(not_confirmed()),
        Some(_) => Ok(()),
    }
}

/// Takes the session that ConfirmSignUp answered for the first factor. Whom it is for it says itself: AuthParameters
/// are not looked at, but for SECRET_HASH where the client has a secret.
///
/// Decision: the secret is asked for although §4 calls all parameters ignored; a client that has one always sends it.
async fn verify(ctx: &Ctx, request: &Request, session: &SignUpSession, let_in: &Once<()>) -> Result<Proven, ApiError> {
    let user = ctx.app.store.user(&request.pool.id, &session.sub).await?.ok_or_else(session::invalid)?;
    request.check_secret_hash(ctx, request.parameter("USERNAME").unwrap_or(&user.username))?;
    session::check_unspent(ctx, &session.id).await?;
    if !user.enabled {
        return Err(ApiError::user_disabled());
    }
    let (challenge, factor) = match session.medium {
        Medium::Email => (ChallengeNameType::EmailOtp, Factor::Email),
        Medium::Sms => (ChallengeNameType::SmsOtp, Factor::Sms),
    };
    let sign_in = SignIn::new(AuthFlowType::UserAuth);
    let subject =
        Subject { username: &user.username, user: Some(user.clone()), sub: user.sub.clone(), sign_in: sign_in.clone() };
    // The code must still be one that the user could begin with, and its address the user's.
    let may_begin = user_auth::choices(ctx, request, &subject).await?.contains(&challenge);
    let is_same_address = user.address(session.medium) == Some(session.destination.as_str())
        && user.has_verified(session.medium.attribute());
    if user.status != UserStatusType::Confirmed || !may_begin || !is_same_address {
        return Err(session::invalid());
    }
    let (pool, client, validation_data) = (&request.pool, &request.client, request.validation_data.as_ref());
    let ask = || pre_authentication::may_sign_in(ctx, pool, client, &user.username, Some(&user), validation_data);
    let_in.ask(ask).await?;
    let mut changes = Changes::new();
    changes.insert(mark(session));
    changes.assert(Key::User { pool_id: user.pool_id.clone(), sub: user.sub.clone() }, user.version);
    session::commit(ctx, changes).await?;
    Ok(Proven { user, password_version: None, sign_in: sign_in.with(factor), seen: Box::default() })
}

fn seal(ctx: &Ctx, session: &SignUpSession, stage: Stage) -> Result<String, ApiError> {
    let identity = identity(&session.client_id, stage);
    let payload = serde_json::to_vec(session)?;
    Ok(URL_SAFE_NO_PAD.encode(ctx.app.ring.seal_bytes(ctx.entropy(), Purpose::SignInSession, &identity, &payload)))
}

/// Which of the two sessions it is, and what is in it.
fn open(ctx: &Ctx, client: &Client, text: &str) -> Result<(Stage, SignUpSession), ApiError> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| session::invalid())?;
    let opened = [Stage::Confirmed, Stage::SignedUp].into_iter().find_map(|stage| {
        let identity = identity(&client.id, stage);
        let opened = ctx.app.ring.open_bytes(Purpose::SignInSession, &identity, &bytes).ok()?;
        Some((stage, opened))
    });
    let (stage, opened) = opened.ok_or_else(session::invalid)?;
    let session: SignUpSession = serde_json::from_slice(&opened).map_err(|_| session::invalid())?;
    if session.client_id != client.id || session.pool_id != client.pool_id {
        return Err(session::invalid());
    }
    session::check_age(ctx, session.expires_at)?;
    Ok((stage, session))
}

/// What a session is sealed for. No challenge is called so.
fn identity(client_id: &str, stage: Stage) -> String {
    match stage {
        Stage::SignedUp => format!("SIGNED_UP/{client_id}"),
        Stage::Confirmed => format!("CONFIRMED/{client_id}"),
    }
}
