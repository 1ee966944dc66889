//! EMAIL_OTP and SMS_OTP as first factors.

use super::*;

async fn get_user(server: &Server, pool: &str, username: &str) -> Value {
    server.call("AdminGetUser", json!({"UserPoolId": pool, "Username": username})).await.ok()
}

fn attribute<'a>(user: &'a Value, name: &str) -> Option<&'a str> {
    let attributes = user["UserAttributes"].as_array().unwrap();
    attributes.iter().find(|attribute| attribute["Name"] == name)?["Value"].as_str()
}

#[tokio::test]
async fn a_code_stands_for_the_password() {
    both_engines(async |server| {
        let (pool, client) = everything(&server, json!({})).await;
        for (challenge, member, to) in
            [("EMAIL_OTP", "EMAIL_OTP_CODE", "alice@example.com"), ("SMS_OTP", "SMS_OTP_CODE", "+15555550100")]
        {
            let asked = start(&server, &client, "alice", prefer(challenge)).await.ok();
            assert_eq!(server.messages(&pool, "alice").await[0]["destination"], to);
            let code = server.last_code(&pool, "alice").await;
            assert_eq!(code.len(), 8);
            assert_eq!(
                reply(&server, &client, &asked, json!({"USERNAME": "alice"})).await.error(),
                format!("InvalidParameterException: Missing required parameter {member}")
            );
            // A wrong code leaves the session usable.
            for wrong in ["00000000", "123456", "not a code", &code[..6]] {
                let wrong = json!({"USERNAME": "alice", member: wrong});
                assert_eq!(reply(&server, &client, &asked, wrong).await.error(), MISMATCH);
            }
            let right = json!({"USERNAME": "alice", member: code});
            assert!(is_signed_in(&reply(&server, &client, &asked, right.clone()).await.ok()));
            assert_eq!(reply(&server, &client, &asked, right).await.error(), USED_SESSION);
        }
        // By way of the list, and in time.
        let choices = start(&server, &client, "alice", json!({})).await.ok();
        let choose = json!({"USERNAME": "alice", "ANSWER": "EMAIL_OTP"});
        let asked = reply(&server, &client, &choices, choose.clone()).await.ok();
        assert_eq!(reply(&server, &client, &choices, choose).await.error(), USED_SESSION);
        let code = server.last_code(&pool, "alice").await;
        server.advance(181);
        let late = json!({"USERNAME": "alice", "EMAIL_OTP_CODE": code});
        assert_eq!(reply(&server, &client, &asked, late).await.error(), EXPIRED_SESSION);
    })
    .await;
}

#[tokio::test]
async fn a_right_code_verifies_the_address_and_confirms_the_user() {
    both_engines(async |server| {
        let more = json!({"AliasAttributes": ["email"]});
        let pool = pool_with(&server, &["PASSWORD", "EMAIL_OTP"], more).await;
        let client = client_of(&server, &pool, json!({})).await;
        let request = json!({"ClientId": client, "Username": "bob", "Password": PASSWORD,
            "UserAttributes": [{"Name": "email", "Value": "bob@example.com"}]});
        server.call("SignUp", request).await.ok();
        let by_password = json!({"PREFERRED_CHALLENGE": "PASSWORD", "PASSWORD": PASSWORD});
        assert_eq!(
            start(&server, &client, "bob", by_password).await.error(),
            "UserNotConfirmedException: User is not confirmed."
        );
        let asked = start(&server, &client, "bob", prefer("EMAIL_OTP")).await.ok();
        let code = server.last_code(&pool, "bob").await;
        let right = json!({"USERNAME": "bob", "EMAIL_OTP_CODE": code});
        assert!(is_signed_in(&reply(&server, &client, &asked, right).await.ok()));
        let user = get_user(&server, &pool, "bob").await;
        assert_eq!(
            (user["UserStatus"].as_str(), attribute(&user, "email_verified")),
            (Some("CONFIRMED"), Some("true"))
        );
        // The address is an alias from then on.
        assert!(is_signed_in(&server.sign_in(&client, "bob@example.com", PASSWORD).await.ok()));
    })
    .await;
}

