//! Second factors, codes and custom challenges with several servers: each step at another one, counts shared, and
//! nothing good twice.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use serde_json::{Value, json};
use testkit::{Answer, Server, totp};

use crate::support::*;

const USED: &str = "NotAuthorizedException: Invalid session for the user, session can only be used once.";
const WRONG_CODE: &str = "CodeMismatchException: Invalid code or auth state for the user.";
const TOO_MANY: &str = "TooManyRequestsException: Attempt limit exceeded, please try after some time.";
const DEFINE: &str = "arn:aws:lambda:us-east-1:123456789012:function:define";
const CREATE: &str = "arn:aws:lambda:us-east-1:123456789012:function:create";
const VERIFY: &str = "arn:aws:lambda:us-east-1:123456789012:function:verify";

/// A pool with every factor, a client, and the confirmed user `alice` with both addresses.
async fn with_factors(server: &Server) -> (String, String) {
    let pool = json!({
        "Policies": {"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP"]}},
        "SmsConfiguration": {"SnsCallerArn": "arn:aws:iam::123456789012:role/sms"},
        "EmailConfiguration": {
            "EmailSendingAccount": "DEVELOPER",
            "SourceArn": "arn:aws:ses:us-east-1:123456789012:identity/example.com"
        },
    });
    let flows = json!({"ExplicitAuthFlows": ["ALLOW_USER_AUTH", "ALLOW_USER_PASSWORD_AUTH"]});
    let (pool, client) = pool_and_client(server, pool, flows).await;
    let factors = json!({
        "UserPoolId": pool,
        "MfaConfiguration": "OPTIONAL",
        "SoftwareTokenMfaConfiguration": {"Enabled": true},
        "SmsMfaConfiguration": {"SmsAuthenticationMessage": "Sent: {####}"},
    });
    server.call("SetUserPoolMfaConfig", factors).await.ok();
    let attributes = json!({"email": "alice@example.com", "phone_number": "+12065550100"});
    server.confirmed_user(&pool, "alice", PASSWORD, attributes).await;
    (pool, client)
}

async fn prefer(server: &Server, pool: &str, settings: &str) {
    let request = json!({"UserPoolId": pool, "Username": "alice", settings: {"Enabled": true, "PreferredMfa": true}});
    server.call("AdminSetUserMFAPreference", request).await.ok();
}

/// The request of alice's answer to a challenge.
fn answer(client: &str, challenge: &Value, mut responses: Value) -> Value {
    responses["USERNAME"] = json!("alice");
    json!({
        "ClientId": client,
        "ChallengeName": challenge["ChallengeName"],
        "Session": challenge["Session"],
        "ChallengeResponses": responses,
    })
}

