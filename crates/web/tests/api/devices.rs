//! Devices that users confirm, and what signing in with one spares them (auth-flows.md §12).

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use testkit::{Answer, Server, both_engines, srp::Device};

use crate::{
    sign_in::{
        INCORRECT, INVALID_SESSION, LOCKED, NO_DEVICE, PASSWORD, USED_SESSION, admin_initiate, administer, at_once,
        initiate, respond, set_password, times,
    },
    tokens::{decoded, segment},
};

const OFF: &str = "InvalidUserPoolConfigurationException: Device tracking is not enabled for the user pool. Set \
                   DeviceConfiguration of the pool to enable it.";
const NO_USER: &str = "UserNotFoundException: User does not exist.";
const INVALID_REFRESH: &str = "NotAuthorizedException: Invalid Refresh Token.";

/// A pool that asks remembered devices to prove themselves.
fn challenging() -> Value {
    json!({"DeviceConfiguration": {"ChallengeRequiredOnNewDevice": true}})
}

async fn scene(server: &Server, pool: Value) -> (String, String) {
    let pool = server.pool(pool).await;
    let client = server.client_id(&pool, json!({"AuthSessionValidity": 15})).await;
    for name in ["alice", "bob"] {
        server.confirmed_user(&pool, name, PASSWORD, json!({})).await;
    }
    (pool, client)
}

async fn sign_in(server: &Server, client: &str, username: &str) -> Value {
    server.sign_in(client, username, PASSWORD).await.ok()
}

async fn sign_in_with(server: &Server, client: &str, username: &str, key: &str) -> Answer {
    let parameters = json!({"USERNAME": username, "PASSWORD": PASSWORD, "DEVICE_KEY": key});
    initiate(server, client, "USER_PASSWORD_AUTH", parameters).await
}

fn token(answer: &Value, name: &str) -> String {
    answer["AuthenticationResult"][name].as_str().unwrap().to_owned()
}

fn device_key(answer: &Value) -> Value {
    segment(&token(answer, "AccessToken"), 1)["device_key"].clone()
}

async fn confirm(server: &Server, access: &str, key: &str, verifier: &Value) -> Answer {
    let request = json!({"AccessToken": access, "DeviceKey": key, "DeviceSecretVerifierConfig": verifier});
    server.call("ConfirmDevice", request).await
}

/// A confirmed device of the user, and the access token of the sign-in that it was confirmed in.
async fn confirmed(server: &Server, client: &str, username: &str) -> (Device, String) {
    let answer = sign_in(server, client, username).await;
    let (device, access) = (Device::new(&answer), token(&answer, "AccessToken"));
    confirm(server, &access, &device.key, &device.verifier()).await.ok();
    (device, access)
}

/// The two steps of a device with the sessions that the challenges came with, or without any.
struct Steps {
    with_session: bool,
}

const STEPS: Steps = Steps { with_session: true };

impl Steps {
    async fn start(&self, server: &Server, client: &str, challenge: &Value, device: &Device) -> Answer {
        assert_eq!(challenge["ChallengeName"], "DEVICE_SRP_AUTH", "{challenge}");
        let session = challenge["Session"].as_str().filter(|_| self.with_session);
        respond(server, client, "DEVICE_SRP_AUTH", session, device.start("alice")).await
    }

    async fn finish(&self, server: &Server, client: &str, challenge: &Value, device: &Device) -> Answer {
        self.prove(server, client, challenge, device.respond(challenge, "alice")).await
    }

    async fn prove(&self, server: &Server, client: &str, challenge: &Value, responses: Value) -> Answer {
        assert_eq!(challenge["ChallengeName"], "DEVICE_PASSWORD_VERIFIER", "{challenge}");
        let session = challenge["Session"].as_str().filter(|_| self.with_session);
        respond(server, client, "DEVICE_PASSWORD_VERIFIER", session, responses).await
    }
}

/// The challenge DEVICE_PASSWORD_VERIFIER of a new sign-in.
async fn verifier_challenge(server: &Server, client: &str, device: &Device) -> Value {
    let challenge = sign_in_with(server, client, "alice", &device.key).await.ok();
    STEPS.start(server, client, &challenge, device).await.ok()
}

