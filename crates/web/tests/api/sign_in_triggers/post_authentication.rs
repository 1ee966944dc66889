//! PostAuthentication: what it is told, when, and the order of all of them (§4, §6).

use super::*;

#[tokio::test]
async fn it_is_told_of_the_user_before_there_are_tokens() {
    both_engines(async |server| {
        let scene = scene(&server, &["PostAuthentication"], json!({})).await;
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
          "triggerSource": "PostAuthentication_Authentication",
          "request": {
            "userAttributes": {
              "cognito:user_status": "CONFIRMED",
              "email": "alice@example.com",
              "email_verified": "true",
              "sub": "[sub]"
            },
            "newDeviceUsed": false
          },
          "response": {}
        }
        "#); }

        broken(&server, "PostAuthentication");
        let refused = sign_in(&server, &scene.client, "alice", PASSWORD).await.error();
        assert_eq!(refused, "UserLambdaValidationException: PostAuthentication failed with error no.");
    })
    .await;
}

#[tokio::test]
async fn it_is_told_whether_the_device_is_new() {
    both_engines(async |server| {
        let scene = scene(&server, &["PostAuthentication"], json!({})).await;
        let config = json!({"PostAuthentication": arn("PostAuthentication")});
        let devices = json!({"ChallengeRequiredOnNewDevice": false, "DeviceOnlyRememberedOnUserPrompt": false});
        let request = json!({"UserPoolId": scene.pool, "LambdaConfig": config, "DeviceConfiguration": devices});
        server.call("UpdateUserPool", request).await.ok();
        let is_new =
            || scene.told.take().iter().map(|event| event["request"]["newDeviceUsed"].clone()).collect::<Vec<_>>();
        let answer = sign_in(&server, &scene.client, "alice", PASSWORD).await.ok();
        assert_eq!(is_new(), [true]);
        let device = testkit::srp::Device::new(&answer);
        let confirm = json!({
            "AccessToken": token(&answer, "AccessToken"), "DeviceKey": device.key,
            "DeviceSecretVerifierConfig": device.verifier(),
        });
        server.call("ConfirmDevice", confirm).await.ok();
        let parameters = json!({"USERNAME": "alice", "PASSWORD": PASSWORD, "DEVICE_KEY": device.key});
        initiate(&server, &scene.client, "USER_PASSWORD_AUTH", parameters).await.ok();
        assert_eq!(is_new(), [false]);
    })
    .await;
}

/// Who is called for what, in order (§4).
#[tokio::test]
async fn functions_are_called_in_order() {
    both_engines(async |server| {
        let all = ["PreSignUp", "PreAuthentication", "PostAuthentication", "PreTokenGeneration", "UserMigration"];
        let scene = scene(&server, &all, json!({})).await;
        let tokens = sign_in(&server, &scene.client, "alice", PASSWORD).await.ok();
        let whole =
            ["PreAuthentication_Authentication", "PostAuthentication_Authentication", "TokenGeneration_Authentication"];
        assert_eq!(scene.told.sources(), whole);

        let srp = testkit::srp::SignIn::start(&server, &scene.client, &scene.pool, "alice", PASSWORD).await;
        srp.finish(&server).await.ok();
        assert_eq!(scene.told.sources(), whole);

        drop(sign_in(&server, &scene.client, "alice", "wrong").await.error());
        assert_eq!(scene.told.sources(), ["PreAuthentication_Authentication"]);

        let parameters = json!({"REFRESH_TOKEN": token(&tokens, "RefreshToken")});
        initiate(&server, &scene.client, "REFRESH_TOKEN_AUTH", parameters).await.ok();
        assert_eq!(scene.told.sources(), ["TokenGeneration_RefreshTokens"]);

        let temporary =
            json!({"UserPoolId": scene.pool, "Username": "alice", "Password": "Temp0rary!", "Permanent": false});
        server.call("AdminSetUserPassword", temporary).await.ok();
        let challenge = sign_in(&server, &scene.client, "alice", "Temp0rary!").await.ok();
        assert_eq!(scene.told.sources(), ["PreAuthentication_Authentication", "PostAuthentication_Authentication"]);
        let metadata = json!({"from": "RespondToAuthChallenge"});
        let request = json!({
            "ClientId": scene.client, "ChallengeName": "NEW_PASSWORD_REQUIRED", "Session": challenge["Session"],
            "ChallengeResponses": {"USERNAME": "alice", "NEW_PASSWORD": "An0ther-one!"}, "ClientMetadata": metadata,
        });
        server.call("RespondToAuthChallenge", request).await.ok();
        let events = scene.told.take();
        let sources: Vec<_> = events.iter().map(|event| event["triggerSource"].as_str().unwrap()).collect();
        assert_eq!(sources, ["PostAuthentication_Authentication", "TokenGeneration_NewPasswordChallenge"]);
        for event in events {
            assert_eq!(event["request"]["clientMetadata"], metadata);
        }
    })
    .await;
}
