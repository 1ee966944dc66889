//! PreAuthentication: when it is asked, and what it is told (§4.1, §6).

use super::*;

#[tokio::test]
async fn it_is_told_of_the_user_and_of_validation_data() {
    both_engines(async |server| {
        let scene = scene(&server, &["PreAuthentication"], json!({"PreventUserExistenceErrors": "LEGACY"})).await;
        sign_in(&server, &scene.client, "alice", PASSWORD).await.ok();
        let [event] = scene.told.take().try_into().unwrap();
        insta::allow_duplicates! { insta::assert_json_snapshot!(stable(event, &scene), @r#"
        {
          "version": "1",
          "region": "us-east-1",
          "userPoolId": "[pool]",
          "userName": "alice",
          "callerContext": {
            "awsSdkVersion": "aws-sdk-unknown-unknown",
            "clientId": "[client]"
          },
          "triggerSource": "PreAuthentication_Authentication",
          "request": {
            "userAttributes": {
              "cognito:user_status": "CONFIRMED",
              "email": "alice@example.com",
              "email_verified": "true",
              "sub": "[sub]"
            },
            "validationData": {
              "from": "InitiateAuth"
            }
          },
          "response": {}
        }
        "#); }
    })
    .await;
}

/// The table of §4.1, for both flows with a password.
#[tokio::test]
async fn it_is_asked_as_often_as_has_been_measured() {
    both_engines(async |server| {
        let scene = scene(&server, &["PreAuthentication"], json!({"PreventUserExistenceErrors": "ENABLED"})).await;
        let wrong = "NotAuthorizedException: Incorrect username or password.";
        let missing = |name: &str| format!("InvalidParameterException: Missing required parameter {name}");
        for flow in ["USER_PASSWORD_AUTH", "ADMIN_USER_PASSWORD_AUTH"] {
            for (username, password, error, asked) in [
                ("alice".to_owned(), PASSWORD.to_owned(), None, vec![false]),
                ("alice".to_owned(), "wrong".to_owned(), Some(wrong.to_owned()), vec![false]),
                ("nobody".to_owned(), PASSWORD.to_owned(), Some(wrong.to_owned()), vec![true]),
                (String::new(), PASSWORD.to_owned(), Some(missing("USERNAME")), vec![]),
                ("alice".to_owned(), String::new(), Some(missing("PASSWORD")), vec![]),
                ("a".repeat(129), PASSWORD.to_owned(), Some(wrong.to_owned()), vec![true]),
                ("alice".to_owned(), "p".repeat(257), Some(wrong.to_owned()), vec![false]),
            ] {
                let mut request = json!({
                    "AuthFlow": flow, "ClientId": scene.client,
                    "AuthParameters": {"USERNAME": username, "PASSWORD": password},
                });
                let operation = if flow.starts_with("ADMIN") { "AdminInitiateAuth" } else { "InitiateAuth" };
                if operation == "AdminInitiateAuth" {
                    request["UserPoolId"] = json!(scene.pool);
                }
                let answer = server.call(operation, request).await;
                match error {
                    Some(error) => assert_eq!(answer.error(), error, "{flow} {username}"),
                    None => drop(answer.ok()),
                }
                let events = scene.told.take();
                let not_found: Vec<_> = events.iter().map(|event| event["request"]["userNotFound"].clone()).collect();
                assert_eq!(not_found, asked.into_iter().map(Value::from).collect::<Vec<_>>(), "{flow} {username}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn of_somebody_nobody_knows_it_hears_only_where_the_client_must_not() {
    both_engines(async |server| {
        let scene = scene(&server, &["PreAuthentication"], json!({"PreventUserExistenceErrors": "ENABLED"})).await;
        drop(sign_in(&server, &scene.client, "nobody", PASSWORD).await.error());
        let [event] = scene.told.take().try_into().unwrap();
        insta::allow_duplicates! { insta::assert_json_snapshot!(stable(event, &scene), @r#"
        {
          "version": "1",
          "region": "us-east-1",
          "userPoolId": "[pool]",
          "userName": "nobody",
          "callerContext": {
            "awsSdkVersion": "aws-sdk-unknown-unknown",
            "clientId": "[client]"
          },
          "triggerSource": "PreAuthentication_Authentication",
          "request": {
            "userAttributes": {},
            "validationData": {
              "from": "InitiateAuth"
            },
            "userNotFound": true
          },
          "response": {}
        }
        "#); }

        let legacy = server.client_id(&scene.pool, json!({"PreventUserExistenceErrors": "LEGACY"})).await;
        let refused = sign_in(&server, &legacy, "nobody", PASSWORD).await.error();
        assert_eq!(refused, "UserNotFoundException: User does not exist.");
        assert_eq!(scene.told.take(), Vec::<Value>::new());
    })
    .await;
}

#[tokio::test]
async fn what_it_refuses_is_refused_for_right_and_wrong_passwords_alike() {
    both_engines(async |server| {
        let scene = scene(
            &server,
            &["PreAuthentication", "PostAuthentication"],
            json!({"PreventUserExistenceErrors": "ENABLED"}),
        )
        .await;
        server.function(&arn("PreAuthentication"), |_| Err(Failure::Threw("SPIKE_LOCKED".to_owned())));
        let refused = "UserLambdaValidationException: PreAuthentication failed with error SPIKE_LOCKED.";
        for (username, password) in [("alice", PASSWORD), ("alice", "wrong"), ("nobody", PASSWORD)] {
            assert_eq!(sign_in(&server, &scene.client, username, password).await.error(), refused);
        }
        let srp = testkit::srp::initiate(&scene.client, "alice");
        assert_eq!(server.call("InitiateAuth", srp).await.error(), refused);
        assert_eq!(scene.told.take(), Vec::<Value>::new());
    })
    .await;
}

#[tokio::test]
async fn srp_asks_once_and_a_refresh_never() {
    both_engines(async |server| {
        let scene = scene(&server, &["PreAuthentication"], json!({})).await;
        let srp = testkit::srp::SignIn::start(&server, &scene.client, &scene.pool, "alice", PASSWORD).await;
        assert_eq!(scene.told.sources(), ["PreAuthentication_Authentication"]);
        let tokens = srp.finish(&server).await.ok();
        let parameters = json!({"REFRESH_TOKEN": token(&tokens, "RefreshToken")});
        initiate(&server, &scene.client, "REFRESH_TOKEN_AUTH", parameters).await.ok();
        assert_eq!(scene.told.take(), Vec::<Value>::new());
    })
    .await;
}
