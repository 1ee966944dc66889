//! Attacks, each of which is stopped by one guard, and what nobody may be able to tell apart. docs/security.md lists
//! every guard with the test that fails without it; tests of a guard that belong to one flow are with that flow.

mod addresses;
mod codes_sent;
mod proofs;
mod secrets;
mod sessions;
mod tokens;
mod unknown;

use std::net::SocketAddr;

use axum::body::Body;
use http::{Method, Request};
use serde_json::{Value, json};
use testkit::{Answer, Server};

use crate::{pools::with, sign_in::PASSWORD};

const WRONG: &str = "Wr0ng-password";
const MISMATCH: &str = "CodeMismatchException: Invalid code or auth state for the user.";

/// A call by the client at this address.
async fn from(server: &Server, address: &str, operation: &str, body: Value) -> Answer {
    let address: SocketAddr = format!("{address}:1000").parse().unwrap();
    let request = Request::builder()
        .method(Method::POST)
        .uri("/")
        .header("host", "127.0.0.1:9229")
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", format!("AWSCognitoIdentityProviderService.{operation}"))
        .extension(poolkeeper_web::Peer(address))
        .body(Body::from(body.to_string()))
        .unwrap();
    server.request(request).await
}

/// The request of a sign-in that begins.
fn begin(client: &str, flow: &str, parameters: Value) -> Value {
    json!({"ClientId": client, "AuthFlow": flow, "AuthParameters": parameters})
}

/// The request of an answer to a challenge.
fn answer(client: &str, challenge: &Value, responses: Value) -> Value {
    json!({
        "ClientId": client,
        "ChallengeName": challenge["ChallengeName"],
        "Session": challenge["Session"],
        "ChallengeResponses": responses,
    })
}

/// A password sign-in.
fn password(client: &str, username: &str, password: &str) -> Value {
    begin(client, "USER_PASSWORD_AUTH", json!({"USERNAME": username, "PASSWORD": password}))
}

/// What a pool needs that sends everything there is; `members` are added.
fn everything(members: &Value) -> Value {
    let all = json!({
        "Policies": {"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP", "SMS_OTP"]}},
        "SmsConfiguration": {"SnsCallerArn": "arn:aws:iam::123456789012:role/sms"},
        "EmailConfiguration": {
            "EmailSendingAccount": "DEVELOPER",
            "SourceArn": "arn:aws:ses:us-east-1:123456789012:identity/example.com"
        },
    });
    with(all, members)
}

/// A client with every flow that hides who exists; `members` are added.
async fn client(server: &Server, pool: &str, members: Value) -> String {
    let flows = json!([
        "ALLOW_USER_AUTH",
        "ALLOW_USER_PASSWORD_AUTH",
        "ALLOW_ADMIN_USER_PASSWORD_AUTH",
        "ALLOW_USER_SRP_AUTH",
        "ALLOW_CUSTOM_AUTH",
        "ALLOW_REFRESH_TOKEN_AUTH"
    ]);
    let usual = json!({"ExplicitAuthFlows": flows, "PreventUserExistenceErrors": "ENABLED"});
    server.client_id(pool, with(usual, &members)).await
}

/// Such a pool, such a client, and the confirmed user `alice` with both addresses.
async fn scene(server: &Server) -> (String, String) {
    let pool = server.pool(everything(&json!({}))).await;
    let client = client(server, &pool, json!({})).await;
    let attributes = json!({"email": "alice@example.com", "phone_number": "+15555550100"});
    server.confirmed_user(&pool, "alice", PASSWORD, attributes).await;
    (pool, client)
}