#[tokio::test]
async fn an_address_that_changes_takes_the_code_along() {
    both_engines(async |server| {
        let (pool, client) = everything(&server, json!({})).await;
        let asked = start(&server, &client, "alice", prefer("EMAIL_OTP")).await.ok();
        let code = server.last_code(&pool, "alice").await;
        let request = json!({"UserPoolId": pool, "Username": "alice", "UserAttributes": [
            {"Name": "email", "Value": "mallory@example.com"}, {"Name": "email_verified", "Value": "false"}]});
        server.call("AdminUpdateUserAttributes", request).await.ok();
        let right = json!({"USERNAME": "alice", "EMAIL_OTP_CODE": code});
        assert_eq!(reply(&server, &client, &asked, right).await.error(), INVALID_SESSION);
        assert_eq!(attribute(&get_user(&server, &pool, "alice").await, "email_verified"), Some("false"));
    })
    .await;
}

#[tokio::test]
async fn users_who_may_not_are_told_so_when_the_code_comes() {
    both_engines(async |server| {
        let (pool, client) = everything(&server, json!({})).await;
        let asked = start(&server, &client, "alice", prefer("EMAIL_OTP")).await.ok();
        let right = json!({"USERNAME": "alice", "EMAIL_OTP_CODE": server.last_code(&pool, "alice").await});
        administer(&server, "AdminDisableUser", &pool, "alice").await;
        let disabled = "NotAuthorizedException: User is disabled.";
        assert_eq!(reply(&server, &client, &asked, right.clone()).await.error(), disabled);
        assert_eq!(start(&server, &client, "alice", prefer("EMAIL_OTP")).await.error(), disabled);
        administer(&server, "AdminEnableUser", &pool, "alice").await;
        // A reset leaves only the password to begin with, also for a code that is on its way.
        administer(&server, "AdminResetUserPassword", &pool, "alice").await;
        assert_eq!(reply(&server, &client, &asked, right.clone()).await.error(), INVALID_SESSION);
        administer(&server, "AdminDeleteUser", &pool, "alice").await;
        assert_eq!(reply(&server, &client, &asked, right).await.error(), INVALID_SESSION);
    })
    .await;
}

#[tokio::test]
async fn who_has_a_second_factor_needs_a_password() {
    both_engines(async |server| {
        let (pool, client) = everything(&server, json!({})).await;
        let asked = start(&server, &client, "alice", prefer("EMAIL_OTP")).await.ok();
        let right = json!({"USERNAME": "alice", "EMAIL_OTP_CODE": server.last_code(&pool, "alice").await});
        let mfa = json!({"UserPoolId": pool, "MfaConfiguration": "OPTIONAL",
            "SmsMfaConfiguration": {"SmsConfiguration": sms()}});
        server.call("SetUserPoolMfaConfig", mfa).await.ok();
        let choices = async || start(&server, &client, "alice", json!({})).await.ok()["AvailableChallenges"].clone();
        assert_eq!(choices().await, json!(["PASSWORD_SRP", "PASSWORD", "EMAIL_OTP", "SMS_OTP"]));
        let preference = json!({"UserPoolId": pool, "Username": "alice", "SMSMfaSettings": {"Enabled": true}});
        server.call("AdminSetUserMFAPreference", preference).await.ok();
        assert_eq!(choices().await, json!(["PASSWORD_SRP", "PASSWORD"]));
        assert_eq!(reply(&server, &client, &asked, right).await.error(), INVALID_SESSION);
        let with = json!({"PREFERRED_CHALLENGE": "PASSWORD", "PASSWORD": PASSWORD});
        let answer = start(&server, &client, "alice", with).await.ok();
        assert_eq!(answer["ChallengeName"], "SMS_MFA");
        assert_eq!(answer["AvailableChallenges"], json!(["PASSWORD_SRP", "PASSWORD"]));
    })
    .await;
}
