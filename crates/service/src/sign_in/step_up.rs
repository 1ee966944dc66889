//! Step-up: USER_AUTH that aims at a level of assurance (auth-flows.md §16). What an access token shows to have been
//! proven already is not asked for again.
//!
//! A sign-in that aims at a level leads to tokens when the level is reached, and to nothing otherwise. What is missing
//! decides [`domain::assurance`]; what the pool or the user demands besides is asked for as ever
//! ([`domain::second_factor`]).

use domain::{
    Factor, Level, MfaMethod, User,
    assurance::{self, Means},
    second_factor::{self, Due},
    session::{Credit, StepUp},
};
use wire::ChallengeNameType;

use super::{Proven, Request, second_factor::token, session, user_auth::Subject};
use crate::{
    ApiError, Ctx,
    tiers::{self, Feature},
    tokens::access,
};

/// What a request asks for.
pub(super) struct Wish<'a> {
    /// Levels, the one that is wanted most first.
    targets: Vec<Level>,
    access_token: Option<&'a str>,
    /// In seconds.
    max_age: Option<i64>,
}

/// What the request asks for; none, where it is no level. MAX_AGE alone asks for nothing: whoever signs in is new.
///
/// # Errors
/// `FeatureUnavailableInTierException`, and `InvalidParameterException` for what is incomplete or no value.
pub(super) fn wish<'a>(ctx: &Ctx, request: &'a Request) -> Result<Option<Wish<'a>>, ApiError> {
    let given = ["TARGET_ACR_VALUES", "ACCESS_TOKEN", "MAX_AGE"].map(|name| request.parameter(name));
    let [targets, access_token, max_age] = given;
    if given == [None; 3] {
        return Ok(None);
    }
    tiers::check(ctx, request.pool.tier, &[Feature::StepUp])?;
    // Decision: the service's words for the refusals here are not recorded.
    let seconds = |text: &str| text.parse().ok().filter(|seconds| *seconds >= 0);
    let max_age = match max_age.map(seconds) {
        Some(None) => return Err(ApiError::invalid_parameter("MAX_AGE must be a number of seconds.")),
        max_age => max_age.flatten(),
    };
    let Some(targets) = targets else {
        return match access_token {
            Some(_) => Err(ApiError::invalid_parameter("TARGET_ACR_VALUES is required with ACCESS_TOKEN.")),
            None => Ok(None),
        };
    };
    let targets: Vec<_> = targets.split_whitespace().filter_map(|name| request.pool.level_called(name)).collect();
    if targets.is_empty() {
        return Err(ApiError::invalid_parameter("TARGET_ACR_VALUES names no level of this user pool."));
    }
    Ok(Some(Wish { targets, access_token, max_age }))
}

/// Begins a sign-in that aims at the first level on the list that the user can reach; answers what it can begin with.
///
/// # Errors
/// What is wrong with the access token; `InvalidParameterException` when it shows the level already, belongs to another
/// user, or no level can be reached.
pub(super) async fn begin(
    ctx: &Ctx,
    request: &Request,
    subject: &mut Subject<'_>,
    wish: Wish<'_>,
    choices: &[ChallengeNameType],
) -> Result<Vec<ChallengeNameType>, ApiError> {
    let credit = credit(ctx, request, subject, &wish).await?;
    let (credit, proven) = credit.map_or((None, Vec::new()), |(credit, proven)| (Some(credit), proven));
    let means = means(ctx, request, subject.user.as_deref(), choices).await?;
    for target in wish.targets {
        if assurance::level(&proven) >= Some(target) {
            return Err(ApiError::invalid_parameter("The ACCESS_TOKEN has the requested level already."));
        }
        if !assurance::next(&proven, &means, target).is_empty() {
            subject.sign_in.factors = proven;
            subject.sign_in.step_up = Some(StepUp { target, credit });
            return Ok(offers(subject, &means, choices, target));
        }
    }
    Err(ApiError::invalid_parameter("The user cannot reach any of the requested levels."))
}

/// What a sign-in that was begun can go on with: of `choices`, where it aims at a level, what leads there.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn on_the_way(
    ctx: &Ctx,
    request: &Request,
    subject: &Subject<'_>,
    choices: Vec<ChallengeNameType>,
) -> Result<Vec<ChallengeNameType>, ApiError> {
    let Some(StepUp { target, .. }) = subject.sign_in.step_up else { return Ok(choices) };
    let means = means(ctx, request, subject.user.as_deref(), &choices).await?;
    Ok(offers(subject, &means, &choices, target))
}

