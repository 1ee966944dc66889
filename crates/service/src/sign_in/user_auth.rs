//! USER_AUTH: the client says whom it wants to sign in, and the user's own means decide how (auth-flows.md §4).
//!
//! Order: parameters, secret hash, user, what the user can begin with, and then either the list (SELECT_CHALLENGE) or
//! the challenge that the client prefers. A stand-in for an unknown user has what most users of such a pool have.

use domain::{
    Factor, Medium, MfaMethod, Pool, Spent, User,
    second_factor::{Due, due},
    session::{SignIn, SignInSession, Waiting},
};
use store::Stored;
use wire::{AuthFactorType, AuthFlowType, ChallengeNameType, UserStatusType, WebAuthnFactorConfigurationType};

use super::{
    Outcome, Proven, Request, after_sign_up, device, first_code, first_factor, guard, next, passkey, password::Clear,
    second_factor, session, srp, step_up,
};
use crate::{ApiError, Ctx, lookup, web_authn};

/// Whom a sign-in is about.
pub(super) struct Subject<'a> {
    /// The name as it was typed.
    pub username: &'a str,
    /// The user; none for a stand-in.
    pub user: Option<Stored<User>>,
    /// Id of the user, or of the stand-in.
    pub sub: String,
    /// The sign-in so far.
    pub sign_in: SignIn,
}

/// Begins with the challenge that the client prefers, or with the list of those that the user can answer.
///
/// # Errors
/// See auth-flows.md §8 and §9.
pub(super) async fn begin(ctx: &Ctx, request: &Request) -> Result<Outcome, ApiError> {
    let wish = step_up::wish(ctx, request)?;
    if request.session.is_some() {
        if wish.is_some() {
            // Decision: the other parameters are ignored here (§4); a level that nobody reaches is not.
            return Err(ApiError::invalid_parameter(
                "TARGET_ACR_VALUES cannot be used with the Session of a sign-up. Sign in without it.",
            ));
        }
        if let Some(proven) = after_sign_up::proof(ctx, request).await? {
            return next::step(ctx, request, proven).await;
        }
    }
    let username = request.required("USERNAME")?;
    request.check_secret_hash(ctx, username)?;
    let user = lookup::user(ctx, &request.pool, username).await?;
    if user.is_none() && !request.client.hides_unknown_users() {
        return Err(ApiError::no_such_user());
    }
    let sub = lookup::subject(ctx, &request.pool, username, user.as_deref());
    let device_key = device::named(ctx, request, &sub).await?;
    let sign_in = SignIn { device_key, ..SignIn::new(AuthFlowType::UserAuth) };
    let mut subject = Subject { username, user, sub, sign_in };
    check_enabled(request, subject.user.as_deref())?;

    let mut choices = choices(ctx, request, &subject).await?;
    if let Some(wish) = wish {
        choices = step_up::begin(ctx, request, &mut subject, wish, &choices).await?;
    }
    // Whoever has proven something already is asked for what is missing, if that is one thing.
    let only = choices.first().filter(|_| choices.len() == 1 && !subject.sign_in.factors.is_empty());
    let preferred = request.parameter("PREFERRED_CHALLENGE");
    // Decision: a preference that is no challenge at all is taken like one for a challenge that cannot be had.
    let chosen = choices.iter().find(|choice| preferred == Some(choice.as_str())).or(only);
    let outcome = match chosen {
        Some(choice) => take(ctx, request, &subject, *choice, None).await?,
        None => {
            let waiting = Waiting::FirstFactor(choices.clone());
            wait(ctx, request, &subject, ChallengeNameType::SelectChallenge, waiting)?
        }
    };
    Ok(match outcome {
        Outcome::Challenge { name, session, parameters, .. } => {
            Outcome::Challenge { name, session, parameters, available: Some(choices) }
        }
        done @ (Outcome::Tokens(_) | Outcome::Completed(_)) => done,
    })
}

/// Starts what was chosen, or goes all the way where the request brings the answer too. `spends` is the session that
/// the choice answers; a password that is wrong does not use it up.
///
/// # Errors
/// See auth-flows.md §7 and §8.
pub(super) async fn take(
    ctx: &Ctx,
    request: &Request,
    subject: &Subject<'_>,
    choice: ChallengeNameType,
    spends: Option<Spent>,
) -> Result<Outcome, ApiError> {
    if let Some(method) = step_up::method(subject, choice) {
        return follow_up(ctx, request, subject, method, spends).await;
    }
    match choice {
        ChallengeNameType::Password if request.parameter("PASSWORD").is_some() => {
            prove_password(ctx, request, subject, spends).await
        }
        ChallengeNameType::PasswordSrp if request.parameter("SRP_A").is_some() => {
            begin_srp(ctx, request, subject, spends).await
        }
        // Decision: a password that is chosen without the password, or without SRP_A, is asked for by name.
        ChallengeNameType::Password | ChallengeNameType::PasswordSrp => {
            spend(ctx, spends).await?;
            wait(ctx, request, subject, choice, Waiting::Nothing)
        }
        ChallengeNameType::EmailOtp | ChallengeNameType::SmsOtp => {
            first_code::send(ctx, request, subject, choice, spends).await
        }
        ChallengeNameType::WebAuthn => {
            // Asked for before the session is used up: a pool without a relying party refuses.
            let challenge =
                passkey::begin(ctx, request, subject.user.as_ref(), &subject.sub, subject.sign_in.clone()).await?;
            spend(ctx, spends).await?;
            Ok(challenge)
        }
        _ => Err(ApiError::internal("a choice that nothing begins with")),
    }
}

