//! MFA_SETUP (auth-flows.md §6, §13).

use super::*;

const INCOMPLETE: &str = "InvalidParameterException: MFA set-up is not complete. Verify a software token with VerifySoftwareToken and answer with the session that it returns, or give EMAIL where EMAIL_OTP can be set up.";

/// A pool that demands a second factor, and alice, who has none.
async fn bare(server: &Server, members: Value, attributes: Value) -> (String, String) {
    let pool = pool(server, members, all("ON")).await;
    let client = server.client_id(&pool, json!({})).await;
    server.confirmed_user(&pool, "alice", PASSWORD, attributes).await;
    (pool, client)
}

/// A software token for the sign-in with this session: its secret, and the session of the last step.
async fn verified(server: &Server, session: &str) -> (String, String) {
    let handed_out = server.call("AssociateSoftwareToken", json!({"Session": session})).await.ok();
    let secret = handed_out["SecretCode"].as_str().unwrap().to_owned();
    let request = json!({"Session": handed_out["Session"], "UserCode": totp::code(server, &secret, 0)});
    let verified = server.call("VerifySoftwareToken", request).await.ok();
    assert_eq!(verified["Status"], "SUCCESS");
    (secret, verified["Session"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_software_token() {
    both_engines(async |server| {
        let (_, client) = bare(&server, json!({}), json!({})).await;
        let mut asked = challenge(&server, &client).await;
        let first = session_of(&asked, "MFA_SETUP");
        asked["Session"] = json!("[sealed]");
        insta::allow_duplicates! { insta::assert_json_snapshot!(asked, @r#"
        {
          "ChallengeName": "MFA_SETUP",
          "Session": "[sealed]",
          "ChallengeParameters": {
            "MFAS_CAN_SETUP": "[\"SMS_MFA\",\"SOFTWARE_TOKEN_MFA\",\"EMAIL_OTP\"]",
            "USER_ID_FOR_SRP": "alice"
          }
        }
        "#); }
        // Not before it is verified.
        assert_eq!(answer(&server, &client, "MFA_SETUP", &first, json!({})).await.error(), INCOMPLETE);
        let (secret, last) = verified(&server, &first).await;
        let ignored = json!({"SOFTWARE_TOKEN_MFA_CODE": "000000"});
        is_signed_in(&answer(&server, &client, "MFA_SETUP", &last, ignored).await.ok());
        assert_eq!(answer(&server, &client, "MFA_SETUP", &last, json!({})).await.error(), USED_SESSION);
        assert!(answer(&server, &client, "MFA_SETUP", &first, json!({})).await.status != 200);
        // From now on it is asked for, whether MFA_SETUP was ever answered or not.
        server.advance(30);
        let session = session(&server, &client, "SOFTWARE_TOKEN_MFA").await;
        let code = json!({"SOFTWARE_TOKEN_MFA_CODE": totp::code(&server, &secret, 0)});
        is_signed_in(&answer(&server, &client, "SOFTWARE_TOKEN_MFA", &session, code).await.ok());
    })
    .await;
}

#[tokio::test]
async fn a_mail_address() {
    both_engines(async |server| {
        for key in ["EMAIL", "email"] {
            let (pool, client) = bare(&server, json!({}), json!({})).await;
            let session = session(&server, &client, "MFA_SETUP").await;
            for bad in ["alice", "a b@example.com", "@example.com", "a@b@example.com"] {
                let refused = answer(&server, &client, "MFA_SETUP", &session, json!({key: bad})).await;
                assert_eq!(refused.error(), "InvalidParameterException: Invalid email address format.", "{bad}");
            }
            let mut asked = answer(&server, &client, "MFA_SETUP", &session, json!({key: "new@example.com"})).await.ok();
            let next = session_of(&asked, "EMAIL_OTP");
            asked["Session"] = json!("[sealed]");
            insta::allow_duplicates! { insta::assert_json_snapshot!(asked, @r#"
            {
              "ChallengeName": "EMAIL_OTP",
              "Session": "[sealed]",
              "ChallengeParameters": {
                "CODE_DELIVERY_DELIVERY_MEDIUM": "EMAIL",
                "CODE_DELIVERY_DESTINATION": "n***@e***"
              }
            }
            "#); }
            let again = answer(&server, &client, "MFA_SETUP", &session, json!({key: "x@example.com"})).await;
            assert_eq!(again.error(), USED_SESSION);
            // It is the user's only once it is proven.
            assert_eq!(attribute(&server, &pool, "email").await, Value::Null);
            let message = server.messages(&pool, "alice").await.remove(0);
            assert_eq!(message["destination"], "new@example.com");
            let code = message["code"].as_str().unwrap();
            let wrong = json!({"EMAIL_OTP_CODE": other(code)});
            assert_eq!(answer(&server, &client, "EMAIL_OTP", &next, wrong).await.error(), WRONG_CODE);
            is_signed_in(&answer(&server, &client, "EMAIL_OTP", &next, json!({"EMAIL_OTP_CODE": code})).await.ok());
            assert_eq!(attribute(&server, &pool, "email").await, "new@example.com");
            assert_eq!(attribute(&server, &pool, "email_verified").await, "true");
            super::session(&server, &client, "EMAIL_OTP").await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_mail_address_is_taken_only_where_it_can_be() {
    both_engines(async |server| {
        // Mail recovers accounts here.
        let recovery = json!({"AccountRecoverySetting": {"RecoveryMechanisms": [
            {"Name": "verified_email", "Priority": 1}, {"Name": "verified_phone_number", "Priority": 2}
        ]}});
        let (_, client) = bare(&server, recovery, json!({})).await;
        let session = session(&server, &client, "MFA_SETUP").await;
        let given = json!({"EMAIL": "new@example.com"});
        assert_eq!(answer(&server, &client, "MFA_SETUP", &session, given.clone()).await.error(), INCOMPLETE);

        // The client may not write it.
        let pool = pool(&server, json!({}), all("ON")).await;
        let client = server.client_id(&pool, json!({"WriteAttributes": ["name"]})).await;
        server.confirmed_user(&pool, "alice", PASSWORD, json!({})).await;
        let session = super::session(&server, &client, "MFA_SETUP").await;
        assert_eq!(
            answer(&server, &client, "MFA_SETUP", &session, given.clone()).await.error(),
            "NotAuthorizedException: A client attempted to write unauthorized attribute"
        );

        // Somebody else signs in with it.
        let (pool, client) = bare(&server, json!({"AliasAttributes": ["email"]}), json!({})).await;
        server.confirmed_user(&pool, "bob", PASSWORD, json!({"email": "new@example.com"})).await;
        let session = super::session(&server, &client, "MFA_SETUP").await;
        let asked = answer(&server, &client, "MFA_SETUP", &session, given).await.ok();
        let next = session_of(&asked, "EMAIL_OTP");
        let code = json!({"EMAIL_OTP_CODE": server.last_code(&pool, "alice").await});
        assert_eq!(
            answer(&server, &client, "EMAIL_OTP", &next, code).await.error(),
            "AliasExistsException: An account with the given email already exists."
        );
        assert_eq!(attribute(&server, &pool, "email").await, Value::Null);
    })
    .await;
}

/// Whoever knows only the password must not get round a factor that the user has set up meanwhile.
#[tokio::test]
async fn a_set_up_that_was_begun_before_another_was_done_is_void() {
    both_engines(async |server| {
        let (pool, client) = bare(&server, json!({}), json!({})).await;
        let late = session(&server, &client, "MFA_SETUP").await;
        let later = session(&server, &client, "MFA_SETUP").await;
        let handed_out = session(&server, &client, "MFA_SETUP").await;
        let handed_out = server.call("AssociateSoftwareToken", json!({"Session": handed_out})).await.ok();
        let secret = handed_out["SecretCode"].as_str().unwrap();
        let code_is_out = session(&server, &client, "MFA_SETUP").await;
        let given = json!({"EMAIL": "attacker@example.com"});
        let asked = answer(&server, &client, "MFA_SETUP", &code_is_out, given.clone()).await.ok();
        let code = json!({"EMAIL_OTP_CODE": server.last_code(&pool, "alice").await});

        let first = session(&server, &client, "MFA_SETUP").await;
        let asked_first =
            answer(&server, &client, "MFA_SETUP", &first, json!({"EMAIL": "alice@example.com"})).await.ok();
        let first_code = json!({"EMAIL_OTP_CODE": server.last_code(&pool, "alice").await});
        let next = session_of(&asked_first, "EMAIL_OTP");
        is_signed_in(&answer(&server, &client, "EMAIL_OTP", &next, first_code).await.ok());

        assert_eq!(answer(&server, &client, "MFA_SETUP", &late, given).await.error(), INVALID_SESSION);
        let next = session_of(&asked, "EMAIL_OTP");
        assert_eq!(answer(&server, &client, "EMAIL_OTP", &next, code).await.error(), INVALID_SESSION);
        let refused = server.call("AssociateSoftwareToken", json!({"Session": later})).await;
        assert_eq!(refused.error(), INVALID_SESSION);
        let verify = json!({"Session": handed_out["Session"], "UserCode": totp::code(&server, secret, 0)});
        assert_eq!(server.call("VerifySoftwareToken", verify).await.error(), INVALID_SESSION);
        session_of(&challenge(&server, &client).await, "EMAIL_OTP");
        assert_eq!(attribute(&server, &pool, "email").await, "alice@example.com");
    })
    .await;
}
