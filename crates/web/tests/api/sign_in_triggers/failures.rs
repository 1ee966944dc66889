//! Functions that fail, are not there, answer nonsense, or never come to an end (§3).

use std::{future::pending, sync::Arc};

use super::*;
use crate::sign_in::{INVALID_SESSION, respond};

/// Each trigger, and the sign-in that calls it.
const TRIGGERS: [(&str, &str); 4] = [
    ("PreAuthentication", "alice"),
    ("PostAuthentication", "alice"),
    ("PreTokenGeneration", "alice"),
    ("UserMigration", "bob"),
];

#[tokio::test]
async fn a_function_that_fails_ends_the_sign_in() {
    let server = Server::memory().await;
    for (trigger, username) in TRIGGERS {
        let scene = scene(&server, &[trigger], json!({})).await;
        for (number, (fault, error)) in faults(&[]).into_iter().enumerate() {
            server.function(&arn(trigger), fault);
            let refused = sign_in(&server, &scene.client, username, PASSWORD).await.error();
            assert_eq!(refused, error.replace("{}", trigger), "{number}");
        }
    }
}

/// This one takes the five seconds that it is about.
#[tokio::test]
async fn a_function_that_never_answers_is_given_up() {
    let server = Server::memory().await;
    for (trigger, _) in TRIGGERS {
        server.slow_function(&arn(trigger), Arc::new(|_| Box::pin(pending())));
    }
    let given_up = async |(trigger, username): (&str, &str)| {
        let pool = server.pool(json!({"LambdaConfig": {trigger: arn(trigger)}})).await;
        let client = server.client_id(&pool, json!({})).await;
        server.confirmed_user(&pool, "alice", PASSWORD, json!({})).await;
        let refused = sign_in(&server, &client, username, PASSWORD).await.error();
        let timeout = "invocation failed due to error Socket timeout while invoking Lambda function.";
        assert_eq!(refused, format!("UnexpectedLambdaException: {trigger} {timeout}"));
    };
    let [a, b, c, d] = TRIGGERS;
    tokio::join!(given_up(a), given_up(b), given_up(c), given_up(d));
}

#[tokio::test]
async fn a_function_that_nobody_runs_lets_nobody_in() {
    let server = Server::memory().await;
    for (trigger, username) in TRIGGERS {
        let scene = scene(&server, &[], json!({})).await;
        let nowhere = "arn:aws:lambda:us-east-1:123456789012:function:nowhere";
        let request = json!({"UserPoolId": scene.pool, "LambdaConfig": {trigger: nowhere}});
        server.call("UpdateUserPool", request).await.ok();
        let refused = sign_in(&server, &scene.client, username, PASSWORD).await.error();
        let missing = format!("{trigger} invocation failed due to error ResourceNotFoundException.");
        assert_eq!(refused, format!("UnexpectedLambdaException: {missing}"));
    }
}

/// A refresh fails as a whole: the token that was to be replaced goes on counting.
#[tokio::test]
async fn a_refresh_that_fails_spends_nothing() {
    both_engines(async |server| {
        let members = json!({
            "ExplicitAuthFlows": ["ALLOW_USER_PASSWORD_AUTH"],
            "RefreshTokenRotation": {"Feature": "ENABLED", "RetryGracePeriodSeconds": 0},
        });
        let scene = scene(&server, &["PreTokenGeneration"], members).await;
        let tokens = sign_in(&server, &scene.client, "alice", PASSWORD).await.ok();
        let request = json!({"ClientId": scene.client, "RefreshToken": token(&tokens, "RefreshToken")});
        broken(&server, "PreTokenGeneration");
        let refused = server.call("GetTokensFromRefreshToken", request.clone()).await.error();
        assert_eq!(refused, "UserLambdaValidationException: PreTokenGeneration failed with error no.");
        server.function(&arn("PreTokenGeneration"), |_| Ok("[]".to_owned()));
        let refused = server.call("GetTokensFromRefreshToken", request.clone()).await.error();
        assert_eq!(refused, "InvalidLambdaResponseException: Unrecognizable lambda output");
        server.function(&arn("PreTokenGeneration"), |_| Err(Failure::NotCalled("ServiceException".to_owned())));
        let refused = server.call("GetTokensFromRefreshToken", request.clone()).await.error();
        let reason = "PreTokenGeneration invocation failed due to error ServiceException.";
        assert_eq!(refused, format!("UnexpectedLambdaException: {reason}"));
        notes(&server, &scene.told, "PreTokenGeneration");
        server.call("GetTokensFromRefreshToken", request).await.ok();
    })
    .await;
}

/// A function that fails after a right answer leaves a session that is none any more (auth-flows.md §7).
#[tokio::test]
async fn a_session_is_dead_once_a_function_has_failed_after_its_answer() {
    both_engines(async |server| {
        let Scene { pool, client, told } = scene(&server, &["PostAuthentication"], json!({})).await;
        let sms = json!({"SmsConfiguration": {"SnsCallerArn": "arn:aws:iam::123456789012:role/sms"}});
        let config = json!({"UserPoolId": pool, "SmsMfaConfiguration": sms, "MfaConfiguration": "ON"});
        server.call("SetUserPoolMfaConfig", config).await.ok();
        server.confirmed_user(&pool, "dora", PASSWORD, json!({"phone_number": "+15550100"})).await;
        let challenge = sign_in(&server, &client, "dora", PASSWORD).await.ok();
        let answer = async |code: &str| {
            let responses = json!({"USERNAME": "dora", "SMS_MFA_CODE": code});
            respond(&server, &client, "SMS_MFA", challenge["Session"].as_str(), responses).await.error()
        };
        let code = server.last_code(&pool, "dora").await;
        broken(&server, "PostAuthentication");
        assert_eq!(answer(&code).await, "UserLambdaValidationException: PostAuthentication failed with error no.");
        notes(&server, &told, "PostAuthentication");
        for _ in 0..2 {
            assert_eq!(answer(&code).await, INVALID_SESSION);
        }
    })
    .await;
}
