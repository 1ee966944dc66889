//! The column `cognito:mfa_enabled` (accounts.md §18.2), and what the users are asked for who were imported with it.

use super::{hashes::BCRYPT, *};
use crate::sign_in::mfa;

#[tokio::test]
async fn users_who_want_one_have_one() {
    both_engines(async |server| {
        let recovery = json!([{"Name": "verified_email", "Priority": 1}, {"Name": "verified_phone_number", "Priority": 2}]);
        let members = json!({
            "AutoVerifiedAttributes": ["email", "phone_number"],
            "AccountRecoverySetting": {"RecoveryMechanisms": recovery},
        });
        let pool = mfa::pool(&server, members, mfa::all("OPTIONAL")).await;
        let header = header(&server, &pool).await;
        let user = |name: &str, wants: &str, email: &str, phone: &str| {
            let verified = |address: &str| if address.is_empty() { "" } else { "true" };
            json!({
                "cognito:username": name, "cognito:mfa_enabled": wants, "email": email, "email_verified": verified(email),
                "phone_number": phone, "phone_number_verified": verified(phone)
            })
        };
        let (mail, phone) = ("x@example.com", "+12065550100");
        let users = [
            user("both", "true", mail, phone),
            user("neither", "FALSE", mail, phone),
            user("mail", "TRUE", mail, ""),
            user("phone", "true", "", phone),
            user("unsaid", "", mail, phone),
        ];
        let job = import(&server, &pool, json!({}), &file(&header, &users)).await;
        assert_eq!(counts(&job), [2, 0, 3]);
        let logged = log(&server, &pool, &job).await;
        insta::allow_duplicates! { insta::assert_snapshot!(logged, @"
        [FAILED] Line Number 4 - The column cognito:mfa_enabled is true, but the user pool sends second factors to no address of the User Record, or only to the one that the password is reset by.
        [FAILED] Line Number 5 - The column cognito:mfa_enabled is true, but the user pool sends second factors to no address of the User Record, or only to the one that the password is reset by.
        [FAILED] Line Number 6 - The column cognito:mfa_enabled must be true or false in this user pool.
        [SUCCEEDED] 2 users were imported, 0 lines skipped, 3 lines failed.
        ") };
        let list = async |name: &str| admin_get(&server, &pool, name).await.ok()["UserMFASettingList"].clone();
        assert_eq!((list("both").await, list("neither").await), (json!(["SMS_MFA"]), Value::Null));

        // It is asked for once the password is reset, by the other address.
        let client = server.client_id(&pool, json!({})).await;
        let forgotten = server.call("ForgotPassword", json!({"ClientId": client, "Username": "both"})).await.ok();
        assert_eq!(forgotten["CodeDeliveryDetails"]["DeliveryMedium"], "EMAIL");
        let code = server.last_code(&pool, "both").await;
        let request =
            json!({"ClientId": client, "Username": "both", "ConfirmationCode": code, "Password": "New-Passw0rd"});
        server.call("ConfirmForgotPassword", request).await.ok();
        assert_eq!(server.sign_in(&client, "both", "New-Passw0rd").await.ok()["ChallengeName"], "SMS_MFA");

        // Whoever brings a password need not reset it.
        let with_hash = |mut user: Value| {
            user["cognito:password_hash"] = json!(BCRYPT);
            user
        };
        let mut columns = header.clone();
        columns.push("cognito:password_hash".to_owned());
        let users = [with_hash(user("mail", "TRUE", mail, "")), with_hash(user("phone", "true", "", phone))];
        let members = json!({"PasswordHashingAlgorithm": "BCRYPT"});
        let job = import(&server, &pool, members, &file(&columns, &users)).await;
        assert_eq!(counts(&job), [2, 0, 0]);
        assert_eq!((list("mail").await, list("phone").await), (json!(["EMAIL_OTP"]), json!(["SMS_MFA"])));
    })
    .await;
}

#[tokio::test]
async fn a_pool_that_demands_one_says_so() {
    both_engines(async |server| {
        let members = json!({"AutoVerifiedAttributes": ["email", "phone_number"]});
        let pool = mfa::pool(&server, members, mfa::all("ON")).await;
        let header = header(&server, &pool).await;
        let phone = json!({"phone_number": "+12065550100", "phone_number_verified": "true"});
        let user = |name: &str, wants: &str| {
            crate::pools::with(json!({"cognito:username": name, "cognito:mfa_enabled": wants}), &phone)
        };
        let job = import(&server, &pool, json!({}), &file(&header, &[user("one", "true"), user("two", "false")])).await;
        assert_eq!(counts(&job), [1, 0, 1]);
        let logged = log(&server, &pool, &job).await;
        insta::allow_duplicates! { insta::assert_snapshot!(logged, @"
        [FAILED] Line Number 3 - The column cognito:mfa_enabled must be true in this user pool.
        [SUCCEEDED] 1 users were imported, 0 lines skipped, 1 lines failed.
        ") };
        // Nothing is switched on: whatever is at hand is asked for.
        assert!(admin_get(&server, &pool, "one").await.ok().get("UserMFASettingList").is_none());
        let request = json!({"UserPoolId": pool, "Username": "one", "Password": "New-Passw0rd", "Permanent": true});
        server.call("AdminSetUserPassword", request).await.ok();
        let client = server.client_id(&pool, json!({})).await;
        let asked = server.sign_in(&client, "one", "New-Passw0rd").await.ok();
        assert_eq!(asked["ChallengeName"], "SELECT_MFA_TYPE");
    })
    .await;
}
