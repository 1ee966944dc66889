//! Functions that fail, are not there, answer nonsense, or never come to an end (triggers-security.md §3).

use std::{future::pending, sync::Mutex};

use testkit::triggers::{UNRECOGNIZABLE, faults};

use super::*;

#[tokio::test]
async fn a_function_that_fails_ends_the_sign_in() {
    let server = Server::memory().await;
    let (_, client, told) = custom_scene(&server, json!({})).await;
    for (number, (fault, error)) in faults(&[]).into_iter().enumerate() {
        server.function(&arn(DEFINE), fault);
        let refused = begin(&server, &client, "alice").await.error();
        assert_eq!(refused, error.replace("{}", "DefineAuthChallenge"), "{number}");
    }
    for (number, (fault, error)) in faults(&[]).into_iter().enumerate() {
        functions(&server);
        server.function(&arn(CREATE), fault);
        let refused = begin(&server, &client, "alice").await.error();
        assert_eq!(refused, error.replace("{}", "CreateAuthChallenge"), "{number}");
    }
    for (number, (fault, error)) in faults(&[]).into_iter().enumerate() {
        functions(&server);
        let waiting = asked(&server, &client).await;
        server.function(&arn(VERIFY), fault);
        let refused = reply(&server, &client, &waiting, "alice", "2").await.error();
        assert_eq!(refused, error.replace("{}", "VerifyAuthChallengeResponse"), "{number}");
        // The session is dead, even when the function has recovered.
        functions(&server);
        assert_eq!(reply(&server, &client, &waiting, "alice", "2").await.error(), INVALID_SESSION, "{number}");
    }
    drop(told);
}

#[tokio::test]
async fn only_the_answers_that_the_events_name_are_understood() {
    let server = Server::memory().await;
    let (_, client, told) = custom_scene(&server, json!({})).await;
    for response in [
        json!({}),
        json!({"challengeName": null, "issueTokens": null, "failAuthentication": null}),
        json!({"issueTokens": false, "failAuthentication": false}),
        json!({"IssueTokens": true}),
        json!({"issueTokens": "true"}),
        json!({"issueTokens": 1}),
        json!({"challengeName": 5}),
        json!({"failAuthentication": "no", "issueTokens": true}),
        json!(null),
        json!("issueTokens"),
        json!([true]),
    ] {
        let answer = response.clone();
        responds(&server, &told, DEFINE, move |_| answer.clone());
        assert_eq!(begin(&server, &client, "alice").await.error(), UNRECOGNIZABLE, "{response}");
    }
    for name in ["", "SRP_A", "custom_challenge", "SMS_MFA", "DEVICE_SRP_AUTH"] {
        responds(&server, &told, DEFINE, move |_| json!({"challengeName": name}));
        let error = format!(
            "InvalidLambdaResponseException: DefineAuthChallenge answered challengeName {name}, but it must be CUSTOM_CHALLENGE or PASSWORD_VERIFIER."
        );
        assert_eq!(begin(&server, &client, "alice").await.error(), error);
    }
    // Who says both yes and no says no.
    responds(&server, &told, DEFINE, |_| json!({"issueTokens": true, "failAuthentication": true}));
    assert_eq!(begin(&server, &client, "alice").await.error(), INCORRECT);
    responds(&server, &told, DEFINE, three_tries);
    for response in [
        json!({"publicChallengeParameters": "text"}),
        json!({"publicChallengeParameters": {"number": 1}}),
        json!({"privateChallengeParameters": {"nested": {}}}),
        json!({"challengeMetadata": {}}),
    ] {
        let answer = response.clone();
        responds(&server, &told, CREATE, move |_| answer.clone());
        assert_eq!(begin(&server, &client, "alice").await.error(), UNRECOGNIZABLE, "{response}");
    }
    // A challenge without parameters is one all the same, and USERNAME is not the functions' to choose.
    for response in [json!({}), json!({"publicChallengeParameters": {"USERNAME": "mallory"}})] {
        responds(&server, &told, CREATE, move |_| response.clone());
        let challenge = begin(&server, &client, "alice").await.ok();
        assert_eq!(challenge["ChallengeParameters"], json!({"USERNAME": "alice"}));
    }
    // Only what is said to be right is right.
    functions(&server);
    for response in [json!({}), json!({"answerCorrect": null}), json!({"answerCorrect": false})] {
        let answer = response.clone();
        responds(&server, &told, VERIFY, move |_| answer.clone());
        let waiting = asked(&server, &client).await;
        let next = reply(&server, &client, &waiting, "alice", "2").await.ok();
        session(&next, "CUSTOM_CHALLENGE");
    }
    for response in [json!({"answerCorrect": "true"}), json!({"answerCorrect": 1})] {
        let answer = response.clone();
        responds(&server, &told, VERIFY, move |_| answer.clone());
        let waiting = asked(&server, &client).await;
        assert_eq!(reply(&server, &client, &waiting, "alice", "2").await.error(), UNRECOGNIZABLE, "{response}");
    }
}

