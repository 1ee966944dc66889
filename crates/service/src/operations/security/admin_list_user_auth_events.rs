//! AdminListUserAuthEvents (triggers-security.md §15.4): what is remembered of a user's activity.

use domain::{
    AuthEvent,
    auth_event::{EventContext, EventFeedback, EventRisk},
};
use wire::{
    AdminListUserAuthEventsRequest, AdminListUserAuthEventsResponse, AuthEventType, ChallengeResponseType,
    EventContextDataType, EventFeedbackType, EventRiskType,
};

use crate::{
    ApiError, Ctx, lookup, paging,
    threat::{self, history},
};

/// What stands for a place that is not known.
///
/// Decision: the service writes so of cities; here it is the same for countries.
const UNKNOWN: &str = "null";

/// One page of a user's events, the newest first. Those of the same millisecond come in any order.
///
/// # Errors
/// `ResourceNotFoundException`, `UserPoolAddOnNotEnabledException`, `UserNotFoundException`, and
/// `InvalidParameterException` for a bad page token.
pub async fn run(
    ctx: &Ctx,
    input: AdminListUserAuthEventsRequest,
) -> Result<AdminListUserAuthEventsResponse, ApiError> {
    let pool = lookup::pool(ctx, &input.user_pool_id).await?;
    threat::check_enabled(&pool)?;
    let user = lookup::user_for_administrator(ctx, &pool, &input.username).await?;
    let scope = format!("AdminListUserAuthEvents\n{}\n{}", user.pool_id, user.sub);
    let size = paging::size(input.max_results);
    let before = paging::read(ctx, &scope, input.next_token.as_deref())?;
    let (pool_id, sub, before) = (&user.pool_id, &user.sub, before.as_deref());
    let mut events = ctx.app.store.latest_user_parts::<AuthEvent>(pool_id, sub, before, size + 1).await?;
    let next_token = paging::cut(ctx, &scope, &mut events, size, |event| &event.value.id);
    let events = events.into_iter().filter(|event| history::is_remembered(ctx, event));
    Ok(AdminListUserAuthEventsResponse {
        auth_events: Some(events.map(|event| answer(event.value)).collect()),
        next_token,
    })
}

fn answer(event: AuthEvent) -> AuthEventType {
    let challenges = event.challenges.iter().map(|challenge| ChallengeResponseType {
        challenge_name: Some(challenge.name),
        challenge_response: Some(challenge.response),
    });
    AuthEventType {
        event_id: Some(event.id),
        event_type: Some(event.event_type),
        creation_date: Some(event.created_at),
        event_response: Some(event.response),
        event_risk: Some(risk(event.risk)),
        challenge_responses: Some(challenges.collect()),
        event_context_data: Some(context(event.context)),
        event_feedback: event.feedback.map(feedback),
    }
}

fn risk(risk: EventRisk) -> EventRiskType {
    EventRiskType {
        risk_decision: Some(risk.decision),
        risk_level: risk.level,
        compromised_credentials_detected: Some(risk.is_compromised),
    }
}

fn context(context: EventContext) -> EventContextDataType {
    let place = |name: Option<String>| Some(name.unwrap_or_else(|| UNKNOWN.to_owned()));
    EventContextDataType {
        ip_address: Some(context.address.to_string()),
        device_name: Some(context.device_name),
        timezone: context.timezone,
        city: place(context.city),
        country: place(context.country),
    }
}

fn feedback(feedback: EventFeedback) -> EventFeedbackType {
    EventFeedbackType {
        feedback_value: feedback.value,
        provider: feedback.provider,
        feedback_date: Some(feedback.given_at),
    }
}
