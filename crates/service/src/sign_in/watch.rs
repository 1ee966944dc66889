//! Threat protection in a sign-in (triggers-security.md §15.2, §15.4): one event for each, from its first answer to its
//! tokens.
//!
//! Order: an address that is blocked is refused before anything is looked at ([`check_address`]). Strategies say whose
//! answer was wrong ([`Watch::wrong`]). After the first right one the risk is judged, and what the pool wants done about
//! it is done: the sign-in is refused, or a second factor demanded ([`judge`]). What has come of the step is written once,
//! at its end ([`conclude`]), with the notice to the user.
//!
//! Decision: an event begins with the first answer that is looked at, or refused for its address. Whoever only asks for a
//! challenge, is locked out or sends what is no answer leaves none: nobody fills a user's history faster than by guessing.
//! What no lock of the user counts is remembered as long as the address may be wrong, and counts for it ([`failed`]). The
//! risk of what fails is not judged.
//!
//! Decision: events list passwords and second factors, which is what the model can name; a sign-in by a code, a passkey
//! or a challenge of the pool's own lists nothing for it.
//!
//! Decision: a second factor that a risk demands can follow a password alone. Codes and passkeys as first factors are
//! themselves something that the user has, and are followed by nothing here either. A remembered device does not stand
//! in for it, and proves itself afterwards.

use std::sync::{Mutex, OnceLock, PoisonError};

use domain::{
    AuthEvent, Factor, RiskRules, User,
    auth_event::{AnsweredChallenge, EventContext, EventRisk, KEPT_OF_NOBODY},
    risk,
    second_factor::{Due, due_at_risk},
    session::{SignIn, Watched},
};
use store::{Changes, Key, Stored};
use wire::{
    AccountTakeoverActionType, AccountTakeoverEventActionType, AuthFlowType, ChallengeName, ChallengeNameType,
    ChallengeResponse, ContextDataType, ErrorKind, EventFilterType, EventResponseType, EventType, RiskDecisionType,
    RiskLevelType, UserContextDataType, UserStatusType,
};

use super::{Outcome, Proven, Request, guard};
use crate::{
    ApiError, Ctx, lookup,
    metrics::RiskKind,
    quotas::{self, Guess, Guessed},
    records::{activity, analytics},
    retry,
    threat::{self, Mode, compromised, context, history, notice},
    users,
};

/// Most answers that an event lists; wrong codes can be sent for as long as the session lives.
const MOST_ANSWERS: usize = 20;

/// What the client says about its user's device and address.
pub enum Said {
    /// `UserContextData`.
    Public(Option<UserContextDataType>),
    /// `ContextData`.
    Admin(Option<ContextDataType>),
}

/// What is noted of one step.
pub(super) struct Watch {
    said: Said,
    context: OnceLock<EventContext>,
    notes: Mutex<Notes>,
}

#[derive(Default)]
struct Notes {
    /// How the sign-in was begun, where that is known.
    flow: Option<AuthFlowType>,
    /// The event of the sign-in that the step goes on with.
    event_id: Option<String>,
    /// The event that begins with this step.
    begun: Option<AuthEvent>,
    /// The user, or the stand-in, whose answer was looked at.
    sub: Option<String>,
    /// Whether that answer was right.
    is_right: bool,
    /// What the event lists of it.
    answer: Option<AnsweredChallenge>,
    /// What was done about the risk, of which the user is told.
    told: Option<AccountTakeoverEventActionType>,
}

impl Watch {
    /// Of a step of which nothing is known yet.
    pub(super) fn new(said: Said) -> Self {
        Self { said, context: OnceLock::new(), notes: Mutex::default() }
    }

    /// Notes how a sign-in is begun.
    pub(super) fn begins(&self, flow: AuthFlowType) {
        self.note(|notes| notes.flow = Some(flow));
    }

    /// Notes which sign-in a step goes on with.
    pub(super) fn resumes(&self, sign_in: &SignIn) {
        self.note(|notes| {
            notes.flow = Some(sign_in.flow);
            notes.event_id = sign_in.watched.as_ref().map(|watched| watched.event_id.clone());
        });
    }

