//! CUSTOM_AUTH and its challenge CUSTOM_CHALLENGE (auth-flows.md §15, triggers-security.md §8): functions of the pool's
//! owner say what is asked and whether the answer is right.
//!
//! DefineAuthChallenge is asked after every step what comes next: a challenge that CreateAuthChallenge makes and
//! VerifyAuthChallengeResponse checks, the password by SRP where the client began with SRP_A, tokens, or the end. What
//! follows a password anyway (a new password, a second factor) is asked for before DefineAuthChallenge is.
//!
//! A session is good for one answer, right or wrong, since functions are called for it; it is marked as used before
//! they are. For a client that hides unknown users the functions are called for stand-ins too.

mod functions;

use base64::{Engine, engine::general_purpose::STANDARD};
use crypto::srp::ClientPublic;
use domain::{
    Factor, User,
    session::{Answered, SignIn, SignInSession, Waiting},
};
use store::Stored;
use wire::{AuthFlowType, ChallengeNameType, UserStatusType};

use self::functions::Metadata;
use super::{Outcome, Proven, Request, device, first_factor, guard, next, session, srp, watch};
use crate::{
    ApiError, Ctx, lookup,
    tokens::access::{not_confirmed, password_reset_required},
    triggers,
};

/// Answers after which a sign-in ends, whatever DefineAuthChallenge says.
///
/// Decision: the service's own limit is not known. Functions that never give up would let somebody guess for ever, and
/// more answers than these fill a session.
const MOST_ANSWERS: usize = 20;
/// Longest session that a client can send back, in characters.
const LONGEST_SESSION: usize = 4_096;
/// What the public value that a sign-in was begun with is called among the answers.
const SRP_A: &str = "SRP_A";

/// Whom a sign-in is for: a user, or the stand-in for one that does not exist.
struct Subject {
    sub: String,
    /// The name that functions are told.
    username: String,
    /// None for a stand-in.
    user: Option<Stored<User>>,
    password_version: Option<i64>,
    sign_in: SignIn,
}

/// Answers USERNAME with what DefineAuthChallenge wants.
///
/// # Errors
/// See auth-flows.md §8 and §9, and [`triggers::call`].
pub(super) async fn begin(ctx: &Ctx, request: &Request) -> Result<Outcome, ApiError> {
    let username = request.required("USERNAME")?;
    let srp_a = srp_a(ctx, request)?;
    request.check_secret_hash(ctx, username)?;
    let client_public = srp_a.map(srp::client_public).transpose()?;
    let pool = &request.pool;
    let user = lookup::user(ctx, pool, username).await?;
    let sub = lookup::subject(ctx, pool, username, user.as_deref());
    let user = user.filter(is_ours);
    check_before(request, user.as_deref(), ApiError::no_such_user)?;
    let device_key = device::named(ctx, request, &sub).await?;
    let mut sign_in = SignIn { device_key, ..SignIn::new(AuthFlowType::CustomAuth) };
    if let Some(client_public) = client_public {
        sign_in.answered.push(Answered { name: SRP_A.to_owned(), is_right: true, metadata: None });
        sign_in.client_public = Some(STANDARD.encode(client_public.as_bytes()));
    }
    let username = user_name(request, username, &sub, user.as_deref());
    let subject = Subject { sub, username, user, password_version: None, sign_in };
    // What this operation has as ClientMetadata is for other functions.
    match ask(ctx, request, &subject, None).await? {
        Some(outcome) => Ok(outcome),
        None => finish(ctx, request, subject).await,
    }
}

/// SRP_A, if the client begins with it.
fn srp_a<'a>(ctx: &Ctx, request: &'a Request) -> Result<Option<&'a str>, ApiError> {
    match request.parameter("CHALLENGE_NAME").or_else(|| request.parameter("ChallengeName")) {
        None | Some("CUSTOM_CHALLENGE") => Ok(None),
        Some(SRP_A) if ctx.app.settings.srp_off.applies_to(&request.pool.id) => {
            Err(ApiError::invalid_parameter("USER_SRP_AUTH is not enabled for the client."))
        }
        Some(SRP_A) => request.required(SRP_A).map(Some),
        // Decision: the service's words are not known.
        Some(_) => Err(ApiError::invalid_parameter("CHALLENGE_NAME must be SRP_A or CUSTOM_CHALLENGE.")),
    }
}

/// Has VerifyAuthChallengeResponse check ANSWER, and DefineAuthChallenge say what comes next.
///
/// # Errors
/// See auth-flows.md §7 and §8, and [`triggers::call`].
pub(super) async fn answer(ctx: &Ctx, request: &Request) -> Result<Outcome, ApiError> {
    let username = request.required("USERNAME")?;
    let given = request.required("ANSWER")?;
    let waiting = guard::resume(ctx, request, ChallengeNameType::CustomChallenge).await?;
    let subject = resume(ctx, request, username, &waiting).await?;
    // Of answers that come at the same time, functions see one.
    session::spend(ctx, session::mark(&waiting)).await?;
    let outcome = go_on(ctx, request, subject, &waiting, given).await;
    if outcome.is_err() {
        session::kill(ctx, &session::mark(&waiting)).await?;
    }
    outcome
}

