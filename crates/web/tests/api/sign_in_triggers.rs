//! Functions that have a say in sign-ins and in tokens (triggers-security.md §3, §4, §6, §9, §10).

mod failures;
mod post_authentication;
mod pre_authentication;
mod pre_token_generation;
mod tokens_and_scopes;
mod user_migration;

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use service::triggers::Failure;
use testkit::{Answer, Server, both_engines};

use crate::tokens::segment;

const PASSWORD: &str = "Passw0rd!";

/// What the pool's functions were told, oldest first.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<Value>>>);

impl Told {
    /// The events since the last time.
    fn take(&self) -> Vec<Value> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sources of the events since the last time.
    fn sources(&self) -> Vec<String> {
        self.take().into_iter().map(|event| event["triggerSource"].as_str().unwrap().to_owned()).collect()
    }
}

fn arn(trigger: &str) -> String {
    format!("arn:aws:lambda:us-east-1:123456789012:function:{trigger}")
}

/// A function that notes the event and answers it with this `response`; with the event as it came where that is null.
fn function(server: &Server, told: &Told, trigger: &str, respond: impl Fn(&Value) -> Value + Send + Sync + 'static) {
    let told = told.clone();
    server.function(&arn(trigger), move |mut event| {
        told.0.lock().unwrap_or_else(PoisonError::into_inner).push(event.clone());
        let response = respond(&event);
        if !response.is_null() {
            event["response"] = response;
        }
        Ok(event.to_string())
    });
}

/// A function that always fails.
fn broken(server: &Server, trigger: &str) {
    server.function(&arn(trigger), |_| Err(Failure::Threw("no".to_owned())));
}

/// A pool whose functions for these triggers note what they are told and answer nothing, a client with these members
/// and the confirmed user alice.
async fn scene(server: &Server, triggers: &[&str], members: Value) -> Scene {
    let told = Told::default();
    let mut config = json!({});
    for trigger in triggers {
        config[trigger] = json!(arn(trigger));
        function(server, &told, trigger, |_| Value::Null);
    }
    let pool = server.pool(json!({"LambdaConfig": config})).await;
    let client = server.client_id(&pool, members).await;
    server.confirmed_user(&pool, "alice", PASSWORD, json!({"email": "alice@example.com"})).await;
    told.take();
    Scene { pool, client, told }
}

struct Scene {
    pool: String,
    client: String,
    told: Told,
}

/// Replaces what differs from one pool or run to another.
fn stable(mut event: Value, scene: &Scene) -> Value {
    let text = event.to_string().replace(&scene.pool, "[pool]").replace(&scene.client, "[client]");
    event = serde_json::from_str(&text).unwrap();
    if let Some(sub) = event.pointer_mut("/request/userAttributes/sub") {
        *sub = json!("[sub]");
    }
    event
}

fn token(answer: &Value, name: &str) -> String {
    answer["AuthenticationResult"][name].as_str().unwrap().to_owned()
}

/// The claims of a token of an answer.
fn claims(answer: &Value, name: &str) -> Value {
    segment(&token(answer, name), 1)
}

async fn initiate(server: &Server, client: &str, flow: &str, parameters: Value) -> Answer {
    let metadata = json!({"from": "InitiateAuth"});
    let request =
        json!({"AuthFlow": flow, "ClientId": client, "AuthParameters": parameters, "ClientMetadata": metadata});
    server.call("InitiateAuth", request).await
}

async fn sign_in(server: &Server, client: &str, username: &str, password: &str) -> Answer {
    initiate(server, client, "USER_PASSWORD_AUTH", json!({"USERNAME": username, "PASSWORD": password})).await
}
