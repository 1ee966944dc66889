//! CUSTOM_AUTH that begins with SRP_A: the password, then the functions' own challenge.

use testkit::{srp, triggers::faults};

use super::*;

/// AuthParameters that begin with the password.
fn parameters(username: &str, spelling: &str) -> Value {
    let mut parameters = srp::initiate("", username)["AuthParameters"].clone();
    parameters[spelling] = json!("SRP_A");
    parameters
}

/// The challenge PASSWORD_VERIFIER that CUSTOM_AUTH was answered with.
async fn verifier(server: &Server, client: &str, username: &str) -> Value {
    let challenge = initiate(server, client, "CUSTOM_AUTH", parameters(username, "CHALLENGE_NAME")).await.ok();
    session(&challenge, "PASSWORD_VERIFIER");
    challenge
}

async fn prove(server: &Server, client: &str, pool: &str, challenge: &Value, password: &str) -> Answer {
    let responses = srp::respond(challenge, pool, password);
    respond(server, client, "PASSWORD_VERIFIER", challenge["Session"].as_str(), responses).await
}

/// The session array of the newest event of DefineAuthChallenge.
fn last_defined(told: &Told) -> Value {
    let events = told.take().into_iter().rev();
    let mut defined = events.filter(|event| event["triggerSource"] == "DefineAuthChallenge_Authentication");
    defined.next().unwrap()["request"]["session"].clone()
}

