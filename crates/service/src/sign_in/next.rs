//! What comes after something was proven (auth-flows.md §5). Nothing else decides it.
//!
//! Order: the risk is judged, where threat protection looks; a temporary password is replaced; a remembered device proves itself, in place of a second factor; a second
//! factor, or its set-up; tokens. In CUSTOM_AUTH a second factor belongs to the password and is asked for right after
//! it; then the pool's functions say what comes, and the device is asked last. PostAuthentication is told before there
//! are tokens.

use domain::{
    Factor, User,
    oauth::Authentication,
    session::{Entrance, SignIn, Waiting},
};
use wire::{AuthFlowType, ChallengeNameType, UserStatusType};

use super::{
    Outcome, Proven, Request, Seen, custom, device, new_password, post_authentication, second_factor, session, step_up,
    watch,
};
use crate::{
    ApiError, Ctx,
    operations::identity_providers::COGNITO,
    records::analytics::{self, Event},
    tokens::{self, Grant, Occasion},
};

/// Refuses what [`step`] would refuse though everything is proven, because the code that comes next may not be sent at
/// the moment. Whoever is about to use up what a client has sent asks this before: clients repeat by themselves what
/// came too often, and what they repeat must still be good then.
///
/// Codes that others ask for between this and [`step`] can still use up the last one of the hour. What it reads is in
/// `seen` then, for [`step`].
///
/// # Errors
/// Those of [`second_factor::check_ask`].
pub(super) async fn check(
    ctx: &Ctx,
    request: &Request,
    user: &User,
    sign_in: &SignIn,
    seen: &Seen,
) -> Result<(), ApiError> {
    if user.status == UserStatusType::ForceChangePassword || sign_in.factors.contains(&Factor::Custom) {
        return Ok(());
    }
    let is_device_last = sign_in.flow == AuthFlowType::CustomAuth || sign_in.is_risky();
    if !is_device_last && device::is_asked(ctx, request, &user.sub, sign_in, seen).await? {
        return Ok(());
    }
    second_factor::check_step(ctx, request, user, sign_in, seen).await
}

/// The next challenge, or tokens.
///
/// # Errors
/// When the pool's keys cannot be read; those of the pool's functions (triggers-security.md §3.1).
pub(super) async fn step(ctx: &Ctx, request: &Request, mut proven: Proven) -> Result<Outcome, ApiError> {
    let (pool, client) = (&request.pool, &request.client);
    watch::judge(ctx, request, &mut proven).await?;
    if proven.user.status == UserStatusType::ForceChangePassword {
        let name = ChallengeNameType::NewPasswordRequired;
        // As observed of the service: once after the temporary password, and once more after the new one.
        post_authentication::tell(ctx, request, &proven.user, false).await?;
        return Ok(Outcome::Challenge {
            name,
            session: Some(session::start(ctx, request, &proven, name, Waiting::Nothing)?),
            parameters: new_password::parameters(pool, client, &proven.user)?,
            available: None,
        });
    }
    let is_custom = proven.sign_in.flow == AuthFlowType::CustomAuth;
    // A device does not stand in for a second factor that a risk demands.
    let is_device_last = is_custom || proven.sign_in.is_risky();
    if !is_device_last && let Some(challenge) = device::step(ctx, request, &proven).await? {
        return Ok(challenge);
    }
    // What the functions alone have asked is for them to call enough.
    let is_decided = proven.sign_in.factors.contains(&Factor::Custom);
    if !is_decided && let Some(challenge) = second_factor::step(ctx, request, &proven).await? {
        return Ok(challenge);
    }
    if let Some(outcome) = custom::step(ctx, request, &mut proven).await? {
        return Ok(outcome);
    }
    if is_device_last && let Some(challenge) = device::step(ctx, request, &proven).await? {
        return Ok(challenge);
    }
    step_up::check(ctx, request, &proven).await?;
    let holder = device::holder(ctx, request, &proven).await?;
    post_authentication::tell(ctx, request, &proven.user, holder.metadata.is_some()).await?;
    if request.entrance == Entrance::Hosted {
        let authentication = Authentication {
            sub: proven.user.sub.clone(),
            auth_time: proven.user.auth_time(ctx.now),
            factors: proven.sign_in.factors,
            level: None,
            provider: COGNITO.to_owned(),
            device_key: holder.key,
            event_id: proven.sign_in.watched.map(|watched| watched.event_id),
            session_id: String::new(),
        };
        return Ok(Outcome::Completed(Box::new(authentication)));
    }
    let mut grant = Grant::new(ctx, &proven.user, &proven.sign_in);
    grant.device_key = holder.key;
    grant.event_id = proven.sign_in.watched.as_ref().map(|watched| watched.event_id.clone());
    let occasion = Occasion::sign_in(request.challenge, request.client_metadata.as_ref());
    let mut result = tokens::issue(ctx, pool, client, &proven.user, &grant, &occasion).await?;
    result.new_device_metadata = holder.metadata;
    analytics::tell(ctx, pool, client, request.endpoint.as_deref(), Event::SignIn, Some(&proven.user));
    Ok(Outcome::Tokens(result))
}
