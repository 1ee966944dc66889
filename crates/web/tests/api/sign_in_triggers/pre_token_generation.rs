//! PreTokenGeneration in its three versions: what it is told (§9.1, §9.2).

use super::*;
use crate::{client_token, pools};

/// A scene whose function is asked in this version. alice is in two groups.
async fn versioned(server: &Server, version: Option<&str>, members: Value) -> Scene {
    let told = Told::default();
    notes(server, &told, "PreTokenGeneration");
    let config = match version {
        None => json!({"PreTokenGeneration": arn("PreTokenGeneration")}),
        Some(version) => {
            json!({"PreTokenGenerationConfig": {"LambdaVersion": version, "LambdaArn": arn("PreTokenGeneration")}})
        }
    };
    let pool = server.pool(json!({"LambdaConfig": config})).await;
    let client = server.client_id(&pool, members).await;
    server.confirmed_user(&pool, "alice", PASSWORD, json!({"email": "alice@example.com"})).await;
    for (name, role) in
        [("readers", "arn:aws:iam::123456789012:role/reads"), ("writers", "arn:aws:iam::123456789012:role/writes")]
    {
        let precedence = if name == "writers" { 1 } else { 2 };
        let group = json!({"UserPoolId": pool, "GroupName": name, "RoleArn": role, "Precedence": precedence});
        server.call("CreateGroup", group).await.ok();
        let member = json!({"UserPoolId": pool, "Username": "alice", "GroupName": name});
        server.call("AdminAddUserToGroup", member).await.ok();
    }
    Scene { pool, client, told }
}

#[tokio::test]
async fn the_first_version_is_told_of_attributes_and_groups() {
    both_engines(async |server| {
        let scene = versioned(&server, None, json!({})).await;
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
          "triggerSource": "TokenGeneration_Authentication",
          "request": {
            "userAttributes": {
              "cognito:user_status": "CONFIRMED",
              "email": "alice@example.com",
              "email_verified": "true",
              "sub": "[sub]"
            },
            "groupConfiguration": {
              "groupsToOverride": [
                "writers",
                "readers"
              ],
              "iamRolesToOverride": [
                "arn:aws:iam::123456789012:role/writes",
                "arn:aws:iam::123456789012:role/reads"
              ],
              "preferredRole": "arn:aws:iam::123456789012:role/writes"
            }
          },
          "response": {
            "claimsOverrideDetails": null
          }
        }
        "#); }
    })
    .await;
}

