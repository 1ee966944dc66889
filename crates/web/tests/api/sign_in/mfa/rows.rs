//! Which challenge it is (auth-flows.md §13). Every row is a test of the decision itself, in the domain; here are those
//! that a pool and a user can be brought to by requests.

use super::*;

const NO_METHOD: &str = "User has no MFA method that can be used to sign in. Ask an administrator to set one up.";

/// What follows the password of a user with these attributes, in a pool with these settings.
async fn outcome(server: &Server, members: Value, config: Value, attributes: Value) -> String {
    let pool = pool(server, members, config).await;
    let client = server.client_id(&pool, json!({})).await;
    server.confirmed_user(&pool, "alice", PASSWORD, attributes).await;
    said(&server.sign_in(&client, "alice", PASSWORD).await)
}

/// The challenge and its list, or the error.
fn said(answer: &Answer) -> String {
    if answer.status != 200 {
        return answer.error();
    }
    let answer = &answer.body;
    let Some(name) = answer["ChallengeName"].as_str() else {
        is_signed_in(answer);
        return "tokens".to_owned();
    };
    let list =
        ["MFAS_CAN_CHOOSE", "MFAS_CAN_SETUP"].into_iter().find_map(|key| answer["ChallengeParameters"][key].as_str());
    list.map_or_else(|| name.to_owned(), |list| format!("{name} {list}"))
}

