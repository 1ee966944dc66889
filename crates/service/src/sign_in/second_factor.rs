//! Second factors of a sign-in: asking for the one that is due (auth-flows.md §6, §13). Which one that is decides
//! [`domain::second_factor`]; the strategies that check the answers have files of their own.

use std::collections::BTreeMap;

use domain::{
    Medium, MfaMethod, SoftwareToken, User,
    second_factor::{self, Due},
    session::{Entrance, SignIn, SignInSession, Waiting},
};
use store::Stored;
use wire::{ChallengeNameType, ErrorKind, UserPoolMfaType};

use super::{
    Outcome, Proven, Request, Seen,
    code::{self, Sending},
    guard, session,
};
use crate::{ApiError, Ctx};

/// Digits of a code that is sent as a second factor.
pub(super) const DIGITS: usize = 6;

/// The challenge of the second factor that is due now; none when none is.
///
/// # Errors
/// `MFAMethodNotFoundException` when one is demanded that the user can neither answer nor set up, and those of [`ask`].
pub(super) async fn step(ctx: &Ctx, request: &Request, proven: &Proven) -> Result<Option<Outcome>, ApiError> {
    let (challenge, list, methods) = match due(ctx, request, &proven.user, &proven.sign_in, &proven.seen).await? {
        Due::Nothing => return Ok(None),
        Due::Ask(method) => return ask(ctx, request, proven, method).await.map(Some),
        Due::Choose(methods) => (ChallengeNameType::SelectMfaType, "MFAS_CAN_CHOOSE", methods),
        Due::SetUp(methods) => (ChallengeNameType::MfaSetup, "MFAS_CAN_SETUP", methods),
        Due::Impossible => return Err(no_method(request)),
    };
    let names: Vec<_> = methods.iter().map(|method| method.as_str()).collect();
    let mut parameters = parameters(proven);
    parameters.insert(list.to_owned(), serde_json::to_string(&names)?);
    let session = session::start(ctx, request, proven, challenge, Waiting::Method(methods))?;
    Ok(Some(Outcome::Challenge { name: challenge, session: Some(session), parameters, available: None }))
}

/// Which second factor is due now.
async fn due(ctx: &Ctx, request: &Request, user: &User, sign_in: &SignIn, seen: &Seen) -> Result<Due, ApiError> {
    let target = sign_in.step_up.as_ref().map(|step_up| step_up.target);
    if request.pool.mfa() == UserPoolMfaType::Off && target.is_none() {
        return Ok(Due::Nothing);
    }
    let has_token = seen.factors(ctx, request, &user.sub).await?.token.is_some();
    let (pool, factors) = (&request.pool, &sign_in.factors);
    let due = match target {
        Some(target) => second_factor::due_toward(target, pool, user, has_token, factors),
        None => second_factor::due(pool, user, has_token, factors),
    };
    if due != Due::Nothing || !sign_in.is_risky() {
        return Ok(due);
    }
    Ok(match second_factor::due_at_risk(pool, user, has_token, factors) {
        // Whoever must have one and has none was refused when the risk was judged.
        Due::Impossible => Due::Nothing,
        due => due,
    })
}

/// Refuses what [`step`] would refuse to ask for, though it is due.
///
/// # Errors
/// Those of [`check_ask`].
pub(super) async fn check_step(
    ctx: &Ctx,
    request: &Request,
    user: &User,
    sign_in: &SignIn,
    seen: &Seen,
) -> Result<(), ApiError> {
    match due(ctx, request, user, sign_in, seen).await? {
        Due::Ask(method) => check_ask(ctx, request, user, method, seen).await,
        _ => Ok(()),
    }
}

/// Refuses what [`ask`] would refuse: to ask a user who is locked, and to send a code that may not be sent.
///
/// # Errors
/// `NotAuthorizedException` while the user is locked; those of [`code::check_room`].
pub(super) async fn check_ask(
    ctx: &Ctx,
    request: &Request,
    user: &User,
    method: MfaMethod,
    seen: &Seen,
) -> Result<(), ApiError> {
    check_lock(ctx, request, user, seen).await?;
    match second_factor::medium_of(method).and_then(|medium| user.address(medium)) {
        Some(address) => code::check_room(ctx, request, &user.sub, address, seen).await,
        None => Ok(()),
    }
}