#[tokio::test]
async fn a_pool_without_the_function_cannot_go_on() {
    let server = Server::memory().await;
    functions(&server);
    let missing =
        "InvalidUserPoolConfigurationException: Custom auth lambda trigger is not configured for the user pool.";
    for triggers in [&ALL[..0], &ALL[..1], &ALL[..2]] {
        let pool = server.pool(json!({"LambdaConfig": lambda_config(triggers)})).await;
        let client = server.client_id(&pool, json!({"ExplicitAuthFlows": ["ALLOW_CUSTOM_AUTH"]})).await;
        server.confirmed_user(&pool, "alice", PASSWORD, json!({})).await;
        let begun = begin(&server, &client, "alice").await;
        if triggers.contains(&CREATE) {
            let waiting = session(&begun.ok(), "CUSTOM_CHALLENGE");
            assert_eq!(reply(&server, &client, &waiting, "alice", "2").await.error(), missing);
            assert_eq!(reply(&server, &client, &waiting, "alice", "2").await.error(), INVALID_SESSION);
        } else {
            assert_eq!(begun.error(), missing, "{triggers:?}");
        }
    }
}

/// This one takes the five seconds that it is about.
#[tokio::test]
async fn a_function_that_never_ends_is_not_waited_for() {
    let server = Server::memory().await;
    let (_, client, _) = custom_scene(&server, json!({})).await;
    let waiting = asked(&server, &client).await;
    let calls = Arc::new(Mutex::new(0));
    let counted = calls.clone();
    server.slow_function(
        &arn(VERIFY),
        Arc::new(move |_| {
            *counted.lock().unwrap() += 1;
            Box::pin(pending())
        }),
    );
    let refused = reply(&server, &client, &waiting, "alice", "2").await;
    assert_eq!(
        refused.error(),
        "UnexpectedLambdaException: VerifyAuthChallengeResponse invocation failed due to error Socket timeout while invoking Lambda function."
    );
    assert_eq!(*calls.lock().unwrap(), 1, "what it did is done");
    functions(&server);
    assert_eq!(reply(&server, &client, &waiting, "alice", "2").await.error(), INVALID_SESSION);
}

#[tokio::test]
async fn what_a_session_cannot_carry_is_refused() {
    let server = Server::memory().await;
    let (_, client, told) = custom_scene(&server, json!({})).await;
    let mut longest = 0;
    for length in (0..4_000).step_by(100) {
        responds(
            &server,
            &told,
            CREATE,
            move |_| json!({"privateChallengeParameters": {"answer": "2", "more": "x".repeat(length)}}),
        );
        let begun = begin(&server, &client, "alice").await;
        if begun.status == 200 {
            let waiting = session(&begun.ok(), "CUSTOM_CHALLENGE");
            assert!(waiting.len() <= 4_096);
            let answer = reply(&server, &client, &waiting, "alice", "2").await.ok();
            assert!(answer["AuthenticationResult"].is_object());
            longest = length;
        } else {
            let error = begun.error();
            let begins = "InvalidLambdaResponseException: CreateAuthChallenge answered more privateChallengeParameters";
            assert!(error.starts_with(begins), "{error}");
            assert!(length > longest);
        }
    }
    assert!((1_500..3_900).contains(&longest), "{longest} characters fit");
}

#[tokio::test]
async fn functions_that_never_give_up_do_not_let_anybody_guess_for_ever() {
    let server = Server::memory().await;
    let (_, client, told) = custom_scene(&server, json!({})).await;
    responds(&server, &told, DEFINE, |_| json!({"challengeName": "CUSTOM_CHALLENGE"}));
    let mut waiting = asked(&server, &client).await;
    let mut guesses = 0;
    let last = loop {
        guesses += 1;
        let answer = reply(&server, &client, &waiting, "alice", "3").await;
        if answer.status != 200 {
            break answer.error();
        }
        waiting = session(&answer.ok(), "CUSTOM_CHALLENGE");
        assert!(guesses < 100, "it must come to an end");
    };
    assert_eq!((guesses, last.as_str()), (21, INCORRECT));
}
