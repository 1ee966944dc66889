//! Functions that have a say in sign-ins and in tokens (triggers-security.md §3, §4, §6, §9, §10).

mod failures;
mod post_authentication;
mod pre_authentication;
mod pre_token_generation;
mod tokens_and_scopes;
mod user_migration;

use serde_json::{Value, json};
use service::triggers::Failure;
use testkit::{
    Answer, Server, both_engines,
    triggers::{Told, arn, faults, lambda_config, notes, responds},
};

use crate::tokens::segment;

const PASSWORD: &str = "Passw0rd!";

/// A function that always fails.
fn broken(server: &Server, trigger: &str) {
    server.function(&arn(trigger), |_| Err(Failure::Threw("no".to_owned())));
}

/// A pool whose functions for these triggers note what they are told and answer nothing, a client with these members
/// and the confirmed user alice.
async fn scene(server: &Server, triggers: &[&str], members: Value) -> Scene {
    let told = Told::default();
    for trigger in triggers {
        notes(server, &told, trigger);
    }
    let pool = server.pool(json!({"LambdaConfig": lambda_config(triggers)})).await;
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
