//! SetUserPoolMfaConfig and GetUserPoolMfaConfig (accounts.md §16). What the configuration does at sign-in is in
//! `sign_in::mfa`.

use std::sync::Arc;

use serde_json::{Value, json};
use testkit::{Answer, Server, both_engines};

use crate::pools::{describe, update, with};

const ROLE: &str = "arn:aws:iam::123456789012:role/sms";

async fn set(server: &Server, pool: &str, members: &Value) -> Answer {
    server.call("SetUserPoolMfaConfig", with(json!({"UserPoolId": pool}), members)).await
}

async fn get(server: &Server, pool: &str) -> Value {
    server.call("GetUserPoolMfaConfig", json!({"UserPoolId": pool})).await.ok()
}

#[tokio::test]
async fn a_new_pool_has_no_factor() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        assert_eq!(get(&server, &pool).await, json!({"MfaConfiguration": "OFF"}));
        assert_eq!(set(&server, &pool, &json!({})).await.ok(), json!({"MfaConfiguration": "OFF"}));
        assert_eq!(
            set(&server, &pool, &json!({"MfaConfiguration": "OFF"})).await.ok(),
            json!({"MfaConfiguration": "OFF"})
        );
    })
    .await;
}

#[tokio::test]
async fn every_part_comes_back_and_stays_when_it_is_left_out() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        server.advance(60);
        let everything = json!({
            "SmsMfaConfiguration": {
                "SmsAuthenticationMessage": "Sign in with {####}",
                "SmsConfiguration": {"SnsCallerArn": ROLE, "ExternalId": "outside"}
            },
            "SoftwareTokenMfaConfiguration": {"Enabled": false},
            "WebAuthnConfiguration": {
                "RelyingPartyId": "auth.example.com",
                "UserVerification": "required",
                "FactorConfiguration": "MULTI_FACTOR_WITH_USER_VERIFICATION"
            }
        });
        let answer = set(&server, &pool, &everything).await.ok();
        insta::allow_duplicates! {
            insta::assert_json_snapshot!(answer, @r#"
            {
              "SmsMfaConfiguration": {
                "SmsAuthenticationMessage": "Sign in with {####}",
                "SmsConfiguration": {
                  "SnsCallerArn": "arn:aws:iam::123456789012:role/sms",
                  "ExternalId": "outside",
                  "SnsRegion": "us-east-1"
                }
              },
              "SoftwareTokenMfaConfiguration": {
                "Enabled": false
              },
              "MfaConfiguration": "OFF",
              "WebAuthnConfiguration": {
                "RelyingPartyId": "auth.example.com",
                "UserVerification": "required",
                "FactorConfiguration": "MULTI_FACTOR_WITH_USER_VERIFICATION"
              }
            }
            "#);
        }
        assert_eq!(get(&server, &pool).await, answer);
        let described = describe(&server, &pool).await;
        assert_eq!(described["SmsConfiguration"], answer["SmsMfaConfiguration"]["SmsConfiguration"]);
        assert_eq!(described["SmsAuthenticationMessage"], "Sign in with {####}");
        assert_eq!(described["MfaConfiguration"], "OFF");
        assert_eq!(described["LastModifiedDate"].as_f64().unwrap() - described["CreationDate"].as_f64().unwrap(), 60.0);

        let passkeys = json!({"MfaConfiguration": "OFF", "WebAuthnConfiguration": {"RelyingPartyId": "localhost"}});
        let changed = set(&server, &pool, &passkeys).await.ok();
        assert_eq!(changed["WebAuthnConfiguration"], json!({"RelyingPartyId": "localhost"}));
        assert_eq!(changed["SmsMfaConfiguration"], answer["SmsMfaConfiguration"]);
        assert_eq!(changed["SoftwareTokenMfaConfiguration"], json!({"Enabled": false}));

        // UpdateUserPool resets what it could have said, and no more.
        update(&server, &pool, &json!({})).await.ok();
        let kept = json!({
            "SoftwareTokenMfaConfiguration": {"Enabled": false},
            "MfaConfiguration": "OFF",
            "WebAuthnConfiguration": {"RelyingPartyId": "localhost"}
        });
        assert_eq!(get(&server, &pool).await, kept);
        let sms = json!({"SmsAuthenticationMessage": "Use {####}", "SmsConfiguration": {"SnsCallerArn": ROLE}});
        update(&server, &pool, &sms).await.ok();
        assert_eq!(
            get(&server, &pool).await["SmsMfaConfiguration"],
            json!({
                "SmsAuthenticationMessage": "Use {####}",
                "SmsConfiguration": {"SnsCallerArn": ROLE, "SnsRegion": "us-east-1"}
            })
        );
    })
    .await;
}

