//! Functions that pools name as triggers (triggers-security.md §1 to §13).

mod configuration;
mod custom_message;
mod custom_senders;
mod failures;
mod metadata;
mod once;
mod post_confirmation;
mod pre_sign_up;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};
use service::triggers::Failure;
use testkit::{Server, both_engines};

pub(crate) use crate::users::PASSWORD;

/// The key that pools name.
pub const KEY: &str = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000";
/// What callers are told of words that are no event.
pub const UNRECOGNIZABLE: &str = "InvalidLambdaResponseException: Unrecognizable lambda output";

/// ARN of the function for this key of LambdaConfig.
pub fn arn(trigger: &str) -> String {
    format!("arn:aws:lambda:us-east-1:123456789012:function:{trigger}")
}

/// What a pool's functions were told, oldest first.
#[derive(Clone, Default)]
pub struct Told(Arc<Mutex<Vec<Value>>>);

impl Told {
    pub fn push(&self, event: Value) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }

    /// What they were told since the last time.
    pub fn take(&self) -> Vec<Value> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sources of the events since the last time.
    pub fn sources(&self) -> Vec<String> {
        self.take().into_iter().map(|event| event["triggerSource"].as_str().unwrap().to_owned()).collect()
    }

    /// What they are told from the last time on, as soon as that is so much.
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

    /// The only event since the last time.
    pub fn only(&self) -> Value {
        let events = self.take();
        assert_eq!(events.len(), 1, "{events:#?}");
        events[0].clone()
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

/// LambdaConfig with functions for these keys.
pub fn lambda_config(triggers: &[&str]) -> Value {
    let mut config = json!({});
    for trigger in triggers {
        config[*trigger] = match *trigger {
            "CustomEmailSender" | "CustomSMSSender" => {
                config["KMSKeyID"] = json!(KEY);
                json!({"LambdaVersion": "V1_0", "LambdaArn": arn(trigger)})
            }
            plain => json!(arn(plain)),
        };
    }
    config
}

/// A pool that verifies addresses and has these functions, all of which note what they are told and do nothing else,
/// and a client of it.
pub async fn scene(server: &Server, triggers: &[&str], members: Value) -> (String, String, Told) {
    let told = Told::default();
    for trigger in triggers {
        notes(server, &told, trigger);
    }
    let usual = json!({
        "AutoVerifiedAttributes": ["email", "phone_number"],
        "SmsConfiguration": {"SnsCallerArn": "arn:aws:iam::123456789012:role/sms"},
        "LambdaConfig": lambda_config(triggers),
    });
    let pool = server.pool(crate::pools::with(usual, &members)).await;
    let client = server.client_id(&pool, json!({})).await;
    (pool, client, told)
}

/// A request to sign up.
pub fn sign_up(client: &str, username: &str, attributes: &[(&str, &str)]) -> Value {
    json!({"ClientId": client, "Username": username, "Password": PASSWORD, "UserAttributes": list(attributes)})
}

/// Attributes as requests list them.
pub fn list(attributes: &[(&str, &str)]) -> Vec<Value> {
    attributes.iter().map(|(name, value)| json!({"Name": name, "Value": value})).collect()
}

/// Something wrong that a function does.
pub type Fault = Box<dyn Fn(Value) -> Result<String, Failure> + Send + Sync>;

/// What functions do that goes wrong, and what callers are told then, with `{}` for the key of LambdaConfig. `wrong` is
/// `response` members of a wrong type; triggers that read nothing have none.
pub fn faults(wrong: &[Value]) -> Vec<(Fault, &'static str)> {
    let text = |text: &'static str| -> Fault { Box::new(move |_| Ok(text.to_owned())) };
    let fails = |failure: Failure| -> Fault { Box::new(move |_| Err(failure.clone())) };
    let with = |name: &'static str, value: Value| -> Fault {
        Box::new(move |mut event| {
            event[name] = value.clone();
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
        (with("response", Value::Null), UNRECOGNIZABLE),
        (with("response", json!([])), UNRECOGNIZABLE),
        (with("userName", json!(1)), UNRECOGNIZABLE),
    ];
    faults.extend(wrong.iter().map(|response| (with("response", response.clone()), UNRECOGNIZABLE)));
    faults
}

/// A user's status and attributes as an administrator sees them, or the error.
pub async fn shown(server: &Server, pool: &str, username: &str) -> Value {
    let answer = server.call("AdminGetUser", json!({"UserPoolId": pool, "Username": username})).await;
    if answer.status != 200 {
        return json!(answer.error());
    }
    let user = answer.ok();
    let mut shown = json!({"status": user["UserStatus"]});
    for attribute in user["UserAttributes"].as_array().unwrap() {
        shown[attribute["Name"].as_str().unwrap()] = attribute["Value"].clone();
    }
    shown
}