/// Asks for a second factor in a sign-in that has proven a password before it began.
async fn follow_up(
    ctx: &Ctx,
    request: &Request,
    subject: &Subject<'_>,
    method: MfaMethod,
    spends: Option<Spent>,
) -> Result<Outcome, ApiError> {
    let user = subject.user.clone().ok_or_else(session::invalid)?;
    if !user.enabled {
        return Err(ApiError::user_disabled());
    }
    let proven = Proven { user, password_version: None, sign_in: subject.sign_in.clone(), seen: Box::default() };
    second_factor::check_ask(ctx, request, &proven.user, method, &proven.seen).await?;
    spend(ctx, spends).await?;
    second_factor::ask(ctx, request, &proven, method).await
}

/// Checks the PASSWORD of the request.
///
/// # Errors
/// See auth-flows.md §8 and §9.
pub(super) async fn prove_password(
    ctx: &Ctx,
    request: &Request,
    subject: &Subject<'_>,
    spends: Option<Spent>,
) -> Result<Outcome, ApiError> {
    let proof = Clear { username: subject.username, password: request.required("PASSWORD")?, spends };
    let proven = first_factor::prove(ctx, request, &subject.sub, &proof, &subject.sign_in, None).await?;
    next::step(ctx, request, proven).await
}

/// Answers the SRP_A of the request with PASSWORD_VERIFIER, which has a session here.
///
/// # Errors
/// See auth-flows.md §7 and §8.
pub(super) async fn begin_srp(
    ctx: &Ctx,
    request: &Request,
    subject: &Subject<'_>,
    spends: Option<Spent>,
) -> Result<Outcome, ApiError> {
    let client_public = srp::client_public(request.required("SRP_A")?)?;
    let name = ChallengeNameType::PasswordVerifier;
    let session = session::new(ctx, request, &subject.sub, subject.sign_in.clone(), name, Waiting::Nothing);
    let (user, session_id) = (subject.user.as_deref(), Some(session.id.clone()));
    let password = lookup::password(ctx, &request.pool, &subject.sub).await?;
    let known = (user, password.as_deref());
    let parameters = srp::parameters(ctx, request, known, &subject.sub, &client_public, session_id)?;
    spend(ctx, spends).await?;
    let session = Some(session::seal(ctx, request, &session)?);
    Ok(Outcome::Challenge { name, session, parameters, available: None })
}

/// Whom the answer to a challenge of this flow is about, and the session that it answers.
///
/// # Errors
/// Those of the session (auth-flows.md §7); `NotAuthorizedException` for a user who is disabled.
pub(super) async fn resume<'a>(
    ctx: &Ctx,
    request: &'a Request,
    challenge: ChallengeNameType,
) -> Result<(Subject<'a>, SignInSession), ApiError> {
    let username = request.required("USERNAME")?;
    let waiting = guard::resume(ctx, request, challenge).await?;
    let user = lookup::user_of(ctx, &request.pool, &waiting.sub).await?;
    if user.is_none() && !request.client.hides_unknown_users() {
        return Err(session::invalid());
    }
    check_enabled(request, user.as_deref())?;
    let (sub, sign_in) = (waiting.sub.clone(), waiting.sign_in.clone());
    Ok((Subject { username, user, sub, sign_in }, waiting))
}

/// What the sign-in can go on with: [`choices`], or, where it aims at a level, what leads there.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn offers(
    ctx: &Ctx,
    request: &Request,
    subject: &Subject<'_>,
) -> Result<Vec<ChallengeNameType>, ApiError> {
    let choices = choices(ctx, request, subject).await?;
    step_up::on_the_way(ctx, request, subject, choices).await
}