async fn check_lock(ctx: &Ctx, request: &Request, user: &User, seen: &Seen) -> Result<(), ApiError> {
    guard::check_lock(ctx, seen.factors(ctx, request, &user.sub).await?.wrong.as_ref())
}

/// The challenge that asks for this method.
///
/// # Errors
/// `NotAuthorizedException` while the user is locked: no code is sent that could not be used.
/// `MFAMethodNotFoundException` when the user has lost the method; those of [`code::send`].
pub(super) async fn ask(ctx: &Ctx, request: &Request, proven: &Proven, method: MfaMethod) -> Result<Outcome, ApiError> {
    let user = &proven.user;
    check_lock(ctx, request, user, &proven.seen).await?;
    let challenge = method.challenge();
    if let Some(medium) = second_factor::medium_of(method) {
        if user.address(medium).is_none() {
            return Err(no_method(request));
        }
        let sending = Sending { challenge, medium, digits: DIGITS, spends: None };
        let mut outcome = code::send(ctx, request, proven, sending).await?;
        // Decision: text messages alone name the user beside where the code went (unconfirmed).
        if let (Medium::Sms, Outcome::Challenge { parameters: said, .. }) = (medium, &mut outcome) {
            said.append(&mut parameters(proven));
        }
        return Ok(outcome);
    }
    let factors = proven.seen.factors(ctx, request, &user.sub).await?;
    let token = factors.token.as_ref().ok_or_else(|| no_method(request))?;
    let mut parameters = parameters(proven);
    if let Some(name) = &token.friendly_name {
        parameters.insert("FRIENDLY_DEVICE_NAME".to_owned(), name.clone());
    }
    let session = session::start(ctx, request, proven, challenge, Waiting::Nothing)?;
    Ok(Outcome::Challenge { name: challenge, session: Some(session), parameters, available: None })
}

/// Refuses an answer by a method that would not be asked for any more: one that was switched off, say, while its
/// challenge was out. Which method the user prefers decides what is asked for first, and not what counts.
///
/// # Errors
/// `NotAuthorizedException`.
pub(super) async fn check_due(
    ctx: &Ctx,
    request: &Request,
    user: &User,
    waiting: &SignInSession,
    method: MfaMethod,
    seen: &Seen,
) -> Result<(), ApiError> {
    let mut user = user.clone();
    user.mfa.preferred = None;
    match due(ctx, request, &user, &waiting.sign_in, seen).await? {
        Due::Ask(only) if only == method => Ok(()),
        Due::Choose(methods) if methods.contains(&method) => Ok(()),
        _ => Err(session::invalid()),
    }
}

/// Refuses to set up a factor where that is not due any more: one that was set up meanwhile, by another sign-in, is not
/// to be got round by whoever knows only the password. A software token that is verified does not stand in the way of
/// itself.
///
/// # Errors
/// `NotAuthorizedException`.
pub(super) async fn check_set_up(
    ctx: &Ctx,
    request: &Request,
    user: &User,
    waiting: &SignInSession,
    method: MfaMethod,
) -> Result<(), ApiError> {
    let has_token = method != MfaMethod::SoftwareToken && token(ctx, request, &user.sub).await?.is_some();
    match second_factor::due(&request.pool, user, has_token, &waiting.sign_in.factors) {
        Due::SetUp(methods) if methods.contains(&method) => Ok(()),
        _ => Err(session::invalid()),
    }
}

/// The user's verified software token.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn token(ctx: &Ctx, request: &Request, sub: &str) -> Result<Option<Stored<SoftwareToken>>, ApiError> {
    Ok(ctx.app.store.user_part::<SoftwareToken>(&request.pool.id, sub, "").await?)
}

fn parameters(proven: &Proven) -> BTreeMap<String, String> {
    BTreeMap::from([("USER_ID_FOR_SRP".to_owned(), proven.user.username.clone())])
}

/// Nothing that the user could answer with.
fn no_method(request: &Request) -> ApiError {
    let message = "User has no MFA method that can be used to sign in. Ask an administrator to set one up.";
    // Decision: the service's words are not known. The model of InitiateAuth alone does not know the error.
    let is_initiate_auth = request.entrance == Entrance::Public && request.challenge.is_none();
    let kind = if is_initiate_auth { ErrorKind::NotAuthorized } else { ErrorKind::MFAMethodNotFound };
    ApiError::new(kind, message)
}
