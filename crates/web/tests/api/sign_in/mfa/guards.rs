//! Guessing second factors, and sessions that are not what they should be (auth-flows.md §7, §10).

use service::messages::Sender;

use super::*;

/// Alice is asked for a code by text message.
async fn by_text_message(server: &Server) -> (String, String) {
    let (pool, client) = optional(server).await;
    prefer(server, &pool, json!({"SMSMfaSettings": preferred()})).await;
    (pool, client)
}

fn sms(code: &str) -> Value {
    json!({"SMS_MFA_CODE": code})
}

#[tokio::test]
async fn five_wrong_codes_lock_and_the_lock_doubles() {
    both_engines(async |server| {
        let (pool, client) = by_text_message(&server).await;
        let first = session(&server, &client, "SMS_MFA").await;
        let code = server.last_code(&pool, "alice").await;
        let wrong = sms(&other(&code));
        for _ in 0..5 {
            assert_eq!(answer(&server, &client, "SMS_MFA", &first, wrong.clone()).await.error(), WRONG_CODE);
        }
        let mut elapsed = 0;
        for lock in [1, 2, 4, 8] {
            // Neither the right code nor a new sign-in gets past it, and no message is sent.
            server.advance(lock - 1);
            assert_eq!(answer(&server, &client, "SMS_MFA", &first, sms(&code)).await.error(), LOCKED);
            assert_eq!(server.sign_in(&client, "alice", PASSWORD).await.error(), LOCKED);
            assert_eq!(server.messages(&pool, "alice").await.len(), 1);
            server.advance(1);
            elapsed += lock;
            assert_eq!(answer(&server, &client, "SMS_MFA", &first, wrong.clone()).await.error(), WRONG_CODE);
        }
        assert_eq!(elapsed, 15);
        server.advance(16);
        is_signed_in(&answer(&server, &client, "SMS_MFA", &first, sms(&code)).await.ok());
        // A success starts over; whether somebody knows the password does not.
        let next = session(&server, &client, "SMS_MFA").await;
        let code = server.last_code(&pool, "alice").await;
        for _ in 0..4 {
            let wrong = sms(&other(&code));
            assert_eq!(answer(&server, &client, "SMS_MFA", &next, wrong).await.error(), WRONG_CODE);
            challenge(&server, &client).await;
        }
        let wrong = sms(&other(&code));
        assert_eq!(answer(&server, &client, "SMS_MFA", &next, wrong).await.error(), WRONG_CODE);
        assert_eq!(server.sign_in(&client, "alice", PASSWORD).await.error(), LOCKED);
    })
    .await;
}