/// The subject of a session, as stored now.
async fn resume(ctx: &Ctx, request: &Request, username: &str, waiting: &SignInSession) -> Result<Subject, ApiError> {
    let mut snapshot = ctx.app.store.sign_in_snapshot(&request.pool.id, &waiting.sub).await?;
    snapshot.user = snapshot.user.filter(is_ours);
    check_before(request, snapshot.user.as_deref(), session::invalid)?;
    if waiting.password_version.is_some()
        && snapshot.password.map(|password| password.version) != waiting.password_version
    {
        return Err(session::invalid());
    }
    Ok(Subject {
        sub: waiting.sub.clone(),
        username: user_name(request, username, &waiting.sub, snapshot.user.as_deref()),
        user: snapshot.user,
        password_version: waiting.password_version,
        sign_in: waiting.sign_in.clone(),
    })
}

async fn go_on(
    ctx: &Ctx,
    request: &Request,
    mut subject: Subject,
    waiting: &SignInSession,
    given: &str,
) -> Result<Outcome, ApiError> {
    let Waiting::Custom { private, metadata } = &waiting.waiting else { return Err(session::invalid()) };
    let is_right = functions::verify(ctx, request, &subject, private, given).await?;
    let name = ChallengeNameType::CustomChallenge.as_str().to_owned();
    subject.sign_in.answered.push(Answered { name, is_right, metadata: metadata.clone() });
    match ask(ctx, request, &subject, request.client_metadata.as_ref()).await? {
        Some(outcome) => Ok(outcome),
        None => finish(ctx, request, subject).await,
    }
}

/// The step of [`next`] in CUSTOM_AUTH, after a challenge that the server itself has checked: what DefineAuthChallenge
/// wants; nothing where the sign-in is another or the functions are through with it.
///
/// # Errors
/// See [`triggers::call`]; `NotAuthorizedException` when the sign-in has failed.
pub(super) async fn step(ctx: &Ctx, request: &Request, proven: &mut Proven) -> Result<Option<Outcome>, ApiError> {
    if !is_undecided(&proven.sign_in) {
        return Ok(None);
    }
    let subject = Subject {
        sub: proven.user.sub.clone(),
        username: proven.user.username.clone(),
        user: Some(proven.user.clone()),
        password_version: proven.password_version,
        sign_in: proven.sign_in.clone(),
    };
    let outcome = ask(ctx, request, &subject, request.client_metadata.as_ref()).await?;
    if outcome.is_none() {
        *proven = accept(ctx, request, subject).await?;
    }
    Ok(outcome)
}

/// Whether it is for DefineAuthChallenge to say what comes next.
pub(super) fn is_undecided(sign_in: &SignIn) -> bool {
    sign_in.flow == AuthFlowType::CustomAuth && !sign_in.factors.contains(&Factor::Custom)
}

/// In CUSTOM_AUTH, notes for the functions that a challenge of the server's own was answered.
pub(super) fn noted(mut proven: Proven, challenge: ChallengeNameType) -> Proven {
    if is_undecided(&proven.sign_in) {
        let name = challenge.as_str().to_owned();
        proven.sign_in.answered.push(Answered { name, is_right: true, metadata: None });
    }
    if challenge == ChallengeNameType::PasswordVerifier {
        proven.sign_in.client_public = None;
    }
    proven
}

/// What DefineAuthChallenge wants: a challenge; nothing when the sign-in is complete.
async fn ask(
    ctx: &Ctx,
    request: &Request,
    subject: &Subject,
    metadata: Option<&Metadata>,
) -> Result<Option<Outcome>, ApiError> {
    let failed = || {
        watch::failed(ctx, request, &subject.sub);
        Err(ApiError::wrong_credentials())
    };
    if subject.sign_in.answered.len() > MOST_ANSWERS {
        return failed();
    }
    let wanted = functions::define(ctx, request, subject, metadata).await?;
    if wanted.fail_authentication == Some(true) {
        return failed();
    }
    if wanted.issue_tokens == Some(true) {
        return Ok(None);
    }
    match wanted.challenge_name.as_deref() {
        Some("CUSTOM_CHALLENGE") => custom_challenge(ctx, request, subject, metadata).await.map(Some),
        Some("PASSWORD_VERIFIER") => password_verifier(ctx, request, subject).await.map(Some),
        // Decision: what the service says in these two cases is not recorded, nor that it takes other names.
        None => Err(triggers::unrecognizable()),
        Some(other) => Err(triggers::invalid_response(format!(
            "DefineAuthChallenge answered challengeName {other}, but it must be CUSTOM_CHALLENGE or PASSWORD_VERIFIER."
        ))),
    }
}