    /// Notes that somebody has answered wrongly for the user, or the stand-in, `sub`, and that this was counted.
    /// `name` is none for challenges that events do not list.
    pub(super) fn wrong(&self, sub: &str, name: Option<ChallengeName>) {
        self.answered(sub, name, ChallengeResponse::Failure);
    }

    fn answered(&self, sub: &str, name: Option<ChallengeName>, response: ChallengeResponse) {
        self.note(|notes| {
            notes.sub = Some(sub.to_owned());
            notes.is_right = response == ChallengeResponse::Success;
            notes.answer = name.map(|name| AnsweredChallenge { name, response });
        });
    }

    fn note<T>(&self, note: impl FnOnce(&mut Notes) -> T) -> T {
        note(&mut self.notes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Whether, and how strictly, the step is watched.
fn mode(request: &Request) -> Mode {
    match request.watch.note(|notes| notes.flow) {
        Some(flow) => threat::mode_of_flow(&request.pool, flow),
        None => threat::mode(&request.pool),
    }
}

/// From where the step comes. An address that the client names counts when the client has proven itself.
fn context<'a>(ctx: &Ctx, request: &'a Request) -> Result<&'a EventContext, ApiError> {
    let watch = &request.watch;
    if let Some(context) = watch.context.get() {
        return Ok(context);
    }
    let client = &request.client;
    let context = match &watch.said {
        Said::Admin(said) => context::of_admin(ctx, client, said.as_ref())?,
        Said::Public(said) => {
            let username = request.parameter("USERNAME").unwrap_or_default();
            let is_proven = !client.secrets.is_empty() && request.check_secret_hash(ctx, username).is_ok();
            context::of_public(ctx, client, said.as_ref(), is_proven)?
        }
    };
    Ok(watch.context.get_or_init(|| context))
}

/// Refuses a step that comes from a blocked address; whose it would have been is remembered.
///
/// # Errors
/// `NotAuthorizedException`; `InvalidParameterException` when the client names an address that is none.
pub(super) async fn check_address(ctx: &Ctx, request: &Request) -> Result<(), ApiError> {
    let mode = mode(request);
    if mode == Mode::Off {
        return Ok(());
    }
    let context = context(ctx, request)?;
    let Err(refusal) = threat::check_address(&request.pool, &request.client, mode, context) else { return Ok(()) };
    ctx.app.metrics.count_risk(EventFilterType::SignIn, RiskKind::OverrideBlock, None);
    if let Some(username) = request.parameter("USERNAME")
        && request.check_secret_hash(ctx, username).is_ok()
        && quotas::guess(ctx, Guessed::Refused, context.address).inspect(Guess::was_wrong).is_some()
    {
        let user = lookup::user(ctx, &request.pool, username).await?;
        let sub = lookup::subject(ctx, &request.pool, username, user.as_deref());
        let mut event = begin(ctx, request, &sub)?;
        event.risk.decision = RiskDecisionType::Block;
        request.watch.note(|notes| notes.begun = Some(event));
    }
    Err(refusal)
}

/// Notes that somebody has failed for the user, or the stand-in, `sub`, in a way that no lock of the user counts.
pub(super) fn failed(ctx: &Ctx, request: &Request, sub: &str) {
    if mode(request) != Mode::Off && guard::guess(ctx, request).inspect(Guess::was_wrong).is_ok() {
        request.watch.wrong(sub, None);
    }
}

fn begin(ctx: &Ctx, request: &Request, sub: &str) -> Result<AuthEvent, ApiError> {
    let context = context(ctx, request)?.clone();
    Ok(history::begin(ctx, &request.pool, Some(&request.client), sub, EventType::SignIn, context))
}

/// What a right answer means for the event: the first begins it and has its risk judged; later ones are added to it.
///
/// # Errors
/// `NotAuthorizedException` for a sign-in that is too risky; `PasswordResetRequiredException` for one with a stolen
/// password; when the store fails.
pub(super) async fn judge(ctx: &Ctx, request: &Request, proven: &mut Proven) -> Result<(), ApiError> {
    let mode = threat::mode_of_flow(&request.pool, proven.sign_in.flow);
    if mode == Mode::Off {
        return Ok(());
    }
    let is_first = proven.sign_in.watched.is_none();
    let is_password = proven.sign_in.factors.contains(&Factor::Password);
    let name = if is_first { is_password.then_some(ChallengeName::Password) } else { second_factor(request) };
    request.watch.answered(&proven.user.sub, name, ChallengeResponse::Success);
    if is_first { judge_anew(ctx, request, proven, mode).await } else { Ok(()) }
}

async fn judge_anew(ctx: &Ctx, request: &Request, proven: &mut Proven, mode: Mode) -> Result<(), ApiError> {
    let (pool, client) = (&request.pool, &request.client);
    let (user, rules) = (&proven.user, RiskRules::of(pool, client));
    let mut event = begin(ctx, request, &user.sub)?;
    let level = if rules.is_skipped(event.context.address) {
        None
    } else {
        let history = history::compared_with(ctx, &user.pool_id, &user.sub).await?;
        risk::assess(ctx.now, &event.context, &history)
    };
    let is_compromised = match password(request) {
        Some(password) => compromised::is_known(ctx, pool, client, EventFilterType::SignIn, password).await?,
        None => false,
    };
    let is_enforced = mode == Mode::Enforced;
    // A temporary password is replaced anyway, and not everybody who has one could be sent a code.
    let is_temporary = user.status == UserStatusType::ForceChangePassword;
    let is_stolen = is_enforced && is_compromised && !is_temporary && rules.blocks_compromised(EventFilterType::SignIn);
    let action = match level {
        Some(level) if is_enforced => action(ctx, request, proven, &rules, level).await?,
        _ => AccountTakeoverActionType { notify: false, event_action: AccountTakeoverEventActionType::NoAction },
    };
    let is_blocked = is_stolen || action.event_action == AccountTakeoverEventActionType::Block;
    let decision = match level {
        _ if is_blocked => RiskDecisionType::Block,
        Some(_) => RiskDecisionType::AccountTakeover,
        None => RiskDecisionType::NoRisk,
    };
    event.risk = EventRisk { decision, level, is_compromised };
    count(ctx, &event.risk);
    proven.sign_in.watched = Some(Watched {
        event_id: event.id.clone(),
        demands_second_factor: matches!(
            action.event_action,
            AccountTakeoverEventActionType::MfaIfConfigured | AccountTakeoverEventActionType::MfaRequired
        ),
    });
    request.watch.note(|notes| {
        notes.begun = Some(event);
        notes.told = action.notify.then_some(action.event_action);
    });
    if is_stolen {
        require_reset(ctx, request, &proven.user).await?;
        return Err(stolen());
    }
    if is_blocked { Err(ApiError::not_authorized("Unable to login because of security reasons.")) } else { Ok(()) }
}

fn count(ctx: &Ctx, risk: &EventRisk) {
    let count = |kind, level| ctx.app.metrics.count_risk(EventFilterType::SignIn, kind, level);
    if risk.is_compromised {
        count(RiskKind::CompromisedCredentials, None);
    }
    if risk.level.is_some() {
        count(RiskKind::AccountTakeover, risk.level);
    } else if !risk.is_compromised {
        count(RiskKind::None, None);
    }
}

/// What is done about a risk of this level: whoever must, and cannot, answer with a second factor is blocked.
async fn action(
    ctx: &Ctx,
    request: &Request,
    proven: &Proven,
    rules: &RiskRules<'_>,
    level: RiskLevelType,
) -> Result<AccountTakeoverActionType, ApiError> {
    let mut action = rules.action(level);
    if action.event_action == AccountTakeoverEventActionType::MfaRequired {
        let user = &proven.user;
        let has_token = proven.seen.factors(ctx, request, &user.sub).await?.token.is_some();
        let factors = &proven.sign_in.factors;
        if due_at_risk(&request.pool, user, has_token, factors) == Due::Impossible {
            action.event_action = AccountTakeoverEventActionType::Block;
        }
    }
    Ok(action)
}

/// The password of this step, where it was sent as text.
fn password(request: &Request) -> Option<&str> {
    let is_answer =
        matches!(request.challenge, None | Some(ChallengeNameType::Password | ChallengeNameType::SelectChallenge));
    request.parameter("PASSWORD").filter(|_| is_answer)
}

/// Has a user whose password is stolen choose another one, by ForgotPassword.
async fn require_reset(ctx: &Ctx, request: &Request, user: &Stored<User>) -> Result<(), ApiError> {
    let mut changes = Changes::new();
    let after = User { status: UserStatusType::ResetRequired, modified_at: ctx.now, ..user.value.clone() };
    users::replace(&mut changes, &request.pool, user, after);
    Ok(ctx.app.commit(changes).await?)
}

/// The password is known to be stolen.
fn stolen() -> ApiError {
    ApiError::new(ErrorKind::PasswordResetRequired, "Password reset required for user due to security reasons")
}

/// Writes what has come of a step, tells the log of the pool, and has the user told.
///
/// # Errors
/// When the store fails.
pub(super) async fn conclude(
    ctx: &Ctx,
    request: &Request,
    outcome: &Result<Outcome, ApiError>,
) -> Result<(), ApiError> {
    if mode(request) == Mode::Off {
        return Ok(());
    }
    let notes = request.watch.note(std::mem::take);
    let Some(sub) = notes.sub.clone().or_else(|| Some(notes.begun.as_ref()?.sub.clone())) else { return Ok(()) };
    let response = match outcome {
        Ok(Outcome::Tokens(_) | Outcome::Completed(_)) => EventResponseType::Pass,
        Ok(Outcome::Challenge { .. }) => EventResponseType::InProgress,
        Err(refusal) if analytics::is_failed_sign_in(refusal.kind) => EventResponseType::Fail,
        // The same answer may be good later.
        Err(_) => EventResponseType::InProgress,
    };
    let pool = &request.pool;
    let fresh = match (&notes.begun, &notes.event_id) {
        (None, None) => Some(begin(ctx, request, &sub)?),
        (begun, _) => begun.clone(),
    };
    // Another step of the same sign-in may be quicker: then what this one has seen comes after it.
    let (user, event) = retry::on_conflict(ctx, || async {
        let before = match &notes.event_id {
            Some(id) if fresh.is_none() => history::find(ctx, &pool.id, &sub, id).await?,
            _ => None,
        };
        let Some(event) = fresh.as_ref().or(before.as_deref()) else { return Ok((None, None)) };
        let mut event = AuthEvent { response, ..event.clone() };
        event.challenges.extend(notes.answer);
        event.challenges.truncate(MOST_ANSWERS);
        let user = lookup::user_of(ctx, pool, &sub).await?;
        let mut changes = Changes::new();
        match &user {
            // Whoever is deleted at this moment leaves no event of a sign-in behind. What is wrong is written alike for
            // users and stand-ins, which have nothing to hold on to.
            Some(user) if notes.is_right => {
                changes.assert(Key::User { pool_id: pool.id.clone(), sub: sub.clone() }, user.version);
            }
            Some(_) => {}
            None if notes.is_right => return Ok((None, None)),
            None => event.expires_at = ctx.now.plus(KEPT_OF_NOBODY),
        }
        if let (Some(user), Some(action)) = (&user, notes.told) {
            notice::write(ctx, &mut changes, (pool, &request.client), user, &event, action)?;
        }
        history::put(ctx, &mut changes, before.as_ref(), event.clone()).await?;
        ctx.app.commit(changes).await?;
        Ok((user, Some(event)))
    })
    .await?;
    if notes.told.is_some() {
        ctx.app.outbox.notify();
    }
    let username = user.as_ref().map_or_else(|| request.parameter("USERNAME"), |user| Some(&user.username));
    if let Some(event) = event {
        activity::tell(ctx, pool, username.unwrap_or_default(), &event);
    }
    Ok(())
}

/// The second factor that this step answers with, if it is one.
fn second_factor(request: &Request) -> Option<ChallengeName> {
    let is_one = matches!(
        request.challenge,
        Some(ChallengeNameType::SmsMfa | ChallengeNameType::EmailOtp | ChallengeNameType::SoftwareTokenMfa)
    );
    is_one.then_some(ChallengeName::Mfa)
}
