//! Devices and proofs of devices that are refused.

use super::*;

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
        // Nor is anything computed for whoever only begins.
        let first = sign_in_with(&server, &client, "alice", &device.key).await.ok();
        assert_eq!(STEPS.start(&server, &client, &first, &device).await.error(), LOCKED);
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
