//! Which second factors users have switched on (auth-flows.md §13, §19): by themselves, by administrators, by the legacy
//! operations, and where that shows.

use std::sync::Arc;

use serde_json::{Value, json};
use testkit::{Answer, Server, both_engines};
use tokio::task::JoinSet;
use wire::UserStatusType;

use crate::{
    attributes::{access_token, tamper},
    pools::with,
    software_tokens::set_up,
    users::{PASSWORD, UNKNOWN, create, get, named},
};

const NOT_VERIFIED: &str = "InvalidParameterException: User has not verified software token mfa";

/// A pool that offers every factor, a client, alice with both addresses, and her access token.
async fn scene(server: &Server) -> (String, String, String) {
    let pool = server.pool(json!({"EmailConfiguration": sender(), "AccountRecoverySetting": recovery()})).await;
    let client = server.client_id(&pool, json!({})).await;
    let addresses = json!({"email": "alice@example.com", "phone_number": "+12065550100"});
    server.confirmed_user(&pool, "alice", PASSWORD, addresses).await;
    let token = access_token(server, &client, "alice").await;
    let request = json!({
        "UserPoolId": pool, "MfaConfiguration": "OPTIONAL",
        "SoftwareTokenMfaConfiguration": {"Enabled": true},
        "SmsMfaConfiguration": {"SmsConfiguration": {"SnsCallerArn": "arn:aws:iam::123456789012:role/sms"}},
        "EmailMfaConfiguration": {},
        "WebAuthnConfiguration": {"FactorConfiguration": "MULTI_FACTOR_WITH_USER_VERIFICATION"},
    });
    server.call("SetUserPoolMfaConfig", request).await.ok();
    (pool, client, token)
}

fn sender() -> Value {
    json!({
        "EmailSendingAccount": "DEVELOPER",
        "SourceArn": "arn:aws:ses:us-east-1:123456789012:identity/no-reply@example.com",
    })
}

fn recovery() -> Value {
    json!({"RecoveryMechanisms": [
        {"Name": "verified_email", "Priority": 1}, {"Name": "verified_phone_number", "Priority": 2},
    ]})
}

/// The factors on and preferred as the user and administrators see them, which is always the same.
async fn shown(server: &Server, pool: &str, token: &str) -> (Value, Value) {
    let user = server.call("GetUser", json!({"AccessToken": token})).await.ok();
    let (by_token, by_name) = (
        server.call("GetUserAuthFactors", json!({"AccessToken": token})).await.ok(),
        named(server, "AdminGetUserAuthFactors", pool, "alice").await.ok(),
    );
    assert_eq!(by_token, by_name);
    for other in [&get(server, pool, "alice").await, &by_name] {
        for member in ["UserMFASettingList", "PreferredMfaSetting"] {
            assert_eq!(other.get(member), user.get(member), "{member}");
        }
    }
    (user["UserMFASettingList"].clone(), user["PreferredMfaSetting"].clone())
}

async fn set(server: &Server, token: &str, members: Value) -> Answer {
    server.call("SetUserMFAPreference", with(json!({"AccessToken": token}), &members)).await
}

async fn admin_set(server: &Server, pool: &str, username: &str, members: Value) -> Answer {
    let request = with(json!({"UserPoolId": pool, "Username": username}), &members);
    server.call("AdminSetUserMFAPreference", request).await
}

fn invalid(text: &str) -> String {
    format!("InvalidParameterException: {text}")
}

