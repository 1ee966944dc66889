//! What the three functions are told, and what they answer.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use wire::{ChallengeNameType, ErrorKind};

use super::{Request, Subject};
use crate::{
    ApiError, Ctx,
    triggers::{self, Event, Trigger},
};

/// `ClientMetadata`.
pub(super) type Metadata = BTreeMap<String, String>;

/// What DefineAuthChallenge answers.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Defined {
    pub challenge_name: Option<String>,
    pub issue_tokens: Option<bool>,
    pub fail_authentication: Option<bool>,
}

/// What CreateAuthChallenge answers.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Created {
    pub public_challenge_parameters: Option<BTreeMap<String, String>>,
    pub private_challenge_parameters: Option<BTreeMap<String, String>>,
    pub challenge_metadata: Option<String>,
}

/// What VerifyAuthChallengeResponse answers.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Verified {
    answer_correct: Option<bool>,
}

/// Asks what comes next.
///
/// # Errors
/// See [`triggers::call`]; `InvalidUserPoolConfigurationException` when the pool has no such function.
pub(super) async fn define(
    ctx: &Ctx,
    request: &Request,
    subject: &Subject,
    metadata: Option<&Metadata>,
) -> Result<Defined, ApiError> {
    let asked = asked(request, subject, metadata, [("session", answered(subject))]);
    let response = json!({"challengeName": null, "issueTokens": null, "failAuthentication": null});
    call(ctx, request, subject, Trigger::DefineAuthChallenge, asked, response).await
}

/// Has a challenge made.
///
/// # Errors
/// As for [`define`].
pub(super) async fn create(
    ctx: &Ctx,
    request: &Request,
    subject: &Subject,
    metadata: Option<&Metadata>,
) -> Result<Created, ApiError> {
    let name = Value::from(ChallengeNameType::CustomChallenge.as_str());
    let asked = asked(request, subject, metadata, [("challengeName", name), ("session", answered(subject))]);
    let response =
        json!({"publicChallengeParameters": null, "privateChallengeParameters": null, "challengeMetadata": null});
    call(ctx, request, subject, Trigger::CreateAuthChallenge, asked, response).await
}

/// Whether an answer is right; only what is said to be right is.
///
/// # Errors
/// As for [`define`].
pub(super) async fn verify(
    ctx: &Ctx,
    request: &Request,
    subject: &Subject,
    private: &BTreeMap<String, String>,
    given: &str,
) -> Result<bool, ApiError> {
    let members = [("privateChallengeParameters", json!(private)), ("challengeAnswer", Value::from(given))];
    let asked = asked(request, subject, request.client_metadata.as_ref(), members);
    let response = json!({"answerCorrect": null});
    let verified: Verified = call(ctx, request, subject, Trigger::VerifyAuthChallengeResponse, asked, response).await?;
    Ok(verified.answer_correct == Some(true))
}

async fn call<R: serde::de::DeserializeOwned>(
    ctx: &Ctx,
    request: &Request,
    subject: &Subject,
    trigger: Trigger,
    asked: Value,
    response: Value,
) -> Result<R, ApiError> {
    let Some(function) = triggers::function(&request.pool, trigger) else {
        // Decision: reports of the service differ; the type is the one that the operations' pages name for it.
        let message = "Custom auth lambda trigger is not configured for the user pool.";
        return Err(ApiError::new(ErrorKind::InvalidUserPoolConfiguration, message));
    };
    let (user_name, client_id) = (subject.username.as_str(), Some(request.client.id.as_str()));
    let event = Event { trigger, source: "Authentication", user_name, client_id, request: asked, response };
    triggers::call(ctx, &request.pool, function, event).await
}

/// `request` of an event: the user, these members, and what all three events have at the end.
fn asked<const COUNT: usize>(
    request: &Request,
    subject: &Subject,
    metadata: Option<&Metadata>,
    members: [(&str, Value); COUNT],
) -> Value {
    let user = subject.user.as_deref();
    let attributes = user.map(|user| triggers::user_attributes(&request.pool, user)).unwrap_or_default();
    let mut asked = Map::new();
    asked.insert("userAttributes".to_owned(), json!(attributes));
    asked.extend(members.map(|(name, value)| (name.to_owned(), value)));
    if let Some(metadata) = metadata {
        asked.insert("clientMetadata".to_owned(), json!(metadata));
    }
    if request.client.hides_unknown_users() {
        asked.insert("userNotFound".to_owned(), Value::from(user.is_none()));
    }
    Value::Object(asked)
}

/// `session` of an event: what was answered so far.
fn answered(subject: &Subject) -> Value {
    let entries = subject.sign_in.answered.iter().map(|answered| {
        json!({
            "challengeName": answered.name,
            "challengeResult": answered.is_right,
            "challengeMetadata": answered.metadata,
        })
    });
    entries.collect()
}