#[tokio::test]
async fn what_contradicts_itself_is_refused() {
    let together =
        "InvalidParameterException: Invalid MFA configuration given, can't turn off MFA and configure an MFA together.";
    let none = "InvalidParameterException: Invalid MFA configuration given, can't disable all MFAs with a required or optional configuration.";
    let cases = [
        (json!({"MfaConfiguration": "OFF", "SoftwareTokenMfaConfiguration": {"Enabled": true}}), together),
        (json!({"MfaConfiguration": "OFF", "EmailMfaConfiguration": {"Message": "Code {####}"}}), together),
        (json!({"MfaConfiguration": "OFF", "EmailMfaConfiguration": {}}), together),
        (
            json!({"MfaConfiguration": "OFF", "SmsMfaConfiguration": {"SmsConfiguration": {"SnsCallerArn": ROLE}}}),
            together,
        ),
        (
            json!({"MfaConfiguration": "OFF", "SmsMfaConfiguration": {"SmsAuthenticationMessage": "Code {####}"}}),
            together,
        ),
        (json!({"MfaConfiguration": "ON"}), none),
        (json!({"MfaConfiguration": "OPTIONAL", "SoftwareTokenMfaConfiguration": {"Enabled": false}}), none),
        (
            json!({"MfaConfiguration": "ON", "EmailMfaConfiguration": {"Message": "Code {####}"}}),
            "InvalidParameterException: Cannot set EmailMfaConfiguration when user pool EmailConfiguration contains an EmailSendingAccount of COGNITO_DEFAULT.",
        ),
        (
            json!({"SmsMfaConfiguration": {"SmsConfiguration": {"ExternalId": "outside"}}}),
            "InvalidParameterException: 1 validation error detected: Value null at 'smsConfiguration.snsCallerArn' failed to satisfy constraint: Member must not be null",
        ),
        (
            json!({"SmsMfaConfiguration": {"SmsConfiguration": {"SnsCallerArn": ROLE, "SnsRegion": "eu-west-1"}}}),
            "InvalidParameterException: Invalid snsRegion. Allowed SNS region for us-east-1 is us-east-1",
        ),
        (
            json!({"WebAuthnConfiguration": {"RelyingPartyId": "https://example.com"}}),
            "InvalidParameterException: RelyingPartyId https://example.com is not a domain name such as auth.example.com.",
        ),
        (
            json!({"WebAuthnConfiguration": {"RelyingPartyId": "co.uk"}}),
            "InvalidParameterException: RelyingPartyId co.uk is a public suffix. Give a name below it that is yours, such as example.co.uk.",
        ),
        (
            json!({"WebAuthnConfiguration": {"RelyingPartyId": ""}}),
            "InvalidParameterException: 1 validation error detected: Value '' at 'webAuthnConfiguration.relyingPartyId' failed to satisfy constraint: Member must have length greater than or equal to 1",
        ),
        (
            json!({"SmsMfaConfiguration": {"SmsAuthenticationMessage": "no code"}}),
            "InvalidParameterException: 1 validation error detected: Value 'no code' at 'smsMfaConfiguration.smsAuthenticationMessage' failed to satisfy constraint: Member must satisfy regular expression pattern: .*\\{####\\}.*",
        ),
        (
            json!({"MfaConfiguration": "MAYBE"}),
            "InvalidParameterException: 1 validation error detected: Value 'MAYBE' at 'mfaConfiguration' failed to satisfy constraint: Member must satisfy enum value set: [OFF, ON, OPTIONAL]",
        ),
    ];
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        let before = describe(&server, &pool).await;
        for (members, error) in &cases {
            assert_eq!(set(&server, &pool, members).await.error(), *error, "{members}");
        }
        assert_eq!(describe(&server, &pool).await, before);
        assert_eq!(get(&server, &pool).await, json!({"MfaConfiguration": "OFF"}));
    })
    .await;
}

/// A pool whose mail leaves by its own sender.
fn developer() -> Value {
    json!({"EmailConfiguration": {
        "EmailSendingAccount": "DEVELOPER",
        "SourceArn": "arn:aws:ses:us-east-1:123456789012:identity/example.com"
    }})
}