#[tokio::test]
async fn the_password_comes_first_if_the_functions_want_it() {
    both_engines(async |server| {
        let (pool, client, told) = custom_scene(&server, json!({})).await;
        for spelling in ["CHALLENGE_NAME", "ChallengeName"] {
            let mut challenge = initiate(&server, &client, "CUSTOM_AUTH", parameters("alice", spelling)).await.ok();
            assert_eq!(
                last_defined(&told),
                json!([{"challengeName": "SRP_A", "challengeResult": true, "challengeMetadata": null}])
            );
            let next = prove(&server, &client, &pool, &challenge, PASSWORD).await.ok();
            let waiting = session(&next, "CUSTOM_CHALLENGE");
            assert_eq!(
                last_defined(&told),
                json!([
                    {"challengeName": "SRP_A", "challengeResult": true, "challengeMetadata": null},
                    {"challengeName": "PASSWORD_VERIFIER", "challengeResult": true, "challengeMetadata": null},
                ])
            );
            // Neither the session nor the proof is good for anything more.
            assert_eq!(prove(&server, &client, &pool, &challenge, PASSWORD).await.error(), USED_SESSION);
            let answer = reply(&server, &client, &waiting, "alice", "2").await.ok();
            assert!(answer["AuthenticationResult"]["AccessToken"].is_string());
            assert_eq!(last_defined(&told).as_array().unwrap().len(), 3);
            challenge["Session"] = json!("[sealed]");
            for name in ["SECRET_BLOCK", "SRP_B"] {
                challenge["ChallengeParameters"][name] = json!("[random]");
            }
            insta::allow_duplicates! { insta::assert_json_snapshot!(challenge, @r#"
            {
              "ChallengeName": "PASSWORD_VERIFIER",
              "Session": "[sealed]",
              "ChallengeParameters": {
                "SALT": "6009fea6396120ac1b43ea69e0338937",
                "SECRET_BLOCK": "[random]",
                "SRP_B": "[random]",
                "USERNAME": "alice",
                "USER_ID_FOR_SRP": "alice"
              }
            }
            "#); }
        }
    })
    .await;
}

#[tokio::test]
async fn the_proof_and_its_session_belong_together() {
    let server = Server::memory().await;
    let (pool, client, told) = custom_scene(&server, json!({})).await;
    server.confirmed_user(&pool, "mallory", PASSWORD, json!({})).await;
    let challenge = verifier(&server, &client, "alice").await;
    let other = verifier(&server, &client, "alice").await;
    let foreign = verifier(&server, &client, "mallory").await;
    let plain = server.call("InitiateAuth", srp::initiate(&client, "alice")).await.ok();
    told.take();
    let swap = |challenge: &Value, session: &Value| {
        let mut swapped = challenge.clone();
        swapped["Session"] = session["Session"].clone();
        swapped
    };
    let refused = |challenge: Value| {
        let (server, client, pool) = (&server, &client, &pool);
        async move { prove(server, client, pool, &challenge, PASSWORD).await.error() }
    };
    assert_eq!(refused(swap(&challenge, &other)).await, INVALID_SESSION);
    assert_eq!(refused(swap(&challenge, &foreign)).await, INVALID_SESSION);
    let missing = "InvalidParameterException: Missing required parameter Session";
    assert_eq!(refused(swap(&challenge, &json!({}))).await, missing, "the functions must not be passed by");
    assert_eq!(refused(swap(&plain, &challenge)).await, INVALID_SESSION);
    assert_eq!(sources(&told), [""; 0]);
    // A wrong password neither calls anybody nor uses up the session.
    assert_eq!(prove(&server, &client, &pool, &challenge, "Wr0ngPass!").await.error(), INCORRECT);
    assert_eq!(sources(&told), [""; 0]);
    prove(&server, &client, &pool, &challenge, PASSWORD).await.ok();
    assert_eq!(sources(&told), ["DefineAuthChallenge", "CreateAuthChallenge"]);
}

#[tokio::test]
async fn wrong_passwords_lock_here_too() {
    let server = Server::memory().await;
    let (pool, client, _) = custom_scene(&server, json!({})).await;
    let challenge = verifier(&server, &client, "alice").await;
    for _ in 0..5 {
        assert_eq!(prove(&server, &client, &pool, &challenge, "Wr0ngPass!").await.error(), INCORRECT);
    }
    assert_eq!(prove(&server, &client, &pool, &challenge, PASSWORD).await.error(), LOCKED);
}

#[tokio::test]
async fn a_temporary_password_is_replaced_before_the_functions_go_on() {
    let server = Server::memory().await;
    let (pool, client, told) = custom_scene(&server, json!({})).await;
    let request = json!({"UserPoolId": pool, "Username": "carol", "TemporaryPassword": PASSWORD});
    server.call("AdminCreateUser", request).await.ok();
    let challenge = verifier(&server, &client, "carol").await;
    told.take();
    let next = prove(&server, &client, &pool, &challenge, PASSWORD).await.ok();
    let waiting = session(&next, "NEW_PASSWORD_REQUIRED");
    assert_eq!(sources(&told), [""; 0]);
    let responses = json!({"USERNAME": "carol", "NEW_PASSWORD": "N3wPassw0rd!"});
    let next = respond(&server, &client, "NEW_PASSWORD_REQUIRED", Some(&waiting), responses).await.ok();
    let names = last_defined(&told);
    let names: Vec<_> = names.as_array().unwrap().iter().map(|entry| &entry["challengeName"]).collect();
    assert_eq!(names, ["SRP_A", "PASSWORD_VERIFIER", "NEW_PASSWORD_REQUIRED"]);
    let waiting = session(&next, "CUSTOM_CHALLENGE");
    assert!(reply(&server, &client, &waiting, "carol", "2").await.ok()["AuthenticationResult"].is_object());
}

#[tokio::test]
async fn a_password_that_is_replaced_ends_what_was_begun_with_it() {
    let server = Server::memory().await;
    let (pool, client, told) = custom_scene(&server, json!({})).await;
    let challenge = verifier(&server, &client, "alice").await;
    let next = prove(&server, &client, &pool, &challenge, PASSWORD).await.ok();
    let waiting = session(&next, "CUSTOM_CHALLENGE");
    let request = json!({"UserPoolId": pool, "Username": "alice", "Password": "An0therPass!", "Permanent": true});
    server.call("AdminSetUserPassword", request).await.ok();
    told.take();
    assert_eq!(reply(&server, &client, &waiting, "alice", "2").await.error(), INVALID_SESSION);
    assert_eq!(sources(&told), [""; 0]);
}

#[tokio::test]
async fn a_session_is_dead_once_a_function_has_failed_after_the_password() {
    both_engines(async |server| {
        let (pool, client, _) = custom_scene(&server, json!({})).await;
        for (number, (fault, error)) in faults(&[]).into_iter().enumerate() {
            functions(&server);
            let challenge = verifier(&server, &client, "alice").await;
            server.function(&arn(DEFINE), fault);
            let refused = prove(&server, &client, &pool, &challenge, PASSWORD).await.error();
            assert_eq!(refused, error.replace("{}", "DefineAuthChallenge"), "{number}");
            functions(&server);
            for _ in 0..2 {
                let refused = prove(&server, &client, &pool, &challenge, PASSWORD).await.error();
                assert_eq!(refused, INVALID_SESSION, "{number}");
            }
        }
    })
    .await;
}

/// The functions may ask something of their own before the password.
#[tokio::test]
async fn the_password_can_come_second() {
    let server = Server::memory().await;
    let (pool, client, told) = custom_scene(&server, json!({})).await;
    responds(&server, &told, DEFINE, |event| {
        let session = event["request"]["session"].as_array().unwrap();
        match session.last().map(|entry| entry["challengeName"].as_str().unwrap()) {
            Some("SRP_A") => json!({"challengeName": "CUSTOM_CHALLENGE"}),
            Some("CUSTOM_CHALLENGE") => json!({"challengeName": "PASSWORD_VERIFIER"}),
            _ if session.len() == 3 => json!({"issueTokens": true}),
            _ => json!({"failAuthentication": true}),
        }
    });
    let begun = initiate(&server, &client, "CUSTOM_AUTH", parameters("alice", "CHALLENGE_NAME")).await.ok();
    let waiting = session(&begun, "CUSTOM_CHALLENGE");
    let challenge = reply(&server, &client, &waiting, "alice", "2").await.ok();
    session(&challenge, "PASSWORD_VERIFIER");
    let answer = prove(&server, &client, &pool, &challenge, PASSWORD).await.ok();
    assert!(answer["AuthenticationResult"]["AccessToken"].is_string());
}

#[tokio::test]
async fn a_password_is_asked_for_once_and_only_of_who_began_with_it() {
    let server = Server::memory().await;
    let (pool, client, told) = custom_scene(&server, json!({})).await;
    responds(&server, &told, DEFINE, |_| json!({"challengeName": "PASSWORD_VERIFIER"}));
    let error = "InvalidLambdaResponseException: DefineAuthChallenge answered challengeName PASSWORD_VERIFIER, but the client has sent no SRP_A, or has proven the password already.";
    assert_eq!(begin(&server, &client, "alice").await.error(), error);
    let challenge = verifier(&server, &client, "alice").await;
    assert_eq!(prove(&server, &client, &pool, &challenge, PASSWORD).await.error(), error);
}

#[tokio::test]
async fn a_stranger_is_asked_for_a_password_that_is_never_right() {
    both_engines(async |server| {
        let (pool, client, told) = custom_scene(&server, hides()).await;
        let challenge = verifier(&server, &client, "zelda").await;
        assert_eq!(told.take()[0]["request"]["userNotFound"], true);
        assert_eq!(prove(&server, &client, &pool, &challenge, PASSWORD).await.error(), INCORRECT);
        assert_eq!(sources(&told), [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn where_srp_is_switched_off_nobody_begins_with_it() {
    let switch_off = |settings: &mut service::Settings| settings.srp_off = service::settings::SrpOff::Everywhere;
    let server = Server::builder().settings(switch_off).start().await;
    let (_, client, told) = custom_scene(&server, json!({})).await;
    let refused = initiate(&server, &client, "CUSTOM_AUTH", parameters("alice", "CHALLENGE_NAME")).await;
    assert_eq!(refused.error(), "InvalidParameterException: USER_SRP_AUTH is not enabled for the client.");
    assert_eq!(sources(&told), [""; 0]);
}

/// A second factor belongs to the password: it is asked for right after it, and nobody is asked who proves no password.
#[tokio::test]
async fn a_second_factor_follows_the_password_and_nothing_else() {
    both_engines(async |server| {
        let (pool, client, told) = custom_scene(&server, json!({})).await;
        let sms = json!({"SmsConfiguration": {"SnsCallerArn": "arn:aws:iam::123456789012:role/sms"}});
        let config = json!({"UserPoolId": pool, "SmsMfaConfiguration": sms, "MfaConfiguration": "ON"});
        server.call("SetUserPoolMfaConfig", config).await.ok();
        server.confirmed_user(&pool, "dora", PASSWORD, json!({"phone_number": "+15550100"})).await;
        let challenge = verifier(&server, &client, "dora").await;
        told.take();
        let next = prove(&server, &client, &pool, &challenge, PASSWORD).await.ok();
        let waiting = session(&next, "SMS_MFA");
        assert_eq!(sources(&told), [""; 0], "the functions wait for the second factor");
        let code = server.last_code(&pool, "dora").await;
        let responses = json!({"USERNAME": "dora", "SMS_MFA_CODE": code});
        let next = respond(&server, &client, "SMS_MFA", Some(&waiting), responses).await.ok();
        let names = last_defined(&told);
        let names: Vec<_> = names.as_array().unwrap().iter().map(|entry| &entry["challengeName"]).collect();
        assert_eq!(names, ["SRP_A", "PASSWORD_VERIFIER", "SMS_MFA"]);
        let waiting = session(&next, "CUSTOM_CHALLENGE");
        let answer = reply(&server, &client, &waiting, "dora", "2").await.ok();
        assert!(answer["AuthenticationResult"].is_object(), "it is asked for once: {answer}");

        let begun = begin(&server, &client, "dora").await.ok();
        let waiting = session(&begun, "CUSTOM_CHALLENGE");
        let answer = reply(&server, &client, &waiting, "dora", "2").await.ok();
        assert!(answer["AuthenticationResult"].is_object(), "{answer}");
    })
    .await;
}

#[tokio::test]
async fn a_password_that_is_replaced_while_the_functions_think_is_worth_nothing() {
    let server = Arc::new(Server::memory().await);
    let (pool, client, _) = custom_scene(&server, json!({})).await;
    let challenge = verifier(&server, &client, "alice").await;
    let next = prove(&server, &client, &pool, &challenge, PASSWORD).await.ok();
    let waiting = session(&next, "CUSTOM_CHALLENGE");
    let request = json!({"UserPoolId": pool, "Username": "alice", "Password": "An0therPass!", "Permanent": true});
    let weak = Arc::downgrade(&server);
    server.slow_function(
        &arn(VERIFY),
        Arc::new(move |mut event| {
            let (server, request) = (weak.upgrade().unwrap(), request.clone());
            Box::pin(async move {
                server.call("AdminSetUserPassword", request).await.ok();
                event["response"] = json!({"answerCorrect": true});
                Ok(event.to_string())
            })
        }),
    );
    assert_eq!(reply(&server, &client, &waiting, "alice", "2").await.error(), INVALID_SESSION);
}