#[tokio::test]
async fn users_switch_factors_on_and_off() {
    both_engines(async |server| {
        let (pool, _, token) = scene(&server).await;
        assert_eq!(shown(&server, &pool, &token).await, (Value::Null, Value::Null));
        assert_eq!(set(&server, &token, json!({})).await.ok(), json!({}));
        let sms = json!({"SMSMfaSettings": {"Enabled": true}});
        assert_eq!(set(&server, &token, sms).await.ok(), json!({}));
        assert_eq!(shown(&server, &pool, &token).await, (json!(["SMS_MFA"]), Value::Null));

        // What is left out stays; the one that is preferred takes the place of the one before.
        let email = json!({"EmailMfaSettings": {"Enabled": true, "PreferredMfa": true}});
        set(&server, &token, email).await.ok();
        assert_eq!(shown(&server, &pool, &token).await, (json!(["SMS_MFA", "EMAIL_OTP"]), json!("EMAIL_OTP")));
        set(&server, &token, json!({"SMSMfaSettings": {"PreferredMfa": true}})).await.ok();
        assert_eq!(shown(&server, &pool, &token).await, (json!(["SMS_MFA", "EMAIL_OTP"]), json!("SMS_MFA")));
        set(&server, &token, json!({"EmailMfaSettings": {"PreferredMfa": false}})).await.ok();
        assert_eq!(shown(&server, &pool, &token).await.1, "SMS_MFA");

        let software = json!({"SoftwareTokenMfaSettings": {"Enabled": true}});
        assert_eq!(set(&server, &token, software.clone()).await.error(), NOT_VERIFIED);
        set_up(&server, &token).await;
        set(&server, &token, software).await.ok();
        let all = json!(["SMS_MFA", "SOFTWARE_TOKEN_MFA", "EMAIL_OTP"]);
        assert_eq!(shown(&server, &pool, &token).await, (all.clone(), json!("SMS_MFA")));
        set(&server, &token, json!({"SMSMfaSettings": {"PreferredMfa": false}})).await.ok();
        assert_eq!(shown(&server, &pool, &token).await, (all, Value::Null));

        // One that is switched off is not preferred any more.
        set(&server, &token, json!({"SMSMfaSettings": {"PreferredMfa": true}})).await.ok();
        let off = json!({"SMSMfaSettings": {"Enabled": false}, "EmailMfaSettings": {"Enabled": false}});
        set(&server, &token, off).await.ok();
        assert_eq!(shown(&server, &pool, &token).await, (json!(["SOFTWARE_TOKEN_MFA"]), Value::Null));
        let whole = get(&server, &pool, "alice").await;
        let changed = ["UserMFASettingList", "MFAOptions"].map(|member| whole.get(member).cloned());
        assert_eq!(changed, [Some(json!(["SOFTWARE_TOKEN_MFA"])), None]);
        let factors = server.call("GetUserAuthFactors", json!({"AccessToken": token})).await.ok();
        insta::allow_duplicates! { insta::assert_json_snapshot!(factors, @r#"
        {
          "Username": "alice",
          "UserMFASettingList": [
            "SOFTWARE_TOKEN_MFA"
          ],
          "ConfiguredUserAuthFactors": [
            "PASSWORD",
            "SOFTWARE_TOKEN"
          ]
        }
        "#); }
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_asked_for_is_not_switched_on() {
    both_engines(async |server| {
        let (pool, _, token) = scene(&server).await;
        let bare = server.pool(json!({})).await;
        for (pool, username) in [(&pool, "bob"), (&bare, "carol")] {
            create(&server, pool, username, &[], json!({"MessageAction": "SUPPRESS"})).await.ok();
        }
        let on = json!({"Enabled": true});
        let preferred = json!({"Enabled": true, "PreferredMfa": true});
        let (sms, email) = (json!({"SMSMfaSettings": on}), json!({"EmailMfaSettings": on}));
        // Who has no address, and who is in a pool without the factor.
        let no_address = "User does not have delivery config set to turn on";
        for (pool, username, members, expected) in [
            (&pool, "bob", &sms, format!("{no_address} SMS_MFA")),
            (&pool, "bob", &email, format!("{no_address} EMAIL_OTP")),
            (&bare, "carol", &sms, "SMS_MFA is not configured for the user pool. An administrator configures it with SetUserPoolMfaConfig.".to_owned()),
            (&bare, "carol", &email, "EMAIL_OTP is not configured for the user pool. An administrator configures it with SetUserPoolMfaConfig.".to_owned()),
            (&bare, "carol", &json!({"SoftwareTokenMfaSettings": on}), "User has not verified software token mfa".to_owned()),
        ] {
            assert_eq!(admin_set(&server, pool, username, members.clone()).await.error(), invalid(&expected));
        }
        // To switch off what was never on is no error.
        for method in ["SMSMfaSettings", "SoftwareTokenMfaSettings", "EmailMfaSettings", "WebAuthnMfaSettings"] {
            admin_set(&server, &bare, "carol", json!({method: {"Enabled": false}})).await.ok();
            set(&server, &token, json!({method: {"Enabled": false}})).await.ok();
        }
        // One is preferred, and it is on. Of what is refused nothing is kept.
        for (members, expected) in [
            (
                json!({"SMSMfaSettings": preferred, "EmailMfaSettings": preferred}),
                "Only one MFA method can be preferred.",
            ),
            (
                json!({"SMSMfaSettings": on, "EmailMfaSettings": {"PreferredMfa": true}}),
                "EMAIL_OTP must be enabled to be the preferred MFA method.",
            ),
            (
                json!({"SMSMfaSettings": {"Enabled": false, "PreferredMfa": true}}),
                "SMS_MFA must be enabled to be the preferred MFA method.",
            ),
            (
                json!({"WebAuthnMfaSettings": on}),
                "WebAuthn MFA requires at least one other enabled MFA method.",
            ),
        ] {
            assert_eq!(set(&server, &token, members).await.error(), invalid(expected));
            assert_eq!(shown(&server, &pool, &token).await, (Value::Null, Value::Null));
        }
        // Passkeys stand beside another method, and go before the last one.
        set(&server, &token, json!({"WebAuthnMfaSettings": on, "SMSMfaSettings": on})).await.ok();
        assert_eq!(shown(&server, &pool, &token).await, (json!(["SMS_MFA"]), Value::Null));
        let off = json!({"SMSMfaSettings": {"Enabled": false}});
        let alone = invalid("WebAuthn MFA requires at least one other enabled MFA method.");
        assert_eq!(set(&server, &token, off.clone()).await.error(), alone);
        set(&server, &token, with(off, &json!({"WebAuthnMfaSettings": {"Enabled": false}}))).await.ok();
        let single = json!({"UserPoolId": pool, "WebAuthnConfiguration": {"FactorConfiguration": "SINGLE_FACTOR"}});
        server.call("SetUserPoolMfaConfig", single).await.ok();
        let members = json!({"WebAuthnMfaSettings": on, "SMSMfaSettings": on});
        assert_eq!(
            set(&server, &token, members).await.error(),
            invalid("WebAuthn MFA requires the FactorConfiguration MULTI_FACTOR_WITH_USER_VERIFICATION of the user pool.")
        );
        let hostile = json!({"SMSMfaSettings": {"Enabled": "yes"}});
        assert!(set(&server, &token, hostile).await.error().starts_with("SerializationException"));
    })
    .await;
}

#[tokio::test]
async fn where_a_factor_is_required_none_is_switched_off() {
    both_engines(async |server| {
        let (pool, _, token) = scene(&server).await;
        let on = json!({"SMSMfaSettings": {"Enabled": true}, "EmailMfaSettings": {"Enabled": true}});
        set(&server, &token, on).await.ok();
        let required = json!({"UserPoolId": pool, "MfaConfiguration": "ON"});
        server.call("SetUserPoolMfaConfig", required).await.ok();
        let refusal = |name: &str| {
            invalid(&format!(
                "{name} cannot be disabled, because the user pool requires MFA. Only the preferred factor can be changed."
            ))
        };
        let off = |method: &str| json!({method: {"Enabled": false}});
        assert_eq!(set(&server, &token, off("SMSMfaSettings")).await.error(), refusal("SMS_MFA"));
        let by_administrator = admin_set(&server, &pool, "alice", off("EmailMfaSettings")).await;
        assert_eq!(by_administrator.error(), refusal("EMAIL_OTP"));
        let legacy = json!({"AccessToken": token, "MFAOptions": []});
        assert_eq!(server.call("SetUserSettings", legacy).await.error(), refusal("SMS_MFA"));
        // What is not on stays off, and the preferred one changes.
        set(&server, &token, off("SoftwareTokenMfaSettings")).await.ok();
        set(&server, &token, json!({"EmailMfaSettings": {"Enabled": true, "PreferredMfa": true}})).await.ok();
        assert_eq!(shown(&server, &pool, &token).await, (json!(["SMS_MFA", "EMAIL_OTP"]), json!("EMAIL_OTP")));
        set(&server, &token, json!({"EmailMfaSettings": {"PreferredMfa": false}})).await.ok();
        assert_eq!(shown(&server, &pool, &token).await.1, Value::Null);
    })
    .await;
}

#[tokio::test]
async fn administrators_decide_for_users() {
    both_engines(async |server| {
        let (pool, client, token) = scene(&server).await;
        let on = json!({"SMSMfaSettings": {"Enabled": true, "PreferredMfa": true}});
        server.advance(60);
        assert_eq!(admin_set(&server, &pool, "alice", on.clone()).await.ok(), json!({}));
        let user = get(&server, &pool, "alice").await;
        insta::allow_duplicates! { insta::assert_json_snapshot!(user, {".UserAttributes" => "[attributes]"}, @r#"
        {
          "Username": "alice",
          "UserAttributes": "[attributes]",
          "UserCreateDate": 1767323045.0,
          "UserLastModifiedDate": 1767323105.0,
          "Enabled": true,
          "UserStatus": "CONFIRMED",
          "PreferredMfaSetting": "SMS_MFA",
          "UserMFASettingList": [
            "SMS_MFA"
          ]
        }
        "#); }
        let answer = server.sign_in(&client, "alice", PASSWORD).await.ok();
        assert_eq!(answer["ChallengeName"], "SMS_MFA");
        // Sending the same again changes nothing.
        server.advance(60);
        admin_set(&server, &pool, "alice", on.clone()).await.ok();
        assert_eq!(get(&server, &pool, "alice").await, user);

        assert_eq!(admin_set(&server, &pool, "nobody", on.clone()).await.error(), UNKNOWN);
        assert_eq!(named(&server, "AdminGetUserAuthFactors", &pool, "nobody").await.error(), UNKNOWN);
        tamper(&server, &pool, "alice", |user| user.status = UserStatusType::Unconfirmed).await;
        let refusal = admin_set(&server, &pool, "alice", on.clone()).await.error();
        assert_eq!(refusal, "UserNotConfirmedException: User is not confirmed.");
        for operation in ["SetUserMFAPreference", "GetUserAuthFactors"] {
            let refusal = server.call(operation, json!({"AccessToken": token})).await.error();
            assert_eq!(refusal, "UserNotConfirmedException: User is not confirmed.");
        }
        tamper(&server, &pool, "alice", |user| user.status = UserStatusType::ResetRequired).await;
        // Before they have a new password, users can be given a factor.
        admin_set(&server, &pool, "alice", on).await.ok();
        let legacy = json!({"AccessToken": token, "MFAOptions": []});
        for (operation, request) in [
            ("SetUserMFAPreference", json!({"AccessToken": token})),
            ("GetUserAuthFactors", json!({"AccessToken": token})),
            ("SetUserSettings", legacy.clone()),
        ] {
            let refusal = server.call(operation, request).await.error();
            assert_eq!(refusal, "PasswordResetRequiredException: Password reset required for the user");
        }
        named(&server, "AdminDeleteUser", &pool, "alice").await.ok();
        assert_eq!(server.call("SetUserSettings", legacy).await.error(), UNKNOWN);
        for operation in ["SetUserMFAPreference", "GetUserAuthFactors"] {
            assert_eq!(server.call(operation, json!({"AccessToken": token})).await.error(), UNKNOWN);
            let refusal = server.call(operation, json!({"AccessToken": "a.b.c"})).await.error();
            assert_eq!(refusal, "NotAuthorizedException: Invalid Access Token");
        }
    })
    .await;
}

#[tokio::test]
async fn the_legacy_operations_know_text_messages() {
    both_engines(async |server| {
        let (pool, _, token) = scene(&server).await;
        let option = json!({"DeliveryMedium": "SMS", "AttributeName": "phone_number"});
        let own = async |options: Value| {
            server.call("SetUserSettings", json!({"AccessToken": token, "MFAOptions": options})).await
        };
        let by_administrator = async |username: &str, options: Value| {
            let request = json!({"UserPoolId": pool, "Username": username, "MFAOptions": options});
            server.call("AdminSetUserSettings", request).await
        };
        let options = async || {
            let user = server.call("GetUser", json!({"AccessToken": token})).await.ok();
            let listed = server.call("ListUsers", json!({"UserPoolId": pool})).await.ok();
            for other in [&get(&server, &pool, "alice").await, &listed["Users"][0]] {
                assert_eq!(other.get("MFAOptions"), user.get("MFAOptions"));
            }
            user.get("MFAOptions").cloned()
        };
        assert_eq!(own(json!([option])).await.ok(), json!({}));
        assert_eq!(options().await, Some(json!([option])));
        assert_eq!(shown(&server, &pool, &token).await, (json!(["SMS_MFA"]), Value::Null));
        assert_eq!(by_administrator("alice", json!([])).await.ok(), json!({}));
        assert_eq!(options().await, None);
        assert_eq!(shown(&server, &pool, &token).await, (Value::Null, Value::Null));
        // What the other operations switch on does not show here; what they switch off does.
        set(&server, &token, json!({"SMSMfaSettings": {"Enabled": true, "PreferredMfa": true}})).await.ok();
        assert_eq!(options().await, None);
        by_administrator("alice", json!([option])).await.ok();
        assert_eq!(options().await, Some(json!([option])));
        assert_eq!(shown(&server, &pool, &token).await.1, "SMS_MFA");
        set(&server, &token, json!({"SMSMfaSettings": {"Enabled": false}})).await.ok();
        assert_eq!(options().await, None);

        let only_sms = invalid(
            "MFAOptions can only hold DeliveryMedium SMS with AttributeName phone_number. Use SetUserMFAPreference for other factors.",
        );
        for wrong in [
            json!([{"DeliveryMedium": "EMAIL", "AttributeName": "email"}]),
            json!([option, {"DeliveryMedium": "SMS", "AttributeName": "email"}]),
            json!([{"DeliveryMedium": "SMS"}]),
            json!([{}]),
        ] {
            assert_eq!(own(wrong.clone()).await.error(), only_sms);
            assert_eq!(by_administrator("alice", wrong).await.error(), only_sms);
        }
        assert_eq!(by_administrator("nobody", json!([])).await.error(), UNKNOWN);
        let refusal = own(json!([{"DeliveryMedium": "PIGEON"}])).await.error();
        assert!(refusal.starts_with("InvalidParameterException") && refusal.contains("deliveryMedium"), "{refusal}");
        create(&server, &pool, "bob", &[], json!({"MessageAction": "SUPPRESS"})).await.ok();
        assert_eq!(
            by_administrator("bob", json!([option])).await.error(),
            invalid("User does not have delivery config set to turn on SMS_MFA")
        );
    })
    .await;
}

#[tokio::test]
async fn what_users_can_sign_in_with() {
    both_engines(async |server| {
        let (pool, _, token) = scene(&server).await;
        let configured = async |username: &str| {
            let answer = named(&server, "AdminGetUserAuthFactors", &pool, username).await.ok();
            answer["ConfiguredUserAuthFactors"].clone()
        };
        assert_eq!(configured("alice").await, json!(["PASSWORD"]));
        set_up(&server, &token).await;
        assert_eq!(configured("alice").await, json!(["PASSWORD", "SOFTWARE_TOKEN"]));
        let sms = json!({"SMSMfaSettings": {"Enabled": true}});
        set(&server, &token, sms).await.ok();
        assert_eq!(configured("alice").await, json!(["PASSWORD", "SMS_OTP", "SOFTWARE_TOKEN"]));
        set(&server, &token, json!({"EmailMfaSettings": {"Enabled": true}})).await.ok();
        assert_eq!(configured("alice").await, json!(["PASSWORD", "EMAIL_OTP", "SMS_OTP", "SOFTWARE_TOKEN"]));
        let names = json!({"AccessToken": token, "UserAttributeNames": ["phone_number"]});
        server.call("DeleteUserAttributes", names).await.ok();
        assert_eq!(configured("alice").await, json!(["PASSWORD", "EMAIL_OTP", "SOFTWARE_TOKEN"]));
    })
    .await;
}

#[tokio::test]
async fn codes_that_a_pool_takes_first_are_configured_for_whoever_has_the_address() {
    both_engines(async |server| {
        let policies = json!({"Policies": {"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP"]}}});
        let pool = server.pool(policies).await;
        server.confirmed_user(&pool, "alice", PASSWORD, json!({"email": "alice@example.com"})).await;
        server.confirmed_user(&pool, "bob", PASSWORD, json!({"phone_number": "+12065550100"})).await;
        for (username, expected) in [("alice", json!(["PASSWORD", "EMAIL_OTP"])), ("bob", json!(["PASSWORD"]))] {
            let answer = named(&server, "AdminGetUserAuthFactors", &pool, username).await.ok();
            assert_eq!(answer, json!({"Username": username, "ConfiguredUserAuthFactors": expected}));
        }
    })
    .await;
}

#[tokio::test]
async fn an_address_that_is_preferred_does_not_reset_the_password_too() {
    both_engines(async |server| {
        let (pool, client, token) = scene(&server).await;
        let forgotten = async || {
            let request = json!({"ClientId": client, "Username": "alice"});
            server.call("ForgotPassword", request).await.ok()["CodeDeliveryDetails"]["DeliveryMedium"].clone()
        };
        assert_eq!(forgotten().await, "EMAIL");
        set(&server, &token, json!({"EmailMfaSettings": {"Enabled": true, "PreferredMfa": true}})).await.ok();
        assert_eq!(forgotten().await, "SMS");
        // Where no second factor is asked for, it is none.
        server.call("SetUserPoolMfaConfig", json!({"UserPoolId": pool, "MfaConfiguration": "OFF"})).await.ok();
        assert_eq!(forgotten().await, "EMAIL");
    })
    .await;
}

#[tokio::test]
async fn changes_at_once_lose_nothing() {
    both_engines(async |server| {
        let server = Arc::new(server);
        let (pool, _, token) = scene(&server).await;
        set_up(&server, &token).await;
        let mut changing = JoinSet::new();
        for method in ["SMSMfaSettings", "SoftwareTokenMfaSettings", "EmailMfaSettings"] {
            let (server, token) = (server.clone(), token.clone());
            changing.spawn(async move { set(&server, &token, json!({method: {"Enabled": true}})).await.ok() });
        }
        changing.join_all().await;
        let all = json!(["SMS_MFA", "SOFTWARE_TOKEN_MFA", "EMAIL_OTP"]);
        assert_eq!(shown(&server, &pool, &token).await, (all, Value::Null));
    })
    .await;
}

#[tokio::test]
async fn a_token_that_a_pool_does_not_offer_any_more_is_still_a_factor() {
    both_engines(async |server| {
        let (pool, client, token) = scene(&server).await;
        set_up(&server, &token).await;
        let off = json!({"UserPoolId": pool, "SoftwareTokenMfaConfiguration": {"Enabled": false}});
        server.call("SetUserPoolMfaConfig", off).await.ok();
        let on = json!({"SoftwareTokenMfaSettings": {"Enabled": true, "PreferredMfa": true}});
        set(&server, &token, on).await.ok();
        let answer = server.sign_in(&client, "alice", PASSWORD).await.ok();
        assert_eq!(answer["ChallengeName"], "SOFTWARE_TOKEN_MFA");
    })
    .await;
}