#[tokio::test]
async fn second_factors_are_switched_on_and_off() {
    both_engines(async |server| {
        let pool = server.pool(developer()).await;
        let token = json!({"MfaConfiguration": "ON", "SoftwareTokenMfaConfiguration": {"Enabled": true}});
        assert_eq!(set(&server, &pool, &token).await.ok(), token);
        assert_eq!(get(&server, &pool).await, token);
        assert_eq!(describe(&server, &pool).await["MfaConfiguration"], "ON");
        let email = json!({"EmailMfaConfiguration": {"Message": "Code {####}", "Subject": "Code"}});
        let both = with(token.clone(), &email);
        assert_eq!(set(&server, &pool, &email).await.ok(), both);
        let optional = with(both.clone(), &json!({"MfaConfiguration": "OPTIONAL"}));
        assert_eq!(set(&server, &pool, &json!({"MfaConfiguration": "OPTIONAL"})).await.ok(), optional);
        // The last one cannot be taken away, another can.
        let none = json!({"MfaConfiguration": "OPTIONAL", "SoftwareTokenMfaConfiguration": {"Enabled": false}});
        let left = with(optional, &json!({"SoftwareTokenMfaConfiguration": {"Enabled": false}}));
        assert_eq!(set(&server, &pool, &none).await.ok(), left);

        // UpdateUserPool keeps them where it says so, and switches them off otherwise.
        let kept = with(developer(), &json!({"MfaConfiguration": "ON"}));
        update(&server, &pool, &kept).await.ok();
        assert_eq!(get(&server, &pool).await, with(left.clone(), &json!({"MfaConfiguration": "ON"})));
        assert_eq!(
            update(&server, &pool, &json!({"MfaConfiguration": "ON"})).await.error(),
            "InvalidParameterException: Cannot set EmailMfaConfiguration when user pool EmailConfiguration contains an EmailSendingAccount of COGNITO_DEFAULT."
        );
        assert_eq!(
            update(&server, &pool, &with(kept, &json!({"UserPoolTier": "LITE"}))).await.error(),
            "TierChangeNotAllowedException: The following features need to be disabled for the LITE pricing tier configured: Email MFA"
        );
        update(&server, &pool, &json!({"UserPoolTier": "LITE"})).await.ok();
        let off = json!({"MfaConfiguration": "OFF", "SoftwareTokenMfaConfiguration": {"Enabled": false}});
        assert_eq!(get(&server, &pool).await, off);
        set(&server, &pool, &token).await.ok();
        assert_eq!(set(&server, &pool, &json!({"MfaConfiguration": "OFF"})).await.ok(), off);
        assert_eq!(describe(&server, &pool).await["MfaConfiguration"], "OFF");

        let lite = server.pool(with(developer(), &json!({"UserPoolTier": "LITE"}))).await;
        for (members, feature) in [
            (json!({"EmailMfaConfiguration": {"Message": "Code {####}"}}), "Email MFA"),
            (json!({"WebAuthnConfiguration": {"RelyingPartyId": "example.com"}}), "Passwordless Sign-In"),
        ] {
            assert_eq!(
                set(&server, &lite, &members).await.error(),
                format!("FeatureUnavailableInTierException: The following features need to be disabled for the LITE pricing tier configured: {feature}")
            );
        }
    })
    .await;
}

#[tokio::test]
async fn second_factors_go_together_with_the_rest_of_the_pool() {
    let recovery = |names: &[&str]| {
        let options: Vec<_> =
            names.iter().zip(1..).map(|(name, priority)| json!({"Name": name, "Priority": priority})).collect();
        json!({"AccountRecoverySetting": {"RecoveryMechanisms": options}})
    };
    let email = json!({"MfaConfiguration": "ON", "EmailMfaConfiguration": {"Message": "Code {####}"}});
    let by_mail_only = "InvalidParameterException: Cannot set EmailMfaConfiguration when verified_email is the only recovery mechanism of AccountRecoverySetting.";
    both_engines(async |server| {
        let pool = server.pool(with(developer(), &recovery(&["verified_email"]))).await;
        assert_eq!(set(&server, &pool, &email).await.error(), by_mail_only);
        let two = with(developer(), &recovery(&["verified_email", "verified_phone_number"]));
        update(&server, &pool, &two).await.ok();
        set(&server, &pool, &email).await.ok();
        let one = with(developer(), &with(recovery(&["verified_email"]), &json!({"MfaConfiguration": "ON"})));
        assert_eq!(update(&server, &pool, &one).await.error(), by_mail_only);

        let codes = json!({"Policies": {"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP"]}}});
        let pool = server.pool(codes).await;
        let token = |mfa: &str| json!({"MfaConfiguration": mfa, "SoftwareTokenMfaConfiguration": {"Enabled": true}});
        assert_eq!(
            set(&server, &pool, &token("ON")).await.error(),
            "InvalidParameterException: EMAIL_OTP and SMS_OTP cannot be allowed first auth factors when MFA is required."
        );
        set(&server, &pool, &token("OPTIONAL")).await.ok();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn parts_that_are_set_at_the_same_time_are_all_kept() {
    both_engines(async |server| {
        let server = Arc::new(server);
        let pool = server.pool(json!({})).await;
        let mut setting = tokio::task::JoinSet::new();
        for members in [
            json!({"SmsMfaConfiguration": {"SmsConfiguration": {"SnsCallerArn": ROLE}}}),
            json!({"SoftwareTokenMfaConfiguration": {"Enabled": false}}),
            json!({"WebAuthnConfiguration": {"RelyingPartyId": "example.com"}}),
        ] {
            let (server, pool) = (server.clone(), pool.clone());
            setting.spawn(async move { set(&server, &pool, &members).await.ok() });
        }
        setting.join_all().await;
        assert_eq!(
            get(&server, &pool).await,
            json!({
                "SmsMfaConfiguration": {"SmsConfiguration": {"SnsCallerArn": ROLE, "SnsRegion": "us-east-1"}},
                "SoftwareTokenMfaConfiguration": {"Enabled": false},
                "MfaConfiguration": "OFF",
                "WebAuthnConfiguration": {"RelyingPartyId": "example.com"}
            })
        );
    })
    .await;
}
