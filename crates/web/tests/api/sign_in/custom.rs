//! CUSTOM_AUTH and CUSTOM_CHALLENGE (auth-flows.md §15, triggers-security.md §2, §3, §8).

mod failures;
mod password_first;
mod strangers;

use testkit::triggers::{Told, arn, lambda_config, responds};

use super::*;

const DEFINE: &str = "DefineAuthChallenge";
const CREATE: &str = "CreateAuthChallenge";
const VERIFY: &str = "VerifyAuthChallengeResponse";
/// What CUSTOM_AUTH needs.
pub const ALL: &[&str] = &[DEFINE, CREATE, VERIFY];

/// Sources of the events since the last time, without the part that all share.
fn sources(told: &Told) -> Vec<String> {
    told.sources().iter().map(|source| source.replace("_Authentication", "")).collect()
}

/// DefineAuthChallenge of the usual pool: three tries, after the password if the client begins with it.
fn three_tries(event: &Value) -> Value {
    let session = event["request"]["session"].as_array().unwrap();
    let is = |entry: &Value, name: &str| entry["challengeName"] == name;
    let tries = session.iter().filter(|entry| is(entry, "CUSTOM_CHALLENGE")).count();
    match session.last() {
        Some(last) if is(last, "SRP_A") => json!({"challengeName": "PASSWORD_VERIFIER"}),
        Some(last) if is(last, "CUSTOM_CHALLENGE") && last["challengeResult"] == true => json!({"issueTokens": true}),
        _ if tries >= 3 => json!({"failAuthentication": true}),
        _ => json!({"challengeName": "CUSTOM_CHALLENGE", "issueTokens": false, "failAuthentication": false}),
    }
}

/// The usual functions.
pub fn functions(server: &Server) -> Told {
    let told = Told::default();
    responds(server, &told, DEFINE, three_tries);
    responds(server, &told, CREATE, |_| {
        json!({
            "publicChallengeParameters": {"question": "1 + 1"},
            "privateChallengeParameters": {"answer": "2"},
            "challengeMetadata": "SUM",
        })
    });
    responds(server, &told, VERIFY, |event| {
        let request = &event["request"];
        json!({"answerCorrect": request["challengeAnswer"] == request["privateChallengeParameters"]["answer"]})
    });
    told
}

/// A pool with the usual functions, a client for CUSTOM_AUTH with these members, and the confirmed user `alice`.
async fn custom_scene(server: &Server, client: Value) -> (String, String, Told) {
    let told = functions(server);
    let pool = server.pool(json!({"LambdaConfig": lambda_config(ALL)})).await;
    let mut members = json!({"ExplicitAuthFlows": ["ALLOW_CUSTOM_AUTH", "ALLOW_USER_SRP_AUTH"]});
    members.as_object_mut().unwrap().extend(client.as_object().unwrap().clone());
    let client = server.client_id(&pool, members).await;
    server.confirmed_user(&pool, "alice", PASSWORD, json!({"email": "alice@example.com"})).await;
    (pool, client, told)
}

async fn begin(server: &Server, client: &str, username: &str) -> Answer {
    initiate(server, client, "CUSTOM_AUTH", json!({"USERNAME": username})).await
}

/// The session of a challenge, which must be this one.
fn session(challenge: &Value, name: &str) -> String {
    assert_eq!(challenge["ChallengeName"], name, "{challenge}");
    challenge["Session"].as_str().unwrap().to_owned()
}

async fn reply(server: &Server, client: &str, session: &str, username: &str, answer: &str) -> Answer {
    let responses = json!({"USERNAME": username, "ANSWER": answer});
    respond(server, client, "CUSTOM_CHALLENGE", Some(session), responses).await
}

/// A session of alice's that waits for the answer to the sum.
async fn asked(server: &Server, client: &str) -> String {
    session(&begin(server, client, "alice").await.ok(), "CUSTOM_CHALLENGE")
}