async fn respond(server: &Server, request: &Value) -> Answer {
    server.call("RespondToAuthChallenge", request.clone()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_of_an_app_is_good_once_at_one_server() {
    let Some(servers) = servers::<2>().await else { return };
    let [a, b] = &servers;
    let (pool, client) = with_factors(a).await;
    let access = tokens(b, &client, "alice", PASSWORD).await.access;
    let handed_out = a.call("AssociateSoftwareToken", json!({"AccessToken": access})).await.ok();
    let secret = handed_out["SecretCode"].as_str().unwrap();
    let code = totp::code(a, secret, 0);
    b.call("VerifySoftwareToken", json!({"AccessToken": access, "UserCode": code})).await.ok();
    prefer(a, &pool, "SoftwareTokenMfaSettings").await;

    // The code that set it up signs nobody in, wherever; nor does one that has signed in elsewhere.
    let with = |code: &str| json!({"SOFTWARE_TOKEN_MFA_CODE": code});
    let used = "ExpiredCodeException: Your software token has already been used once.";
    let challenge = a.sign_in(&client, "alice", PASSWORD).await.ok();
    assert_eq!(respond(a, &answer(&client, &challenge, with(&code))).await.error(), used);
    for server in &servers {
        server.advance(30);
    }
    let code = totp::code(a, secret, 0);
    let first = answer(&client, &challenge, with(&code));
    respond(b, &first).await.ok();
    assert_eq!(respond(a, &first).await.error(), USED);
    let again = b.sign_in(&client, "alice", PASSWORD).await.ok();
    assert_eq!(respond(a, &answer(&client, &again, with(&code))).await.error(), used);
    assert_eq!(respond(b, &answer(&client, &again, with(&code))).await.error(), used);

    // Nor when both get it at the same moment, each with a sign-in of its own.
    for _ in 0..5 {
        for server in &servers {
            server.advance(30);
        }
        let code = totp::code(a, secret, 0);
        let mut calls = Vec::new();
        for server in &servers {
            let challenge = server.sign_in(&client, "alice", PASSWORD).await.ok();
            calls.push((server.clone(), answer(&client, &challenge, with(&code))));
        }
        let outcomes =
            at_once(calls.into_iter().map(|(server, request)| async move { respond(&server, &request).await }));
        assert_eq!(tally(&outcomes.await), [("ok", 1), (used, 1)].into());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn second_factors_are_counted_together_and_their_sessions_used_once() {
    let Some(servers) = servers::<3>().await else { return };
    let [a, b, c] = &servers;
    let (pool, client) = with_factors(a).await;
    prefer(b, &pool, "SMSMfaSettings").await;
    let challenge = c.sign_in(&client, "alice", PASSWORD).await.ok();
    let code = a.last_code(&pool, "alice").await;
    let right = answer(&client, &challenge, json!({"SMS_MFA_CODE": code}));
    let wrong = answer(&client, &challenge, json!({"SMS_MFA_CODE": other(&code)}));
    // Thirty guesses, everywhere at once: five are looked at.
    let guesses = (0..30).map(|number| {
        let (server, wrong) = (Arc::clone(&servers[number % 3]), wrong.clone());
        async move { respond(&server, &wrong).await }
    });
    assert_eq!(tally(&at_once(guesses).await), [(WRONG_CODE, 5), (LOCKED, 25)].into());
    for server in &servers {
        assert_eq!(respond(server, &right).await.error(), LOCKED);
        server.advance(1);
    }
    // And of thirty right answers one signs in.
    let answers = (0..30).map(|number| {
        let (server, right) = (Arc::clone(&servers[number % 3]), right.clone());
        async move { respond(&server, &right).await }
    });
    assert_eq!(tally(&at_once(answers).await), [("ok", 1), (USED, 29)].into());
    assert_eq!(respond(b, &right).await.error(), USED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn codes_that_are_sent_are_counted_together() {
    let Some(servers) = servers::<2>().await else { return };
    let (pool, client) = with_factors(&servers[0]).await;
    let parameters = json!({"USERNAME": "alice", "PREFERRED_CHALLENGE": "EMAIL_OTP"});
    let request = json!({"ClientId": client, "AuthFlow": "USER_AUTH", "AuthParameters": parameters});
    let (mut sent, mut refused) = (0, 0);
    while refused < 4 {
        let calls = servers.iter().map(|server| {
            let (server, request) = (server.clone(), request.clone());
            async move { server.call("InitiateAuth", request).await }
        });
        for outcome in at_once(calls).await {
            match outcome.as_str() {
                "ok" => sent += 1,
                TOO_MANY => refused += 1,
                other => panic!("{other}"),
            }
        }
    }
    assert_eq!(sent, 20);
    assert_eq!(servers[1].messages(&pool, "alice").await.len(), 20);
}

/// Functions that ask for 2, at this server; answers how often the last of them has judged.
fn functions(server: &Server) -> Arc<AtomicUsize> {
    server.function(DEFINE, |mut event| {
        let session = event["request"]["session"].as_array().unwrap();
        event["response"] = match session.last() {
            Some(last) if last["challengeResult"] == true => json!({"issueTokens": true}),
            _ if session.len() >= 3 => json!({"failAuthentication": true}),
            _ => json!({"challengeName": "CUSTOM_CHALLENGE", "issueTokens": false, "failAuthentication": false}),
        };
        Ok(event.to_string())
    });
    server.function(CREATE, |mut event| {
        event["response"] = json!({
            "publicChallengeParameters": {"question": "1 + 1"},
            "privateChallengeParameters": {"answer": "2"},
            "challengeMetadata": "SUM",
        });
        Ok(event.to_string())
    });
    let judged = Arc::new(AtomicUsize::new(0));
    let count = judged.clone();
    server.function(VERIFY, move |mut event| {
        count.fetch_add(1, Ordering::SeqCst);
        let request = &event["request"];
        let is_right = request["challengeAnswer"] == request["privateChallengeParameters"]["answer"];
        event["response"] = json!({"answerCorrect": is_right});
        Ok(event.to_string())
    });
    judged
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn custom_challenges_go_on_at_another_server_and_not_twice() {
    let Some(servers) = servers::<3>().await else { return };
    let [a, b, c] = &servers;
    let judged: Vec<_> = servers.iter().map(|server| functions(server)).collect();
    let total = || judged.iter().map(|count| count.load(Ordering::SeqCst)).sum::<usize>();
    let lambdas =
        json!({"DefineAuthChallenge": DEFINE, "CreateAuthChallenge": CREATE, "VerifyAuthChallengeResponse": VERIFY});
    let flows = json!({"ExplicitAuthFlows": ["ALLOW_CUSTOM_AUTH", "ALLOW_USER_PASSWORD_AUTH"]});
    let (pool, client) = pool_and_client(a, json!({"LambdaConfig": lambdas}), flows).await;
    b.confirmed_user(&pool, "alice", PASSWORD, json!({})).await;
    let begin = json!({"ClientId": client, "AuthFlow": "CUSTOM_AUTH", "AuthParameters": {"USERNAME": "alice"}});

    // What was asked and answered so far travels with the client.
    let first = c.call("InitiateAuth", begin.clone()).await.ok();
    let wrong = answer(&client, &first, json!({"ANSWER": "3"}));
    let second = a.call("RespondToAuthChallenge", wrong.clone()).await.ok();
    assert_eq!(second["ChallengeName"], "CUSTOM_CHALLENGE");
    assert_eq!(respond(b, &wrong).await.error(), USED);
    let third = b.call("RespondToAuthChallenge", answer(&client, &second, json!({"ANSWER": "4"}))).await.ok();
    assert_eq!(total(), 2);
    // The third try is the last, wherever it is made.
    let last = answer(&client, &third, json!({"ANSWER": "5"}));
    assert_eq!(respond(c, &last).await.error(), INCORRECT);

    // Of many right answers at all servers one signs in, and one is judged.
    let before = total();
    let challenge = b.call("InitiateAuth", begin).await.ok();
    let right = answer(&client, &challenge, json!({"ANSWER": "2"}));
    let answers = (0..12).map(|number| {
        let (server, right) = (Arc::clone(&servers[number % 3]), right.clone());
        async move { respond(&server, &right).await }
    });
    assert_eq!(tally(&at_once(answers).await), [("ok", 1), (USED, 11)].into());
    assert_eq!(total(), before + 1);
}
