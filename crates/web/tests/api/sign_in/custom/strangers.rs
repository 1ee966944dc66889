//! Users who do not exist, through clients that say so and clients that do not (auth-flows.md §9).

use super::*;

/// A challenge without what is sealed or names the user.
fn shape(mut challenge: Value) -> Value {
    let length = challenge["Session"].as_str().unwrap().len();
    challenge["Session"] = json!(format!("{} or so", length / 100 * 100));
    challenge["ChallengeParameters"].as_object_mut().unwrap().remove("USERNAME");
    challenge
}

#[tokio::test]
async fn functions_run_for_strangers_and_nobody_else_can_tell() {
    both_engines(async |server| {
        let (_, client, told) = custom_scene(&server, hides()).await;
        let known = begin(&server, &client, "alice").await.ok();
        let known_events = sources(&told);
        let unknown = begin(&server, &client, "zelda").await.ok();
        assert_eq!(unknown["ChallengeParameters"]["USERNAME"], "zelda");
        let events = told.take();
        insta::allow_duplicates! { insta::assert_json_snapshot!(events[0], @r#"
        {
          "version": "1",
          "region": "us-east-1",
          "userPoolId": "us-east-1_O2c3Nifle",
          "userName": "zelda",
          "callerContext": {
            "awsSdkVersion": "aws-sdk-unknown-unknown",
            "clientId": "cgqnq25d7v3j8fm9ernm8hn77b"
          },
          "triggerSource": "DefineAuthChallenge_Authentication",
          "request": {
            "userAttributes": {},
            "session": [],
            "userNotFound": true
          },
          "response": {
            "challengeName": null,
            "issueTokens": null,
            "failAuthentication": null
          }
        }
        "#); }
        assert_eq!(events.len(), known_events.len());
        assert_eq!(shape(unknown.clone()), shape(known.clone()));

        // Both may go on, by the name that was typed.
        let known = reply(&server, &client, &session(&known, "CUSTOM_CHALLENGE"), "alice", "3").await.ok();
        let known_events = told.take();
        assert_eq!(known_events[0]["request"]["userNotFound"], false);
        let unknown = reply(&server, &client, &session(&unknown, "CUSTOM_CHALLENGE"), "zelda", "3").await.ok();
        let events = told.take();
        for event in &events {
            assert_eq!(event["request"]["userNotFound"], true);
            assert_eq!(event["request"]["userAttributes"], json!({}));
            assert_eq!(event["userName"], "zelda");
        }
        assert_eq!(events.len(), known_events.len());
        assert_eq!(shape(unknown.clone()), shape(known));

        // Whatever the functions say, a stranger gets no tokens.
        let unknown = session(&unknown, "CUSTOM_CHALLENGE");
        assert_eq!(reply(&server, &client, &unknown, "zelda", "2").await.error(), INCORRECT);
        assert_eq!(reply(&server, &client, &unknown, "zelda", "2").await.error(), INVALID_SESSION);
        let told = Told::default();
        responds(&server, &told, DEFINE, |_| json!({"issueTokens": true}));
        assert_eq!(begin(&server, &client, "zelda").await.error(), INCORRECT);
        assert!(begin(&server, &client, "alice").await.ok()["AuthenticationResult"].is_object());
    })
    .await;
}

#[tokio::test]
async fn strangers_are_no_users_to_clients_that_hide_nothing() {
    both_engines(async |server| {
        let (_, client, told) = custom_scene(&server, json!({})).await;
        assert_eq!(begin(&server, &client, "zelda").await.error(), UNKNOWN);
        assert_eq!(sources(&told), [""; 0]);
        begin(&server, &client, "alice").await.ok();
        assert!(told.take()[0]["request"].get("userNotFound").is_none());
    })
    .await;
}

#[tokio::test]
async fn who_is_shut_out_looks_like_anybody_until_the_functions_are_content() {
    let server = Server::memory().await;
    let (pool, client, told) = custom_scene(&server, hides()).await;
    administer(&server, "AdminDisableUser", &pool, "alice").await;
    let waiting = asked(&server, &client).await;
    let waiting = session(&reply(&server, &client, &waiting, "alice", "3").await.ok(), "CUSTOM_CHALLENGE");
    assert_eq!(sources(&told).len(), 5);
    let refused = reply(&server, &client, &waiting, "alice", "2").await;
    assert_eq!(refused.error(), "NotAuthorizedException: User is disabled.");
}

#[tokio::test]
async fn a_stranger_in_a_pool_of_addresses_is_called_by_an_id() {
    let server = Server::memory().await;
    let told = functions(&server);
    let pool = server.pool(json!({"LambdaConfig": lambda_config(ALL), "UsernameAttributes": ["email"]})).await;
    let members = json!({"ExplicitAuthFlows": ["ALLOW_CUSTOM_AUTH"], "PreventUserExistenceErrors": "ENABLED"});
    let client = server.client_id(&pool, members).await;
    let sub = server.confirmed_user(&pool, "alice@example.com", PASSWORD, json!({})).await;
    let known = begin(&server, &client, "alice@example.com").await.ok();
    assert_eq!(known["ChallengeParameters"]["USERNAME"], sub);
    let unknown = begin(&server, &client, "zelda@example.com").await.ok();
    let id = unknown["ChallengeParameters"]["USERNAME"].as_str().unwrap();
    assert_eq!(id.len(), sub.len());
    let again = begin(&server, &client, "zelda@example.com").await.ok();
    assert_eq!(again["ChallengeParameters"]["USERNAME"], id);
    told.take();
    reply(&server, &client, &session(&unknown, "CUSTOM_CHALLENGE"), id, "3").await.ok();
    assert!(told.take().iter().all(|event| event["userName"] == id));
}