#[tokio::test]
async fn later_versions_are_told_of_scopes_too() {
    both_engines(async |server| {
        for (version, number) in [("V2_0", "2"), ("V3_0", "3")] {
            let scene = versioned(&server, Some(version), json!({})).await;
            sign_in(&server, &scene.client, "alice", PASSWORD).await.ok();
            let [mut event] = scene.told.take().try_into().unwrap();
            assert_eq!(event["version"], number);
            event["version"] = json!("[2 or 3]");
            insta::allow_duplicates! { insta::assert_json_snapshot!(stable(event, &scene), @r#"
            {
              "version": "[2 or 3]",
              "region": "us-east-1",
              "userPoolId": "[pool]",
              "userName": "alice",
              "callerContext": {
                "awsSdkVersion": "aws-sdk-unknown-unknown",
                "clientId": "[client]"
              },
              "triggerSource": "TokenGeneration_Authentication",
              "request": {
                "userAttributes": {
                  "cognito:user_status": "CONFIRMED",
                  "email": "alice@example.com",
                  "email_verified": "true",
                  "sub": "[sub]"
                },
                "groupConfiguration": {
                  "groupsToOverride": [
                    "writers",
                    "readers"
                  ],
                  "iamRolesToOverride": [
                    "arn:aws:iam::123456789012:role/writes",
                    "arn:aws:iam::123456789012:role/reads"
                  ],
                  "preferredRole": "arn:aws:iam::123456789012:role/writes"
                },
                "scopes": [
                  "aws.cognito.signin.user.admin"
                ]
              },
              "response": {
                "claimsAndScopeOverrideDetails": null
              }
            }
            "#); }
        }
    })
    .await;
}

#[tokio::test]
async fn the_source_says_why_there_are_tokens() {
    both_engines(async |server| {
        let scene = versioned(&server, Some("V2_0"), json!({})).await;
        let source = || {
            let [event] = scene.told.take().try_into().unwrap();
            (event["triggerSource"].as_str().unwrap().to_owned(), event["request"]["clientMetadata"].clone())
        };
        let tokens = sign_in(&server, &scene.client, "alice", PASSWORD).await.ok();
        assert_eq!(source(), ("TokenGeneration_Authentication".to_owned(), Value::Null));

        let refresh = token(&tokens, "RefreshToken");
        initiate(&server, &scene.client, "REFRESH_TOKEN_AUTH", json!({"REFRESH_TOKEN": refresh})).await.ok();
        assert_eq!(source(), ("TokenGeneration_RefreshTokens".to_owned(), Value::Null));

        let metadata = json!({"from": "GetTokensFromRefreshToken"});
        let request = json!({"ClientId": scene.client, "RefreshToken": refresh, "ClientMetadata": metadata});
        server.call("GetTokensFromRefreshToken", request).await.ok();
        assert_eq!(source(), ("TokenGeneration_Authentication".to_owned(), metadata));

        let temporary =
            json!({"UserPoolId": scene.pool, "Username": "alice", "Password": "Temp0rary!", "Permanent": false});
        server.call("AdminSetUserPassword", temporary).await.ok();
        let challenge = sign_in(&server, &scene.client, "alice", "Temp0rary!").await.ok();
        assert_eq!(scene.told.take(), Vec::<Value>::new(), "there are no tokens yet");
        let metadata = json!({"from": "RespondToAuthChallenge"});
        let request = json!({
            "ClientId": scene.client, "ChallengeName": "NEW_PASSWORD_REQUIRED", "Session": challenge["Session"],
            "ChallengeResponses": {"USERNAME": "alice", "NEW_PASSWORD": "An0ther-one!"}, "ClientMetadata": metadata,
        });
        server.call("RespondToAuthChallenge", request).await.ok();
        assert_eq!(source(), ("TokenGeneration_NewPasswordChallenge".to_owned(), metadata));
    })
    .await;
}

/// A rotation that meets a conflict decides anew, and asks nobody a second time.
#[tokio::test]
async fn a_function_is_asked_once_for_a_rotation_however_many_come_at_once() {
    both_engines(async |server| {
        let members = json!({
            "ExplicitAuthFlows": ["ALLOW_USER_PASSWORD_AUTH"],
            "RefreshTokenRotation": {"Feature": "ENABLED", "RetryGracePeriodSeconds": 60},
        });
        let scene = versioned(&server, Some("V2_0"), members).await;
        let tokens = sign_in(&server, &scene.client, "alice", PASSWORD).await.ok();
        scene.told.take();
        let request = json!({"ClientId": scene.client, "RefreshToken": token(&tokens, "RefreshToken")});
        let renew = || server.call("GetTokensFromRefreshToken", request.clone());
        let (a, b, c, d) = tokio::join!(renew(), renew(), renew(), renew());
        drop([a, b, c, d].map(Answer::ok));
        assert_eq!(scene.told.take().len(), 4, "one event for each request");
    })
    .await;
}

#[tokio::test]
async fn the_third_version_is_asked_about_clients_that_speak_for_themselves() {
    both_engines(async |server| {
        let told = Told::default();
        responds(&server, &told, "PreTokenGeneration", |_| {
            json!({"claimsAndScopeOverrideDetails": {
                "idTokenGeneration": {"claimsToAddOrOverride": {"not": "in an access token"}},
                "accessTokenGeneration": {
                    "claimsToAddOrOverride": {"tenant": 7, "sub": "forged"}, "scopesToSuppress": ["files/write"],
                },
            }})
        });
        let pool = server.pool(json!({})).await;
        client_token::files(&server, &pool).await;
        let machine = client_token::machine(&server, &pool, json!({})).await;
        for version in ["V1_0", "V2_0", "V3_0"] {
            let config = json!({"LambdaVersion": version, "LambdaArn": arn("PreTokenGeneration")});
            let request = json!({"UserPoolId": pool, "LambdaConfig": {"PreTokenGenerationConfig": config}});
            server.call("UpdateUserPool", request).await.ok();
            let metadata = json!({"ClientMetadata": {"from": "GetClientToken"}});
            let answer = client_token::ask(&server, &machine, metadata).await.ok();
            let token = segment(answer["ClientAuthenticationResult"]["AccessToken"].as_str().unwrap(), 1);
            if version != "V3_0" {
                assert_eq!((&token["scope"], token.get("tenant")), (&json!("files/read files/write"), None));
                assert_eq!(told.take(), Vec::<Value>::new(), "{version}");
                continue;
            }
            assert_eq!(
                (&token["scope"], &token["tenant"], &token["sub"]),
                (&json!("files/read"), &json!(7), &json!(machine.id))
            );
            assert_eq!(token.get("not"), None);
            let [event] = told.take().try_into().unwrap();
            let scene = Scene { pool: pool.clone(), client: machine.id.clone(), told: told.clone() };
            insta::allow_duplicates! { insta::assert_json_snapshot!(stable(event, &scene), @r#"
            {
              "version": "3",
              "region": "us-east-1",
              "userPoolId": "[pool]",
              "userName": "ClientCredentials",
              "callerContext": {
                "awsSdkVersion": "aws-sdk-unknown-unknown",
                "clientId": "[client]"
              },
              "triggerSource": "TokenGeneration_ClientCredentials",
              "request": {
                "userAttributes": {},
                "groupConfiguration": null,
                "scopes": [
                  "files/read",
                  "files/write"
                ],
                "clientMetadata": {
                  "from": "GetClientToken"
                }
              },
              "response": {
                "claimsAndScopeOverrideDetails": null
              }
            }
            "#); }
        }
        broken(&server, "PreTokenGeneration");
        let refused = client_token::ask(&server, &machine, json!({})).await.error();
        assert_eq!(refused, "UserLambdaValidationException: PreTokenGeneration failed with error no.");
    })
    .await;
}

#[tokio::test]
async fn it_is_asked_about_tokens_that_are_given_in_exchange() {
    both_engines(async |server| {
        let scene = versioned(&server, Some("V2_0"), json!({})).await;
        let tokens = sign_in(&server, &scene.client, "alice", PASSWORD).await.ok();
        scene.told.take();
        let flows = json!({"GenerateSecret": true, "ExplicitAuthFlows": ["ALLOW_TOKEN_EXCHANGE_IMPERSONATION"]});
        let gateway = server.client_id(&scene.pool, flows).await;
        let subject = json!({"SubjectToken": token(&tokens, "AccessToken"), "SubjectTokenType": "ACCESS_TOKEN"});
        let exchange = || server.call("GetDerivedToken", pools::with(json!({"ClientId": gateway}), &subject));
        responds(&server, &scene.told, "PreTokenGeneration", |_| {
            let access = json!({"claimsToAddOrOverride": {"tenant": 7, "client_id": "forged"}});
            json!({"claimsAndScopeOverrideDetails": {"accessTokenGeneration": access}})
        });
        let answer = exchange().await.ok();
        let claims = segment(answer["IssuedToken"].as_str().unwrap(), 1);
        assert_eq!((&claims["tenant"], &claims["client_id"]), (&json!(7), &json!(gateway)));
        assert_eq!(scene.told.sources(), ["TokenGeneration_Authentication"]);
        server.function(&arn("PreTokenGeneration"), |_| Err(Failure::NotCalled("AccessDeniedException".to_owned())));
        let refused =
            "UnexpectedLambdaException: PreTokenGeneration invocation failed due to error AccessDeniedException.";
        assert_eq!(exchange().await.error(), refused);
        server.function(&arn("PreTokenGeneration"), |_| Ok("{}".to_owned()));
        let refused = "InvalidLambdaResponseException: Unrecognizable lambda output";
        assert_eq!(exchange().await.error(), refused);
        broken(&server, "PreTokenGeneration");
        let refused = "UserLambdaValidationException: PreTokenGeneration failed with error no.";
        assert_eq!(exchange().await.error(), refused);
    })
    .await;
}
