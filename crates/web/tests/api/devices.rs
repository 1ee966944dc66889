//! Devices that users confirm, and what signing in with one spares them (auth-flows.md §12).

mod listing;
mod proof;
mod refusals;
mod remembering;

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use store::Changes;
use testkit::{Answer, Server, both_engines, srp::Device, triggers::lambda_config};

use crate::{
    pools::with,
    sign_in::{
        INCORRECT, INVALID_SESSION, LOCKED, NO_DEVICE, PASSWORD, USED_SESSION, admin_initiate, administer, at_once,
        custom::{ALL, functions},
        initiate, respond, set_password, times,
    },
    tokens::{segment, undrawn},
};

const OFF: &str = "InvalidUserPoolConfigurationException: Device tracking is not enabled for the user pool. Set \
                   DeviceConfiguration of the pool to enable it.";
const NO_USER: &str = "UserNotFoundException: User does not exist.";
const INVALID_REFRESH: &str = "NotAuthorizedException: Invalid Refresh Token.";

/// A pool that asks remembered devices to prove themselves.
fn challenging() -> Value {
    json!({"DeviceConfiguration": {"ChallengeRequiredOnNewDevice": true}})
}

async fn scene(server: &Server, pool: Value) -> (String, String) {
    let pool = server.pool(pool).await;
    let client = server.client_id(&pool, json!({"AuthSessionValidity": 15})).await;
    for name in ["alice", "bob"] {
        server.confirmed_user(&pool, name, PASSWORD, json!({})).await;
    }
    (pool, client)
}

async fn sign_in(server: &Server, client: &str, username: &str) -> Value {
    server.sign_in(client, username, PASSWORD).await.ok()
}

async fn sign_in_with(server: &Server, client: &str, username: &str, key: &str) -> Answer {
    let parameters = json!({"USERNAME": username, "PASSWORD": PASSWORD, "DEVICE_KEY": key});
    initiate(server, client, "USER_PASSWORD_AUTH", parameters).await
}

fn token(answer: &Value, name: &str) -> String {
    answer["AuthenticationResult"][name].as_str().unwrap().to_owned()
}

fn device_key(answer: &Value) -> Value {
    segment(&token(answer, "AccessToken"), 1)["device_key"].clone()
}

async fn confirm(server: &Server, access: &str, key: &str, verifier: &Value) -> Answer {
    let request = json!({"AccessToken": access, "DeviceKey": key, "DeviceSecretVerifierConfig": verifier});
    server.call("ConfirmDevice", request).await
}

/// A confirmed device of the user, and the access token of the sign-in that it was confirmed in.
async fn confirmed(server: &Server, client: &str, username: &str) -> (Device, String) {
    let answer = sign_in(server, client, username).await;
    let (device, access) = (Device::new(&answer), token(&answer, "AccessToken"));
    confirm(server, &access, &device.key, &device.verifier()).await.ok();
    (device, access)
}

/// The two steps of a device with the sessions that the challenges came with, or without any.
struct Steps {
    with_session: bool,
}

const STEPS: Steps = Steps { with_session: true };

impl Steps {
    async fn start(&self, server: &Server, client: &str, challenge: &Value, device: &Device) -> Answer {
        assert_eq!(challenge["ChallengeName"], "DEVICE_SRP_AUTH", "{challenge}");
        let session = challenge["Session"].as_str().filter(|_| self.with_session);
        respond(server, client, "DEVICE_SRP_AUTH", session, device.start("alice")).await
    }

    async fn finish(&self, server: &Server, client: &str, challenge: &Value, device: &Device) -> Answer {
        self.prove(server, client, challenge, device.respond(challenge, "alice")).await
    }

    async fn prove(&self, server: &Server, client: &str, challenge: &Value, responses: Value) -> Answer {
        assert_eq!(challenge["ChallengeName"], "DEVICE_PASSWORD_VERIFIER", "{challenge}");
        let session = challenge["Session"].as_str().filter(|_| self.with_session);
        respond(server, client, "DEVICE_PASSWORD_VERIFIER", session, responses).await
    }
}

/// The challenge DEVICE_PASSWORD_VERIFIER of a new sign-in.
async fn verifier_challenge(server: &Server, client: &str, device: &Device) -> Value {
    let challenge = sign_in_with(server, client, "alice", &device.key).await.ok();
    STEPS.start(server, client, &challenge, device).await.ok()
}

/// What is sealed or drawn anew each time left out.
fn shortened(mut challenge: Value) -> Value {
    assert!(challenge["Session"].as_str().is_some_and(|session| (20..=4_096).contains(&session.len())));
    challenge["Session"] = json!("[sealed]");
    let parameters = challenge["ChallengeParameters"].as_object_mut().unwrap();
    for name in ["SECRET_BLOCK", "SRP_B"] {
        if let Some(value) = parameters.get_mut(name) {
            assert!(value.as_str().is_some_and(|value| value.len() > 700));
            *value = json!("[drawn]");
        }
    }
    challenge
}
