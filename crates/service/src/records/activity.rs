//! The log `userAuthEvents` of a pool (triggers-security.md §18): what users do, with the risk in it.

use domain::{AuthEvent, Pool, auth_event::AnsweredChallenge};
use serde_json::{Value, json};
use wire::{EventSourceName, LogLevel, RiskDecisionType, Timestamp};

use super::{Record, tell_log};
use crate::{Ctx, operations::logs};

/// The longest name that users have, in characters. Sign-ins take what is far longer, which would fill the memory with
/// what waits.
const LONGEST_NAME: usize = 128;

/// Tells of an event as it stands now: after each commit that writes it, of a sign-in's steps as of what is said about
/// it later. `username` is the stored name, or the one that was typed, of which
/// no more is told than a name can have.
///
/// Decision: what is not known, or is not there, is an empty text, as the service writes `riskLevel` of an event without
/// risk; the service's records of challenges and of feedback are not recorded.
pub fn tell(ctx: &Ctx, pool: &Pool, username: &str, event: &AuthEvent) {
    let Some(arn) = destination(pool) else { return };
    let (context, risk, feedback) = (&event.context, &event.risk, event.feedback.as_ref());
    let body = json!({
        "eventTimestamp": ctx.now.milliseconds().to_string(),
        "eventSource": "USER_ACTIVITY",
        "logLevel": LogLevel::Info.as_str(),
        "message": {
            "version": "1",
            "eventId": event.id,
            "eventType": event.event_type.as_str(),
            "userSub": event.sub,
            "userName": username.chars().take(LONGEST_NAME).collect::<String>(),
            "userPoolId": pool.id,
            "clientId": event.client_id.as_deref().unwrap_or_default(),
            "creationDate": date(event.created_at),
            "eventResponse": event.response.as_str(),
            "riskLevel": risk.level.map_or("", |level| level.as_str()),
            "riskDecision": decision(risk.decision),
            "challenges": event.challenges.iter().map(challenge).collect::<Vec<_>>(),
            "deviceName": context.device_name,
            "ipAddress": context.address.to_string(),
            "requestId": ctx.request_id,
            // Only users of the pool itself have events so far.
            "idpName": "",
            "compromisedCredentialDetected": risk.is_compromised.to_string(),
            "city": context.city.as_deref().unwrap_or_default(),
            "country": context.country.as_deref().unwrap_or_default(),
            "eventFeedbackValue": feedback.map_or("", |feedback| feedback.value.as_str()),
            "eventFeedbackDate": feedback.map(|feedback| date(feedback.given_at)).unwrap_or_default(),
            "eventFeedbackProvider": feedback.map_or("", |feedback| feedback.provider.as_str()),
            "hasContextData": context.has_encoded_data.to_string(),
        },
        "logSourceId": {"userPoolId": pool.id},
    });
    let record = Record {
        name: "userAuthEvents",
        pool_id: pool.id.clone(),
        arn: None,
        moment: ctx.now,
        level: LogLevel::Info,
        body,
    };
    tell_log(&ctx.app, arn, record);
}

/// Where the pool wants it: a log group, a stream or a bucket.
fn destination(pool: &Pool) -> Option<&str> {
    let mut logs = pool.log_delivery.iter();
    let log = logs.find(|log| log.event_source == EventSourceName::UserAuthEvents)?;
    logs::destinations(log).into_iter().flatten().flatten().next()
}

/// Decision: of the service's words for what was decided only `PASS` is recorded; the others are made in its likeness.
const fn decision(decision: RiskDecisionType) -> &'static str {
    match decision {
        RiskDecisionType::NoRisk => "PASS",
        RiskDecisionType::AccountTakeover => "ACCOUNT_TAKEOVER",
        RiskDecisionType::Block => "BLOCK",
    }
}

fn challenge(challenge: &AnsweredChallenge) -> Value {
    json!({"challengeName": challenge.name.as_str(), "challengeResponse": challenge.response.as_str()})
}

/// Such as `Wed Jul 17 17:25:55 UTC 2024`.
pub(crate) fn date(moment: Timestamp) -> String {
    let moment = jiff::Timestamp::from_second(moment.seconds()).unwrap_or_default();
    moment.strftime("%a %b %d %H:%M:%S UTC %Y").to_string()
}
