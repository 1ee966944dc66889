//! What must not be possible with the sessions of USER_AUTH.

use super::*;

#[tokio::test]
async fn a_session_is_good_for_its_challenge_its_client_and_its_user() {
    both_engines(async |server| {
        let (pool, client) = everything(&server, json!({})).await;
        let other = client_of(&server, &pool, json!({})).await;
        server.confirmed_user(&pool, "bob", PASSWORD, json!({"email": "bob@example.com"})).await;
        let choices = start(&server, &client, "alice", json!({})).await.ok();
        let password = start(&server, &client, "alice", prefer("PASSWORD")).await.ok();
        let srp = start(&server, &client, "alice", prefer("PASSWORD_SRP")).await.ok();
        let email = start(&server, &client, "alice", prefer("EMAIL_OTP")).await.ok();
        let code = server.last_code(&pool, "alice").await;
        let texts = start(&server, &client, "alice", prefer("SMS_OTP")).await.ok();
        // Everything that any challenge could want, and right.
        let responses = |username: &str| {
            json!({"USERNAME": username, "ANSWER": "PASSWORD", "PASSWORD": PASSWORD, "SRP_A": srp_a(),
                "EMAIL_OTP_CODE": code, "SMS_OTP_CODE": code, "SMS_MFA_CODE": code, "SOFTWARE_TOKEN_MFA_CODE": "123456",
                "NEW_PASSWORD": "Permanent1!"})
        };
        let sessions = [&choices, &password, &srp, &email, &texts];
        let names = [
            "SELECT_CHALLENGE",
            "PASSWORD",
            "PASSWORD_SRP",
            "EMAIL_OTP",
            "SMS_OTP",
            "SMS_MFA",
            "NEW_PASSWORD_REQUIRED",
            "SOFTWARE_TOKEN_MFA",
            "SELECT_MFA_TYPE",
            "MFA_SETUP",
            "CUSTOM_CHALLENGE",
        ];
        for challenge in sessions {
            let own = challenge["ChallengeName"].as_str().unwrap();
            for name in names.into_iter().filter(|name| *name != own) {
                let answer = respond(&server, &client, name, Some(session(challenge)), responses("alice")).await;
                assert_eq!(answer.error(), INVALID_SESSION, "{own} as {name}");
            }
            assert_eq!(reply(&server, &other, challenge, responses("alice")).await.error(), INVALID_SESSION, "{own}");
            assert_eq!(reply(&server, &client, challenge, responses("bob")).await.error(), INVALID_SESSION, "{own}");
            let gone = json!({"USERNAME": "nobody", "ANSWER": "PASSWORD", "PASSWORD": PASSWORD, "SRP_A": srp_a(),
                "EMAIL_OTP_CODE": code, "SMS_OTP_CODE": code});
            assert_eq!(reply(&server, &client, challenge, gone).await.error(), INVALID_SESSION, "{own}");
            assert_eq!(
                respond(&server, &client, own, None, responses("alice")).await.error(),
                "InvalidParameterException: Missing required parameter Session"
            );
            let garbage = "A".repeat(900);
            let answer = respond(&server, &client, own, Some(&garbage), responses("alice")).await;
            assert_eq!(answer.error(), INVALID_SESSION);
        }
        // The code of one medium is not that of the other; and nothing of this has used anything up.
        assert_eq!(reply(&server, &client, &texts, responses("alice")).await.error(), MISMATCH);
        assert!(is_signed_in(&reply(&server, &client, &email, responses("alice")).await.ok()));
        assert!(is_signed_in(&reply(&server, &client, &choices, responses("alice")).await.ok()));
        assert!(is_signed_in(&reply(&server, &client, &password, responses("alice")).await.ok()));
        assert_eq!(reply(&server, &client, &srp, responses("alice")).await.ok()["ChallengeName"], "PASSWORD_VERIFIER");
    })
    .await;
}

#[tokio::test]
async fn what_is_not_on_the_list_cannot_be_chosen() {
    both_engines(async |server| {
        let (_, client) = everything(&server, json!({})).await;
        let choices = start(&server, &client, "alice", json!({})).await.ok();
        for answer in ["WEB_AUTHN", "SMS_MFA", "SELECT_CHALLENGE", "email_otp", "\u{0}", " PASSWORD"] {
            let responses = json!({"USERNAME": "alice", "ANSWER": answer});
            assert_eq!(
                reply(&server, &client, &choices, responses).await.error(),
                "InvalidParameterException: Selected challenge is not available",
                "{answer}"
            );
        }
        for missing in ["USERNAME", "ANSWER"] {
            let mut responses = json!({"USERNAME": "alice", "ANSWER": "EMAIL_OTP"});
            responses.as_object_mut().unwrap().remove(missing);
            assert_eq!(
                reply(&server, &client, &choices, responses).await.error(),
                format!("InvalidParameterException: Missing required parameter {missing}")
            );
        }
        server.advance(181);
        let late = json!({"USERNAME": "alice", "ANSWER": "EMAIL_OTP"});
        assert_eq!(reply(&server, &client, &choices, late).await.error(), EXPIRED_SESSION);
    })
    .await;
}

#[tokio::test]
async fn of_many_answers_at_once_one_succeeds() {
    both_engines(async |server| {
        let (pool, client) = everything(&server, json!({})).await;
        let server = Arc::new(server);
        let email = start(&server, &client, "alice", prefer("EMAIL_OTP")).await.ok();
        let code = server.last_code(&pool, "alice").await;
        let choices = start(&server, &client, "alice", json!({})).await.ok();
        for (challenge, responses) in [
            (email, json!({"USERNAME": "alice", "EMAIL_OTP_CODE": code})),
            (choices.clone(), json!({"USERNAME": "alice", "ANSWER": "PASSWORD", "PASSWORD": PASSWORD})),
        ] {
            let outcomes = at_once(8, &server, |server| {
                let (client, challenge, responses) = (client.clone(), challenge.clone(), responses.clone());
                async move { reply(&server, &client, &challenge, responses).await }
            })
            .await;
            let mut expected = times(7, USED_SESSION);
            expected.push("ok".to_owned());
            assert_eq!(outcomes, expected);
        }
        // However many choose at once, one code goes out.
        let before = server.messages(&pool, "alice").await.len();
        let choices = start(&server, &client, "alice", json!({})).await.ok();
        at_once(8, &server, |server| {
            let (client, choices) = (client.clone(), choices.clone());
            async move { reply(&server, &client, &choices, json!({"USERNAME": "alice", "ANSWER": "EMAIL_OTP"})).await }
        })
        .await;
        assert_eq!(server.messages(&pool, "alice").await.len(), before + 1);
    })
    .await;
}

#[tokio::test]
async fn guesses_at_once_count_one_by_one() {
    both_engines(async |server| {
        let (_, client) = everything(&server, json!({})).await;
        let server = Arc::new(server);
        let asked = start(&server, &client, "alice", prefer("EMAIL_OTP")).await.ok();
        let outcomes =
            at_once(30, &server, |server| {
                let (client, asked) = (client.clone(), asked.clone());
                async move {
                    reply(&server, &client, &asked, json!({"USERNAME": "alice", "EMAIL_OTP_CODE": "00000000"})).await
                }
            })
            .await;
        let mut expected = times(20, MISMATCH);
        expected.extend(times(10, LOCKED));
        assert_eq!(outcomes, expected);
        // Passwords are counted apart.
        let with = json!({"PREFERRED_CHALLENGE": "PASSWORD", "PASSWORD": PASSWORD});
        assert!(is_signed_in(&start(&server, &client, "alice", with).await.ok()));
    })
    .await;
}