/// Challenges that the user can begin with now, in the order in which answers list them.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn choices(
    ctx: &Ctx,
    request: &Request,
    subject: &Subject<'_>,
) -> Result<Vec<ChallengeNameType>, ApiError> {
    let pool = &request.pool;
    let has_password = lookup::password(ctx, pool, &subject.sub).await?.is_some();
    let has_passkey = allows_passkeys(pool) && !web_authn::usable(ctx, pool, &subject.sub).await?.is_empty();
    let mut choices = match subject.user.as_deref() {
        Some(user) => usable(pool, user, has_password, has_passkey),
        None => usable_by_nobody(pool, subject.username),
    };
    // Where SRP is switched off there are no verifiers to sign in with.
    if ctx.app.settings.srp_off.applies_to(&pool.id) {
        choices.retain(|choice| *choice != ChallengeNameType::PasswordSrp);
    }
    Ok(choices)
}

/// What proves a password, in either way.
const PASSWORDS: [ChallengeNameType; 2] = [ChallengeNameType::PasswordSrp, ChallengeNameType::Password];
/// The codes that are sent.
const CODES: [(ChallengeNameType, Medium); 2] =
    [(ChallengeNameType::EmailOtp, Medium::Email), (ChallengeNameType::SmsOtp, Medium::Sms)];

/// What a user can begin with.
///
/// Decision: a user whose password an administrator wants to be reset (or who was imported) is offered passwords
/// only, like one with a temporary password; otherwise a code would lead around the reset. A user with nothing to
/// begin with, or from another identity provider, is offered passwords too, and none is right.
fn usable(pool: &Pool, user: &User, has_password: bool, has_passkey: bool) -> Vec<ChallengeNameType> {
    let mut others: Vec<ChallengeNameType> = Vec::new();
    if matches!(user.status, UserStatusType::Confirmed | UserStatusType::Unconfirmed) {
        // Whoever would be asked for a second factor after a password cannot do without both (§13), except by a
        // passkey that counts as two.
        let is_single = due(pool, user, false, &[Factor::Password]) == Due::Nothing;
        let codes = CODES.into_iter().filter(|(_, by)| pool.takes_codes_first(*by) && user.address(*by).is_some());
        others.extend(codes.filter(|_| is_single).map(|(challenge, _)| challenge));
        if has_passkey && (is_single || user.mfa.passkey && passkeys_count_as_two(pool)) {
            others.push(ChallengeNameType::WebAuthn);
        }
    }
    let takes_passwords = has_password && pool.first_factors().contains(&AuthFactorType::Password);
    let passwords = PASSWORDS.into_iter().filter(|_| takes_passwords || others.is_empty());
    passwords.chain(others.iter().copied()).collect()
}

fn allows_passkeys(pool: &Pool) -> bool {
    pool.sign_in.first_factors.contains(&AuthFactorType::WebAuthn)
}

/// Whether the pool takes a passkey that has verified its user for both factors.
fn passkeys_count_as_two(pool: &Pool) -> bool {
    let settings = pool.factors.web_authn.as_ref();
    settings.and_then(|given| given.factor_configuration)
        == Some(WebAuthnFactorConfigurationType::MultiFactorWithUserVerification)
}

/// What a name that nobody has can begin with: a password, and a code to the name itself where it is an address;
/// otherwise a code by mail, or else by text message, where the pool has them.
///
/// Decision: nobody has no passkey, as most users have none.
fn usable_by_nobody(pool: &Pool, username: &str) -> Vec<ChallengeNameType> {
    let is_number = domain::names::is_phone_number(username);
    let wanted = if is_number { [Medium::Sms, Medium::Email] } else { [Medium::Email, Medium::Sms] };
    let medium = wanted.into_iter().find(|medium| pool.takes_codes_first(*medium));
    let code = CODES.into_iter().find(|(_, by)| Some(*by) == medium).map(|(challenge, _)| challenge);
    PASSWORDS.into_iter().chain(code).collect()
}

/// A client that hides unknown users hides disabled ones too.
fn check_enabled(request: &Request, user: Option<&User>) -> Result<(), ApiError> {
    match user {
        Some(user) if !user.enabled && !request.client.hides_unknown_users() => Err(ApiError::user_disabled()),
        _ => Ok(()),
    }
}

/// A challenge without parameters.
fn wait(
    ctx: &Ctx,
    request: &Request,
    subject: &Subject<'_>,
    name: ChallengeNameType,
    waiting: Waiting,
) -> Result<Outcome, ApiError> {
    let session = session::new(ctx, request, &subject.sub, subject.sign_in.clone(), name, waiting);
    let session = Some(session::seal(ctx, request, &session)?);
    Ok(Outcome::Challenge { name, session, parameters: [].into(), available: None })
}

/// Uses a session up, if there is one.
async fn spend(ctx: &Ctx, spends: Option<Spent>) -> Result<(), ApiError> {
    match spends {
        Some(spent) => session::spend(ctx, spent).await,
        None => Ok(()),
    }
}
