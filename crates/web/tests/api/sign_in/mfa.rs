//! Second factors at sign-in (auth-flows.md §5 to §8, §10, §13).

mod guards;
mod rows;
mod set_up;

use testkit::totp;

use super::*;

pub const WRONG_CODE: &str = "CodeMismatchException: Invalid code or auth state for the user.";
pub const WRONG_TOKEN_CODE: &str = "CodeMismatchException: Invalid code received for user";
pub const USED_TOKEN_CODE: &str = "ExpiredCodeException: Your software token has already been used once.";
pub const PHONE: &str = "+12065550100";

/// A pool that has what every factor needs, and this MFA configuration.
pub async fn pool(server: &Server, members: Value, config: Value) -> String {
    let request = crate::pools::with(
        json!({
            "SmsConfiguration": {"SnsCallerArn": "arn:aws:iam::123456789012:role/sms"},
            "EmailConfiguration": {
                "EmailSendingAccount": "DEVELOPER",
                "SourceArn": "arn:aws:ses:us-east-1:123456789012:identity/example.com"
            },
        }),
        &members,
    );
    let pool = server.pool(request).await;
    configure(server, &pool, config).await;
    pool
}

/// Changes the MFA configuration.
pub async fn configure(server: &Server, pool: &str, config: Value) {
    server.call("SetUserPoolMfaConfig", crate::pools::with(json!({"UserPoolId": pool}), &config)).await.ok();
}

/// A configuration that offers everything.
pub fn all(mfa: &str) -> Value {
    json!({
        "MfaConfiguration": mfa,
        "SoftwareTokenMfaConfiguration": {"Enabled": true},
        "EmailMfaConfiguration": {"Message": "Mailed: {####}", "Subject": "{####} is yours"},
        "SmsMfaConfiguration": {"SmsAuthenticationMessage": "Sent: {####}"},
    })
}

/// Switches factors on or off.
pub async fn prefer(server: &Server, pool: &str, settings: Value) {
    let request = crate::pools::with(json!({"UserPoolId": pool, "Username": "alice"}), &settings);
    server.call("AdminSetUserMFAPreference", request).await.ok();
}

pub fn on() -> Value {
    json!({"Enabled": true})
}

pub fn preferred() -> Value {
    json!({"Enabled": true, "PreferredMfa": true})
}

/// Gives alice, who is asked for no second factor so far, a software token; answers its `SecretCode`. The code of the
/// present step is used up.
pub async fn with_token(server: &Server, client: &str) -> String {
    let tokens = server.sign_in(client, "alice", PASSWORD).await.ok();
    let token = tokens["AuthenticationResult"]["AccessToken"].as_str().unwrap();
    let handed_out = server.call("AssociateSoftwareToken", json!({"AccessToken": token})).await.ok();
    let secret = handed_out["SecretCode"].as_str().unwrap().to_owned();
    let request =
        json!({"AccessToken": token, "UserCode": totp::code(server, &secret, 0), "FriendlyDeviceName": "phone"});
    server.call("VerifySoftwareToken", request).await.ok();
    secret
}

/// Optional MFA, and alice with both addresses, neither verified.
pub async fn optional(server: &Server) -> (String, String) {
    let pool = pool(server, json!({}), all("OPTIONAL")).await;
    let client = server.client_id(&pool, json!({})).await;
    let attributes = json!({
        "email": "alice@example.com", "email_verified": "false", "phone_number": PHONE, "phone_number_verified": "false"
    });
    server.confirmed_user(&pool, "alice", PASSWORD, attributes).await;
    (pool, client)
}

/// The challenge that follows alice's password.
pub async fn challenge(server: &Server, client: &str) -> Value {
    server.sign_in(client, "alice", PASSWORD).await.ok()
}

/// The session of the challenge of this name that follows alice's password.
pub async fn session(server: &Server, client: &str, name: &str) -> String {
    session_of(&challenge(server, client).await, name)
}

pub fn session_of(challenge: &Value, name: &str) -> String {
    assert_eq!(challenge["ChallengeName"], name);
    challenge["Session"].as_str().unwrap().to_owned()
}

/// An answer by alice; `with` is what the challenge asks for.
pub async fn answer(server: &Server, client: &str, name: &str, session: &str, with: Value) -> Answer {
    let responses = crate::pools::with(json!({"USERNAME": "alice"}), &with);
    respond(server, client, name, Some(session), responses).await
}