/// What is sealed or drawn anew each time left out.
fn shortened(mut challenge: Value) -> Value {
    assert!(challenge["Session"].as_str().is_some_and(|session| (20..=4_096).contains(&session.len())));
    challenge["Session"] = json!("[sealed]");
    let parameters = challenge["ChallengeParameters"].as_object_mut().unwrap();
    for name in ["SECRET_BLOCK", "SRP_B"] {
        if let Some(value) = parameters.get_mut(name) {
            assert!(value.as_str().is_some_and(|value| value.len() > 700));
            *value = json!("[drawn]");
        }
    }
    challenge
}

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
        insta::allow_duplicates! { insta::assert_json_snapshot!(decoded(answer), @r#"
        {
          "ChallengeParameters": {},
          "AuthenticationResult": {
            "AccessToken": {
              "header": {
                "kid": "test-only-01",
                "alg": "RS256"
              },
              "claims": {
                "sub": "fdfeeba9-f04c-4e5c-be60-76135dc4bdef",
                "device_key": "us-east-1_943e5df1-1091-4f0a-9f15-5b3e70bae49a",
                "iss": "http://127.0.0.1:9229/us-east-1_O2c3Nifle",
                "client_id": "cgqnq25d7v3j8fm9ernm8hn77b",
                "origin_jti": "a9b67148-89c4-411f-8f7e-748e736993c0",
                "event_id": "d90cc162-2b73-4255-9f5b-4e0a8e4e5faa",
                "token_use": "access",
                "scope": "aws.cognito.signin.user.admin",
                "auth_time": 1767323105,
                "exp": 1767326705,
                "iat": 1767323105,
                "jti": "111c4fef-2035-46fb-89d5-0af43894cf8c",
                "username": "alice"
              }
            },
            "ExpiresIn": 3600,
            "TokenType": "Bearer",
            "RefreshToken": {
              "header": {
                "cty": "JWT",
                "enc": "A256GCM",
                "alg": "dir",
                "kid": "[master key]"
              }
            },
            "IdToken": {
              "header": {
                "kid": "test-only-00",
                "alg": "RS256"
              },
              "claims": {
                "sub": "fdfeeba9-f04c-4e5c-be60-76135dc4bdef",
                "iss": "http://127.0.0.1:9229/us-east-1_O2c3Nifle",
                "cognito:username": "alice",
                "origin_jti": "a9b67148-89c4-411f-8f7e-748e736993c0",
                "aud": "cgqnq25d7v3j8fm9ernm8hn77b",
                "event_id": "d90cc162-2b73-4255-9f5b-4e0a8e4e5faa",
                "token_use": "id",
                "auth_time": 1767323105,
                "exp": 1767326705,
                "iat": 1767323105,
                "jti": "d06b3fcc-63cb-469c-9abc-029543d8b0ac"
              }
            }
          }
        }
        "#); }

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

#[tokio::test]
async fn a_device_is_remembered_when_the_user_says_so() {
    both_engines(async |server| {
        let configuration = json!({"ChallengeRequiredOnNewDevice": true, "DeviceOnlyRememberedOnUserPrompt": true});
        let (pool, client) = scene(&server, json!({"DeviceConfiguration": configuration})).await;
        let first = sign_in(&server, &client, "alice").await;
        let (device, access) = (Device::new(&first), token(&first, "AccessToken"));
        let answer = confirm(&server, &access, &device.key, &device.verifier()).await.ok();
        assert_eq!(answer, json!({"UserConfirmationNecessary": true}));
        // It is known, and that is all.
        let answer = sign_in_with(&server, &client, "alice", &device.key).await.ok();
        assert_eq!(device_key(&answer), device.key);
        assert_eq!(answer["AuthenticationResult"].get("NewDeviceMetadata"), None);

        let update = async |status: &str| {
            let request = json!({"AccessToken": access, "DeviceKey": device.key, "DeviceRememberedStatus": status});
            assert_eq!(server.call("UpdateDeviceStatus", request).await.ok(), json!({}));
        };
        let admin_update = async |status: &str| {
            let request = json!({
                "UserPoolId": pool, "Username": "alice", "DeviceKey": device.key, "DeviceRememberedStatus": status,
            });
            assert_eq!(server.call("AdminUpdateDeviceStatus", request).await.ok(), json!({}));
        };
        let outcome = async || {
            let answer = sign_in_with(&server, &client, "alice", &device.key).await.ok();
            answer.get("ChallengeName").cloned().unwrap_or(json!("tokens"))
        };
        update("remembered").await;
        assert_eq!(outcome().await, "DEVICE_SRP_AUTH");
        update("not_remembered").await;
        assert_eq!(outcome().await, "tokens");
        admin_update("remembered").await;
        // One that is given up in the middle of a sign-in stands in for nothing.
        let challenge = verifier_challenge(&server, &client, &device).await;
        admin_update("not_remembered").await;
        assert_eq!(STEPS.finish(&server, &client, &challenge, &device).await.error(), INVALID_SESSION);
        assert_eq!(outcome().await, "tokens");
    })
    .await;
}

#[tokio::test]
async fn what_the_pool_says_about_devices() {
    both_engines(async |server| {
        let describe = async |pool: &str| {
            let answer = server.call("DescribeUserPool", json!({"UserPoolId": pool})).await.ok();
            answer["UserPool"].get("DeviceConfiguration").cloned()
        };
        let (pool, client) = scene(&server, json!({"DeviceConfiguration": {}})).await;
        assert_eq!(describe(&pool).await, None);
        let before = sign_in(&server, &client, "alice").await;
        assert_eq!(before["AuthenticationResult"].get("NewDeviceMetadata"), None);
        assert_eq!(sign_in_with(&server, &client, "alice", "us-east-1_0-a").await.error(), NO_DEVICE);
        let access = token(&before, "AccessToken");
        let refused = confirm(&server, &access, "us-east-1_0-a", &json!({})).await;
        assert_eq!(refused.error(), OFF);
        for (operation, request) in [
            ("GetDevice", json!({"AccessToken": access, "DeviceKey": "us-east-1_0-a"})),
            ("ListDevices", json!({"AccessToken": access})),
            ("ForgetDevice", json!({"AccessToken": access, "DeviceKey": "us-east-1_0-a"})),
            ("UpdateDeviceStatus", json!({"AccessToken": access, "DeviceKey": "us-east-1_0-a"})),
            ("AdminGetDevice", json!({"UserPoolId": pool, "Username": "alice", "DeviceKey": "us-east-1_0-a"})),
            ("AdminListDevices", json!({"UserPoolId": pool, "Username": "alice"})),
            ("AdminForgetDevice", json!({"UserPoolId": pool, "Username": "alice", "DeviceKey": "us-east-1_0-a"})),
            ("AdminUpdateDeviceStatus", json!({"UserPoolId": pool, "Username": "alice", "DeviceKey": "us-east-1_0-a"})),
        ] {
            assert_eq!(server.call(operation, request).await.error(), OFF, "{operation}");
        }

        let update = async |configuration: Value| {
            let request = json!({"UserPoolId": pool, "DeviceConfiguration": configuration});
            server.call("UpdateUserPool", request).await.ok();
            describe(&pool).await
        };
        let shown = |challenge: bool, prompt: bool| {
            Some(json!({"ChallengeRequiredOnNewDevice": challenge, "DeviceOnlyRememberedOnUserPrompt": prompt}))
        };
        assert_eq!(update(json!({"DeviceOnlyRememberedOnUserPrompt": true})).await, shown(false, true));
        assert_eq!(update(json!({"ChallengeRequiredOnNewDevice": false})).await, shown(false, false));
        // Remembered devices are known, and asked for nothing.
        let (device, _) = confirmed(&server, &client, "alice").await;
        let answer = sign_in_with(&server, &client, "alice", &device.key).await.ok();
        assert_eq!(device_key(&answer), device.key);
        assert_eq!(answer["AuthenticationResult"].get("NewDeviceMetadata"), None);
        assert_eq!(update(json!({"ChallengeRequiredOnNewDevice": true})).await, shown(true, false));
        let challenge = verifier_challenge(&server, &client, &device).await;
        // The device of a pool that asks for it no longer stands in for nothing.
        update(json!({"ChallengeRequiredOnNewDevice": false})).await;
        assert_eq!(STEPS.finish(&server, &client, &challenge, &device).await.error(), INVALID_SESSION);
        assert_eq!(update(Value::Null).await, None);
        assert_eq!(sign_in_with(&server, &client, "alice", &device.key).await.error(), NO_DEVICE);
        // What was confirmed is there again when the pool has changed its mind.
        update(json!({"ChallengeRequiredOnNewDevice": false})).await;
        sign_in_with(&server, &client, "alice", &device.key).await.ok();
    })
    .await;
}

#[tokio::test]
async fn only_the_devices_of_the_user_count() {
    both_engines(async |server| {
        let (pool, client) = scene(&server, challenging()).await;
        let (device, access) = confirmed(&server, &client, "alice").await;
        let (of_bob, bob) = confirmed(&server, &client, "bob").await;
        let hiding = server.client_id(&pool, json!({"PreventUserExistenceErrors": "ENABLED"})).await;
        let long = format!("us-east-1_{}", "a".repeat(131_000));
        for key in [of_bob.key.as_str(), "us-east-1_0-a", "\u{0}", "x", "%", &long] {
            assert_eq!(sign_in_with(&server, &client, "alice", key).await.error(), NO_DEVICE, "{key:.60}");
            // Nobody is told whether a user exists by way of devices.
            assert_eq!(sign_in_with(&server, &hiding, "nobody", key).await.error(), NO_DEVICE, "{key:.60}");
            let mut start = testkit::srp::initiate(&hiding, "nobody");
            start["AuthParameters"]["DEVICE_KEY"] = json!(key);
            assert_eq!(server.call("InitiateAuth", start).await.error(), NO_DEVICE, "{key:.60}");
        }
        // A proof is as good as before when the device was refused.
        let challenge = server.call("InitiateAuth", testkit::srp::initiate(&client, "alice")).await.ok();
        let mut responses = testkit::srp::respond(&challenge, &pool, PASSWORD);
        responses["DEVICE_KEY"] = json!(of_bob.key);
        let refused = respond(&server, &client, "PASSWORD_VERIFIER", None, responses.clone()).await;
        assert_eq!(refused.error(), NO_DEVICE);
        responses["DEVICE_KEY"] = Value::Null;
        respond(&server, &client, "PASSWORD_VERIFIER", None, responses).await.ok();
        // Whatever a token is good for, it is not another user's device.
        for operation in ["GetDevice", "UpdateDeviceStatus", "ForgetDevice"] {
            let status = "not_remembered";
            let request = json!({"AccessToken": access, "DeviceKey": of_bob.key, "DeviceRememberedStatus": status});
            assert_eq!(server.call(operation, request).await.error(), NO_DEVICE, "{operation}");
            let request = json!({"UserPoolId": pool, "Username": "alice", "DeviceKey": of_bob.key, "DeviceRememberedStatus": status});
            assert_eq!(server.call(&format!("Admin{operation}"), request).await.error(), NO_DEVICE, "{operation}");
        }
        server.call("GetDevice", json!({"AccessToken": bob, "DeviceKey": of_bob.key})).await.ok();
        // A sign-in that began with one device does not go on with another.
        let (other, _) = confirmed(&server, &client, "alice").await;
        let first = sign_in_with(&server, &client, "alice", &device.key).await.ok();
        assert_eq!(STEPS.start(&server, &client, &first, &other).await.error(), INVALID_SESSION);
        assert_eq!(STEPS.start(&server, &client, &first, &of_bob).await.error(), NO_DEVICE);
        let second = STEPS.start(&server, &client, &first, &device).await.ok();
        let mut responses = other.respond(&second, "alice");
        assert_eq!(STEPS.prove(&server, &client, &second, responses.clone()).await.error(), INVALID_SESSION);
        responses["DEVICE_KEY"] = json!(of_bob.key);
        assert_eq!(STEPS.prove(&server, &client, &second, responses).await.error(), INVALID_SESSION);
        for username in ["bob", "nobody"] {
            let responses = device.respond(&second, username);
            assert_eq!(STEPS.prove(&server, &client, &second, responses).await.error(), INVALID_SESSION, "{username}");
        }
        STEPS.finish(&server, &client, &second, &device).await.ok();
    })
    .await;
}

#[tokio::test]
async fn what_no_device_is_confirmed_with() {
    both_engines(async |server| {
        let (_, client) = scene(&server, challenging()).await;
        let first = sign_in(&server, &client, "alice").await;
        let (device, access) = (Device::new(&first), token(&first, "AccessToken"));
        let other = sign_in(&server, &client, "alice").await;
        let invalid_key = "InvalidParameterException: Invalid device key given.";
        let (of_bob, _) = confirmed(&server, &client, "bob").await;
        for key in [&Device::new(&other).key, &of_bob.key, "us-east-1_0-a"] {
            assert_eq!(confirm(&server, &access, key, &device.verifier()).await.error(), invalid_key);
        }
        let good = device.verifier();
        let missing = |name: &str| format!("InvalidParameterException: Missing required parameter {name}");
        let invalid = |name: &str, reason: &str| {
            format!("InvalidParameterException: Invalid DeviceSecretVerifierConfig{name}: {reason}.")
        };
        let base64 = "it must be base64 of a positive number, most significant byte first";
        let multiple = "it must not be a multiple of the modulus";
        let long = "the salt may have 64 bytes, and the verifier 384";
        let modulus = crypto::bignum::modulus();
        let encoded = |bytes: &[u8]| STANDARD.encode(bytes);
        for (member, value, outcome) in [
            ("PasswordVerifier", Value::Null, missing("DeviceSecretVerifierConfig.PasswordVerifier")),
            ("Salt", Value::Null, missing("DeviceSecretVerifierConfig.Salt")),
            ("PasswordVerifier", json!("not base64"), invalid(".PasswordVerifier", base64)),
            ("Salt", json!("===="), invalid(".Salt", base64)),
            ("PasswordVerifier", json!(""), invalid(".PasswordVerifier", multiple)),
            ("PasswordVerifier", json!(encoded(&[0; 384])), invalid(".PasswordVerifier", multiple)),
            ("PasswordVerifier", json!(encoded(&modulus)), invalid(".PasswordVerifier", multiple)),
            ("PasswordVerifier", json!(encoded(&[1; 385])), invalid("", long)),
            ("PasswordVerifier", json!(encoded(&[255; 98_000])), invalid("", long)),
            ("Salt", json!(""), invalid(".Salt", "it must not be zero")),
            ("Salt", json!(encoded(&[0; 16])), invalid(".Salt", "it must not be zero")),
            ("Salt", json!(encoded(&[1; 65])), invalid("", long)),
        ] {
            let mut verifier = good.clone();
            verifier[member] = value;
            assert_eq!(confirm(&server, &access, &device.key, &verifier).await.error(), outcome);
        }
        let refused = confirm(&server, &access, &device.key, &Value::Null).await;
        assert_eq!(refused.error(), missing("DeviceSecretVerifierConfig"));
        let constraints = "InvalidParameterException: 1 validation error detected: Value ";
        for (member, value) in
            [("DeviceKey", json!("nokey")), ("DeviceKey", json!("a".repeat(56))), ("DeviceName", json!(""))]
        {
            let mut request =
                json!({"AccessToken": access, "DeviceKey": device.key, "DeviceSecretVerifierConfig": good});
            request[member] = value;
            let error = server.call("ConfirmDevice", request).await.error();
            assert!(
                error.starts_with("InvalidParameterException: ") && error.contains("validation error"),
                "{error} {constraints}"
            );
        }
        let invalid_token = "NotAuthorizedException: Invalid Access Token";
        assert_eq!(confirm(&server, "x", &device.key, &good).await.error(), invalid_token);

        // Once only, however often it is tried at the same moment.
        let exists = "DeviceKeyExistsException: Device key already exists.";
        let server = Arc::new(server);
        let outcomes = at_once(10, &server, |server| {
            let (access, key, good) = (access.clone(), device.key.clone(), good.clone());
            async move { confirm(&server, &access, &key, &good).await }
        })
        .await;
        assert_eq!(outcomes, [times(9, exists), times(1, "ok")].concat());
        assert_eq!(confirm(&server, &access, &device.key, &good).await.error(), exists);
    })
    .await;
}

#[tokio::test]
async fn wrong_proofs_are_counted() {
    both_engines(async |server| {
        let (_, client) = scene(&server, challenging()).await;
        let (device, _) = confirmed(&server, &client, "alice").await;
        let wrong = Device { secret: "wrong".to_owned(), ..device.clone() };
        let challenge = verifier_challenge(&server, &client, &device).await;
        for _ in 0..4 {
            assert_eq!(STEPS.finish(&server, &client, &challenge, &wrong).await.error(), INCORRECT);
        }
        // Proving the password again does not wash them off.
        let challenge = verifier_challenge(&server, &client, &device).await;
        assert_eq!(STEPS.finish(&server, &client, &challenge, &wrong).await.error(), INCORRECT);
        assert_eq!(STEPS.finish(&server, &client, &challenge, &device).await.error(), LOCKED);
        server.advance(1);
        // A wrong proof leaves the session usable.
        let answer = STEPS.finish(&server, &client, &challenge, &device).await.ok();
        assert_eq!(device_key(&answer), device.key);
        // And a right one starts over.
        let challenge = verifier_challenge(&server, &client, &device).await;
        for _ in 0..4 {
            assert_eq!(STEPS.finish(&server, &client, &challenge, &wrong).await.error(), INCORRECT);
        }
        STEPS.finish(&server, &client, &challenge, &device).await.ok();
        // A burst of guesses is counted one by one.
        let challenge = verifier_challenge(&server, &client, &device).await;
        let responses = wrong.respond(&challenge, "alice");
        let server = Arc::new(server);
        let outcomes = at_once(20, &server, |server| {
            let (client, challenge, responses) = (client.clone(), challenge.clone(), responses.clone());
            async move { STEPS.prove(&server, &client, &challenge, responses).await }
        })
        .await;
        assert_eq!(outcomes, [times(5, INCORRECT), times(15, LOCKED)].concat());
    })
    .await;
}

#[tokio::test]
async fn a_proof_must_be_whole_and_works_once() {
    both_engines(async |server| {
        let (pool, client) = scene(&server, challenging()).await;
        let (device, _) = confirmed(&server, &client, "alice").await;
        let first = sign_in_with(&server, &client, "alice", &device.key).await.ok();
        for name in ["USERNAME", "DEVICE_KEY", "SRP_A"] {
            let mut responses = device.start("alice");
            responses[name] = json!("");
            let answer = respond(&server, &client, "DEVICE_SRP_AUTH", first["Session"].as_str(), responses).await;
            assert_eq!(answer.error(), format!("InvalidParameterException: Missing required parameter {name}"));
        }
        for srp_a in ["0", "g", &crypto::srp::to_hex(&crypto::bignum::modulus())] {
            let mut responses = device.start("alice");
            responses["SRP_A"] = json!(srp_a);
            let answer = respond(&server, &client, "DEVICE_SRP_AUTH", first["Session"].as_str(), responses).await;
            assert_eq!(answer.error(), "InvalidParameterException: Invalid SRP_A");
        }
        let second = STEPS.start(&server, &client, &first, &device).await.ok();
        assert_eq!(STEPS.start(&server, &client, &first, &device).await.error(), USED_SESSION);
        let elsewhere = verifier_challenge(&server, &client, &device).await;
        let good = device.respond(&second, "alice");
        for name in ["USERNAME", "DEVICE_KEY", "PASSWORD_CLAIM_SIGNATURE", "PASSWORD_CLAIM_SECRET_BLOCK", "TIMESTAMP"] {
            let mut responses = good.clone();
            responses[name] = json!("");
            let answer = STEPS.prove(&server, &client, &second, responses).await;
            assert_eq!(answer.error(), format!("InvalidParameterException: Missing required parameter {name}"));
        }
        let start = server.call("InitiateAuth", testkit::srp::initiate(&client, "alice")).await.ok();
        for (name, value, outcome) in [
            ("PASSWORD_CLAIM_SIGNATURE", json!("not base64"), INCORRECT),
            ("PASSWORD_CLAIM_SECRET_BLOCK", json!("not base64"), INCORRECT),
            // That of another sign-in of the same device, and that of a password.
            ("PASSWORD_CLAIM_SECRET_BLOCK", elsewhere["ChallengeParameters"]["SECRET_BLOCK"].clone(), INVALID_SESSION),
            ("PASSWORD_CLAIM_SECRET_BLOCK", start["ChallengeParameters"]["SECRET_BLOCK"].clone(), INCORRECT),
            ("TIMESTAMP", json!("Fri Jan 02 03:04:05 UTC 2026"), INCORRECT),
        ] {
            let mut responses = good.clone();
            responses[name] = value;
            assert_eq!(STEPS.prove(&server, &client, &second, responses).await.error(), outcome, "{name}");
        }
        // Nor does that of a device pass for one of a password.
        let mut responses = testkit::srp::respond(&start, &pool, PASSWORD);
        responses["PASSWORD_CLAIM_SECRET_BLOCK"] = second["ChallengeParameters"]["SECRET_BLOCK"].clone();
        assert_eq!(respond(&server, &client, "PASSWORD_VERIFIER", None, responses).await.error(), INCORRECT);
        // One session for all that come at once.
        let server = Arc::new(server);
        let outcomes = at_once(10, &server, |server| {
            let (client, second, good) = (client.clone(), second.clone(), good.clone());
            async move { STEPS.prove(&server, &client, &second, good).await }
        })
        .await;
        assert_eq!(outcomes, [times(9, USED_SESSION), times(1, "ok")].concat());
    })
    .await;
}

#[tokio::test]
async fn what_happens_to_the_user_in_between() {
    both_engines(async |server| {
        let (pool, client) = scene(&server, challenging()).await;
        let (device, _) = confirmed(&server, &client, "alice").await;
        for second_step in [false, true] {
            let begin = async || {
                let first = sign_in_with(&server, &client, "alice", &device.key).await.ok();
                if second_step { STEPS.start(&server, &client, &first, &device).await.ok() } else { first }
            };
            let go_on = async |challenge: &Value| {
                if second_step {
                    STEPS.finish(&server, &client, challenge, &device).await
                } else {
                    STEPS.start(&server, &client, challenge, &device).await
                }
            };
            let challenge = begin().await;
            set_password(&server, &pool, "alice", PASSWORD, true).await;
            assert_eq!(go_on(&challenge).await.error(), INVALID_SESSION);
            let challenge = begin().await;
            administer(&server, "AdminDisableUser", &pool, "alice").await;
            assert_eq!(go_on(&challenge).await.error(), "NotAuthorizedException: User is disabled.");
            administer(&server, "AdminEnableUser", &pool, "alice").await;
            go_on(&challenge).await.ok();
        }
        let challenge = verifier_challenge(&server, &client, &device).await;
        let first = sign_in_with(&server, &client, "alice", &device.key).await.ok();
        let access = token(&sign_in(&server, &client, "alice").await, "AccessToken");
        let answer = server.call("ForgetDevice", json!({"AccessToken": access, "DeviceKey": device.key})).await;
        assert_eq!(answer.ok(), Value::Null);
        assert_eq!(STEPS.finish(&server, &client, &challenge, &device).await.error(), NO_DEVICE);
        assert_eq!(STEPS.start(&server, &client, &first, &device).await.error(), NO_DEVICE);
        assert_eq!(sign_in_with(&server, &client, "alice", &device.key).await.error(), NO_DEVICE);
        // Whoever is deleted takes the devices along.
        let (device, _) = confirmed(&server, &client, "alice").await;
        let challenge = verifier_challenge(&server, &client, &device).await;
        administer(&server, "AdminDeleteUser", &pool, "alice").await;
        assert_eq!(STEPS.finish(&server, &client, &challenge, &device).await.error(), INVALID_SESSION);
    })
    .await;
}

#[tokio::test]
async fn devices_are_listed_by_page() {
    both_engines(async |server| {
        let (pool, client) = scene(&server, challenging()).await;
        let mut keys = Vec::new();
        let mut access = String::new();
        for _ in 0..3 {
            let (device, token) = confirmed(&server, &client, "alice").await;
            keys.push(device.key);
            access = token;
        }
        confirmed(&server, &client, "bob").await;
        keys.sort();
        let list = async |limit: Option<i64>, token: Option<&str>| {
            let request = json!({"AccessToken": access, "Limit": limit, "PaginationToken": token});
            server.call("ListDevices", request).await
        };
        let admin_list = async |limit: Option<i64>, token: Option<&str>| {
            let request = json!({"UserPoolId": pool, "Username": "alice", "Limit": limit, "PaginationToken": token});
            server.call("AdminListDevices", request).await
        };
        let named = |answer: &Value| -> Vec<String> {
            let devices = answer["Devices"].as_array().unwrap().iter();
            devices.map(|device| device["DeviceKey"].as_str().unwrap().to_owned()).collect()
        };
        let all = list(None, None).await.ok();
        assert_eq!((named(&all), all.get("PaginationToken")), (keys.clone(), None));
        assert_eq!(named(&list(Some(0), None).await.ok()), keys);
        let all = admin_list(None, None).await.ok();
        assert_eq!((named(&all), all.get("PaginationToken")), (keys.clone(), None));

        let page = list(Some(2), None).await.ok();
        assert_eq!(named(&page), keys[..2]);
        let next = page["PaginationToken"].as_str().unwrap();
        let last = list(Some(2), Some(next)).await.ok();
        assert_eq!((named(&last), last.get("PaginationToken")), (keys[2..].to_vec(), None));
        let bad = "InvalidParameterException: Invalid pagination token";
        // A token is good for its own list only.
        assert_eq!(admin_list(Some(2), Some(next)).await.error(), bad);
        assert_eq!(list(None, Some("x")).await.error(), bad);
        let bob = token(&sign_in(&server, &client, "bob").await, "AccessToken");
        let request = json!({"AccessToken": bob, "PaginationToken": next});
        assert_eq!(server.call("ListDevices", request).await.error(), bad);
        let page = admin_list(Some(1), None).await.ok();
        let next = page["PaginationToken"].as_str().unwrap();
        assert_eq!(named(&admin_list(Some(1), Some(next)).await.ok()), keys[1..2]);
        assert!(list(Some(61), None).await.error().contains("validation error"));

        for (operation, error) in [
            ("AdminListDevices", "ResourceNotFoundException: User does not exist."),
            ("AdminGetDevice", "ResourceNotFoundException: User does not exist."),
            ("AdminForgetDevice", NO_USER),
            ("AdminUpdateDeviceStatus", NO_USER),
        ] {
            let request = |pool: &str| json!({"UserPoolId": pool, "Username": "nobody", "DeviceKey": keys[0]});
            assert_eq!(server.call(operation, request(&pool)).await.error(), error, "{operation}");
            let no_pool = "ResourceNotFoundException: User pool us-east-1_Unknown00 does not exist.";
            assert_eq!(server.call(operation, request("us-east-1_Unknown00")).await.error(), no_pool);
        }
        let without_status = "InvalidParameterException: Missing required parameter DeviceRememberedStatus";
        let request = json!({"AccessToken": access, "DeviceKey": keys[0]});
        assert_eq!(server.call("UpdateDeviceStatus", request).await.error(), without_status);
        for operation in ["GetDevice", "ForgetDevice"] {
            let without_token = "InvalidParameterException: Missing required parameter AccessToken";
            assert_eq!(server.call(operation, json!({"DeviceKey": keys[0]})).await.error(), without_token);
        }
        let request = json!({"UserPoolId": pool, "Username": "alice", "DeviceKey": keys[0]});
        assert_eq!(server.call("AdminForgetDevice", request.clone()).await.ok(), Value::Null);
        assert_eq!(server.call("AdminForgetDevice", request.clone()).await.error(), NO_DEVICE);
        assert_eq!(server.call("AdminGetDevice", request).await.error(), NO_DEVICE);
        assert_eq!(named(&list(None, None).await.ok()), keys[1..]);
    })
    .await;
}

#[tokio::test]
async fn a_refresh_token_belongs_to_its_device() {
    both_engines(async |server| {
        let (_, client) = scene(&server, challenging()).await;
        let first = sign_in(&server, &client, "alice").await;
        let (device, access) = (Device::new(&first), token(&first, "AccessToken"));
        let (other, _) = confirmed(&server, &client, "alice").await;
        let refresh = token(&first, "RefreshToken");
        let refreshed = async |key: Option<&str>| {
            let parameters = json!({"REFRESH_TOKEN": refresh, "DEVICE_KEY": key});
            initiate(&server, &client, "REFRESH_TOKEN_AUTH", parameters).await
        };
        // Not before it is confirmed.
        assert_eq!(refreshed(Some(&device.key)).await.error(), INVALID_REFRESH);
        confirm(&server, &access, &device.key, &device.verifier()).await.ok();
        for key in [None, Some(other.key.as_str()), Some("us-east-1_0-a")] {
            assert_eq!(refreshed(key).await.error(), INVALID_REFRESH, "{key:?}");
        }
        let answer = refreshed(Some(&device.key)).await.ok();
        assert_eq!(device_key(&answer), device.key);
        assert_eq!(answer["AuthenticationResult"].get("NewDeviceMetadata"), None);
        server.call("ForgetDevice", json!({"AccessToken": access, "DeviceKey": device.key})).await.ok();
        assert_eq!(refreshed(Some(&device.key)).await.error(), INVALID_REFRESH);
    })
    .await;
}

#[tokio::test]
async fn a_remembered_device_stands_in_for_the_second_factor() {
    both_engines(async |server| {
        let sms = json!({"SnsCallerArn": "arn:aws:iam::123456789012:role/sms"});
        let mut members = challenging();
        members["SmsConfiguration"] = sms.clone();
        let pool = server.pool(members).await;
        let configuration = json!({"SmsConfiguration": sms});
        let request = json!({"UserPoolId": pool, "MfaConfiguration": "ON", "SmsMfaConfiguration": configuration});
        server.call("SetUserPoolMfaConfig", request).await.ok();
        let client = server.client_id(&pool, json!({})).await;
        let attributes = json!({"phone_number": "+15550100008", "email": "alice@example.com"});
        server.confirmed_user(&pool, "alice", PASSWORD, attributes).await;
        let request = json!({
            "UserPoolId": pool, "Username": "alice", "SMSMfaSettings": {"Enabled": true, "PreferredMfa": true},
        });
        server.call("AdminSetUserMFAPreference", request).await.ok();

        let answer_code = async |challenge: Value| {
            assert_eq!(challenge["ChallengeName"], "SMS_MFA", "{challenge}");
            let code = server.last_code(&pool, "alice").await;
            let responses = json!({"USERNAME": "alice", "SMS_MFA_CODE": code});
            respond(&server, &client, "SMS_MFA", challenge["Session"].as_str(), responses).await.ok()
        };
        let first = answer_code(sign_in(&server, &client, "alice").await).await;
        let (device, access) = (Device::new(&first), token(&first, "AccessToken"));
        confirm(&server, &access, &device.key, &device.verifier()).await.ok();

        let messages = server.messages(&pool, "alice").await.len();
        let challenge = verifier_challenge(&server, &client, &device).await;
        // A wrong proof is no way round the second factor.
        let wrong = Device { secret: "wrong".to_owned(), ..device.clone() };
        assert_eq!(STEPS.finish(&server, &client, &challenge, &wrong).await.error(), INCORRECT);
        let answer = STEPS.finish(&server, &client, &challenge, &device).await.ok();
        assert_eq!(device_key(&answer), device.key);
        assert_eq!(answer["AuthenticationResult"].get("NewDeviceMetadata"), None);
        assert_eq!(server.messages(&pool, "alice").await.len(), messages);

        // One that is known and not remembered does not.
        let request =
            json!({"AccessToken": access, "DeviceKey": device.key, "DeviceRememberedStatus": "not_remembered"});
        server.call("UpdateDeviceStatus", request).await.ok();
        let challenge = sign_in_with(&server, &client, "alice", &device.key).await.ok();
        let answer = answer_code(challenge).await;
        assert_eq!(device_key(&answer), device.key);
        assert_eq!(answer["AuthenticationResult"].get("NewDeviceMetadata"), None);
    })
    .await;
}

#[tokio::test]
async fn administrators_see_what_confirmed_a_device() {
    let server = Server::memory().await;
    let (pool, client) = scene(&server, challenging()).await;
    let first = sign_in(&server, &client, "alice").await;
    let device = Device::new(&first);
    let body = json!({
        "AccessToken": token(&first, "AccessToken"), "DeviceKey": device.key,
        "DeviceSecretVerifierConfig": device.verifier(),
    });
    let request = http::Request::builder()
        .method("POST")
        .uri("/")
        .header("host", "127.0.0.1:9229")
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", "AWSCognitoIdentityProviderService.ConfirmDevice")
        .header("user-agent", "a".repeat(1_000))
        .body(body.to_string().into())
        .unwrap();
    server.request(request).await.ok();
    let request = json!({"UserPoolId": pool, "Username": "alice", "DeviceKey": device.key});
    let answer = server.call("AdminGetDevice", request).await.ok();
    let attributes = answer["Device"]["DeviceAttributes"].as_array().unwrap();
    let software = json!({"Name": "dev:device_sdk", "Value": "a".repeat(256)});
    assert!(attributes.contains(&software), "{attributes:?}");
}
