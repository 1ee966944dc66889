//! Functions of pools that note what they are told, and functions that fail.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};
use service::triggers::Failure;

use crate::Server;

/// The key that pools with a custom sender name.
pub const KEY: &str = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000";
/// What callers are told of a function's answer that is no event.
pub const UNRECOGNIZABLE: &str = "InvalidLambdaResponseException: Unrecognizable lambda output";

/// ARN of the function for this key of LambdaConfig.
#[must_use]
pub fn arn(trigger: &str) -> String {
    format!("arn:aws:lambda:us-east-1:123456789012:function:{trigger}")
}

/// LambdaConfig with functions for these keys.
#[must_use]
pub fn lambda_config(triggers: &[&str]) -> Value {
    let mut config = json!({});
    for trigger in triggers {
        config[*trigger] = match *trigger {
            "CustomEmailSender" | "CustomSMSSender" => {
                config["KMSKeyID"] = json!(KEY);
                json!({"LambdaVersion": "V1_0", "LambdaArn": arn(trigger)})
            }
            "InboundFederation" => json!({"LambdaVersion": "V1_0", "LambdaArn": arn(trigger)}),
            plain => json!(arn(plain)),
        };
    }
    config
}

/// What a pool's functions were told, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Told(Arc<Mutex<Vec<Value>>>);

impl Told {
    /// Notes an event.
    pub fn push(&self, event: Value) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }

    /// The events since the last time.
    pub fn take(&self) -> Vec<Value> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The only event since the last time.
    #[must_use]
    pub fn only(&self) -> Value {
        let mut events = self.take();
        assert_eq!(events.len(), 1, "{events:#?}");
        events.remove(0)
    }

    /// Sources of the events since the last time.
    #[must_use]
    pub fn sources(&self) -> Vec<String> {
        self.take().iter().map(|event| event["triggerSource"].as_str().expect("a source").to_owned()).collect()
    }

    /// So many events from the last time on, which must come within ten seconds.
    pub async fn next(&self, number: usize) -> Vec<Value> {
        let mut events = self.take();
        for _ in 0..1_000 {
            if events.len() >= number {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
            events.extend(self.take());
        }
        assert_eq!(events.len(), number, "{events:#?}");
        events
    }
}

/// A function for this key of LambdaConfig that notes the event and answers it with this `response`.
pub fn responds(
    server: &Server,
    told: &Told,
    trigger: &str,
    respond: impl Fn(&Value) -> Value + Send + Sync + 'static,
) {
    let told = told.clone();
    server.function(&arn(trigger), move |mut event| {
        told.push(event.clone());
        event["response"] = respond(&event);
        Ok(event.to_string())
    });
}

/// One that notes the event and leaves it as it is.
pub fn notes(server: &Server, told: &Told, trigger: &str) {
    let told = told.clone();
    server.function(&arn(trigger), move |event| {
        told.push(event.clone());
        Ok(event.to_string())
    });
}

/// Something wrong that a function does.
pub type Fault = Box<dyn Fn(Value) -> Result<String, Failure> + Send + Sync>;

/// What functions do that goes wrong, and what callers are told then, with `{}` for the key of LambdaConfig. `wrong` is
/// `response` members of a wrong type; triggers that read nothing have none.
#[must_use]
pub fn faults(wrong: &[Value]) -> Vec<(Fault, &'static str)> {
    let text = |text: &'static str| -> Fault { Box::new(move |_| Ok(text.to_owned())) };
    let fails = |failure: Failure| -> Fault { Box::new(move |_| Err(failure.clone())) };
    let with = |name: &'static str, value: Value| -> Fault {
        Box::new(move |mut event| {
            event[name] = value.clone();
            Ok(event.to_string())
        })
    };
    let without = |name: &'static str| -> Fault {
        Box::new(move |mut event| {
            event.as_object_mut().expect("an event is an object").remove(name);
            Ok(event.to_string())
        })
    };
    let unreadable = "InvalidLambdaResponseException: Invalid lambda function output : Invalid JSON";
    let mut faults = vec![
        (fails(Failure::Threw("no more!".to_owned())), "UserLambdaValidationException: {} failed with error no more!."),
        (
            fails(Failure::NotCalled("AccessDeniedException".to_owned())),
            "UnexpectedLambdaException: {} invocation failed due to error AccessDeniedException.",
        ),
        (text(""), unreadable),
        (text("null"), unreadable),
        (text("<html>"), unreadable),
        (text("{}"), UNRECOGNIZABLE),
        (text("[]"), UNRECOGNIZABLE),
        (text(r#"{"response": {}}"#), UNRECOGNIZABLE),
        (with("response", Value::Null), UNRECOGNIZABLE),
        (with("response", json!([])), UNRECOGNIZABLE),
        (with("response", json!("text")), UNRECOGNIZABLE),
        (without("response"), UNRECOGNIZABLE),
        (with("userName", json!(1)), UNRECOGNIZABLE),
        (without("userName"), UNRECOGNIZABLE),
    ];
    faults.extend(wrong.iter().map(|response| (with("response", response.clone()), UNRECOGNIZABLE)));
    faults
}
