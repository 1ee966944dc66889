//! Triggers: functions of a pool's owner that have a say in what the server does (triggers-security.md §1 to §13).
//!
//! A pool names a function by ARN ([`function`]); [`call`] makes the event, has the runner call the function, waits five
//! seconds at most, and reads what it answers. Whatever goes wrong fails the operation: nothing is let through because
//! a function could not be asked.
//!
//! Functions are called outside of transactions. What a function does cannot be taken back, so an operation that
//! decides anew after a conflict ([`crate::retry::on_conflict`]) keeps what the function said in a [`Once`].

pub mod code_keys;
mod counted;
pub mod custom_message;
pub(crate) mod custom_sender;
mod event;
pub mod inbound_federation;
mod once;
pub mod post_confirmation;
pub mod pre_sign_up;
mod runner;
mod trigger;

use std::{collections::BTreeMap, time::Duration};

use domain::Pool;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use wire::ErrorKind;

use self::counted::Counted;
pub use self::{
    code_keys::{CodeKeys, Encrypting, LocalKeys, NoCodeKeys, RawKey},
    event::{Event, user_attributes},
    once::Once,
    runner::{Failure, Invocation, NoFunctions, RunFunctions, Running},
    trigger::{Trigger, function},
};
use crate::{ApiError, Ctx};

/// How long a function may take.
///
/// Decision: the service calls a function that took longer up to three times. Here it is called once: what it did the
/// first time has been done.
const LONGEST: Duration = Duration::from_secs(5);

/// The client in events of what an administrator does, where no client has a part in it.
pub const NO_CLIENT: &str = "CLIENT_ID_NOT_APPLICABLE";

/// `ClientMetadata`: what a request says to functions, and to nobody else.
pub type Metadata = BTreeMap<String, String>;

/// `request` of an event: these members, and `clientMetadata` where there is any.
#[must_use]
pub fn request<'a>(members: impl IntoIterator<Item = (&'a str, Value)>, metadata: Option<&Metadata>) -> Value {
    let mut request: Map<_, _> = members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    if let Some(metadata) = metadata {
        request.insert("clientMetadata".to_owned(), json!(metadata));
    }
    Value::Object(request)
}

/// Calls the function `arn` and answers `response` of what it returns.
///
/// # Errors
/// `UserLambdaValidationException` when the function throws, `UnexpectedLambdaException` when it cannot be called or
/// takes more than five seconds, `InvalidLambdaResponseException` when it returns something else than the event.
pub async fn call<R: DeserializeOwned>(ctx: &Ctx, pool: &Pool, arn: &str, event: Event<'_>) -> Result<R, ApiError> {
    let trigger = event.trigger;
    if !ctx.app.runner.knows(arn) {
        tracing::warn!(
            pool = pool.id,
            trigger = trigger.as_str(),
            function = arn,
            "the configuration does not say how this function is run; add it to [[functions]]"
        );
    }
    let counted = Counted::begin(&ctx.app, arn);
    let running = ctx.app.runner.run(arn, event.envelope(ctx, pool), Invocation::RequestResponse, &ctx.request_id);
    let (ended, outcome) = match tokio::time::timeout(LONGEST, running).await {
        Ok(Ok(output)) => match response(&output) {
            Ok(response) => ("ok", Ok(response)),
            Err(error) => ("invalid_response", Err(error)),
        },
        Ok(Err(Failure::Threw(message))) => {
            // A full stop follows whatever the message ends with.
            let message = format!("{} failed with error {message}.", trigger.as_str());
            ("threw", Err(ApiError::new(ErrorKind::UserLambdaValidation, message)))
        }
        Ok(Err(Failure::NotCalled(reason))) => ("not_called", Err(not_called(trigger, &reason))),
        Err(_elapsed) => ("timed_out", Err(not_called(trigger, "Socket timeout while invoking Lambda function"))),
    };
    counted.end(ended);
    if let Err(error) = &outcome {
        tracing::warn!(pool = pool.id, trigger = trigger.as_str(), function = arn, %error, "a trigger failed");
    }
    outcome
}

fn not_called(trigger: Trigger, reason: &str) -> ApiError {
    let message = format!("{} invocation failed due to error {reason}.", trigger.as_str());
    ApiError::new(ErrorKind::UnexpectedLambda, message)
}

/// `response` of a function's output, which must be the whole event.
fn response<R: DeserializeOwned>(output: &str) -> Result<R, ApiError> {
    let mut event: Value = serde_json::from_str(output).unwrap_or_default();
    if event.is_null() {
        return Err(invalid_response("Invalid lambda function output : Invalid JSON"));
    }
    let is_whole = ["version", "region", "userPoolId", "userName", "triggerSource"]
        .iter()
        .all(|name| event.get(name).is_some_and(Value::is_string))
        && ["callerContext", "request", "response"].iter().all(|name| event.get(name).is_some_and(Value::is_object));
    let response = event.get_mut("response").filter(|_| is_whole).map(Value::take).unwrap_or_default();
    serde_json::from_value(response).map_err(|_| unrecognizable())
}

/// A function's output does not say what it must.
#[must_use]
pub fn unrecognizable() -> ApiError {
    invalid_response("Unrecognizable lambda output")
}

/// `InvalidLambdaResponseException`.
pub fn invalid_response(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorKind::InvalidLambdaResponse, message)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// What is read of an output.
    fn read(output: &str) -> String {
        match response::<BTreeMap<String, Option<bool>>>(output) {
            Ok(response) => format!("{response:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn only_a_whole_event_counts() {
        let event = serde_json::json!({
            "version": "1", "region": "us-east-1", "userPoolId": "p", "userName": "alice", "triggerSource": "t",
            "callerContext": {}, "request": {}, "response": {"answerCorrect": true},
        });
        assert_eq!(read(&event.to_string()), r#"{"answerCorrect": Some(true)}"#);
        let unrecognizable = "InvalidLambdaResponseException: Unrecognizable lambda output";
        for name in event.as_object().unwrap().keys() {
            let mut changed = event.clone();
            changed.as_object_mut().unwrap().remove(name);
            assert_eq!(read(&changed.to_string()), unrecognizable, "{name} is not there");
            for value in [Value::Null, 1.into(), "x".into(), Value::Array(vec![])] {
                if value.is_string() && event[name].is_string() {
                    continue;
                }
                changed[name] = value;
                assert_eq!(read(&changed.to_string()), unrecognizable, "{changed}");
            }
        }
        for output in ["[]", "1", "true", "\"text\"", "{}", r#"{"Response": {}}"#] {
            assert_eq!(read(output), unrecognizable, "{output}");
        }
        for output in ["", "null", "{", "undefined", "\0", "{\"a\": 1}}"] {
            let invalid = "InvalidLambdaResponseException: Invalid lambda function output : Invalid JSON";
            assert_eq!(read(output), invalid, "{output}");
        }
    }
}