async fn custom_challenge(
    ctx: &Ctx,
    request: &Request,
    subject: &Subject,
    metadata: Option<&Metadata>,
) -> Result<Outcome, ApiError> {
    let name = ChallengeNameType::CustomChallenge;
    let created = functions::create(ctx, request, subject, metadata).await?;
    let private = created.private_challenge_parameters.unwrap_or_default();
    let waiting = Waiting::Custom { private, metadata: created.challenge_metadata };
    let session = session::seal(ctx, request, &waiting_session(ctx, request, subject, name, waiting))?;
    if session.len() > LONGEST_SESSION {
        // Decision: where the service keeps these is not known, nor what it says.
        return Err(triggers::invalid_response(format!(
            "CreateAuthChallenge answered more privateChallengeParameters and challengeMetadata than a session can \
             carry: Session would have {} characters, and {LONGEST_SESSION} is the most.",
            session.len()
        )));
    }
    let mut parameters = created.public_challenge_parameters.unwrap_or_default();
    parameters.insert("USERNAME".to_owned(), subject.username.clone());
    Ok(Outcome::Challenge { name, session: Some(session), parameters, available: None })
}

async fn password_verifier(ctx: &Ctx, request: &Request, subject: &Subject) -> Result<Outcome, ApiError> {
    let name = ChallengeNameType::PasswordVerifier;
    let begun_with = subject.sign_in.client_public.as_ref().and_then(|value| STANDARD.decode(value).ok());
    let Some(client_public) = begun_with.and_then(|bytes| ClientPublic::from_bytes(&bytes).ok()) else {
        // Decision: as for names that are not known.
        return Err(triggers::invalid_response(
            "DefineAuthChallenge answered challengeName PASSWORD_VERIFIER, but the client has sent no SRP_A, or has \
             proven the password already.",
        ));
    };
    let waiting = waiting_session(ctx, request, subject, name, Waiting::Nothing);
    let id = Some(waiting.id.clone());
    let password = lookup::password(ctx, &request.pool, &subject.sub).await?;
    let known = (subject.user.as_deref(), password.as_deref());
    let parameters = srp::parameters(ctx, request, known, &subject.sub, &client_public, id)?;
    let session = session::seal(ctx, request, &waiting)?;
    Ok(Outcome::Challenge { name, session: Some(session), parameters, available: None })
}

/// A session that waits for the answer to `challenge`.
fn waiting_session(
    ctx: &Ctx,
    request: &Request,
    subject: &Subject,
    challenge: ChallengeNameType,
    waiting: Waiting,
) -> SignInSession {
    let session = session::new(ctx, request, &subject.sub, subject.sign_in.clone(), challenge, waiting);
    SignInSession { password_version: subject.password_version, ..session }
}

/// Goes on after DefineAuthChallenge has said that tokens are due.
async fn finish(ctx: &Ctx, request: &Request, subject: Subject) -> Result<Outcome, ApiError> {
    let proven = accept(ctx, request, subject).await?;
    next::step(ctx, request, proven).await
}

/// The user for whom tokens are due, as stored now: the functions took their time.
async fn accept(ctx: &Ctx, request: &Request, subject: Subject) -> Result<Proven, ApiError> {
    let snapshot = ctx.app.store.sign_in_snapshot(&request.pool.id, &subject.sub).await?;
    let Some(user) = snapshot.user.filter(is_ours) else {
        // Whatever the functions say, nobody is signed in who does not exist.
        let hides = request.client.hides_unknown_users();
        return Err(if hides { ApiError::wrong_credentials() } else { session::invalid() });
    };
    if !user.enabled {
        return Err(ApiError::user_disabled());
    }
    match user.status {
        UserStatusType::Unconfirmed => return Err(not_confirmed()),
        UserStatusType::ResetRequired => return Err(password_reset_required()),
        _ => {}
    }
    let stored_version = snapshot.password.map(|password| password.version);
    if subject.password_version.is_some() && subject.password_version != stored_version {
        return Err(session::invalid());
    }
    // A temporary password that nobody had to prove is replaced all the same; it must be this one still.
    let is_temporary = user.status == UserStatusType::ForceChangePassword;
    let password_version = if is_temporary { stored_version } else { subject.password_version };
    Ok(Proven { user, password_version, sign_in: subject.sign_in.with(Factor::Custom), seen: Box::default() })
}

/// What is said before any function is called. Clients that hide unknown users are told of a disabled user, and of one
/// whose password must be reset, only when the functions are content.
fn check_before(request: &Request, user: Option<&User>, unknown: fn() -> ApiError) -> Result<(), ApiError> {
    let hides = request.client.hides_unknown_users();
    match user {
        None if hides => Ok(()),
        None => Err(unknown()),
        Some(user) if user.status == UserStatusType::ResetRequired && !hides => {
            first_factor::check_before(user, hides)?;
            Err(password_reset_required())
        }
        Some(user) => first_factor::check_before(user, hides),
    }
}

/// Users of other providers have no other way in than through those; here they are as good as unknown.
fn is_ours(user: &Stored<User>) -> bool {
    user.status != UserStatusType::ExternalProvider
}

/// `userName` of events. A stand-in is called what a user would be of whom that name was given.
fn user_name(request: &Request, given: &str, sub: &str, user: Option<&User>) -> String {
    match user {
        Some(user) => user.username.clone(),
        None if request.pool.username_attributes.is_empty() => request.pool.fold(given),
        None => sub.to_owned(),
    }
}
