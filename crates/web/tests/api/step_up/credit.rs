//! Going on from what an access token shows.

use testkit::authenticator::Authenticator;

use super::*;

#[tokio::test]
async fn only_what_is_missing_is_asked_for() {
    both_engines(async |server| {
        let house = House::new(server).await;
        let secret = with_token(&house.server, &house.client).await;
        let before = house.by_password().await;
        house.server.advance(60);
        let mut challenge = house.step_up(access(&before), FOUR).await.ok();
        let answer = house.reply_token(&challenge, &secret).await.ok();
        assert_eq!(said(&answer), level(FOUR, &["pwd", "otp", "mfa"]));
        challenge["Session"] = json!("[sealed]");
        insta::allow_duplicates! { insta::assert_json_snapshot!(challenge, @r#"
        {
          "ChallengeName": "SOFTWARE_TOKEN_MFA",
          "Session": "[sealed]",
          "ChallengeParameters": {
            "FRIENDLY_DEVICE_NAME": "phone",
            "USER_ID_FOR_SRP": "alice"
          },
          "AvailableChallenges": [
            "SOFTWARE_TOKEN_MFA"
          ]
        }
        "#); }
        // It is a sign-in of its own, and the token that it builds on is as good as before.
        let (old, new) = (segment(access(&before), 1), segment(access(&answer), 1));
        assert_ne!(old["origin_jti"], new["origin_jti"]);
        assert!(new["auth_time"].as_i64().unwrap() > old["auth_time"].as_i64().unwrap());
        assert!(answer["AuthenticationResult"]["RefreshToken"].is_string());
        for token in [access(&before), access(&answer)] {
            house.server.call("GetUser", json!({"AccessToken": token})).await.ok();
        }
        let refresh = json!({"REFRESH_TOKEN": answer["AuthenticationResult"]["RefreshToken"]});
        assert_eq!(
            said(&house.initiate("REFRESH_TOKEN_AUTH", refresh).await.ok()),
            level(FOUR, &["pwd", "otp", "mfa"])
        );
    })
    .await;
}

#[tokio::test]
async fn several_ways_on_can_be_chosen_from() {
    both_engines(async |server| {
        let house = House::new(server).await;
        let secret = with_token(&house.server, &house.client).await;
        let before = house.by_password().await;
        let ways = vec!["SMS_MFA", "SOFTWARE_TOKEN_MFA", "EMAIL_OTP"];
        let choice = house.step_up(access(&before), THREE).await.ok();
        assert_eq!(asked(&choice), ("SELECT_CHALLENGE", ways.clone()));
        let unavailable = "InvalidParameterException: Selected challenge is not available";
        for other in ["PASSWORD", "PASSWORD_SRP", "SMS_OTP", "WEB_AUTHN", "SELECT_CHALLENGE"] {
            assert_eq!(house.reply(&choice, json!({"ANSWER": other})).await.error(), unavailable, "{other}");
        }
        let sent = house.reply(&choice, json!({"ANSWER": "SMS_MFA"})).await.ok();
        assert_eq!(sent["ChallengeName"], "SMS_MFA");
        // A choice is made once, and an answer is given once.
        assert_eq!(house.reply(&choice, json!({"ANSWER": "EMAIL_OTP"})).await.error(), USED_SESSION);
        let code = house.code().await;
        let answer = house.reply(&sent, json!({"SMS_MFA_CODE": code})).await.ok();
        assert_eq!(said(&answer), level(THREE, &["pwd", "sms", "mfa"]));
        assert_eq!(house.reply(&sent, json!({"SMS_MFA_CODE": code})).await.error(), USED_SESSION);

        for (challenge, expected) in [
            ("EMAIL_OTP", level(THREE, &["pwd", "email_otp", "mfa"])),
            ("SOFTWARE_TOKEN_MFA", level(FOUR, &["pwd", "otp", "mfa"])),
        ] {
            let parameters = json!({"ACCESS_TOKEN": access(&before), "TARGET_ACR_VALUES": THREE,
                "PREFERRED_CHALLENGE": challenge});
            let sent = house.start(parameters).await.ok();
            assert_eq!(asked(&sent), (challenge, ways.clone()));
            let answer = match challenge {
                "EMAIL_OTP" => house.reply_code(&sent).await,
                _ => house.reply_token(&sent, &secret).await,
            };
            assert_eq!(said(&answer.ok()), expected);
        }
        // And on from there.
        let parameters = json!({"ACCESS_TOKEN": access(&before), "TARGET_ACR_VALUES": THREE,
            "PREFERRED_CHALLENGE": "SMS_MFA"});
        let sent = house.start(parameters).await.ok();
        let third = house.reply_code(&sent).await.ok();
        let last = house.step_up(access(&third), FOUR).await.ok();
        let answer = house.reply_token(&last, &secret).await.ok();
        assert_eq!(said(&answer), level(FOUR, &["pwd", "sms", "otp", "mfa"]));
    })
    .await;
}

/// What the user prefers does not take away from what was offered; what is switched off meanwhile is offered no more.
#[tokio::test]
async fn what_is_answered_must_still_be_a_way() {
    both_engines(async |server| {
        let house = House::new(server).await;
        let secret = with_token(&house.server, &house.client).await;
        let before = house.by_password().await;
        let switch = async |settings: Value| prefer(&house.server, &house.pool, settings).await;
        let sent = async |challenge: &str| {
            let parameters = json!({"ACCESS_TOKEN": access(&before), "TARGET_ACR_VALUES": THREE,
                "PREFERRED_CHALLENGE": challenge});
            let sent = house.start(parameters).await.ok();
            assert_eq!(sent["ChallengeName"], challenge);
            sent
        };
        switch(json!({"EmailMfaSettings": on(), "SMSMfaSettings": preferred()})).await;
        let by_app = sent("SOFTWARE_TOKEN_MFA").await;
        let answer = house.reply_token(&by_app, &secret).await.ok();
        assert_eq!(said(&answer), level(FOUR, &["pwd", "otp", "mfa"]));
        let by_text = sent("SMS_MFA").await;
        switch(json!({"SMSMfaSettings": {"Enabled": false}})).await;
        assert_eq!(house.reply_code(&by_text).await.error(), INVALID_SESSION);
        let by_mail = sent("EMAIL_OTP").await;
        let answer = house.reply_code(&by_mail).await.ok();
        assert_eq!(said(&answer), level(THREE, &["pwd", "email_otp", "mfa"]));
    })
    .await;
}

#[tokio::test]
async fn a_password_may_be_what_is_missing() {
    both_engines(async |server| {
        let house = House::new(server).await;
        let secret = with_token(&house.server, &house.client).await;
        let asked_code = house.start(json!({"PREFERRED_CHALLENGE": "EMAIL_OTP"})).await.ok();
        let before = house.reply_code(&asked_code).await.ok();
        assert_eq!(said(&before), level(TWO, &["email_otp"]));
        let choice = house.step_up(access(&before), THREE).await.ok();
        assert_eq!(asked(&choice), ("SELECT_CHALLENGE", vec!["PASSWORD_SRP", "PASSWORD"]));
        let wrong = house.reply(&choice, json!({"ANSWER": "PASSWORD", "PASSWORD": "Wrong1234!"})).await;
        assert_eq!(wrong.error(), "NotAuthorizedException: Incorrect username or password.");
        let answer = house.reply(&choice, json!({"ANSWER": "PASSWORD", "PASSWORD": PASSWORD})).await.ok();
        assert_eq!(said(&answer), level(THREE, &["email_otp", "pwd", "mfa"]));
        // Two things may be missing.
        let parameters = json!({"ACCESS_TOKEN": access(&before), "TARGET_ACR_VALUES": FOUR,
            "PREFERRED_CHALLENGE": "PASSWORD", "PASSWORD": PASSWORD});
        let second = house.start(parameters).await.ok();
        let answer = house.reply_token(&second, &secret).await.ok();
        assert_eq!(said(&answer), level(FOUR, &["email_otp", "pwd", "otp", "mfa"]));
    })
    .await;
}

#[tokio::test]
async fn a_passkey_may_be_what_is_missing() {
    both_engines(async |server| {
        let house = House::with_factors(server, &["PASSWORD", "WEB_AUTHN"], "OPTIONAL").await;
        let passkeys =
            json!({"UserPoolId": house.pool, "WebAuthnConfiguration": {"RelyingPartyId": "auth.example.com"}});
        house.server.call("SetUserPoolMfaConfig", passkeys).await.ok();
        let before = house.by_password().await;
        assert_eq!(house.step_up(access(&before), THREE).await.error(), OUT_OF_REACH);

        let token = json!({"AccessToken": access(&before)});
        let options = house.server.call("StartWebAuthnRegistration", token.clone()).await.ok();
        let mut authenticator = Authenticator::es256(1);
        let credential = authenticator.create(&options["CredentialCreationOptions"], |_| ());
        let request = with(token, &json!({"Credential": credential}));
        house.server.call("CompleteWebAuthnRegistration", request).await.ok();
        let mut reply = async |challenge: &Value| {
            let options = challenge["ChallengeParameters"]["CREDENTIAL_REQUEST_OPTIONS"].as_str().unwrap();
            let credential = authenticator.get(&serde_json::from_str(options).unwrap(), |_| ());
            house.reply(challenge, json!({"CREDENTIAL": credential.to_string()})).await
        };
        let challenge = house.step_up(access(&before), THREE).await.ok();
        assert_eq!(asked(&challenge), ("WEB_AUTHN", vec!["WEB_AUTHN"]));
        assert_eq!(said(&reply(&challenge).await.ok()), level(THREE, &["pwd", "hwk", "mfa"]));
        let challenge = house.start(json!({"TARGET_ACR_VALUES": THREE, "PREFERRED_CHALLENGE": "WEB_AUTHN"})).await.ok();
        assert_eq!(asked(&challenge), ("WEB_AUTHN", vec!["WEB_AUTHN"]));
        let answer = reply(&challenge).await.ok();
        assert_eq!(said(&answer), level(THREE, &["hwk"]));
        assert_eq!(house.step_up(access(&answer), THREE).await.error(), ALREADY);
    })
    .await;
}

#[tokio::test]
async fn an_old_sign_in_counts_for_nothing() {
    both_engines(async |server| {
        let house = House::new(server).await;
        with_token(&house.server, &house.client).await;
        let before = house.by_password().await;
        house.server.advance(100);
        let start = async |max_age: &str| {
            let parameters = json!({"ACCESS_TOKEN": access(&before), "TARGET_ACR_VALUES": FOUR, "MAX_AGE": max_age});
            house.start(parameters).await
        };
        for max_age in ["100", "101", "4000000000"] {
            assert_eq!(asked(&start(max_age).await.ok()).0, "SOFTWARE_TOKEN_MFA", "{max_age}");
        }
        for max_age in ["0", "99"] {
            let answer = start(max_age).await.ok();
            assert_eq!(asked(&answer), ("SELECT_CHALLENGE", vec!["PASSWORD_SRP", "PASSWORD"]), "{max_age}");
        }
        // What it has reached is too old as well, and can be reached again.
        let again = json!({"ACCESS_TOKEN": access(&before), "TARGET_ACR_VALUES": ONE, "MAX_AGE": "99",
            "PREFERRED_CHALLENGE": "PASSWORD", "PASSWORD": PASSWORD});
        assert_eq!(said(&house.start(again).await.ok()), level(ONE, &["pwd"]));
        house.server.call("GetUser", json!({"AccessToken": access(&before)})).await.ok();
        for bad in ["-1", "soon", "1.5", "99999999999999999999"] {
            let error = "InvalidParameterException: MAX_AGE must be a number of seconds.";
            assert_eq!(start(bad).await.error(), error, "{bad}");
        }
        // Alone it asks for nothing: whoever signs in is new.
        let alone = json!({"MAX_AGE": "0", "PREFERRED_CHALLENGE": "PASSWORD", "PASSWORD": PASSWORD});
        assert_eq!(said(&house.start(alone).await.ok()), level(ONE, &["pwd"]));
    })
    .await;
}

#[tokio::test]
async fn tokens_that_say_nothing_are_worth_nothing() {
    let house = House::new(Server::memory().await).await;
    with_token(&house.server, &house.client).await;
    let before = house.server.sign_in(&house.client, "alice", PASSWORD).await.ok();
    let answer = house.step_up(access(&before), FOUR).await.ok();
    assert_eq!(asked(&answer), ("SELECT_CHALLENGE", vec!["PASSWORD_SRP", "PASSWORD"]));
}

#[tokio::test]
async fn a_sign_in_that_ends_takes_what_builds_on_it_along() {
    both_engines(async |server| {
        let house = House::new(server).await;
        let secret = with_token(&house.server, &house.client).await;
        let user = || json!({"UserPoolId": house.pool, "Username": "alice"});
        // A password is missing, then a token: the ends come between the steps.
        let revoke = async |before: &Value| {
            let token = &before["AuthenticationResult"]["RefreshToken"];
            house.server.call("RevokeToken", json!({"Token": token, "ClientId": house.client})).await.ok();
        };
        let before = house.by_password().await;
        let challenge = house.step_up(access(&before), FOUR).await.ok();
        revoke(&before).await;
        assert_eq!(house.reply_token(&challenge, &secret).await.error(), INVALID_SESSION);

        let before = house.by_password().await;
        let challenge = house.step_up(access(&before), FOUR).await.ok();
        house.server.call("AdminUserGlobalSignOut", user()).await.ok();
        assert_eq!(house.reply_token(&challenge, &secret).await.error(), INVALID_SESSION);

        house.server.advance(5);
        let before = house.by_password().await;
        let choice = house.step_up(access(&before), THREE).await.ok();
        house.server.call("AdminDisableUser", user()).await.ok();
        let disabled = "NotAuthorizedException: User is disabled.";
        assert_eq!(house.reply(&choice, json!({"ANSWER": "SMS_MFA"})).await.error(), disabled);
        house.server.call("AdminEnableUser", user()).await.ok();
        let sent = house.reply(&choice, json!({"ANSWER": "SMS_MFA"})).await.ok();
        assert_eq!(house.reply_code(&sent).await.error(), INVALID_SESSION);

        // One that goes on meanwhile leads there.
        house.server.advance(5);
        let before = house.by_password().await;
        let challenge = house.step_up(access(&before), FOUR).await.ok();
        house.reply_token(&challenge, &secret).await.ok();
    })
    .await;
}

#[tokio::test]
async fn what_is_demanded_now_is_asked_for_whatever_was_proven_then() {
    let house = House::new(Server::memory().await).await;
    let secret = with_token(&house.server, &house.client).await;
    let asked_code = house.start(json!({"PREFERRED_CHALLENGE": "EMAIL_OTP"})).await.ok();
    let before = house.reply_code(&asked_code).await.ok();
    // Since then alice has switched her token on, and nothing else.
    prefer(&house.server, &house.pool, json!({"SoftwareTokenMfaSettings": on()})).await;
    let parameters = json!({"ACCESS_TOKEN": access(&before), "TARGET_ACR_VALUES": THREE,
        "PREFERRED_CHALLENGE": "PASSWORD", "PASSWORD": PASSWORD});
    let second = house.start(parameters).await.ok();
    let answer = house.reply_token(&second, &secret).await.ok();
    assert_eq!(said(&answer), level(FOUR, &["email_otp", "pwd", "otp", "mfa"]));
}
