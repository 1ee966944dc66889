//! A client with a secret shows that it has it at every step of everything that users do without an access token:
//! whoever knows its id alone gets nowhere.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use testkit::both_engines;

use super::*;
use crate::sign_in::{admin_initiate, initiate, respond};

/// What answers to the challenges need beside USERNAME. The last one is never issued, so that no session can be right.
fn challenges() -> Value {
    let (code, claim) = (json!("123456"), json!("QUJDRA=="));
    let proof = json!({
        "PASSWORD_CLAIM_SIGNATURE": claim, "PASSWORD_CLAIM_SECRET_BLOCK": claim,
        "TIMESTAMP": "Fri Jan 2 03:04:05 UTC 2026",
    });
    let key = json!({"DEVICE_KEY": "us-east-1_00000000-0000-0000-0000-000000000000"});
    json!({
        "NEW_PASSWORD_REQUIRED": {"NEW_PASSWORD": "N3wPassw0rd!"},
        "PASSWORD": {"PASSWORD": PASSWORD},
        "PASSWORD_SRP": {"SRP_A": "2"},
        "PASSWORD_VERIFIER": proof,
        "SELECT_CHALLENGE": {"ANSWER": "PASSWORD"},
        "SELECT_MFA_TYPE": {"ANSWER": "SMS_MFA"},
        "MFA_SETUP": {},
        "SMS_MFA": {"SMS_MFA_CODE": code},
        "SMS_OTP": {"SMS_OTP_CODE": code},
        "EMAIL_OTP": {"EMAIL_OTP_CODE": code},
        "SOFTWARE_TOKEN_MFA": {"SOFTWARE_TOKEN_MFA_CODE": code},
        "CUSTOM_CHALLENGE": {"ANSWER": "2"},
        "WEB_AUTHN": {"CREDENTIAL": "{}"},
        "DEVICE_SRP_AUTH": with(key.clone(), &json!({"SRP_A": "2"})),
        "DEVICE_PASSWORD_VERIFIER": with(key, &proof),
        "ADMIN_NO_SRP_AUTH": {},
    })
}

/// What somebody is told who sends this hash, or none, with everything that asks for one.
async fn answers(server: &Server, pool: &str, client: &str, hash: Option<&str>) -> Vec<(String, String)> {
    let mut told = Vec::new();
    let parameters = |members: Value| with(json!({"USERNAME": "alice", "SECRET_HASH": hash}), &members);
    for (flow, members) in [
        ("USER_PASSWORD_AUTH", json!({"PASSWORD": PASSWORD})),
        ("USER_SRP_AUTH", json!({"SRP_A": "2"})),
        ("USER_AUTH", json!({})),
        ("USER_AUTH", json!({"PREFERRED_CHALLENGE": "EMAIL_OTP"})),
        ("CUSTOM_AUTH", json!({})),
    ] {
        let answer = initiate(server, client, flow, parameters(members)).await;
        told.push((flow.to_owned(), answer.error()));
    }
    let flow = "ADMIN_USER_PASSWORD_AUTH";
    let answer = admin_initiate(server, pool, client, flow, parameters(json!({"PASSWORD": PASSWORD}))).await;
    told.push((flow.to_owned(), answer.error()));
    for (name, members) in challenges().as_object().unwrap() {
        let session = "A".repeat(40);
        let answer = respond(server, client, name, Some(&session), parameters(members.clone())).await;
        told.push((name.clone(), answer.error()));
    }
    for (operation, members) in [
        ("SignUp", json!({"Username": "bob", "Password": PASSWORD})),
        ("ConfirmSignUp", json!({"ConfirmationCode": "123456"})),
        ("ResendConfirmationCode", json!({})),
        ("ForgotPassword", json!({})),
        ("ConfirmForgotPassword", json!({"ConfirmationCode": "123456", "Password": "N3wPassw0rd!"})),
    ] {
        let request = with(json!({"ClientId": client, "Username": "alice", "SecretHash": hash}), &members);
        told.push((operation.to_owned(), server.call(operation, request).await.error()));
    }
    told
}