/// The method that a choice stands for where it follows a password.
pub(super) fn method(subject: &Subject<'_>, choice: ChallengeNameType) -> Option<MfaMethod> {
    let follows = subject.sign_in.factors.contains(&Factor::Password);
    MfaMethod::ALL.into_iter().find(|method| follows && method.challenge() == choice)
}

/// Refuses tokens for a sign-in that has not reached its level, or that builds on one which was ended meanwhile.
///
/// # Errors
/// `NotAuthorizedException`.
pub(super) async fn check(ctx: &Ctx, request: &Request, proven: &Proven) -> Result<(), ApiError> {
    let Some(StepUp { target, credit }) = &proven.sign_in.step_up else { return Ok(()) };
    if assurance::level(&proven.sign_in.factors) < Some(*target) {
        return Err(session::invalid());
    }
    let Some(Credit { origin_jti, auth_time }) = credit else { return Ok(()) };
    let is_over = proven.user.refuses_tokens_of(*auth_time)
        || access::is_revoked(ctx, &request.pool, origin_jti.as_deref()).await?;
    if is_over { Err(session::invalid()) } else { Ok(()) }
}

/// The sign-in that the access token belongs to, and what that one has proven; none without a token, when it is older
/// than the request allows, and when its tokens do not say how the user signed in.
///
/// Decision: the token must be this client's. Otherwise one that was got out of a client with little protection would
/// be half a sign-in at any other.
async fn credit(
    ctx: &Ctx,
    request: &Request,
    subject: &Subject<'_>,
    wish: &Wish<'_>,
) -> Result<Option<(Credit, Vec<Factor>)>, ApiError> {
    let Some(token) = wish.access_token else { return Ok(None) };
    let access::Authenticated { client, user, claims, .. } = access::authenticate(ctx, token).await?;
    if client.id != request.client.id {
        return Err(access::invalid());
    }
    if subject.user.as_ref().map(|user| &user.sub) != Some(&user.sub) {
        return Err(ApiError::invalid_parameter("USERNAME is not the user of the ACCESS_TOKEN."));
    }
    let age = ctx.now.seconds().saturating_sub(claims.auth_time);
    let proven = assurance::proven_by(&claims.amr);
    if proven.is_empty() || wish.max_age.is_some_and(|max_age| age > max_age) {
        return Ok(None);
    }
    Ok(Some((Credit { origin_jti: claims.origin_jti.clone(), auth_time: claims.auth_time }, proven)))
}

/// What the user, or the stand-in, can prove.
async fn means(
    ctx: &Ctx,
    request: &Request,
    user: Option<&User>,
    choices: &[ChallengeNameType],
) -> Result<Means, ApiError> {
    let mut first: Vec<_> = choices.iter().filter_map(|choice| begins_with(*choice)).collect();
    let Some(user) = user else { return Ok(Means { first, second: Vec::new() }) };
    let has_token = token(ctx, request, &user.sub).await?.is_some();
    // A password that would have to be followed by the set-up of something leads nowhere.
    let due = second_factor::due(&request.pool, user, has_token, &[Factor::Password]);
    if matches!(due, Due::SetUp(_) | Due::Impossible) {
        first.retain(|factor| *factor != Factor::Password);
    }
    Ok(Means { first, second: second_factor::at_hand(&request.pool, user, has_token) })
}

/// What is proven by a challenge that a sign-in begins with; a passkey may be of either kind.
const fn begins_with(choice: ChallengeNameType) -> Option<Factor> {
    match choice {
        ChallengeNameType::PasswordSrp | ChallengeNameType::Password => Some(Factor::Password),
        ChallengeNameType::EmailOtp => Some(Factor::Email),
        ChallengeNameType::SmsOtp => Some(Factor::Sms),
        ChallengeNameType::WebAuthn => Some(Factor::PlatformPasskey),
        _ => None,
    }
}

/// The challenges that ask for what is missing. What follows a password is asked for as second factors are.
fn offers(
    subject: &Subject<'_>,
    means: &Means,
    choices: &[ChallengeNameType],
    target: Level,
) -> Vec<ChallengeNameType> {
    let proven = &subject.sign_in.factors;
    let next = assurance::next(proven, means, target);
    let is_wanted = |factor: Factor| next.contains(&factor);
    let follows = proven.contains(&Factor::Password);
    let begins = |choice: &ChallengeNameType| {
        begins_with(*choice).is_some_and(is_wanted) && (!follows || *choice == ChallengeNameType::WebAuthn)
    };
    let mut offers: Vec<_> = choices.iter().copied().filter(begins).collect();
    let second = MfaMethod::ALL.into_iter().filter(|method| follows && is_wanted(method.factor()));
    offers.splice(0..0, second.map(MfaMethod::challenge));
    offers
}