#[tokio::test]
async fn functions_ask_and_judge() {
    both_engines(async |server| {
        let (pool, client, told) = custom_scene(&server, json!({})).await;
        let mut challenge = server
            .call(
                "InitiateAuth",
                json!({
                    "AuthFlow": "CUSTOM_AUTH",
                    "ClientId": client,
                    "AuthParameters": {"USERNAME": "alice", "CHALLENGE_NAME": "CUSTOM_CHALLENGE"},
                    "ClientMetadata": {"reaches": "other functions"},
                }),
            )
            .await
            .ok();
        let first = session(&challenge, "CUSTOM_CHALLENGE");
        assert!((20..=4096).contains(&first.len()));
        challenge["Session"] = json!("[sealed]");
        insta::allow_duplicates! { insta::assert_json_snapshot!(challenge, @r#"
        {
          "ChallengeName": "CUSTOM_CHALLENGE",
          "Session": "[sealed]",
          "ChallengeParameters": {
            "USERNAME": "alice",
            "question": "1 + 1"
          }
        }
        "#); }
        insta::allow_duplicates! { insta::assert_json_snapshot!(told.take(), @r#"
        [
          {
            "version": "1",
            "region": "us-east-1",
            "userPoolId": "us-east-1_O2c3Nifle",
            "userName": "alice",
            "callerContext": {
              "awsSdkVersion": "aws-sdk-unknown-unknown",
              "clientId": "cgqnq25d7v3j8fm9ernm8hn77b"
            },
            "triggerSource": "DefineAuthChallenge_Authentication",
            "request": {
              "userAttributes": {
                "cognito:user_status": "CONFIRMED",
                "email": "alice@example.com",
                "email_verified": "true",
                "sub": "fdfeeba9-f04c-4e5c-be60-76135dc4bdef"
              },
              "session": []
            },
            "response": {
              "challengeName": null,
              "issueTokens": null,
              "failAuthentication": null
            }
          },
          {
            "version": "1",
            "region": "us-east-1",
            "userPoolId": "us-east-1_O2c3Nifle",
            "userName": "alice",
            "callerContext": {
              "awsSdkVersion": "aws-sdk-unknown-unknown",
              "clientId": "cgqnq25d7v3j8fm9ernm8hn77b"
            },
            "triggerSource": "CreateAuthChallenge_Authentication",
            "request": {
              "userAttributes": {
                "cognito:user_status": "CONFIRMED",
                "email": "alice@example.com",
                "email_verified": "true",
                "sub": "fdfeeba9-f04c-4e5c-be60-76135dc4bdef"
              },
              "challengeName": "CUSTOM_CHALLENGE",
              "session": []
            },
            "response": {
              "publicChallengeParameters": null,
              "privateChallengeParameters": null,
              "challengeMetadata": null
            }
          }
        ]
        "#); }
        let answer = server
            .call(
                "RespondToAuthChallenge",
                json!({
                    "ClientId": client,
                    "ChallengeName": "CUSTOM_CHALLENGE",
                    "Session": first,
                    "ChallengeResponses": {"USERNAME": "alice", "ANSWER": "2"},
                    "ClientMetadata": {"reaches": "these"},
                }),
            )
            .await
            .ok();
        let [verified, defined] = told.take().try_into().unwrap();
        insta::allow_duplicates! { insta::assert_json_snapshot!(verified, @r#"
        {
          "version": "1",
          "region": "us-east-1",
          "userPoolId": "us-east-1_O2c3Nifle",
          "userName": "alice",
          "callerContext": {
            "awsSdkVersion": "aws-sdk-unknown-unknown",
            "clientId": "cgqnq25d7v3j8fm9ernm8hn77b"
          },
          "triggerSource": "VerifyAuthChallengeResponse_Authentication",
          "request": {
            "userAttributes": {
              "cognito:user_status": "CONFIRMED",
              "email": "alice@example.com",
              "email_verified": "true",
              "sub": "fdfeeba9-f04c-4e5c-be60-76135dc4bdef"
            },
            "privateChallengeParameters": {
              "answer": "2"
            },
            "challengeAnswer": "2",
            "clientMetadata": {
              "reaches": "these"
            }
          },
          "response": {
            "answerCorrect": null
          }
        }
        "#); }
        assert_eq!(defined["triggerSource"], "DefineAuthChallenge_Authentication");
        let challenge =
            json!({"challengeName": "CUSTOM_CHALLENGE", "challengeResult": true, "challengeMetadata": "SUM"});
        assert_eq!(defined["request"]["session"], json!([challenge]));
        assert_eq!(defined["request"]["clientMetadata"], json!({"reaches": "these"}));
        assert_eq!(reply(&server, &client, &first, "alice", "2").await.error(), USED_SESSION);
        assert_eq!(sources(&told), [""; 0], "a used session calls nobody");
        let by_password = testkit::srp::SignIn::start(&server, &client, &pool, "alice", PASSWORD).await;
        assert_eq!(undrawn(answer), undrawn(by_password.finish(&server).await.ok()));
    })
    .await;
}

#[tokio::test]
async fn wrong_answers_are_for_the_functions_to_judge() {
    both_engines(async |server| {
        let (_, client, told) = custom_scene(&server, json!({})).await;
        let first = asked(&server, &client).await;
        let second = session(&reply(&server, &client, &first, "alice", "3").await.ok(), "CUSTOM_CHALLENGE");
        assert_ne!(first, second);
        // A retry needs the new session, and the old one lets nobody guess again.
        assert_eq!(reply(&server, &client, &first, "alice", "2").await.error(), USED_SESSION);
        let third = session(&reply(&server, &client, &second, "alice", "4").await.ok(), "CUSTOM_CHALLENGE");
        told.take();
        let failed = reply(&server, &client, &third, "alice", "5").await;
        assert_eq!(failed.error(), INCORRECT);
        let events = told.take();
        insta::allow_duplicates! { insta::assert_json_snapshot!(events[1]["request"]["session"], @r#"
        [
          {
            "challengeName": "CUSTOM_CHALLENGE",
            "challengeResult": false,
            "challengeMetadata": "SUM"
          },
          {
            "challengeName": "CUSTOM_CHALLENGE",
            "challengeResult": false,
            "challengeMetadata": "SUM"
          },
          {
            "challengeName": "CUSTOM_CHALLENGE",
            "challengeResult": false,
            "challengeMetadata": "SUM"
          }
        ]
        "#); }
        assert_eq!(events.len(), 2, "nothing is made when it is over");
        assert_eq!(reply(&server, &client, &third, "alice", "2").await.error(), INVALID_SESSION);
        // Nobody is locked out by guesses.
        let fourth = asked(&server, &client).await;
        reply(&server, &client, &fourth, "alice", "2").await.ok();
    })
    .await;
}

#[tokio::test]
async fn an_answer_counts_once_even_when_two_come_together() {
    both_engines(async |server| {
        let (_, client, told) = custom_scene(&server, json!({})).await;
        for answers in [("2", "2"), ("3", "2"), ("3", "3")] {
            let session = asked(&server, &client).await;
            told.take();
            let (one, two) = tokio::join!(
                reply(&server, &client, &session, "alice", answers.0),
                reply(&server, &client, &session, "alice", answers.1),
            );
            let refused: Vec<String> =
                [&one, &two].into_iter().filter(|answer| answer.status != 200).map(Answer::error).collect();
            assert_eq!(refused, [USED_SESSION], "{answers:?}");
            let checked = sources(&told).into_iter().filter(|source| source == "VerifyAuthChallengeResponse").count();
            assert_eq!(checked, 1, "{answers:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn administrators_begin_and_answer_too() {
    let server = Server::memory().await;
    let (pool, client, told) = custom_scene(&server, json!({})).await;
    let parameters = json!({"USERNAME": "alice"});
    let begun = admin_initiate(&server, &pool, &client, "CUSTOM_AUTH", parameters).await.ok();
    let waiting = session(&begun, "CUSTOM_CHALLENGE");
    // A session of one pair of operations is none of the other's.
    assert_eq!(reply(&server, &client, &waiting, "alice", "2").await.error(), INVALID_SESSION);
    told.take();
    let answer = server
        .call(
            "AdminRespondToAuthChallenge",
            json!({
                "UserPoolId": pool,
                "ClientId": client,
                "ChallengeName": "CUSTOM_CHALLENGE",
                "Session": waiting,
                "ChallengeResponses": {"USERNAME": "alice", "ANSWER": "2"},
                "ClientMetadata": {"reaches": "these"},
            }),
        )
        .await
        .ok();
    assert!(answer["AuthenticationResult"]["AccessToken"].is_string());
    assert!(told.take().iter().all(|event| event["request"]["clientMetadata"] == json!({"reaches": "these"})));
    let public = asked(&server, &client).await;
    let request = json!({
        "UserPoolId": pool, "ClientId": client, "ChallengeName": "CUSTOM_CHALLENGE", "Session": public,
        "ChallengeResponses": {"USERNAME": "alice", "ANSWER": "2"},
    });
    assert_eq!(server.call("AdminRespondToAuthChallenge", request).await.error(), INVALID_SESSION);
}

#[tokio::test]
async fn sessions_are_for_one_client_one_user_and_one_challenge() {
    let server = Server::memory().await;
    let (pool, client, told) = custom_scene(&server, json!({})).await;
    server.confirmed_user(&pool, "mallory", PASSWORD, json!({})).await;
    let other = server.client_id(&pool, json!({"ExplicitAuthFlows": ["ALLOW_CUSTOM_AUTH"]})).await;
    let waiting = asked(&server, &client).await;
    told.take();
    assert_eq!(reply(&server, &other, &waiting, "alice", "2").await.error(), INVALID_SESSION);
    assert_eq!(reply(&server, &client, &waiting, "mallory", "2").await.error(), INVALID_SESSION);
    assert_eq!(reply(&server, &client, &waiting, "nobody", "2").await.error(), INVALID_SESSION);
    assert_eq!(reply(&server, &client, &format!("{waiting}A"), "alice", "2").await.error(), INVALID_SESSION);
    let answer = json!({"USERNAME": "alice", "NEW_PASSWORD": "N3wPassw0rd!"});
    let other_challenge = respond(&server, &client, "NEW_PASSWORD_REQUIRED", Some(&waiting), answer).await;
    assert_eq!(other_challenge.error(), INVALID_SESSION);
    server.advance(181);
    assert_eq!(reply(&server, &client, &waiting, "alice", "2").await.error(), EXPIRED_SESSION);
    assert_eq!(sources(&told), [""; 0], "nobody is called for any of these");
}

#[tokio::test]
async fn requests_are_checked_before_anybody_is_called() {
    let server = Server::memory().await;
    let (pool, client, told) = custom_scene(&server, json!({})).await;
    let missing = |name: &str| format!("InvalidParameterException: Missing required parameter {name}");
    for (parameters, error) in [
        (json!({}), missing("USERNAME")),
        (json!({"USERNAME": ""}), missing("USERNAME")),
        (json!({"USERNAME": "alice", "CHALLENGE_NAME": "SRP_A"}), missing("SRP_A")),
        (json!({"USERNAME": "alice", "ChallengeName": "SRP_A"}), missing("SRP_A")),
        (
            json!({"USERNAME": "alice", "CHALLENGE_NAME": "SRP_A", "SRP_A": "0"}),
            "InvalidParameterException: Invalid SRP_A".to_owned(),
        ),
        (
            json!({"USERNAME": "alice", "CHALLENGE_NAME": "PASSWORD"}),
            "InvalidParameterException: CHALLENGE_NAME must be SRP_A or CUSTOM_CHALLENGE.".to_owned(),
        ),
        (json!({"USERNAME": "alice", "DEVICE_KEY": "us-east-1_x"}), NO_DEVICE.to_owned()),
        (json!({"USERNAME": "nobody"}), UNKNOWN.to_owned()),
    ] {
        let answer = initiate(&server, &client, "CUSTOM_AUTH", parameters.clone()).await;
        assert_eq!(answer.error(), error, "{parameters}");
    }
    let waiting = asked(&server, &client).await;
    told.take();
    for (responses, error) in [
        (json!({"ANSWER": "2"}), missing("USERNAME")),
        (json!({"USERNAME": "alice"}), missing("ANSWER")),
        (json!({"USERNAME": "alice", "ANSWER": ""}), missing("ANSWER")),
        (json!({"USERNAME": "alice", "ANSWER": "2", "DEVICE_KEY": "us-east-1_x"}), NO_DEVICE.to_owned()),
    ] {
        let answer = respond(&server, &client, "CUSTOM_CHALLENGE", Some(&waiting), responses.clone()).await;
        assert_eq!(answer.error(), error, "{responses}");
    }
    let answer = json!({"USERNAME": "alice", "ANSWER": "2"});
    let without = respond(&server, &client, "CUSTOM_CHALLENGE", None, answer).await;
    assert_eq!(without.error(), missing("Session"));
    assert_eq!(sources(&told), [""; 0]);

    let elsewhere = server.client_id(&pool, json!({})).await;
    let refused = begin(&server, &elsewhere, "alice").await;
    assert_eq!(refused.error(), "InvalidParameterException: CUSTOM_AUTH is not enabled for the client.");
    let members = json!({"GenerateSecret": true, "ExplicitAuthFlows": ["ALLOW_CUSTOM_AUTH"]});
    let secretive = server.client_id(&pool, members).await;
    let without = begin(&server, &secretive, "alice").await;
    assert_eq!(
        without.error(),
        format!(
            "NotAuthorizedException: Client {secretive} is configured with secret but SECRET_HASH was not received"
        )
    );
    assert_eq!(sources(&told), [""; 0]);
}

#[tokio::test]
async fn who_may_not_sign_in_is_told_before_anybody_is_called() {
    both_engines(async |server| {
        let (pool, client, told) = custom_scene(&server, json!({})).await;
        let waiting = asked(&server, &client).await;
        told.take();
        administer(&server, "AdminDisableUser", &pool, "alice").await;
        let disabled = "NotAuthorizedException: User is disabled.";
        assert_eq!(begin(&server, &client, "alice").await.error(), disabled);
        assert_eq!(reply(&server, &client, &waiting, "alice", "2").await.error(), disabled);
        administer(&server, "AdminEnableUser", &pool, "alice").await;
        administer(&server, "AdminResetUserPassword", &pool, "alice").await;
        let reset = "PasswordResetRequiredException: Password reset required for the user";
        assert_eq!(begin(&server, &client, "alice").await.error(), reset);
        assert_eq!(reply(&server, &client, &waiting, "alice", "2").await.error(), reset);
        server.call("SignUp", json!({"ClientId": client, "Username": "bob", "Password": PASSWORD})).await.ok();
        let unconfirmed = "UserNotConfirmedException: User is not confirmed.";
        assert_eq!(begin(&server, &client, "bob").await.error(), unconfirmed);
        administer(&server, "AdminDeleteUser", &pool, "alice").await;
        assert_eq!(reply(&server, &client, &waiting, "alice", "2").await.error(), INVALID_SESSION);
        assert_eq!(sources(&told), [""; 0]);
    })
    .await;
}

/// The user who signs in with a name of the pool's own, as operations name those of providers.
fn own(username: &str) -> Value {
    json!({"ProviderName": "Cognito", "ProviderAttributeName": "Cognito_Subject", "ProviderAttributeValue": username})
}

/// Whoever signs in with another provider alone has no way in by the pool's own functions.
#[tokio::test]
async fn users_of_other_providers_are_as_good_as_unknown() {
    both_engines(async |server| {
        let (pool, client, told) = custom_scene(&server, json!({})).await;
        let flows = json!({"ExplicitAuthFlows": ["ALLOW_CUSTOM_AUTH"], "PreventUserExistenceErrors": "ENABLED"});
        let hiding = server.client_id(&pool, flows).await;
        let (waiting, hidden) = (asked(&server, &client).await, asked(&server, &hiding).await);
        told.take();
        server.call("AdminDisableProviderForUser", json!({"UserPoolId": pool, "User": own("alice")})).await.ok();
        assert_eq!(begin(&server, &client, "alice").await.error(), UNKNOWN);
        // Nor by a sign-in that was begun before.
        assert_eq!(reply(&server, &client, &waiting, "alice", "2").await.error(), INVALID_SESSION);
        assert_eq!(sources(&told), [""; 0]);
        assert_eq!(reply(&server, &hiding, &hidden, "alice", "2").await.error(), INCORRECT);
        let begun = begin(&server, &hiding, "alice").await.ok();
        let begun = session(&begun, "CUSTOM_CHALLENGE");
        assert_eq!(reply(&server, &hiding, &begun, "alice", "2").await.error(), INCORRECT);
    })
    .await;
}

/// The functions take their time, and what happens meanwhile counts.
#[tokio::test]
async fn whoever_is_shut_out_while_the_functions_think_gets_no_tokens() {
    for (operation, members, error) in [
        ("AdminDisableUser", json!({}), "NotAuthorizedException: User is disabled."),
        ("AdminDeleteUser", json!({}), INVALID_SESSION),
        ("AdminResetUserPassword", json!({}), "PasswordResetRequiredException: Password reset required for the user"),
        ("AdminDisableProviderForUser", json!({"User": own("alice")}), INVALID_SESSION),
    ] {
        let server = Arc::new(Server::memory().await);
        let (pool, client, _) = custom_scene(&server, json!({})).await;
        let waiting = asked(&server, &client).await;
        let mut request = json!({"UserPoolId": pool, "Username": "alice"});
        request.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        let weak = Arc::downgrade(&server);
        server.slow_function(
            &arn(VERIFY),
            Arc::new(move |mut event| {
                let (server, request) = (weak.upgrade().unwrap(), request.clone());
                Box::pin(async move {
                    server.call(operation, request).await.ok();
                    event["response"] = json!({"answerCorrect": true});
                    Ok(event.to_string())
                })
            }),
        );
        assert_eq!(reply(&server, &client, &waiting, "alice", "2").await.error(), error, "{operation}");
        assert_eq!(reply(&server, &client, &waiting, "alice", "2").await.status, 400);
    }
}

#[tokio::test]
async fn a_temporary_password_is_replaced_after_the_functions_are_content() {
    both_engines(async |server| {
        let (pool, client, told) = custom_scene(&server, json!({})).await;
        let request = json!({"UserPoolId": pool, "Username": "carol", "TemporaryPassword": PASSWORD});
        server.call("AdminCreateUser", request).await.ok();
        let waiting = session(&begin(&server, &client, "carol").await.ok(), "CUSTOM_CHALLENGE");
        let next = reply(&server, &client, &waiting, "carol", "2").await.ok();
        let waiting = session(&next, "NEW_PASSWORD_REQUIRED");
        told.take();
        let responses = json!({"USERNAME": "carol", "NEW_PASSWORD": "N3wPassw0rd!"});
        let answer = respond(&server, &client, "NEW_PASSWORD_REQUIRED", Some(&waiting), responses).await.ok();
        assert!(answer["AuthenticationResult"]["AccessToken"].is_string());
        assert_eq!(sources(&told), [""; 0], "they have said what they had to say");
    })
    .await;
}

#[tokio::test]
async fn functions_are_told_what_is_known_of_the_user() {
    let server = Server::memory().await;
    let told = functions(&server);
    let pool =
        server.pool(json!({"LambdaConfig": lambda_config(ALL), "AliasAttributes": ["email", "phone_number"]})).await;
    let client = server.client_id(&pool, json!({"ExplicitAuthFlows": ["ALLOW_CUSTOM_AUTH"]})).await;
    let attributes =
        json!({"email": "alice@example.com", "phone_number": "+15550100", "phone_number_verified": "false"});
    server.confirmed_user(&pool, "alice", PASSWORD, attributes).await;
    administer(&server, "AdminUserGlobalSignOut", &pool, "alice").await;
    let request = http::Request::builder()
        .method("POST")
        .uri("/")
        .header("host", "127.0.0.1:9229")
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", "AWSCognitoIdentityProviderService.InitiateAuth")
        .header("user-agent", "aws-sdk-nodejs/2.856.0 linux/v12.18.4 promise")
        .body(
            json!({"AuthFlow": "CUSTOM_AUTH", "ClientId": client, "AuthParameters": {"USERNAME": "alice@example.com"}})
                .to_string()
                .into(),
        );
    server.request(request.unwrap()).await.ok();
    let mut event = told.take().remove(0);
    // Servers that share a database allow for clocks that are two seconds apart.
    let signed_out = event["request"]["userAttributes"]["cognito:token_nbf"].take();
    let expected = if server.app.store.is_shared() { "1767323048000" } else { "1767323046000" };
    assert_eq!(signed_out, expected);
    insta::assert_json_snapshot!(event, @r#"
    {
      "version": "1",
      "region": "us-east-1",
      "userPoolId": "us-east-1_O2c3Nifle",
      "userName": "alice",
      "callerContext": {
        "awsSdkVersion": "aws-sdk-nodejs-2.856.0",
        "clientId": "cgqnq25d7v3j8fm9ernm8hn77b"
      },
      "triggerSource": "DefineAuthChallenge_Authentication",
      "request": {
        "userAttributes": {
          "cognito:email_alias": "alice@example.com",
          "cognito:token_nbf": null,
          "cognito:user_status": "CONFIRMED",
          "email": "alice@example.com",
          "email_verified": "true",
          "phone_number": "+15550100",
          "phone_number_verified": "false",
          "sub": "fdfeeba9-f04c-4e5c-be60-76135dc4bdef"
        },
        "session": []
      },
      "response": {
        "challengeName": null,
        "issueTokens": null,
        "failAuthentication": null
      }
    }
    "#);
}

#[tokio::test]
async fn a_pool_shows_its_functions_until_an_update_leaves_them_out() {
    both_engines(async |server| {
        let (pool, client, _) = custom_scene(&server, json!({})).await;
        let shown = async || {
            let described = server.call("DescribeUserPool", json!({"UserPoolId": pool})).await.ok();
            let listed = server.call("ListUserPools", json!({"MaxResults": 10})).await.ok();
            assert_eq!(described["UserPool"]["LambdaConfig"], listed["UserPools"][0]["LambdaConfig"]);
            described["UserPool"]["LambdaConfig"].clone()
        };
        assert_eq!(shown().await, lambda_config(ALL));
        server.call("UpdateUserPool", json!({"UserPoolId": pool})).await.ok();
        assert_eq!(shown().await, json!({}));
        let missing =
            "InvalidUserPoolConfigurationException: Custom auth lambda trigger is not configured for the user pool.";
        assert_eq!(begin(&server, &client, "alice").await.error(), missing);
    })
    .await;
}
