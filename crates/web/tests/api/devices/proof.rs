//! A remembered device proves itself: both steps, by every way in.

use super::*;

#[tokio::test]
async fn a_remembered_device_proves_itself() {
    both_engines(async |server| {
        let (pool, client) = scene(&server, challenging()).await;
        let first = sign_in(&server, &client, "alice").await;
        insta::allow_duplicates! { insta::assert_json_snapshot!(first["AuthenticationResult"]["NewDeviceMetadata"], @r#"
        {
          "DeviceKey": "us-east-1_943e5df1-1091-4f0a-9f15-5b3e70bae49a",
          "DeviceGroupKey": "-Z9S8ebH0"
        }
        "#); }
        let (device, access) = (Device::new(&first), token(&first, "AccessToken"));
        assert_eq!(device_key(&first), device.key);
        assert_eq!(segment(&token(&first, "IdToken"), 1).get("device_key"), None);
        // What was not confirmed is not known.
        assert_eq!(sign_in_with(&server, &client, "alice", &device.key).await.error(), NO_DEVICE);

        let mut request = json!({"AccessToken": access, "DeviceKey": device.key, "DeviceName": "Alice's phone"});
        request["DeviceSecretVerifierConfig"] = device.verifier();
        let answer = server.call("ConfirmDevice", request).await.ok();
        insta::allow_duplicates! { insta::assert_json_snapshot!(answer, @r#"
        {
          "UserConfirmationNecessary": false
        }
        "#); }

        server.advance(60);
        let challenge = sign_in_with(&server, &client, "alice", &device.key).await.ok();
        insta::allow_duplicates! { insta::assert_json_snapshot!(shortened(challenge.clone()), @r#"
        {
          "ChallengeName": "DEVICE_SRP_AUTH",
          "Session": "[sealed]",
          "ChallengeParameters": {
            "USERNAME": "alice"
          }
        }
        "#); }
        let challenge = STEPS.start(&server, &client, &challenge, &device).await.ok();
        insta::allow_duplicates! { insta::assert_json_snapshot!(shortened(challenge.clone()), @r#"
        {
          "ChallengeName": "DEVICE_PASSWORD_VERIFIER",
          "Session": "[sealed]",
          "ChallengeParameters": {
            "DEVICE_KEY": "us-east-1_943e5df1-1091-4f0a-9f15-5b3e70bae49a",
            "SALT": "44855bb0b52ac10572bdd0830a16de5a",
            "SECRET_BLOCK": "[drawn]",
            "SRP_B": "[drawn]",
            "USERNAME": "alice"
          }
        }
        "#); }
        let answer = STEPS.finish(&server, &client, &challenge, &device).await.ok();
        // The tokens of any sign-in, but for the device in the access token.
        let mut expected = undrawn(sign_in(&server, &client, "alice").await);
        expected["AuthenticationResult"].as_object_mut().unwrap().remove("NewDeviceMetadata");
        expected["AuthenticationResult"]["AccessToken"]["claims"]["device_key"] = json!(device.key);
        assert_eq!(undrawn(answer), expected);

        let request = json!({"AccessToken": access, "DeviceKey": device.key});
        let answer = server.call("GetDevice", request).await.ok();
        insta::allow_duplicates! { insta::assert_json_snapshot!(answer, @r#"
        {
          "Device": {
            "DeviceKey": "us-east-1_943e5df1-1091-4f0a-9f15-5b3e70bae49a",
            "DeviceAttributes": [
              {
                "Name": "device_status",
                "Value": "valid"
              },
              {
                "Name": "device_name",
                "Value": "Alice's phone"
              },
              {
                "Name": "last_ip_used",
                "Value": "127.0.0.1"
              }
            ],
            "DeviceCreateDate": 1767323045.0,
            "DeviceLastModifiedDate": 1767323045.0,
            "DeviceLastAuthenticatedDate": 1767323105.0
          }
        }
        "#); }
        let request = json!({"UserPoolId": pool, "Username": "alice", "DeviceKey": device.key});
        let answer = server.call("AdminGetDevice", request).await.ok();
        insta::allow_duplicates! { insta::assert_json_snapshot!(answer, @r#"
        {
          "Device": {
            "DeviceKey": "us-east-1_943e5df1-1091-4f0a-9f15-5b3e70bae49a",
            "DeviceAttributes": [
              {
                "Name": "device_status",
                "Value": "valid"
              },
              {
                "Name": "device_name",
                "Value": "Alice's phone"
              },
              {
                "Name": "last_ip_used",
                "Value": "127.0.0.1"
              },
              {
                "Name": "dev:device_arn",
                "Value": "arn:aws:cognito-idp:us-east-1:000000000000:owner/alice.us-east-1_O2c3Nifle/device/us-east-1_943e5df1-1091-4f0a-9f15-5b3e70bae49a"
              },
              {
                "Name": "dev:device_owner",
                "Value": "alice.us-east-1_O2c3Nifle"
              },
              {
                "Name": "dev:device_remembered_status",
                "Value": "remembered"
              }
            ],
            "DeviceCreateDate": 1767323045.0,
            "DeviceLastModifiedDate": 1767323045.0,
            "DeviceLastAuthenticatedDate": 1767323105.0
          }
        }
        "#); }
    })
    .await;
}

#[tokio::test]
async fn every_way_in_takes_the_device() {
    both_engines(async |server| {
        let (pool, client) = scene(&server, challenging()).await;
        let (device, _) = confirmed(&server, &client, "alice").await;
        // With SRP the device may be named at either step.
        for names_at_start in [true, false] {
            let mut start = testkit::srp::initiate(&client, "alice");
            if names_at_start {
                start["AuthParameters"]["DEVICE_KEY"] = json!(device.key);
            }
            let challenge = server.call("InitiateAuth", start).await.ok();
            let mut responses = testkit::srp::respond(&challenge, &pool, PASSWORD);
            if !names_at_start {
                responses["DEVICE_KEY"] = json!(device.key);
            }
            let challenge = respond(&server, &client, "PASSWORD_VERIFIER", None, responses).await.ok();
            let challenge = STEPS.start(&server, &client, &challenge, &device).await.ok();
            let answer = STEPS.finish(&server, &client, &challenge, &device).await.ok();
            assert_eq!(device_key(&answer), device.key);
        }
        // Through the administrators' pair.
        let parameters = json!({"USERNAME": "alice", "PASSWORD": PASSWORD, "DEVICE_KEY": device.key});
        let challenge = admin_initiate(&server, &pool, &client, "ADMIN_USER_PASSWORD_AUTH", parameters).await.ok();
        assert_eq!(challenge["ChallengeName"], "DEVICE_SRP_AUTH");
        let refused = STEPS.start(&server, &client, &challenge, &device).await;
        assert_eq!(refused.error(), INVALID_SESSION);
        let answer = async |challenge: &Value, responses: Value| {
            let (name, session) = (&challenge["ChallengeName"], &challenge["Session"]);
            let request = json!({
                "UserPoolId": pool, "ClientId": client, "ChallengeName": name, "Session": session,
                "ChallengeResponses": responses,
            });
            server.call("AdminRespondToAuthChallenge", request).await.ok()
        };
        let challenge = answer(&challenge, device.start("alice")).await;
        let signed_in = answer(&challenge, device.respond(&challenge, "alice")).await;
        assert_eq!(device_key(&signed_in), device.key);
        // With the answer to NEW_PASSWORD_REQUIRED.
        set_password(&server, &pool, "alice", "Temp0rary!", false).await;
        let challenge = server.sign_in(&client, "alice", "Temp0rary!").await.ok();
        let mut responses = json!({"USERNAME": "alice", "NEW_PASSWORD": PASSWORD, "DEVICE_KEY": "us-east-1_0-a"});
        let session = challenge["Session"].as_str();
        let refused = respond(&server, &client, "NEW_PASSWORD_REQUIRED", session, responses.clone()).await;
        assert_eq!(refused.error(), NO_DEVICE);
        responses["DEVICE_KEY"] = json!(device.key);
        let challenge = respond(&server, &client, "NEW_PASSWORD_REQUIRED", session, responses).await.ok();
        let challenge = STEPS.start(&server, &client, &challenge, &device).await.ok();
        STEPS.finish(&server, &client, &challenge, &device).await.ok();
    })
    .await;
}

#[tokio::test]
async fn both_steps_work_without_a_session() {
    both_engines(async |server| {
        let (_, client) = scene(&server, challenging()).await;
        let (device, _) = confirmed(&server, &client, "alice").await;
        let (another, _) = confirmed(&server, &client, "alice").await;
        let steps = Steps { with_session: false };
        let missing = "InvalidParameterException: Missing required parameter Session";
        // Nobody has asked for this device yet, nor for any of somebody who does not exist.
        for username in ["alice", "nobody"] {
            let answer = respond(&server, &client, "DEVICE_SRP_AUTH", None, device.start(username)).await;
            assert_eq!(answer.error(), missing);
        }
        let first = sign_in_with(&server, &client, "alice", &device.key).await.ok();
        assert_eq!(steps.start(&server, &client, &first, &another).await.error(), missing);
        let answer = respond(&server, &client, "DEVICE_SRP_AUTH", None, device.start("bob")).await;
        assert_eq!(answer.error(), missing);
        // Not the step that it waits for, and not the client that asked.
        let early = json!({
            "USERNAME": "alice", "DEVICE_KEY": device.key, "TIMESTAMP": "t", "PASSWORD_CLAIM_SIGNATURE": "s",
            "PASSWORD_CLAIM_SECRET_BLOCK": "b",
        });
        let answer = respond(&server, &client, "DEVICE_PASSWORD_VERIFIER", None, early).await;
        assert_eq!(answer.error(), INVALID_SESSION);
        let pool = segment(&token(&sign_in(&server, &client, "bob").await, "AccessToken"), 1);
        let pool = pool["iss"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        let other_client = server.client_id(&pool, json!({})).await;
        assert_eq!(steps.start(&server, &other_client, &first, &device).await.error(), INVALID_SESSION);

        let second = steps.start(&server, &client, &first, &device).await.ok();
        assert_eq!(steps.finish(&server, &other_client, &second, &device).await.error(), INVALID_SESSION);
        let answer = steps.finish(&server, &client, &second, &device).await.ok();
        assert_eq!(device_key(&answer), device.key);
        // It waits for nothing any more.
        assert_eq!(steps.finish(&server, &client, &second, &device).await.error(), missing);
        assert_eq!(steps.start(&server, &client, &first, &device).await.error(), missing);
        // The session that was sent along is as used as if it had been sent back.
        assert_eq!(STEPS.start(&server, &client, &first, &device).await.error(), USED_SESSION);
        assert_eq!(STEPS.finish(&server, &client, &second, &device).await.error(), USED_SESSION);

        // It gets old as any session does.
        let first = sign_in_with(&server, &client, "alice", &device.key).await.ok();
        server.advance(900);
        let expired = "NotAuthorizedException: Invalid session for the user, session is expired.";
        assert_eq!(steps.start(&server, &client, &first, &device).await.error(), expired);
        assert_eq!(STEPS.start(&server, &client, &first, &device).await.error(), expired);
    })
    .await;
}

/// The pool's functions have their say first; the device comes last.
#[tokio::test]
async fn devices_prove_themselves_after_the_pools_own_challenges() {
    both_engines(async |server| {
        let told = functions(&server);
        let pool = with(challenging(), &json!({"LambdaConfig": lambda_config(ALL)}));
        let (pool, _) = scene(&server, pool).await;
        let flows = json!(["ALLOW_CUSTOM_AUTH", "ALLOW_USER_PASSWORD_AUTH"]);
        let client = server.client_id(&pool, json!({"ExplicitAuthFlows": flows})).await;
        let (device, access) = confirmed(&server, &client, "alice").await;
        // The device may be named at the beginning or with an answer.
        for names_at_start in [true, false] {
            let key = |is_named: bool| if is_named { json!(device.key) } else { Value::Null };
            let parameters = json!({"USERNAME": "alice", "DEVICE_KEY": key(names_at_start)});
            let challenge = initiate(&server, &client, "CUSTOM_AUTH", parameters).await.ok();
            let answer = async |challenge: &Value, answer: &str| {
                let session = challenge["Session"].as_str();
                let responses = json!({"USERNAME": "alice", "ANSWER": answer, "DEVICE_KEY": key(!names_at_start)});
                respond(&server, &client, "CUSTOM_CHALLENGE", session, responses).await.ok()
            };
            let challenge = answer(&challenge, "3").await;
            assert_eq!(challenge["ChallengeName"], "CUSTOM_CHALLENGE");
            let challenge = answer(&challenge, "2").await;
            told.take();
            let challenge = STEPS.start(&server, &client, &challenge, &device).await.ok();
            let wrong = Device { secret: "wrong".to_owned(), ..device.clone() };
            assert_eq!(STEPS.finish(&server, &client, &challenge, &wrong).await.error(), INCORRECT);
            let signed_in = STEPS.finish(&server, &client, &challenge, &device).await.ok();
            assert_eq!(device_key(&signed_in), device.key);
            assert_eq!(signed_in["AuthenticationResult"].get("NewDeviceMetadata"), None);
            assert_eq!(told.sources(), [""; 0], "the functions are through with it");
        }
        // One that is not remembered is known, and that is all; one that nobody named is a new one.
        let forget =
            json!({"AccessToken": access, "DeviceKey": device.key, "DeviceRememberedStatus": "not_remembered"});
        server.call("UpdateDeviceStatus", forget).await.ok();
        for key in [json!(device.key), Value::Null] {
            let parameters = json!({"USERNAME": "alice", "DEVICE_KEY": key});
            let challenge = initiate(&server, &client, "CUSTOM_AUTH", parameters).await.ok();
            let responses = json!({"USERNAME": "alice", "ANSWER": "2"});
            let session = challenge["Session"].as_str();
            let signed_in = respond(&server, &client, "CUSTOM_CHALLENGE", session, responses).await.ok();
            let metadata = signed_in["AuthenticationResult"].get("NewDeviceMetadata");
            assert_eq!(metadata.is_none(), device_key(&signed_in) == device.key, "{metadata:?}");
            assert_eq!(metadata.is_none(), !key.is_null());
        }
    })
    .await;
}