#[tokio::test]
async fn users_without_a_preference() {
    let email = || json!({"email": "alice@example.com"});
    let phone = || json!({"phone_number": PHONE});
    let both = || json!({"email": "alice@example.com", "phone_number": PHONE});
    let unverified = || json!({"phone_number": PHONE, "phone_number_verified": "false"});
    let recovery =
        |name: &str| json!({"AccountRecoverySetting": {"RecoveryMechanisms": [{"Name": name, "Priority": 1}]}});
    let token = |mfa: &str| json!({"MfaConfiguration": mfa, "SoftwareTokenMfaConfiguration": {"Enabled": true}});
    let sms = || json!({"MfaConfiguration": "ON"});
    let none = format!("NotAuthorizedException: {NO_METHOD}");
    let cases = [
        (json!({}), json!({}), both(), "tokens"),
        (json!({}), all("OPTIONAL"), both(), "tokens"),
        (json!({}), all("OPTIONAL"), json!({}), "tokens"),
        (json!({}), sms(), phone(), "SMS_MFA"),
        (json!({}), sms(), unverified(), "SMS_MFA"),
        (json!({}), sms(), both(), "SMS_MFA"),
        (json!({}), all("ON"), email(), "EMAIL_OTP"),
        (json!({}), all("ON"), both(), r#"SELECT_MFA_TYPE ["SMS_MFA","EMAIL_OTP"]"#),
        (recovery("admin_only"), all("ON"), both(), r#"SELECT_MFA_TYPE ["SMS_MFA","EMAIL_OTP"]"#),
        (recovery("verified_phone_number"), all("ON"), both(), "EMAIL_OTP"),
        (recovery("verified_phone_number"), all("ON"), phone(), r#"MFA_SETUP ["SOFTWARE_TOKEN_MFA"]"#),
        (recovery("verified_phone_number"), sms(), phone(), &none),
        (json!({}), sms(), email(), &none),
        (json!({}), token("ON"), email(), r#"MFA_SETUP ["SOFTWARE_TOKEN_MFA"]"#),
        (json!({}), all("ON"), json!({}), r#"MFA_SETUP ["SMS_MFA","SOFTWARE_TOKEN_MFA","EMAIL_OTP"]"#),
        (recovery("verified_phone_number"), all("ON"), json!({}), r#"MFA_SETUP ["SOFTWARE_TOKEN_MFA","EMAIL_OTP"]"#),
        (recovery("verified_phone_number"), sms(), json!({}), &none),
    ];
    for (members, config, attributes, expected) in cases {
        let server = Server::memory().await;
        let found = outcome(&server, members.clone(), config.clone(), attributes.clone()).await;
        assert_eq!(found, expected, "{members} {config} {attributes}");
    }
}

#[tokio::test]
async fn users_with_a_software_token() {
    both_engines(async |server| {
        let (pool, client) = optional(&server).await;
        with_token(&server, &client).await;
        let next = async || said(&server.sign_in(&client, "alice", PASSWORD).await);
        // Verified and not switched on.
        assert_eq!(next().await, "tokens");
        configure(&server, &pool, json!({"MfaConfiguration": "ON"})).await;
        assert_eq!(next().await, r#"SELECT_MFA_TYPE ["SMS_MFA","SOFTWARE_TOKEN_MFA","EMAIL_OTP"]"#);
        prefer(&server, &pool, json!({"SoftwareTokenMfaSettings": on()})).await;
        assert_eq!(next().await, "SOFTWARE_TOKEN_MFA");
        // The pool stops offering them: who has one goes on using it.
        configure(&server, &pool, json!({"SoftwareTokenMfaConfiguration": {"Enabled": false}})).await;
        assert_eq!(next().await, "SOFTWARE_TOKEN_MFA");
        prefer(&server, &pool, json!({"SMSMfaSettings": on()})).await;
        assert_eq!(next().await, r#"SELECT_MFA_TYPE ["SMS_MFA","SOFTWARE_TOKEN_MFA"]"#);
        prefer(&server, &pool, json!({"SMSMfaSettings": preferred()})).await;
        assert_eq!(next().await, "SMS_MFA");
        configure(&server, &pool, json!({"MfaConfiguration": "OFF"})).await;
        assert_eq!(next().await, "tokens");
    })
    .await;
}

#[tokio::test]
async fn no_method_is_named_as_the_models_name_it() {
    both_engines(async |server| {
        let recovery =
            json!({"AccountRecoverySetting": {"RecoveryMechanisms": [{"Name": "verified_email", "Priority": 1}]}});
        let pool = pool(&server, recovery, json!({"MfaConfiguration": "ON"})).await;
        let client = server.client_id(&pool, json!({})).await;
        server.confirmed_user(&pool, "alice", PASSWORD, json!({"email": "alice@example.com"})).await;
        let named = format!("MFAMethodNotFoundException: {NO_METHOD}");
        assert_eq!(
            said(&server.sign_in(&client, "alice", PASSWORD).await),
            format!("NotAuthorizedException: {NO_METHOD}")
        );
        assert_eq!(admin_sign_in(&server, &pool, &client, "alice", PASSWORD).await.error(), named);
        let srp = testkit::srp::SignIn::start(&server, &client, &pool, "alice", PASSWORD).await;
        assert_eq!(srp.finish(&server).await.error(), named);
        set_password(&server, &pool, "alice", "Temp-Passw0rd", false).await;
        let session =
            session_of(&server.sign_in(&client, "alice", "Temp-Passw0rd").await.ok(), "NEW_PASSWORD_REQUIRED");
        let replaced =
            answer(&server, &client, "NEW_PASSWORD_REQUIRED", &session, json!({"NEW_PASSWORD": PASSWORD})).await;
        assert_eq!(replaced.error(), named);
        // Whoever does not know the password learns nothing.
        assert_eq!(server.sign_in(&client, "alice", "Wr0ng-password").await.error(), INCORRECT);
    })
    .await;
}

#[tokio::test]
async fn a_factor_that_has_lost_its_address_is_not_as_good_as_none() {
    both_engines(async |server| {
        let (pool, client) = optional(&server).await;
        prefer(&server, &pool, json!({"SMSMfaSettings": preferred(), "EmailMfaSettings": on()})).await;
        let drop = async |name: &str| {
            let request = json!({"UserPoolId": pool, "Username": "alice", "UserAttributeNames": [name]});
            server.call("AdminDeleteUserAttributes", request).await.ok();
        };
        drop("phone_number").await;
        assert_eq!(said(&server.sign_in(&client, "alice", PASSWORD).await), "EMAIL_OTP");
        drop("email").await;
        let refused = admin_sign_in(&server, &pool, &client, "alice", PASSWORD).await;
        assert_eq!(refused.error(), format!("MFAMethodNotFoundException: {NO_METHOD}"));
    })
    .await;
}

#[tokio::test]
async fn an_address_that_gets_second_factors_does_not_reset_the_password() {
    both_engines(async |server| {
        let recovery = json!([{"Name": "verified_email", "Priority": 1}, {"Name": "verified_phone_number", "Priority": 2}]);
        let members = json!({"AccountRecoverySetting": {"RecoveryMechanisms": recovery}});
        let pool = pool(&server, members, all("OPTIONAL")).await;
        let client = server.client_id(&pool, json!({})).await;
        let attributes = json!({"email": "alice@example.com", "phone_number": PHONE});
        server.confirmed_user(&pool, "alice", PASSWORD, attributes).await;
        let forgotten = async || {
            let answer = server.call("ForgotPassword", json!({"ClientId": client, "Username": "alice"})).await;
            if answer.status == 200 { answer.body["CodeDeliveryDetails"]["DeliveryMedium"].to_string() } else { answer.error() }
        };
        assert_eq!(forgotten().await, "\"EMAIL\"");
        prefer(&server, &pool, json!({"EmailMfaSettings": on()})).await;
        assert_eq!(forgotten().await, "\"SMS\"");
        prefer(&server, &pool, json!({"SMSMfaSettings": on()})).await;
        assert_eq!(
            forgotten().await,
            "InvalidParameterException: Cannot reset password for the user as there is no registered/verified email or phone_number"
        );
        configure(&server, &pool, json!({"MfaConfiguration": "OFF"})).await;
        assert_eq!(forgotten().await, "\"EMAIL\"");
    })
    .await;
}
