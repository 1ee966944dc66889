//! When a device is remembered, and what that spares: second factors, and refreshing with another device.

use super::*;

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

/// Beyond a thousand devices a new one takes the place of the one that was not used for longest.
#[tokio::test]
async fn a_user_has_a_thousand_devices_at_most() {
    both_engines(async |server| {
        let (pool, client) = scene(&server, challenging()).await;
        let (first, access) = confirmed(&server, &client, "alice").await;
        let sub = segment(&access, 1)["sub"].as_str().unwrap().to_owned();
        let of_alice = async || server.app.store.user_parts::<domain::Device>(&pool, &sub, None, 2_000).await.unwrap();
        let [stored] = of_alice().await.try_into().unwrap();
        let mut changes = Changes::new();
        for number in 1..1_000_i64 {
            let (mut device, day) = (stored.value.clone(), 86_400_000);
            device.key = format!("us-east-1_{number:04}");
            // Used long ago, the one in the middle longest ago.
            device.authenticated_at = device.authenticated_at.plus(-day * (1_000 - (number - 500).abs()));
            changes.insert_user_part(device);
        }
        server.app.commit(changes).await.unwrap();
        let (last, _) = confirmed(&server, &client, "alice").await;
        let keys: Vec<_> = of_alice().await.into_iter().map(|device| device.value.key).collect();
        assert_eq!(keys.len(), 1_000);
        for key in [&first.key, &last.key, "us-east-1_0001", "us-east-1_0499", "us-east-1_0501", "us-east-1_0999"] {
            assert!(keys.iter().any(|kept| kept == key), "{key}");
        }
        assert!(!keys.iter().any(|kept| kept == "us-east-1_0500"));
        // The others of the pool have theirs.
        confirmed(&server, &client, "bob").await;
        assert_eq!(of_alice().await.len(), 1_000);
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
async fn what_administrators_begin_is_refreshed_with_its_device_too() {
    both_engines(async |server| {
        let (pool, client) = scene(&server, challenging()).await;
        let parameters = json!({"USERNAME": "alice", "PASSWORD": PASSWORD});
        let first = admin_initiate(&server, &pool, &client, "ADMIN_USER_PASSWORD_AUTH", parameters).await.ok();
        let (device, access) = (Device::new(&first), token(&first, "AccessToken"));
        assert_eq!(device_key(&first), device.key);
        let refresh = token(&first, "RefreshToken");
        let other = Device::new(&sign_in(&server, &client, "bob").await);
        let attempts = async |key: Option<&str>| {
            let parameters = json!({"REFRESH_TOKEN": refresh, "DEVICE_KEY": key});
            let request = json!({"ClientId": client, "RefreshToken": refresh, "DeviceKey": key});
            [
                admin_initiate(&server, &pool, &client, "REFRESH_TOKEN_AUTH", parameters).await,
                server.call("GetTokensFromRefreshToken", request).await,
            ]
        };
        // Not before it is confirmed, and with no other device than its own.
        for answer in attempts(Some(&device.key)).await {
            assert_eq!(answer.error(), INVALID_REFRESH);
        }
        confirm(&server, &access, &device.key, &device.verifier()).await.ok();
        for key in [None, Some(other.key.as_str())] {
            for answer in attempts(key).await {
                assert_eq!(answer.error(), INVALID_REFRESH, "{key:?}");
            }
        }
        for answer in attempts(Some(&device.key)).await {
            let answer = answer.ok();
            assert_eq!(device_key(&answer), device.key);
            assert_eq!(answer["AuthenticationResult"].get("NewDeviceMetadata"), None);
        }
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