#[tokio::test]
async fn all_factors_count_together() {
    both_engines(async |server| {
        let (pool, client) = optional(&server).await;
        let secret = with_token(&server, &client).await;
        server.advance(30);
        let settings = json!({"SMSMfaSettings": on(), "SoftwareTokenMfaSettings": on(), "EmailMfaSettings": on()});
        prefer(&server, &pool, settings).await;
        let mut sessions = Vec::new();
        for name in ["SMS_MFA", "EMAIL_OTP", "SOFTWARE_TOKEN_MFA"] {
            let session = session(&server, &client, "SELECT_MFA_TYPE").await;
            let asked = answer(&server, &client, "SELECT_MFA_TYPE", &session, json!({"ANSWER": name})).await.ok();
            sessions.push(session_of(&asked, name));
        }
        let choice = session(&server, &client, "SELECT_MFA_TYPE").await;
        let [text, mail, token] = sessions.try_into().unwrap();
        for _ in 0..2 {
            assert_eq!(answer(&server, &client, "SMS_MFA", &text, sms("1")).await.error(), WRONG_CODE);
            let with = json!({"SOFTWARE_TOKEN_MFA_CODE": "1"});
            assert_eq!(answer(&server, &client, "SOFTWARE_TOKEN_MFA", &token, with).await.error(), WRONG_TOKEN_CODE);
        }
        // Choosing is no success that would start over.
        let another = session(&server, &client, "SELECT_MFA_TYPE").await;
        answer(&server, &client, "SELECT_MFA_TYPE", &another, json!({"ANSWER": "SOFTWARE_TOKEN_MFA"})).await.ok();
        let with = json!({"EMAIL_OTP_CODE": "1"});
        assert_eq!(answer(&server, &client, "EMAIL_OTP", &mail, with).await.error(), WRONG_CODE);
        let right = json!({"SOFTWARE_TOKEN_MFA_CODE": totp::code(&server, &secret, 0)});
        assert_eq!(answer(&server, &client, "SOFTWARE_TOKEN_MFA", &token, right.clone()).await.error(), LOCKED);
        let chosen = answer(&server, &client, "SELECT_MFA_TYPE", &choice, json!({"ANSWER": "SMS_MFA"})).await;
        assert_eq!(chosen.error(), LOCKED);
        server.advance(1);
        is_signed_in(&answer(&server, &client, "SOFTWARE_TOKEN_MFA", &token, right).await.ok());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn guesses_at_the_same_time_gain_nothing() {
    both_engines(async |server| {
        let (pool, client) = by_text_message(&server).await;
        let session = session(&server, &client, "SMS_MFA").await;
        let wrong = other(&server.last_code(&pool, "alice").await);
        let server = Arc::new(server);
        let outcomes = at_once(20, &server, |server| {
            let (client, session, wrong) = (client.clone(), session.clone(), wrong.clone());
            async move { answer(&server, &client, "SMS_MFA", &session, sms(&wrong)).await }
        })
        .await;
        assert_eq!(outcomes, [times(5, WRONG_CODE), times(15, LOCKED)].concat());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_answer_of_many_at_once_signs_in() {
    both_engines(async |server| {
        let (pool, client) = by_text_message(&server).await;
        let session = session(&server, &client, "SMS_MFA").await;
        let code = server.last_code(&pool, "alice").await;
        let server = Arc::new(server);
        let outcomes = at_once(8, &server, |server| {
            let (client, session, code) = (client.clone(), session.clone(), code.clone());
            async move { answer(&server, &client, "SMS_MFA", &session, sms(&code)).await }
        })
        .await;
        assert_eq!(outcomes, [times(7, USED_SESSION), times(1, "ok")].concat());
    })
    .await;
}

/// One code of an app, and two sign-ins that wait for one.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_code_of_an_app_signs_in_once_even_at_the_same_time() {
    both_engines(async |server| {
        let (pool, client) = optional(&server).await;
        let secret = with_token(&server, &client).await;
        prefer(&server, &pool, json!({"SoftwareTokenMfaSettings": preferred()})).await;
        server.advance(60);
        let mut sessions = Vec::new();
        for _ in 0..8 {
            sessions.push(session(&server, &client, "SOFTWARE_TOKEN_MFA").await);
        }
        let code = totp::code(&server, &secret, 0);
        let (server, sessions) = (Arc::new(server), std::sync::Mutex::new(sessions));
        let outcomes = at_once(8, &server, |server| {
            let session = sessions.lock().unwrap().pop().unwrap();
            let (client, with) = (client.clone(), json!({"SOFTWARE_TOKEN_MFA_CODE": code}));
            async move { answer(&server, &client, "SOFTWARE_TOKEN_MFA", &session, with).await }
        })
        .await;
        assert_eq!(outcomes, [times(7, USED_TOKEN_CODE), times(1, "ok")].concat());
    })
    .await;
}

#[tokio::test]
async fn sessions_are_bound_to_client_user_challenge_and_time() {
    both_engines(async |server| {
        let (pool, client) = by_text_message(&server).await;
        let other_client = server.client_id(&pool, json!({})).await;
        server.confirmed_user(&pool, "bob", PASSWORD, json!({"phone_number": "+12065550199"})).await;
        let session = session(&server, &client, "SMS_MFA").await;
        let code = server.last_code(&pool, "alice").await;
        let right = json!({"USERNAME": "alice", "SMS_MFA_CODE": code, "EMAIL_OTP_CODE": code, "SOFTWARE_TOKEN_MFA_CODE": code,
            "ANSWER": "SMS_MFA"});
        let of_bob = json!({"USERNAME": "bob", "SMS_MFA_CODE": code});
        for (client, name, session, responses) in [
            (&other_client, "SMS_MFA", session.as_str(), &right),
            (&client, "EMAIL_OTP", &session, &right),
            (&client, "SOFTWARE_TOKEN_MFA", &session, &right),
            (&client, "SELECT_MFA_TYPE", &session, &right),
            (&client, "MFA_SETUP", &session, &right),
            (&client, "SMS_MFA", &session, &of_bob),
            (&client, "SMS_MFA", &"A".repeat(1_000), &right),
            (&client, "SMS_MFA", &session[..session.len() - 4], &right),
        ] {
            let refused = respond(&server, client, name, Some(session), responses.clone()).await;
            assert_eq!(refused.error(), INVALID_SESSION, "{name} {responses}");
        }
        // None of this was a guess, and none of it used anything up.
        server.advance(179);
        is_signed_in(&respond(&server, &client, "SMS_MFA", Some(&session), right.clone()).await.ok());

        let session = super::session(&server, &client, "SMS_MFA").await;
        let code = server.last_code(&pool, "alice").await;
        server.advance(180);
        assert_eq!(answer(&server, &client, "SMS_MFA", &session, sms(&code)).await.error(), EXPIRED_SESSION);
    })
    .await;
}

#[tokio::test]
async fn what_changes_while_the_code_is_out_counts() {
    both_engines(async |server| {
        let (pool, client) = by_text_message(&server).await;
        let request = || json!({"UserPoolId": pool, "Username": "alice"});
        let attributes = |name: &str, value: &str| {
            crate::pools::with(request(), &json!({"UserAttributes": [{"Name": name, "Value": value}]}))
        };
        for (operation, body, refusal) in [
            ("AdminUpdateUserAttributes", attributes("phone_number", "+12065550111"), INVALID_SESSION),
            (
                "AdminSetUserPassword",
                crate::pools::with(request(), &json!({"Password": PASSWORD, "Permanent": true})),
                INVALID_SESSION,
            ),
            (
                "AdminResetUserPassword",
                request(),
                "PasswordResetRequiredException: Password reset required for the user",
            ),
            ("AdminDisableUser", request(), "NotAuthorizedException: User is disabled."),
            (
                "AdminSetUserMFAPreference",
                crate::pools::with(request(), &json!({"SMSMfaSettings": {"Enabled": false}})),
                INVALID_SESSION,
            ),
            (
                "SetUserPoolMfaConfig",
                crate::pools::with(json!({"UserPoolId": pool}), &json!({"MfaConfiguration": "OFF"})),
                INVALID_SESSION,
            ),
            ("AdminDeleteUser", request(), INVALID_SESSION),
        ] {
            let session = session(&server, &client, "SMS_MFA").await;
            let code = server.last_code(&pool, "alice").await;
            server.call("AdminUpdateUserAttributes", attributes("phone_number_verified", "true")).await.ok();
            server.call(operation, body).await.ok();
            assert_eq!(answer(&server, &client, "SMS_MFA", &session, sms(&code)).await.error(), refusal, "{operation}");
            if operation == "AdminResetUserPassword" {
                set_password(&server, &pool, "alice", PASSWORD, true).await;
            }
            if operation == "AdminDisableUser" {
                administer(&server, "AdminEnableUser", &pool, "alice").await;
            }
            if operation == "AdminSetUserMFAPreference" {
                prefer(&server, &pool, json!({"SMSMfaSettings": preferred()})).await;
            }
            if operation == "SetUserPoolMfaConfig" {
                configure(&server, &pool, all("OPTIONAL")).await;
            }
        }
    })
    .await;
}

/// Whichever factor it is, before it is chosen from several and afterwards.
#[tokio::test]
async fn a_factor_that_is_switched_off_meanwhile_counts_no_more() {
    both_engines(async |server| {
        let (pool, client) = optional(&server).await;
        let secret = with_token(&server, &client).await;
        let settings = ["SMSMfaSettings", "EmailMfaSettings", "SoftwareTokenMfaSettings"];
        for (number, (name, key)) in [
            ("SMS_MFA", "SMS_MFA_CODE"),
            ("EMAIL_OTP", "EMAIL_OTP_CODE"),
            ("SOFTWARE_TOKEN_MFA", "SOFTWARE_TOKEN_MFA_CODE"),
        ]
        .into_iter()
        .enumerate()
        {
            server.advance(30);
            let change = |number: usize, setting: Value| prefer(&server, &pool, json!({settings[number % 3]: setting}));
            for number in 0..3 {
                change(number, on()).await;
            }
            let choices = [
                session(&server, &client, "SELECT_MFA_TYPE").await,
                session(&server, &client, "SELECT_MFA_TYPE").await,
            ];
            let choose =
                async |choice: &str| answer(&server, &client, "SELECT_MFA_TYPE", choice, json!({"ANSWER": name})).await;
            let chosen = session_of(&choose(&choices[0]).await.ok(), name);
            let code = match name {
                "SOFTWARE_TOKEN_MFA" => totp::code(&server, &secret, 0),
                _ => server.last_code(&pool, "alice").await,
            };
            let reply = async || answer(&server, &client, name, &chosen, json!({key: code})).await;
            change(number, json!({"Enabled": false})).await;
            assert_eq!(reply().await.error(), INVALID_SESSION, "{name}");
            assert_eq!(choose(&choices[1]).await.error(), INVALID_SESSION, "{name}");
            // That was no guess and used nothing up; and another that is preferred by now takes nothing away.
            change(number, on()).await;
            change(number + 1, preferred()).await;
            is_signed_in(&reply().await.ok());
            session_of(&choose(&choices[1]).await.ok(), name);
            change(number + 1, json!({"Enabled": false})).await;
        }
    })
    .await;
}

/// An alias belongs to whoever has verified it first: a sign-in neither takes it away nor fails for it.
#[tokio::test]
async fn a_code_does_not_take_an_alias_away() {
    both_engines(async |server| {
        let pool = pool(&server, json!({"AliasAttributes": ["phone_number"]}), all("OPTIONAL")).await;
        let client = server.client_id(&pool, json!({})).await;
        let unverified = json!({"phone_number": PHONE, "phone_number_verified": "false"});
        server.confirmed_user(&pool, "alice", PASSWORD, unverified).await;
        server.confirmed_user(&pool, "bob", PASSWORD, json!({"phone_number": PHONE})).await;
        prefer(&server, &pool, json!({"SMSMfaSettings": preferred()})).await;
        let session = session(&server, &client, "SMS_MFA").await;
        let code = server.last_code(&pool, "alice").await;
        is_signed_in(&answer(&server, &client, "SMS_MFA", &session, sms(&code)).await.ok());
        assert_eq!(attribute(&server, &pool, "phone_number_verified").await, "false");
        administer(&server, "AdminDeleteUser", &pool, "bob").await;
        let session = super::session(&server, &client, "SMS_MFA").await;
        let code = server.last_code(&pool, "alice").await;
        is_signed_in(&answer(&server, &client, "SMS_MFA", &session, sms(&code)).await.ok());
        assert_eq!(attribute(&server, &pool, "phone_number_verified").await, "true");
        // By which alice can be called from now on.
        assert_eq!(server.sign_in(&client, PHONE, PASSWORD).await.ok()["ChallengeName"], "SMS_MFA");
    })
    .await;
}

#[tokio::test]
async fn what_is_missing_is_named() {
    both_engines(async |server| {
        let (pool, client) = by_text_message(&server).await;
        let session = session(&server, &client, "SMS_MFA").await;
        for (name, key) in [
            ("SMS_MFA", "SMS_MFA_CODE"),
            ("SOFTWARE_TOKEN_MFA", "SOFTWARE_TOKEN_MFA_CODE"),
            ("SELECT_MFA_TYPE", "ANSWER"),
        ] {
            for (responses, missing) in [
                (json!({key: "123456"}), "USERNAME"),
                (json!({"USERNAME": "", key: "123456"}), "USERNAME"),
                (json!({"USERNAME": "alice"}), key),
                (json!({"USERNAME": "alice", key: ""}), key),
            ] {
                let refused = respond(&server, &client, name, Some(&session), responses).await;
                let error = format!("InvalidParameterException: Missing required parameter {missing}");
                assert_eq!(refused.error(), error, "{name}");
            }
            let refused = respond(&server, &client, name, None, json!({"USERNAME": "alice", key: "123456"})).await;
            assert_eq!(refused.error(), "InvalidParameterException: Missing required parameter Session", "{name}");
        }
        let refused = respond(&server, &client, "MFA_SETUP", None, json!({"USERNAME": "alice"})).await;
        assert_eq!(refused.error(), "InvalidParameterException: Missing required parameter Session");
        for hostile in ["'; DROP TABLE users; --", "\u{0}", "-1", "1e6", &"9".repeat(100_000)] {
            server.advance(16);
            assert_eq!(answer(&server, &client, "SMS_MFA", &session, sms(hostile)).await.error(), WRONG_CODE);
        }

        // With a secret, its hash; before the session is looked at.
        let secretive = server.client_id(&pool, json!({"GenerateSecret": true})).await;
        assert_eq!(
            answer(&server, &secretive, "SMS_MFA", &session, sms("123456")).await.error(),
            format!(
                "NotAuthorizedException: Client {secretive} is configured with secret but SECRET_HASH was not received"
            )
        );
        let unknown = json!({"SMS_MFA_CODE": "123456", "DEVICE_KEY": "us-east-1_00000000-0000-0000-0000-000000000000"});
        assert_eq!(answer(&server, &client, "SMS_MFA", &session, unknown).await.error(), NO_DEVICE);
    })
    .await;
}

#[tokio::test]
async fn nothing_is_asked_for_that_nobody_would_deliver() {
    let server = Server::builder().sender(Sender::Nobody).start().await;
    let (pool, client) = by_text_message(&server).await;
    assert_eq!(
        server.sign_in(&client, "alice", PASSWORD).await.error(),
        "InvalidUserPoolConfigurationException: Unable to deliver code to user"
    );
    assert_eq!(server.sign_in(&client, "alice", "Wr0ng-password").await.error(), INCORRECT);
    configure(&server, &pool, json!({"MfaConfiguration": "OFF"})).await;
    server.sign_in(&client, "alice", PASSWORD).await.ok();
}
