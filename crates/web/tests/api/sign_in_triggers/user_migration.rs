//! UserMigration: users who come along from elsewhere (§10).

use super::*;

/// A scene whose function knows bob, and what it says of him.
async fn migrating(server: &Server, pool: Value, client: Value, response: Value) -> Scene {
    let told = Told::default();
    let mut members = json!({"LambdaConfig": {"UserMigration": arn("UserMigration"), "PreSignUp": arn("PreSignUp")}});
    members.as_object_mut().unwrap().extend(pool.as_object().unwrap().clone());
    notes(server, &told, "PreSignUp");
    responds(server, &told, "UserMigration", move |event| {
        let is_known = ["bob", "bob@example.com"].contains(&event["userName"].as_str().unwrap());
        if is_known { response.clone() } else { event["response"].clone() }
    });
    let pool = server.pool(members).await;
    let client = server.client_id(&pool, client).await;
    Scene { pool, client, told }
}

fn attributes() -> Value {
    json!({"email": "bob@example.com", "email_verified": "true", "name": "Bob"})
}

async fn admin_get(server: &Server, scene: &Scene, username: &str) -> Answer {
    server.call("AdminGetUser", json!({"UserPoolId": scene.pool, "Username": username})).await
}

#[tokio::test]
async fn a_user_comes_along_at_the_first_sign_in() {
    both_engines(async |server| {
        let response =
            json!({"userAttributes": attributes(), "finalUserStatus": "CONFIRMED", "messageAction": "SUPPRESS"});
        let scene = migrating(&server, json!({}), json!({}), response).await;
        // No policy takes this password.
        sign_in(&server, &scene.client, "bob", "old").await.ok();
        let [migration, pre_sign_up] = scene.told.take().try_into().unwrap();
        insta::allow_duplicates! {
            insta::assert_json_snapshot!(stable(migration, &scene), @r#"
            {
              "version": "1",
              "region": "us-east-1",
              "userPoolId": "[pool]",
              "userName": "bob",
              "callerContext": {
                "awsSdkVersion": "aws-sdk-unknown-unknown",
                "clientId": "[client]"
              },
              "triggerSource": "UserMigration_Authentication",
              "request": {
                "userAttributes": null,
                "validationData": {
                  "from": "InitiateAuth"
                },
                "password": "old"
              },
              "response": {
                "userAttributes": null,
                "forceAliasCreation": null,
                "enableSMSMFA": null,
                "finalUserStatus": null,
                "messageAction": null,
                "desiredDeliveryMediums": null
              }
            }
            "#);
            insta::assert_json_snapshot!(stable(pre_sign_up, &scene), @r#"
            {
              "version": "1",
              "region": "us-east-1",
              "userPoolId": "[pool]",
              "userName": "bob",
              "callerContext": {
                "awsSdkVersion": "aws-sdk-unknown-unknown",
                "clientId": "CLIENT_ID_NOT_APPLICABLE"
              },
              "triggerSource": "PreSignUp_AdminCreateUser",
              "request": {
                "userAttributes": {
                  "email": "bob@example.com",
                  "email_verified": "true",
                  "name": "Bob"
                },
                "validationData": {
                  "from": "InitiateAuth"
                }
              },
              "response": {
                "autoConfirmUser": false,
                "autoVerifyEmail": false,
                "autoVerifyPhone": false
              }
            }
            "#);
        }
        let user = admin_get(&server, &scene, "bob").await.ok();
        assert_eq!(user["UserStatus"], "CONFIRMED");
        assert!(user["UserAttributes"].to_string().contains("bob@example.com"));
        assert_eq!(server.messages(&scene.pool, "bob").await, Vec::<Value>::new());

        // From now on the pool knows him, and his password.
        sign_in(&server, &scene.client, "bob", "old").await.ok();
        let wrong = sign_in(&server, &scene.client, "bob", "wrong").await.error();
        assert_eq!(wrong, "NotAuthorizedException: Incorrect username or password.");
        assert_eq!(scene.told.take(), Vec::<Value>::new());
        let srp = testkit::srp::SignIn::start(&server, &scene.client, &scene.pool, "bob", "old").await;
        srp.finish(&server).await.ok();
    })
    .await;
}

#[tokio::test]
async fn a_user_who_must_reset_the_password_does_so() {
    both_engines(async |server| {
        let response = json!({"userAttributes": attributes(), "desiredDeliveryMediums": ["EMAIL"]});
        let scene = migrating(&server, json!({}), json!({}), response).await;
        let refused = sign_in(&server, &scene.client, "bob", "old").await.error();
        assert_eq!(refused, "PasswordResetRequiredException: Password reset required for the user");
        assert_eq!(admin_get(&server, &scene, "bob").await.ok()["UserStatus"], "RESET_REQUIRED");
        let [welcome] = server.messages(&scene.pool, "bob").await.try_into().unwrap();
        assert!(welcome["body"].as_str().unwrap().contains("bob") && !welcome.to_string().contains("old"), "{welcome}");
    })
    .await;
}

#[tokio::test]
async fn somebody_who_has_forgotten_the_password_comes_along_too() {
    both_engines(async |server| {
        let response = json!({"userAttributes": attributes(), "messageAction": "SUPPRESS"});
        for hides in ["LEGACY", "ENABLED"] {
            let members = json!({"PreventUserExistenceErrors": hides});
            let scene = migrating(&server, json!({}), members, response.clone()).await;
            let metadata = json!({"from": "ForgotPassword"});
            let request = json!({"ClientId": scene.client, "Username": "bob", "ClientMetadata": metadata});
            let answer = server.call("ForgotPassword", request).await.ok();
            assert_eq!(answer["CodeDeliveryDetails"]["Destination"], "b***@e***");
            let [migration, pre_sign_up] = scene.told.take().try_into().unwrap();
            assert_eq!(pre_sign_up["request"]["clientMetadata"], metadata);
            insta::allow_duplicates! { insta::assert_json_snapshot!(stable(migration, &scene), @r#"
            {
              "version": "1",
              "region": "us-east-1",
              "userPoolId": "[pool]",
              "userName": "bob",
              "callerContext": {
                "awsSdkVersion": "aws-sdk-unknown-unknown",
                "clientId": "[client]"
              },
              "triggerSource": "UserMigration_ForgotPassword",
              "request": {
                "userAttributes": null,
                "validationData": null,
                "clientMetadata": {
                  "from": "ForgotPassword"
                }
              },
              "response": {
                "userAttributes": null,
                "forceAliasCreation": null,
                "enableSMSMFA": null,
                "finalUserStatus": null,
                "messageAction": null,
                "desiredDeliveryMediums": null
              }
            }
            "#); }
            let code = server.last_code(&scene.pool, "bob").await;
            let request = json!({
                "ClientId": scene.client, "Username": "bob", "ConfirmationCode": code, "Password": PASSWORD,
            });
            server.call("ConfirmForgotPassword", request).await.ok();
            sign_in(&server, &scene.client, "bob", PASSWORD).await.ok();
        }
    })
    .await;
}

#[tokio::test]
async fn whom_nobody_knows_stays_unknown() {
    both_engines(async |server| {
        let legacy = migrating(&server, json!({}), json!({"PreventUserExistenceErrors": "LEGACY"}), Value::Null).await;
        let unknown = "UserNotFoundException: User does not exist.";
        assert_eq!(sign_in(&server, &legacy.client, "carol", PASSWORD).await.error(), unknown);
        assert_eq!(legacy.told.sources(), ["UserMigration_Authentication"]);
        let request = json!({"ClientId": legacy.client, "Username": "carol"});
        let unknown = format!("UserNotFoundException: Exception migrating user in app client {}", legacy.client);
        assert_eq!(server.call("ForgotPassword", request).await.error(), unknown);
        assert_eq!(legacy.told.sources(), ["UserMigration_ForgotPassword"]);

        let hiding = migrating(&server, json!({}), json!({"PreventUserExistenceErrors": "ENABLED"}), Value::Null).await;
        let wrong = "NotAuthorizedException: Incorrect username or password.";
        assert_eq!(sign_in(&server, &hiding.client, "carol", PASSWORD).await.error(), wrong);
        let request = json!({"ClientId": hiding.client, "Username": "carol"});
        server.call("ForgotPassword", request).await.ok();
        hiding.told.take();

        // A password is proven without being sent: nobody could be asked about it.
        let srp = testkit::srp::initiate(&hiding.client, "bob");
        server.call("InitiateAuth", srp).await.ok();
        assert_eq!(hiding.told.take(), Vec::<Value>::new());
    })
    .await;
}

/// Handlers throw when they know nobody by a name. Where that may not be told, it is not; that the function could not be
/// asked is.
#[tokio::test]
async fn a_function_that_throws_at_a_forgotten_password_knows_nobody() {
    both_engines(async |server| {
        for mode in ["LEGACY", "ENABLED"] {
            let members = json!({"PreventUserExistenceErrors": mode});
            let scene = migrating(&server, json!({}), members, json!({"userAttributes": attributes()})).await;
            let forgot = |name: &str| {
                let request = json!({"ClientId": scene.client, "Username": name});
                server.call("ForgotPassword", request)
            };
            server.function(&arn("UserMigration"), |_| Err(Failure::Threw("Who is that?".to_owned())));
            let answer = forgot("bob").await;
            if mode == "ENABLED" {
                let details = answer.ok();
                assert_eq!(details["CodeDeliveryDetails"]["AttributeName"], "email", "{details}");
            } else {
                let unknown = format!("UserNotFoundException: Exception migrating user in app client {}", scene.client);
                assert_eq!(answer.error(), unknown);
            }
            server.function(&arn("UserMigration"), |_| Err(Failure::NotCalled("ServiceException".to_owned())));
            let away = "UnexpectedLambdaException: UserMigration invocation failed due to error ServiceException.";
            assert_eq!(forgot("bob").await.error(), away);
            server.function(&arn("UserMigration"), |_| Ok("null".to_owned()));
            let unreadable = "InvalidLambdaResponseException: Invalid lambda function output : Invalid JSON";
            assert_eq!(forgot("bob").await.error(), unreadable);
            assert_eq!(admin_get(&server, &scene, "bob").await.error(), "UserNotFoundException: User does not exist.");
            assert_eq!(server.messages(&scene.pool, "bob").await, Vec::<Value>::new());

            // Whoever is here already is not looked for elsewhere.
            server.confirmed_user(&scene.pool, "alice", PASSWORD, json!({"email": "alice@example.com"})).await;
            forgot("alice").await.ok();

            // What PreSignUp says is another matter.
            responds(&server, &scene.told, "UserMigration", |_| json!({"userAttributes": attributes()}));
            broken(&server, "PreSignUp");
            let refused = "UserLambdaValidationException: PreSignUp failed with error no.";
            assert_eq!(forgot("bob").await.error(), refused);
        }
    })
    .await;
}

#[tokio::test]
async fn what_the_old_place_refuses_is_refused_here() {
    both_engines(async |server| {
        let scene = migrating(&server, json!({}), json!({}), Value::Null).await;
        server.function(&arn("UserMigration"), |_| Err(Failure::Threw("Bad password".to_owned())));
        let refused = sign_in(&server, &scene.client, "bob", "wrong").await.error();
        assert_eq!(refused, "UserLambdaValidationException: UserMigration failed with error Bad password.");

        // PreSignUp can keep the user out.
        let response = json!({"userAttributes": attributes(), "finalUserStatus": "CONFIRMED"});
        let scene = migrating(&server, json!({}), json!({}), response).await;
        broken(&server, "PreSignUp");
        let refused = sign_in(&server, &scene.client, "bob", "old").await.error();
        assert_eq!(refused, "UserLambdaValidationException: PreSignUp failed with error no.");
        assert_eq!(admin_get(&server, &scene, "bob").await.error(), "UserNotFoundException: User does not exist.");
    })
    .await;
}

#[tokio::test]
async fn users_of_email_pools_come_along_under_their_address() {
    both_engines(async |server| {
        let response =
            json!({"userAttributes": attributes(), "finalUserStatus": "CONFIRMED", "messageAction": "SUPPRESS"});
        let scene = migrating(&server, json!({"UsernameAttributes": ["email"]}), json!({}), response).await;
        sign_in(&server, &scene.client, "bob@example.com", "old").await.ok();
        let user = admin_get(&server, &scene, "bob@example.com").await.ok();
        assert_eq!(user["Username"].as_str().unwrap().len(), 36);

        // With aliases the function says what the user is called.
        let mut named = attributes();
        named["username"] = json!("robert");
        let response = json!({"userAttributes": named, "finalUserStatus": "CONFIRMED", "messageAction": "SUPPRESS"});
        let scene = migrating(&server, json!({"AliasAttributes": ["email"]}), json!({}), response).await;
        sign_in(&server, &scene.client, "bob@example.com", "old").await.ok();
        assert_eq!(admin_get(&server, &scene, "robert").await.ok()["Username"], "robert");
        sign_in(&server, &scene.client, "bob@example.com", "old").await.ok();
        let refused = sign_in(&server, &scene.client, "bob", "old").await.error();
        assert_eq!(
            refused,
            "InvalidLambdaResponseException: UserMigration: username is for users who have typed one of their aliases."
        );
    })
    .await;
}

#[tokio::test]
async fn an_alias_is_moved_only_when_that_is_said() {
    both_engines(async |server| {
        let pool = json!({"AliasAttributes": ["email"]});
        for force in [false, true] {
            let response = json!({
                "userAttributes": attributes(), "finalUserStatus": "CONFIRMED", "messageAction": "SUPPRESS",
                "forceAliasCreation": force,
            });
            let scene = migrating(&server, pool.clone(), json!({}), response).await;
            server.confirmed_user(&scene.pool, "owner", PASSWORD, json!({"email": "bob@example.com"})).await;
            let answer = sign_in(&server, &scene.client, "bob", "old").await;
            if force {
                answer.ok();
                assert_eq!(admin_get(&server, &scene, "bob@example.com").await.ok()["Username"], "bob");
            } else {
                let refused =
                    "InvalidLambdaResponseException: UserMigration: An account with the given email already exists.";
                assert_eq!(answer.error(), refused);
                assert_eq!(admin_get(&server, &scene, "bob@example.com").await.ok()["Username"], "owner");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let server = Server::memory().await;
    let nonsense = |reason: &str| format!("InvalidLambdaResponseException: {reason}");
    for (response, refusal) in [
        (json!({"userAttributes": {"shoe_size": "47"}}), "UserMigration: Attributes did not conform to the schema: "),
        (json!({"userAttributes": {"email": "nowhere"}}), "UserMigration: "),
        (
            json!({"userAttributes": attributes(), "enableSMSMFA": true}),
            "UserMigration: enableSMSMFA needs a pool with MFA",
        ),
        (json!({"userAttributes": ["a"]}), "Unrecognizable lambda output"),
        (json!({"userAttributes": {"name": 7}}), "Unrecognizable lambda output"),
        (json!({"userAttributes": attributes(), "forceAliasCreation": "yes"}), "Unrecognizable lambda output"),
    ] {
        let scene = migrating(&server, json!({}), json!({}), response.clone()).await;
        let refused = sign_in(&server, &scene.client, "bob", "old").await.error();
        assert!(refused.starts_with(&nonsense(refusal)), "{response}: {refused}");
        assert_eq!(admin_get(&server, &scene, "bob").await.error(), "UserNotFoundException: User does not exist.");
    }
}

#[tokio::test]
async fn two_first_sign_ins_make_one_user() {
    both_engines(async |server| {
        let response =
            json!({"userAttributes": attributes(), "finalUserStatus": "CONFIRMED", "messageAction": "SUPPRESS"});
        let scene = migrating(&server, json!({}), json!({}), response).await;
        let come = || sign_in(&server, &scene.client, "bob", "old");
        let (a, b, c, d) = tokio::join!(come(), come(), come(), come());
        let subs: Vec<Value> = [a, b, c, d].map(|answer| claims(&answer.ok(), "AccessToken")["sub"].clone()).to_vec();
        assert!(subs.iter().all(|sub| *sub == subs[0]), "{subs:?}");
        let pool = server.call("DescribeUserPool", json!({"UserPoolId": scene.pool})).await.ok();
        assert_eq!(pool["UserPool"]["EstimatedNumberOfUsers"], 1);
    })
    .await;
}

/// A pool whose function knows bob by one password. What it says of another one, it answers or throws.
async fn guarded(server: &Server, mode: &str, throws: bool) -> Scene {
    let scene = migrating(server, json!({}), json!({"PreventUserExistenceErrors": mode}), Value::Null).await;
    let told = scene.told.clone();
    server.function(&arn("UserMigration"), move |mut event| {
        told.push(event.clone());
        if event["request"]["password"] == "old" {
            event["response"] =
                json!({"userAttributes": attributes(), "finalUserStatus": "CONFIRMED", "messageAction": "SUPPRESS"});
        } else if throws {
            return Err(Failure::Threw("Bad password".to_owned()));
        }
        Ok(event.to_string())
    });
    scene
}

#[tokio::test]
async fn passwords_are_not_guessed_by_way_of_the_old_place() {
    const LOCKED: &str = "NotAuthorizedException: Password attempts exceeded";
    both_engines(async |server| {
        for (mode, throws, wrong) in [
            ("ENABLED", false, "NotAuthorizedException: Incorrect username or password."),
            ("LEGACY", false, "UserNotFoundException: User does not exist."),
            ("ENABLED", true, "UserLambdaValidationException: UserMigration failed with error Bad password."),
        ] {
            let scene = guarded(&server, mode, throws).await;
            for _ in 0..5 {
                assert_eq!(sign_in(&server, &scene.client, "bob", "wrong").await.error(), wrong);
            }
            assert_eq!(scene.told.take().len(), 5);
            assert_eq!(sign_in(&server, &scene.client, "bob", "old").await.error(), LOCKED, "{mode} {throws}");
            assert_eq!(scene.told.take(), Vec::<Value>::new(), "the function is not asked while the name is locked");
            assert_eq!(sign_in(&server, &scene.client, "carol", "wrong").await.error(), wrong, "others are not");
            server.advance(1);
            sign_in(&server, &scene.client, "bob", "old").await.ok();

            // As many at once as there like to be.
            let scene = guarded(&server, mode, throws).await;
            let guess = || sign_in(&server, &scene.client, "bob", "wrong");
            tokio::join!(guess(), guess(), guess(), guess(), guess(), guess(), guess(), guess(), guess(), guess());
            assert_eq!(scene.told.take().len(), 5, "{mode} {throws}");
        }
    })
    .await;
}

#[tokio::test]
async fn an_old_place_that_is_away_locks_nobody_out() {
    both_engines(async |server| {
        let scene = guarded(&server, "ENABLED", false).await;
        server.function(&arn("UserMigration"), |_| Err(Failure::NotCalled("ServiceException".to_owned())));
        for _ in 0..6 {
            let refused = sign_in(&server, &scene.client, "bob", "old").await.error();
            let away = "UnexpectedLambdaException: UserMigration invocation failed due to error ServiceException.";
            assert_eq!(refused, away);
        }
    })
    .await;
}