pub fn is_signed_in(answer: &Value) {
    assert!(answer["AuthenticationResult"]["AccessToken"].is_string(), "{answer}");
    assert_eq!(answer["ChallengeParameters"], json!({}));
    assert!(answer.get("ChallengeName").is_none(), "{answer}");
}

/// Another six digits.
pub fn other(code: &str) -> String {
    let first = if code.starts_with('1') { "2" } else { "1" };
    format!("{first}{}", &code[1..])
}

async fn attribute(server: &Server, pool: &str, name: &str) -> Value {
    let user = server.call("AdminGetUser", json!({"UserPoolId": pool, "Username": "alice"})).await.ok();
    let attributes = user["UserAttributes"].as_array().unwrap().clone();
    attributes
        .into_iter()
        .find(|attribute| attribute["Name"] == name)
        .map_or(Value::Null, |found| found["Value"].clone())
}

#[tokio::test]
async fn a_code_by_text_message() {
    both_engines(async |server| {
        let (pool, client) = optional(&server).await;
        prefer(&server, &pool, json!({"SMSMfaSettings": preferred()})).await;
        let mut asked = challenge(&server, &client).await;
        let session = session_of(&asked, "SMS_MFA");
        asked["Session"] = json!("[sealed]");
        insta::allow_duplicates! { insta::assert_json_snapshot!(asked, @r#"
        {
          "ChallengeName": "SMS_MFA",
          "Session": "[sealed]",
          "ChallengeParameters": {
            "CODE_DELIVERY_DELIVERY_MEDIUM": "SMS",
            "CODE_DELIVERY_DESTINATION": "+*******0100",
            "USER_ID_FOR_SRP": "alice"
          }
        }
        "#); }
        let message = server.messages(&pool, "alice").await.remove(0);
        let code = message["code"].as_str().unwrap().to_owned();
        assert_eq!((code.len(), message["destination"].as_str().unwrap()), (6, PHONE));
        assert_eq!(message["body"], format!("Sent: {code}"));
        assert_eq!(message["purpose"], "Authentication");

        // Wrong ones leave the session usable.
        for wrong in [other(&code), "000".to_owned(), format!("{code}0"), format!(" {code}"), "١٢٣٤٥٦".to_owned()]
        {
            let refused = answer(&server, &client, "SMS_MFA", &session, json!({"SMS_MFA_CODE": wrong})).await;
            assert_eq!(refused.error(), WRONG_CODE, "{wrong}");
            server.advance(1);
        }
        assert_eq!(attribute(&server, &pool, "phone_number_verified").await, "false");
        let right = json!({"SMS_MFA_CODE": code, "DEVICE_KEY": null, "unknown": "ignored"});
        is_signed_in(&answer(&server, &client, "SMS_MFA", &session, right.clone()).await.ok());
        assert_eq!(attribute(&server, &pool, "phone_number_verified").await, "true");
        assert_eq!(attribute(&server, &pool, "email_verified").await, "false");
        assert_eq!(answer(&server, &client, "SMS_MFA", &session, right.clone()).await.error(), USED_SESSION);

        // A code is good for its own session only.
        let next = mfa::session(&server, &client, "SMS_MFA").await;
        assert_eq!(answer(&server, &client, "SMS_MFA", &next, right).await.error(), WRONG_CODE);
        let code = server.last_code(&pool, "alice").await;
        is_signed_in(&answer(&server, &client, "SMS_MFA", &next, json!({"SMS_MFA_CODE": code})).await.ok());
    })
    .await;
}

#[tokio::test]
async fn a_code_by_mail() {
    both_engines(async |server| {
        let (pool, client) = optional(&server).await;
        prefer(&server, &pool, json!({"EmailMfaSettings": preferred()})).await;
        let mut asked = challenge(&server, &client).await;
        let session = session_of(&asked, "EMAIL_OTP");
        asked["Session"] = json!("[sealed]");
        insta::allow_duplicates! { insta::assert_json_snapshot!(asked, @r#"
        {
          "ChallengeName": "EMAIL_OTP",
          "Session": "[sealed]",
          "ChallengeParameters": {
            "CODE_DELIVERY_DELIVERY_MEDIUM": "EMAIL",
            "CODE_DELIVERY_DESTINATION": "a***@e***"
          }
        }
        "#); }
        let message = server.messages(&pool, "alice").await.remove(0);
        let code = message["code"].as_str().unwrap().to_owned();
        assert_eq!((code.len(), message["destination"].as_str().unwrap()), (6, "alice@example.com"));
        assert_eq!(message["body"], format!("Mailed: {code}"));
        assert_eq!(message["subject"], format!("{code} is yours"));
        let wrong = json!({"EMAIL_OTP_CODE": other(&code)});
        assert_eq!(answer(&server, &client, "EMAIL_OTP", &session, wrong).await.error(), WRONG_CODE);
        let right = json!({"EMAIL_OTP_CODE": code});
        is_signed_in(&answer(&server, &client, "EMAIL_OTP", &session, right.clone()).await.ok());
        assert_eq!(attribute(&server, &pool, "email_verified").await, "true");
        assert_eq!(attribute(&server, &pool, "phone_number_verified").await, "false");
        assert_eq!(answer(&server, &client, "EMAIL_OTP", &session, right).await.error(), USED_SESSION);

        // The service's prose has another key.
        let session = mfa::session(&server, &client, "EMAIL_OTP").await;
        let code = server.last_code(&pool, "alice").await;
        is_signed_in(&answer(&server, &client, "EMAIL_OTP", &session, json!({"EMAIL_MFA_CODE": code})).await.ok());
    })
    .await;
}

#[tokio::test]
async fn codes_go_out_in_the_words_of_the_server_where_the_pool_has_none() {
    let server = Server::memory().await;
    let pool = pool(&server, json!({}), json!({"MfaConfiguration": "OPTIONAL", "EmailMfaConfiguration": {}})).await;
    let client = server.client_id(&pool, json!({})).await;
    server.confirmed_user(&pool, "alice", PASSWORD, json!({"email": "alice@example.com", "phone_number": PHONE})).await;
    prefer(&server, &pool, json!({"EmailMfaSettings": preferred()})).await;
    challenge(&server, &client).await;
    prefer(&server, &pool, json!({"SMSMfaSettings": preferred()})).await;
    challenge(&server, &client).await;
    let messages = server.messages(&pool, "alice").await;
    let words: Vec<_> = messages
        .iter()
        .map(|message| {
            let code = message["code"].as_str().unwrap();
            let words =
                format!("{}|{}", message["subject"].as_str().unwrap_or_default(), message["body"].as_str().unwrap());
            words.replace(code, "CODE")
        })
        .collect();
    assert_eq!(
        words,
        ["|Your authentication code is CODE. ", "Your authentication code|Your authentication code is CODE. "]
    );
}

/// CreateUserPool and UpdateUserPool can ask for second factors by text message.
#[tokio::test]
async fn a_pool_is_made_with_second_factors() {
    both_engines(async |server| {
        let settings = |mfa: &str| {
            json!({
                "MfaConfiguration": mfa,
                "SmsConfiguration": {"SnsCallerArn": "arn:aws:iam::123456789012:role/sms"},
                "AutoVerifiedAttributes": ["phone_number"],
                "SmsAuthenticationMessage": "By pool: {####}",
            })
        };
        let pool = server.pool(settings("ON")).await;
        let client = server.client_id(&pool, json!({})).await;
        server.confirmed_user(&pool, "alice", PASSWORD, json!({"phone_number": PHONE})).await;
        let next = async || server.sign_in(&client, "alice", PASSWORD).await.ok()["ChallengeName"].clone();
        let described = async || crate::pools::describe(&server, &pool).await["MfaConfiguration"].clone();
        assert_eq!((described().await, next().await), (json!("ON"), json!("SMS_MFA")));
        let message = server.messages(&pool, "alice").await.remove(0);
        assert_eq!(message["body"], format!("By pool: {}", message["code"].as_str().unwrap()));
        crate::pools::update(&server, &pool, &settings("OPTIONAL")).await.ok();
        assert_eq!((described().await, next().await), (json!("OPTIONAL"), Value::Null));
        crate::pools::update(&server, &pool, &settings("ON")).await.ok();
        assert_eq!((described().await, next().await), (json!("ON"), json!("SMS_MFA")));
        // What an update leaves out goes back to its default.
        crate::pools::update(&server, &pool, &json!({})).await.ok();
        assert_eq!((described().await, next().await), (json!("OFF"), Value::Null));
    })
    .await;
}

#[tokio::test]
async fn a_code_that_an_app_makes() {
    both_engines(async |server| {
        let (pool, client) = optional(&server).await;
        let secret = with_token(&server, &client).await;
        prefer(&server, &pool, json!({"SoftwareTokenMfaSettings": preferred()})).await;
        let mut asked = challenge(&server, &client).await;
        let session = session_of(&asked, "SOFTWARE_TOKEN_MFA");
        asked["Session"] = json!("[sealed]");
        insta::allow_duplicates! { insta::assert_json_snapshot!(asked, @r#"
        {
          "ChallengeName": "SOFTWARE_TOKEN_MFA",
          "Session": "[sealed]",
          "ChallengeParameters": {
            "FRIENDLY_DEVICE_NAME": "phone",
            "USER_ID_FOR_SRP": "alice"
          }
        }
        "#); }
        let try_it = async |session: &str, code: String| {
            answer(&server, &client, "SOFTWARE_TOKEN_MFA", session, json!({"SOFTWARE_TOKEN_MFA_CODE": code})).await
        };
        // The code with which the token was verified is used up.
        assert_eq!(try_it(&session, totp::code(&server, &secret, 0)).await.error(), USED_TOKEN_CODE);
        assert_eq!(try_it(&session, totp::code(&server, &secret, 2)).await.error(), WRONG_TOKEN_CODE);
        assert_eq!(try_it(&session, "abcdef".to_owned()).await.error(), WRONG_TOKEN_CODE);
        // One step ahead; then neither it nor the one before is good any more.
        is_signed_in(&try_it(&session, totp::code(&server, &secret, 1)).await.ok());
        let next = mfa::session(&server, &client, "SOFTWARE_TOKEN_MFA").await;
        for steps in [0, 1] {
            assert_eq!(try_it(&next, totp::code(&server, &secret, steps)).await.error(), USED_TOKEN_CODE);
        }
        server.advance(60);
        // A code that was used is no guess: it is not counted, and says nothing about the session.
        for _ in 0..6 {
            assert_eq!(try_it(&next, totp::code(&server, &secret, -1)).await.error(), USED_TOKEN_CODE);
        }
        is_signed_in(&try_it(&next, totp::code(&server, &secret, 0)).await.ok());
        assert_eq!(try_it(&next, totp::code(&server, &secret, 1)).await.error(), USED_SESSION);

        // One step behind.
        server.advance(60);
        let next = mfa::session(&server, &client, "SOFTWARE_TOKEN_MFA").await;
        is_signed_in(&try_it(&next, totp::code(&server, &secret, -1)).await.ok());

        // The token goes while the challenge waits.
        let next = mfa::session(&server, &client, "SOFTWARE_TOKEN_MFA").await;
        administer(&server, "AdminDeleteSoftwareToken", &pool, "alice").await;
        assert_eq!(
            try_it(&next, totp::code(&server, &secret, 1)).await.error(),
            "SoftwareTokenMFANotFoundException: User has no software token any more. Please sign in again."
        );
    })
    .await;
}

#[tokio::test]
async fn one_of_several_is_chosen() {
    both_engines(async |server| {
        let (pool, client) = optional(&server).await;
        let secret = with_token(&server, &client).await;
        server.advance(30);
        let settings = json!({"SMSMfaSettings": on(), "SoftwareTokenMfaSettings": on(), "EmailMfaSettings": on()});
        prefer(&server, &pool, settings).await;
        let mut asked = challenge(&server, &client).await;
        let session = session_of(&asked, "SELECT_MFA_TYPE");
        asked["Session"] = json!("[sealed]");
        insta::allow_duplicates! { insta::assert_json_snapshot!(asked, @r#"
        {
          "ChallengeName": "SELECT_MFA_TYPE",
          "Session": "[sealed]",
          "ChallengeParameters": {
            "MFAS_CAN_CHOOSE": "[\"SMS_MFA\",\"SOFTWARE_TOKEN_MFA\",\"EMAIL_OTP\"]",
            "USER_ID_FOR_SRP": "alice"
          }
        }
        "#); }
        assert!(server.messages(&pool, "alice").await.is_empty());
        for wrong in ["PASSWORD", "sms_mfa", "SMS_OTP", "WEB_AUTHN", " SMS_MFA"] {
            assert_eq!(
                answer(&server, &client, "SELECT_MFA_TYPE", &session, json!({"ANSWER": wrong})).await.error(),
                "InvalidParameterException: ANSWER must be one of SMS_MFA, SOFTWARE_TOKEN_MFA, EMAIL_OTP.",
                "{wrong}"
            );
        }
        for (chosen, name, key) in [
            ("SMS_MFA", "SMS_MFA", "SMS_MFA_CODE"),
            ("EMAIL_OTP", "EMAIL_OTP", "EMAIL_OTP_CODE"),
            ("EMAIL_MFA", "EMAIL_OTP", "EMAIL_OTP_CODE"),
            ("SOFTWARE_TOKEN_MFA", "SOFTWARE_TOKEN_MFA", "SOFTWARE_TOKEN_MFA_CODE"),
        ] {
            let session = mfa::session(&server, &client, "SELECT_MFA_TYPE").await;
            let asked = answer(&server, &client, "SELECT_MFA_TYPE", &session, json!({"ANSWER": chosen})).await.ok();
            let next = session_of(&asked, name);
            let code = match chosen {
                "SOFTWARE_TOKEN_MFA" => totp::code(&server, &secret, 0),
                _ => server.last_code(&pool, "alice").await,
            };
            // One choice a session: it would send any number of messages.
            let again = answer(&server, &client, "SELECT_MFA_TYPE", &session, json!({"ANSWER": chosen})).await;
            assert_eq!(again.error(), USED_SESSION);
            is_signed_in(&answer(&server, &client, name, &next, json!({key: code})).await.ok());
        }
        assert_eq!(server.messages(&pool, "alice").await.len(), 3);
    })
    .await;
}

#[tokio::test]
async fn a_second_factor_follows_every_proof_of_the_password() {
    both_engines(async |server| {
        let (pool, client) = optional(&server).await;
        prefer(&server, &pool, json!({"SMSMfaSettings": preferred()})).await;
        let sms = |code: String| json!({"USERNAME": "alice", "SMS_MFA_CODE": code});

        let srp = testkit::srp::SignIn::start(&server, &client, &pool, "alice", PASSWORD).await;
        let session = session_of(&srp.finish(&server).await.ok(), "SMS_MFA");
        let code = server.last_code(&pool, "alice").await;
        is_signed_in(&respond(&server, &client, "SMS_MFA", Some(&session), sms(code)).await.ok());

        // The administrator's pair of operations, whose sessions are its own.
        let asked = admin_sign_in(&server, &pool, &client, "alice", PASSWORD).await.ok();
        let session = session_of(&asked, "SMS_MFA");
        let code = server.last_code(&pool, "alice").await;
        let refused = respond(&server, &client, "SMS_MFA", Some(&session), sms(code.clone())).await;
        assert_eq!(refused.error(), INVALID_SESSION);
        let request = json!({
            "UserPoolId": pool, "ClientId": client, "ChallengeName": "SMS_MFA", "Session": session,
            "ChallengeResponses": sms(code)
        });
        is_signed_in(&server.call("AdminRespondToAuthChallenge", request).await.ok());

        // A temporary password is replaced first.
        set_password(&server, &pool, "alice", "Temp-Passw0rd", false).await;
        let session =
            session_of(&server.sign_in(&client, "alice", "Temp-Passw0rd").await.ok(), "NEW_PASSWORD_REQUIRED");
        let replaced =
            answer(&server, &client, "NEW_PASSWORD_REQUIRED", &session, json!({"NEW_PASSWORD": PASSWORD})).await;
        let session = session_of(&replaced.ok(), "SMS_MFA");
        let code = server.last_code(&pool, "alice").await;
        is_signed_in(&respond(&server, &client, "SMS_MFA", Some(&session), sms(code)).await.ok());
        assert_eq!(server.messages(&pool, "alice").await.len(), 3);

        // Refreshing needs none.
        configure(&server, &pool, json!({"MfaConfiguration": "OFF"})).await;
        let tokens = server.sign_in(&client, "alice", PASSWORD).await.ok();
        configure(&server, &pool, all("ON")).await;
        let refresh = json!({"REFRESH_TOKEN": tokens["AuthenticationResult"]["RefreshToken"]});
        initiate(&server, &client, "REFRESH_TOKEN_AUTH", refresh).await.ok();
        session_of(&challenge(&server, &client).await, "SMS_MFA");
    })
    .await;
}
