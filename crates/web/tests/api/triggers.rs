//! Functions that pools name as triggers (triggers-security.md §1 to §13).

mod configuration;
mod custom_message;
mod custom_senders;
mod failures;
mod metadata;
mod once;
mod post_confirmation;
mod pre_sign_up;

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use testkit::{
    Server, both_engines,
    triggers::{Fault, KEY, Told, UNRECOGNIZABLE, arn, faults, lambda_config, notes, responds},
};

pub(crate) use crate::users::PASSWORD;

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

/// Asks for every kind of message but the one of SignUp, all with the metadata `{"a": "b"}`: alice, who has signed up,
/// is sent hers, and bob is invited by an administrator.
pub async fn every_message(server: &Server, pool: &str, client: &str) {
    let metadata = json!({"a": "b"});
    let of_client = |members: Value| crate::pools::with(json!({"ClientId": client, "Username": "alice"}), &members);
    server.call("ResendConfirmationCode", of_client(json!({"ClientMetadata": metadata}))).await.ok();
    let code = server.last_code(pool, "alice").await;
    server.call("ConfirmSignUp", of_client(json!({"ConfirmationCode": code}))).await.ok();
    server.call("ForgotPassword", of_client(json!({"ClientMetadata": metadata}))).await.ok();
    let token = crate::attributes::access_token(server, client, "alice").await;
    let request = json!({
        "AccessToken": token, "ClientMetadata": metadata,
        "UserAttributes": list(&[("email", "new@example.com"), ("phone_number", "+12065550100")]),
    });
    server.call("UpdateUserAttributes", request).await.ok();
    let request = json!({"AccessToken": token, "AttributeName": "phone_number", "ClientMetadata": metadata});
    server.call("GetUserAttributeVerificationCode", request).await.ok();
    let request = json!({
        "UserPoolId": pool, "Username": "bob", "DesiredDeliveryMediums": ["EMAIL", "SMS"], "ClientMetadata": metadata,
        "UserAttributes": list(&[("email", "bob@example.com"), ("phone_number", "+12065550101")]),
        "TemporaryPassword": "Aa1!<b>&Aa1!",
    });
    server.call("AdminCreateUser", request).await.ok();
}

/// What tells events apart, a line each: source, user, client and request. In all else they must be as the first.
pub fn lines(events: &[Value]) -> String {
    let mut lines = Vec::new();
    for event in events {
        let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or("null");
        let (source, user, client) = (text("/triggerSource"), text("/userName"), text("/callerContext/clientId"));
        lines.push(format!("{source} {user} {client} {}", event["request"]));
        let mut shared = event.clone();
        for name in ["triggerSource", "userName", "request"] {
            shared[name] = events[0][name].clone();
        }
        shared["callerContext"]["clientId"] = events[0]["callerContext"]["clientId"].clone();
        assert_eq!(shared, events[0]);
    }
    lines.join("\n")
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
