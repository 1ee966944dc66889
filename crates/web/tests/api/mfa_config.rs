//! SetUserPoolMfaConfig and GetUserPoolMfaConfig (accounts.md §16): text messages and passkeys as configuration, and
//! second factors, which are refused as long as nobody is asked for them.

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

#[tokio::test]
async fn second_factors_are_refused_by_name() {
    let developer = json!({"EmailConfiguration": {
        "EmailSendingAccount": "DEVELOPER",
        "SourceArn": "arn:aws:ses:us-east-1:123456789012:identity/example.com"
    }});
    both_engines(async |server| {
        let pool = server.pool(developer.clone()).await;
        for (members, name) in [
            (json!({"MfaConfiguration": "ON", "SoftwareTokenMfaConfiguration": {"Enabled": true}}), "MfaConfiguration ON"),
            (
                json!({"MfaConfiguration": "OPTIONAL", "SmsMfaConfiguration": {"SmsConfiguration": {"SnsCallerArn": ROLE}}}),
                "MfaConfiguration OPTIONAL",
            ),
            (json!({"SoftwareTokenMfaConfiguration": {"Enabled": true}}), "SoftwareTokenMfaConfiguration.Enabled"),
            (json!({"EmailMfaConfiguration": {"Message": "Code {####}", "Subject": "Code"}}), "EmailMfaConfiguration"),
        ] {
            let error = format!(
                "InvalidParameterException: {name} is not supported by this Poolkeeper version yet. See docs/compatibility.md."
            );
            assert_eq!(set(&server, &pool, &members).await.error(), error, "{members}");
        }
        assert_eq!(get(&server, &pool).await, json!({"MfaConfiguration": "OFF"}));

        // A pool whose users can get text messages has a factor, so that only the refusal is left to say.
        let sms = json!({"SmsConfiguration": {"SnsCallerArn": ROLE}});
        let pool = server.pool(sms).await;
        assert_eq!(
            set(&server, &pool, &json!({"MfaConfiguration": "ON"})).await.error(),
            "InvalidParameterException: MfaConfiguration ON is not supported by this Poolkeeper version yet. See docs/compatibility.md."
        );

        let lite = server.pool(with(developer.clone(), &json!({"UserPoolTier": "LITE"}))).await;
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