#[tokio::test]
async fn nothing_is_done_for_a_client_that_does_not_show_its_secret() {
    both_engines(async |server| {
        let (pool, _) = scene(&server).await;
        let flows = json!([
            "ALLOW_USER_AUTH",
            "ALLOW_USER_PASSWORD_AUTH",
            "ALLOW_ADMIN_USER_PASSWORD_AUTH",
            "ALLOW_USER_SRP_AUTH",
            "ALLOW_CUSTOM_AUTH",
        ]);
        let members = json!({"GenerateSecret": true, "ExplicitAuthFlows": flows});
        let (own, other) = (server.client(&pool, members.clone()).await, server.client(&pool, members).await);
        let id = own["ClientId"].as_str().unwrap();
        let hash = |name: &str, id: &Value, secret: &Value| {
            crypto::hash::secret_hash(name, id.as_str().unwrap(), secret.as_str().unwrap())
        };
        let missing =
            format!("NotAuthorizedException: Client {id} is configured with secret but SECRET_HASH was not received");
        let wrong = format!("NotAuthorizedException: Unable to verify secret hash for client {id}");
        for (what, hash, error) in [
            ("none", None, &missing),
            ("another client's", Some(hash("alice", &other["ClientId"], &other["ClientSecret"])), &wrong),
            ("by another client's secret", Some(hash("alice", &own["ClientId"], &other["ClientSecret"])), &wrong),
            ("for another user", Some(hash("mallory", &own["ClientId"], &own["ClientSecret"])), &wrong),
        ] {
            for (step, answer) in answers(&server, &pool, id, hash.as_deref()).await {
                assert_eq!(&answer, error, "{step}: {what}");
            }
        }
        let right = hash("alice", &own["ClientId"], &own["ClientSecret"]);
        let parameters = json!({"USERNAME": "alice", "PASSWORD": PASSWORD, "SECRET_HASH": right});
        initiate(&server, id, "USER_PASSWORD_AUTH", parameters).await.ok();
        // The two that name no user are shown the secret's hash in tests of their own (`tokens::refresh`,
        // `sign_in::user_auth::sign_up`).
        assert!(server.messages(&pool, "alice").await.is_empty(), "nothing was sent to anybody");
    })
    .await;
}

/// Functions are not told of anybody who asks by way of a client whose secret he does not have.
#[tokio::test]
async fn functions_are_not_called_for_a_client_that_does_not_show_its_secret() {
    let server = Server::memory().await;
    let arn = "arn:aws:lambda:us-east-1:123456789012:function:before";
    let pool = server.pool(json!({"LambdaConfig": {"PreAuthentication": arn, "UserMigration": arn}})).await;
    let called = Arc::new(AtomicUsize::new(0));
    let count = called.clone();
    server.function(arn, move |event| {
        count.fetch_add(1, Ordering::SeqCst);
        Ok(event.to_string())
    });
    server.confirmed_user(&pool, "alice", PASSWORD, json!({})).await;
    let client = server.client(&pool, json!({"GenerateSecret": true})).await;
    let (id, secret) = (client["ClientId"].as_str().unwrap(), client["ClientSecret"].as_str().unwrap());
    for username in ["alice", "nobody"] {
        for hash in [None, Some("wrong".to_owned())] {
            let parameters = json!({"USERNAME": username, "PASSWORD": PASSWORD, "SECRET_HASH": hash});
            let refused = initiate(&server, id, "USER_PASSWORD_AUTH", parameters).await.error();
            assert!(refused.starts_with("NotAuthorizedException: "), "{refused}");
        }
    }
    assert_eq!(called.load(Ordering::SeqCst), 0);
    let hash = crypto::hash::secret_hash("alice", id, secret);
    let parameters = json!({"USERNAME": "alice", "PASSWORD": PASSWORD, "SECRET_HASH": hash});
    initiate(&server, id, "USER_PASSWORD_AUTH", parameters).await.ok();
    assert_eq!(called.load(Ordering::SeqCst), 1);
}
