//! The settings of user pools: what comes back, what an update resets, what is refused (accounts.md §5.5, §13.2 to
//! §13.5).

use serde_json::{Value, json};
use testkit::{Server, both_engines};

use crate::pools::{create, describe, update, with};

/// A pool's settings whose every member differs from its default, as far as this version honours them.
fn everything() -> Value {
    json!({
        "Policies": {
            "PasswordPolicy": {
                "MinimumLength": 12,
                "RequireUppercase": true,
                "PasswordHistorySize": 3,
                "TemporaryPasswordValidityDays": 30
            },
            "SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD"]}
        },
        "DeletionProtection": "ACTIVE",
        "AutoVerifiedAttributes": ["email", "phone_number", "email"],
        "VerificationMessageTemplate": {
            "DefaultEmailOption": "CONFIRM_WITH_LINK",
            "EmailMessageByLink": "Follow {##this link##}.",
            "EmailSubjectByLink": "A link",
            "SmsMessage": "Code: {####}"
        },
        "EmailVerificationMessage": "Your code: {####}",
        "EmailVerificationSubject": "A code",
        "UserAttributeUpdateSettings": {"AttributesRequireVerificationBeforeUpdate": ["email"]},
        "EmailConfiguration": {
            "EmailSendingAccount": "DEVELOPER",
            "SourceArn": "arn:aws:ses:us-east-1:123456789012:identity/example.com",
            "From": "Example <no-reply@example.com>",
            "ReplyToEmailAddress": "help@example.com",
            "ConfigurationSet": "set-1"
        },
        "SmsAuthenticationMessage": "Sign in with {####}",
        "SmsConfiguration": {"SnsCallerArn": "arn:aws:iam::123456789012:role/sms", "ExternalId": "outside"},
        "UserPoolTags": {"stage": "test"},
        "AdminCreateUserConfig": {
            "AllowAdminCreateUserOnly": true,
            "InviteMessageTemplate": {"EmailSubject": "Welcome", "EmailMessage": "{username}: {####}", "SMSMessage": "{username}: {####}"}
        },
        "UserPoolAddOns": {
            "AdvancedSecurityMode": "ENFORCED",
            "AdvancedSecurityAdditionalFlows": {"CustomAuthMode": "AUDIT"}
        },
        "AccountRecoverySetting": {
            "RecoveryMechanisms": [{"Priority": 2, "Name": "verified_phone_number"}, {"Priority": 1, "Name": "verified_email"}]
        },
        "UserPoolTier": "PLUS"
    })
}

#[tokio::test]
async fn every_setting_comes_back() {
    both_engines(async |server| {
        let only_now = json!({
            "UsernameAttributes": ["email"],
            "UsernameConfiguration": {"CaseSensitive": false},
            "Schema": [
                {"Name": "email", "Required": true},
                {"Name": "level", "AttributeDataType": "Number", "NumberAttributeConstraints": {"MinValue": "-1", "MaxValue": "9"}},
                {"Name": "note", "AttributeDataType": "String", "DeveloperOnlyAttribute": true, "Mutable": false}
            ]
        });
        let created = create(&server, &with(everything(), &only_now)).await.ok();
        let mut pool = created["UserPool"].clone();
        let id = pool["Id"].as_str().unwrap().to_owned();
        assert_eq!(describe(&server, &id).await, pool);
        let schema = pool.as_object_mut().unwrap().remove("SchemaAttributes").unwrap();
        let changed: Vec<&Value> =
            schema.as_array().unwrap().iter().enumerate().filter(|(index, _)| *index == 10 || *index >= 20).map(|(_, entry)| entry).collect();
        insta::allow_duplicates! {
            insta::assert_json_snapshot!(pool, @r#"
            {
              "Id": "us-east-1_O2c3Nifle",
              "Name": "p",
              "Policies": {
                "PasswordPolicy": {
                  "MinimumLength": 12,
                  "RequireUppercase": true,
                  "RequireLowercase": false,
                  "RequireNumbers": false,
                  "RequireSymbols": false,
                  "PasswordHistorySize": 3,
                  "TemporaryPasswordValidityDays": 30
                },
                "SignInPolicy": {
                  "AllowedFirstAuthFactors": [
                    "PASSWORD"
                  ]
                }
              },
              "DeletionProtection": "ACTIVE",
              "LambdaConfig": {},
              "LastModifiedDate": 1767323045.0,
              "CreationDate": 1767323045.0,
              "UserPoolTier": "PLUS",
              "AutoVerifiedAttributes": [
                "email",
                "phone_number"
              ],
              "UsernameAttributes": [
                "email"
              ],
              "SmsVerificationMessage": "Code: {####}",
              "EmailVerificationMessage": "Your code: {####}",
              "EmailVerificationSubject": "A code",
              "VerificationMessageTemplate": {
                "SmsMessage": "Code: {####}",
                "EmailMessage": "Your code: {####}",
                "EmailSubject": "A code",
                "EmailMessageByLink": "Follow {##this link##}.",
                "EmailSubjectByLink": "A link",
                "DefaultEmailOption": "CONFIRM_WITH_LINK"
              },
              "SmsAuthenticationMessage": "Sign in with {####}",
              "UserAttributeUpdateSettings": {
                "AttributesRequireVerificationBeforeUpdate": [
                  "email"
                ]
              },
              "MfaConfiguration": "OFF",
              "EstimatedNumberOfUsers": 0,
              "EmailConfiguration": {
                "SourceArn": "arn:aws:ses:us-east-1:123456789012:identity/example.com",
                "ReplyToEmailAddress": "help@example.com",
                "EmailSendingAccount": "DEVELOPER",
                "From": "Example <no-reply@example.com>",
                "ConfigurationSet": "set-1"
              },
              "SmsConfiguration": {
                "SnsCallerArn": "arn:aws:iam::123456789012:role/sms",
                "ExternalId": "outside",
                "SnsRegion": "us-east-1"
              },
              "UserPoolTags": {
                "stage": "test"
              },
              "AdminCreateUserConfig": {
                "AllowAdminCreateUserOnly": true,
                "UnusedAccountValidityDays": 30,
                "InviteMessageTemplate": {
                  "SMSMessage": "{username}: {####}",
                  "EmailMessage": "{username}: {####}",
                  "EmailSubject": "Welcome"
                }
              },
              "UserPoolAddOns": {
                "AdvancedSecurityMode": "ENFORCED",
                "AdvancedSecurityAdditionalFlows": {
                  "CustomAuthMode": "AUDIT"
                }
              },
              "UsernameConfiguration": {
                "CaseSensitive": false
              },
              "Arn": "arn:aws:cognito-idp:us-east-1:000000000000:userpool/us-east-1_O2c3Nifle",
              "AccountRecoverySetting": {
                "RecoveryMechanisms": [
                  {
                    "Priority": 2,
                    "Name": "verified_phone_number"
                  },
                  {
                    "Priority": 1,
                    "Name": "verified_email"
                  }
                ]
              }
            }
            "#);
            insta::assert_json_snapshot!(changed, @r#"
            [
              {
                "Name": "email",
                "AttributeDataType": "String",
                "DeveloperOnlyAttribute": false,
                "Mutable": true,
                "Required": true,
                "StringAttributeConstraints": {
                  "MinLength": "0",
                  "MaxLength": "2048"
                }
              },
              {
                "Name": "custom:level",
                "AttributeDataType": "Number",
                "DeveloperOnlyAttribute": false,
                "Mutable": true,
                "Required": false,
                "NumberAttributeConstraints": {
                  "MinValue": "-1",
                  "MaxValue": "9"
                }
              },
              {
                "Name": "dev:custom:note",
                "AttributeDataType": "String",
                "DeveloperOnlyAttribute": true,
                "Mutable": false,
                "Required": false,
                "StringAttributeConstraints": {}
              }
            ]
            "#);
        }
    })
    .await;
}

#[tokio::test]
async fn an_update_resets_what_it_leaves_out() {
    both_engines(async |server| {
        let creation = json!({"AliasAttributes": ["email"], "Schema": [{"Name": "x", "AttributeDataType": "Boolean"}]});
        let mut fresh = create(&server, &creation).await.ok()["UserPool"].clone();
        let pool = fresh["Id"].as_str().unwrap().to_owned();
        server.advance(60);
        assert_eq!(update(&server, &pool, &with(everything(), &json!({"PoolName": "renamed"}))).await.ok(), json!({}));
        let full = describe(&server, &pool).await;
        assert_eq!(full["Name"], "renamed");
        assert_eq!(full["CreationDate"], fresh["CreationDate"]);
        assert_eq!(full["LastModifiedDate"].as_f64().unwrap() - full["CreationDate"].as_f64().unwrap(), 60.0);
        assert_eq!(full["SchemaAttributes"], fresh["SchemaAttributes"]);
        for (member, value) in everything().as_object().unwrap() {
            match member.as_str() {
                // The policy comes back with what it left out, tested as a snapshot; so do the region and the lists.
                "Policies" => assert_eq!(full[member]["PasswordPolicy"]["MinimumLength"], 12),
                "AutoVerifiedAttributes" => assert_eq!(full[member], json!(["email", "phone_number"])),
                "VerificationMessageTemplate" => assert_eq!(full[member]["EmailMessage"], "Your code: {####}"),
                "SmsConfiguration" => assert_eq!(full[member]["SnsRegion"], "us-east-1"),
                "AdminCreateUserConfig" => assert_eq!(full[member]["UnusedAccountValidityDays"], 30),
                _ => assert_eq!(full[member], *value, "{member}"),
            }
        }

        // What asks for a verified address before a change is the one setting that stays until it is cleared.
        assert_eq!(
            update(&server, &pool, &json!({})).await.error(),
            "InvalidParameterException: Attributes in AttributesRequireVerificationBeforeUpdate must also be in AutoVerifiedAttributes."
        );
        update(&server, &pool, &json!({"AutoVerifiedAttributes": ["email"]})).await.ok();
        let kept = describe(&server, &pool).await;
        assert_eq!(kept["UserAttributeUpdateSettings"], json!({"AttributesRequireVerificationBeforeUpdate": ["email"]}));
        let cleared = json!({"UserAttributeUpdateSettings": {"AttributesRequireVerificationBeforeUpdate": []}, "PoolName": "p"});
        update(&server, &pool, &cleared).await.ok();
        let now = describe(&server, &pool).await;
        fresh["LastModifiedDate"] = now["LastModifiedDate"].clone();
        assert_eq!(now, fresh);
    })
    .await;
}

#[tokio::test]
async fn settings_that_contradict_the_services_rules_are_refused_by_both_operations() {
    let server = Server::memory().await;
    let pool = server.pool(json!({})).await;
    let sms = json!({"SnsCallerArn": "arn:aws:iam::123456789012:role/sms"});
    let cases = [
        (
            json!({"AccountRecoverySetting": {"RecoveryMechanisms": [{"Priority": 1, "Name": "admin_only"}, {"Priority": 2, "Name": "verified_email"}]}}),
            "InvalidParameterException: Account Recovery Setting cannot use admin_only setting with any other recovery mechanisms.",
        ),
        (
            json!({"AccountRecoverySetting": {"RecoveryMechanisms": [{"Priority": 1, "Name": "verified_email"}, {"Priority": 2, "Name": "verified_email"}]}}),
            "InvalidParameterException: Account Recovery Setting cannot have duplicate priorities or recovery mechanisms.",
        ),
        (
            json!({"AccountRecoverySetting": {"RecoveryMechanisms": [{"Priority": 1, "Name": "verified_email"}, {"Priority": 1, "Name": "verified_phone_number"}]}}),
            "InvalidParameterException: Account Recovery Setting cannot have duplicate priorities or recovery mechanisms.",
        ),
        (
            json!({"AutoVerifiedAttributes": ["phone_number"]}),
            "InvalidParameterException: SMS configuration is required when phone_number is selected for auto verification",
        ),
        (
            json!({"MfaConfiguration": "ON"}),
            "InvalidParameterException: SMS configuration and Auto verification for phone_number are required when MFA is required/optional",
        ),
        (
            json!({"MfaConfiguration": "OPTIONAL", "SmsConfiguration": sms}),
            "InvalidParameterException: SMS configuration and Auto verification for phone_number are required when MFA is required/optional",
        ),
        (
            json!({"SmsConfiguration": {"ExternalId": "x"}}),
            "InvalidParameterException: 1 validation error detected: Value null at 'smsConfiguration.snsCallerArn' failed to satisfy constraint: Member must not be null",
        ),
        (
            json!({"EmailConfiguration": {"EmailSendingAccount": "DEVELOPER"}}),
            "InvalidParameterException: Source ARN is required to use DEVELOPER email sending owner",
        ),
        (
            json!({"EmailConfiguration": {"From": "no address"}}),
            "InvalidParameterException: Provided From email address is invalid",
        ),
        (
            json!({"EmailConfiguration": {"From": "A\r\nBcc: x@example.com <a@example.com>"}}),
            "InvalidParameterException: Provided From email address is invalid",
        ),
        (
            json!({"EmailConfiguration": {"ReplyToEmailAddress": "a@b"}}),
            "InvalidParameterException: Provided ReplyTo email address is invalid",
        ),
        (
            json!({"SmsConfiguration": {"SnsCallerArn": ""}}),
            "InvalidParameterException: 1 validation error detected: Value null at 'smsConfiguration.snsCallerArn' failed to satisfy constraint: Member must not be null",
        ),
        (
            json!({"SmsConfiguration": {"SnsCallerArn": "arn:aws:iam::123456789012:role/sms", "SnsRegion": "us-west-2"}}),
            "InvalidParameterException: Invalid snsRegion. Allowed SNS region for us-east-1 is us-east-1",
        ),
        (
            json!({"EmailConfiguration": {"SourceArn": "arn:aws:ses:eu-central-1:123456789012:identity/example.com"}}),
            "InvalidParameterException: Provided SourceArn must be in one of the following SES regions: eu-west-1, us-east-1, us-west-2.",
        ),
        (
            json!({"EmailConfiguration": {
                "EmailSendingAccount": "DEVELOPER",
                "SourceArn": "arn:aws:ses:us-east-1:123456789012:identity/example.com",
                "From": "no-reply@example.org"
            }}),
            "InvalidParameterException: Provided From email address is invalid",
        ),
        (
            json!({"Policies": {"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "SOFTWARE_TOKEN"]}}}),
            "InvalidParameterException: SOFTWARE_TOKEN cannot be one of the allowed first auth factors.",
        ),
        (
            json!({"MfaConfiguration": "ON", "Policies": {"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "SMS_OTP"]}}}),
            "InvalidParameterException: EMAIL_OTP and SMS_OTP cannot be allowed first auth factors when MFA is required.",
        ),
        (
            json!({"UserPoolTier": "LITE", "UserPoolAddOns": {"AdvancedSecurityMode": "AUDIT"}, "Policies": {"PasswordPolicy": {"PasswordHistorySize": 1}}}),
            "FeatureUnavailableInTierException: The following features need to be disabled for the LITE pricing tier configured: Password History, Threat Protection",
        ),
        (
            json!({"UserPoolAddOns": {"AdvancedSecurityMode": "ENFORCED"}}),
            "FeatureUnavailableInTierException: The following features need to be disabled for the ESSENTIALS pricing tier configured: Threat Protection",
        ),
        (
            json!({"AdminCreateUserConfig": {"UnusedAccountValidityDays": 7}, "Policies": {"PasswordPolicy": {"TemporaryPasswordValidityDays": 7}}}),
            "InvalidParameterException: Please use TemporaryPasswordValidityDays in PasswordPolicy instead of UnusedAccountValidityDays",
        ),
        (
            json!({"Policies": {"SignInPolicy": {"AllowedFirstAuthFactors": ["EMAIL_OTP"]}}}),
            "InvalidParameterException: Password should be configured as one of the allowed first auth factors.",
        ),
        (
            json!({"UserPoolTier": "LITE", "Policies": {"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP"]}}}),
            "FeatureUnavailableInTierException: The following features need to be disabled for the LITE pricing tier configured: Passwordless Sign-In",
        ),
        (
            json!({"UserPoolTier": "LITE", "Policies": {"PasswordPolicy": {"PasswordHistorySize": 1}}}),
            "FeatureUnavailableInTierException: The following features need to be disabled for the LITE pricing tier configured: Password History",
        ),
        (
            json!({"UserPoolTier": "LITE", "LambdaConfig": {"PreTokenGenerationConfig": {"LambdaVersion": "V2_0", "LambdaArn": "arn:aws:lambda:us-east-1:123456789012:function:f"}}}),
            "FeatureUnavailableInTierException: The following features need to be disabled for the LITE pricing tier configured: Token Customization with Pre-Token Generation Lambda V2_0",
        ),
        (
            json!({"LambdaConfig": {
                "PreTokenGeneration": "arn:aws:lambda:us-east-1:123456789012:function:f",
                "PreTokenGenerationConfig": {"LambdaVersion": "V1_0", "LambdaArn": "arn:aws:lambda:us-east-1:123456789012:function:g"}
            }}),
            "InvalidParameterException: Cannot use PreTokenGenerationLambda and PreTokenGeneration with different Lambda function ARN's",
        ),
        (
            json!({"UserAttributeUpdateSettings": {"AttributesRequireVerificationBeforeUpdate": ["email"]}}),
            "InvalidParameterException: Attributes in AttributesRequireVerificationBeforeUpdate must also be in AutoVerifiedAttributes.",
        ),
        (
            json!({"SmsVerificationMessage": "a {####} a", "VerificationMessageTemplate": {"SmsMessage": "b {####} b"}}),
            "InvalidParameterException: SmsVerificationMessage and VerificationMessageTemplate.SmsMessage cannot have different values.",
        ),
        (
            json!({"UserPoolTags": (0..51).map(|number| (number.to_string(), Value::from("x"))).collect::<serde_json::Map<_, _>>()}),
            "UserPoolTaggingException: A user pool cannot have more than 50 tags.",
        ),
    ];
    let before = describe(&server, &pool).await;
    for (members, error) in &cases {
        assert_eq!(create(&server, members).await.error(), *error, "{members}");
        assert_eq!(update(&server, &pool, members).await.error(), *error, "{members}");
    }
    assert_eq!(describe(&server, &pool).await, before);
    assert_eq!(
        server.call("ListUserPools", json!({"MaxResults": 60})).await.ok()["UserPools"].as_array().unwrap().len(),
        1
    );
}

#[tokio::test]
async fn what_is_not_honoured_is_refused_by_name() {
    let server = Server::memory().await;
    let pool = server.pool(json!({})).await;
    let role = "arn:aws:iam::123456789012:role/sms";
    let messaging = json!({"CallerArn": role, "OriginationIdentity": "+15555550100", "Region": "eu-west-2"});
    let cases = [
        (json!({"SmsConfiguration": {"EumsSms": messaging}}), "SmsConfiguration.EumsSms"),
        (json!({"SmsConfiguration": {"SnsCallerArn": role, "EumsSms": messaging}}), "SmsConfiguration.EumsSms"),
        (json!({"KeyConfiguration": {"KeyType": "CUSTOMER_MANAGED_KEY"}}), "KeyConfiguration CUSTOMER_MANAGED_KEY"),
        (json!({"IssuerConfiguration": {"Type": "UPDATED"}}), "IssuerConfiguration UPDATED"),
        (
            json!({"KeyConfiguration": {"KmsKeyArn": "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000"}}),
            "KeyConfiguration CUSTOMER_MANAGED_KEY",
        ),
        (json!({"DcrConfiguration": {"EnableStatus": "Enabled"}}), "DcrConfiguration"),
        (json!({"DcrConfiguration": {}}), "DcrConfiguration"),
        (json!({"DcrConfiguration": {"OpenDcrEnabled": false}}), "DcrConfiguration"),
        (json!({"DcrConfiguration": {"EnableStatus": "Disabled", "AllowedScopes": ["a/b"]}}), "DcrConfiguration"),
    ];
    let before = describe(&server, &pool).await;
    for (members, name) in &cases {
        let error = format!(
            "InvalidParameterException: {name} is not supported by this Poolkeeper version yet. See docs/compatibility.md."
        );
        assert_eq!(create(&server, members).await.error(), error, "{members}");
        assert_eq!(update(&server, &pool, members).await.error(), error, "{members}");
        if members.get("SmsConfiguration").is_some() {
            // The other operation that sets it.
            let request = json!({"UserPoolId": pool, "SmsMfaConfiguration": members});
            assert_eq!(server.call("SetUserPoolMfaConfig", request).await.error(), error, "{members}");
        }
    }
    assert_eq!(describe(&server, &pool).await, before);
}

#[tokio::test]
async fn values_that_mean_off_are_taken() {
    let server = Server::memory().await;
    let off = json!({
        "LambdaConfig": {},
        "MfaConfiguration": "OFF",
        "DeviceConfiguration": null,
        "KeyConfiguration": {"KeyType": "AWS_OWNED_KEY"},
        "IssuerConfiguration": {"Type": "ORIGINAL"},
        "AcrConfiguration": {},
        "DcrConfiguration": {"EnableStatus": "Disabled", "OpenDcrEnabled": false},
        "AccountRecoverySetting": {},
        "EmailConfiguration": {"EmailSendingAccount": "COGNITO_DEFAULT"},
        "AliasAttributes": [],
        "UsernameAttributes": [],
        "AutoVerifiedAttributes": [],
        "UserPoolTags": {},
        "Policies": {"PasswordPolicy": null, "SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD"]}},
        "AdminCreateUserConfig": {"AllowAdminCreateUserOnly": false, "UnusedAccountValidityDays": 0}
    });
    let mut plain = create(&server, &json!({})).await.ok()["UserPool"].clone();
    let given = create(&server, &off).await.ok()["UserPool"].clone();
    for member in ["Id", "Arn"] {
        plain[member] = given[member].clone();
    }
    assert_eq!(given, plain);
}

#[tokio::test]
async fn a_given_password_policy_demands_only_what_it_says() {
    let server = Server::memory().await;
    let pool = server.pool(json!({"Policies": {"PasswordPolicy": {"TemporaryPasswordValidityDays": 0}}})).await;
    assert_eq!(
        describe(&server, &pool).await["Policies"]["PasswordPolicy"],
        json!({
            "MinimumLength": 8,
            "RequireUppercase": false,
            "RequireLowercase": false,
            "RequireNumbers": false,
            "RequireSymbols": false,
            "TemporaryPasswordValidityDays": 7
        })
    );
    let pool = server.pool(json!({"AdminCreateUserConfig": {"UnusedAccountValidityDays": 3}})).await;
    let described = describe(&server, &pool).await;
    assert_eq!(described["Policies"]["PasswordPolicy"]["TemporaryPasswordValidityDays"], 3);
    assert_eq!(described["Policies"]["PasswordPolicy"]["RequireSymbols"], true);
}

#[tokio::test]
async fn other_regions_name_their_own_senders() {
    both_engines(async |server| {
        // A pool elsewhere may name any region: only the lists of three regions are certain.
        let settings = json!({
            "EmailConfiguration": {"SourceArn": "arn:aws:ses:eu-central-1:123456789012:identity/help@example.com"},
            "SmsConfiguration": {"SnsCallerArn": "arn:aws:iam::123456789012:role/sms", "SnsRegion": "eu-west-1"}
        });
        let request = with(settings, &json!({"PoolName": "p"}));
        let pool = crate::pools::call_in(&server, "eu-central-1", "CreateUserPool", &request).await.ok();
        assert_eq!(pool["UserPool"]["EmailConfiguration"]["SourceArn"], request["EmailConfiguration"]["SourceArn"]);
        assert_eq!(pool["UserPool"]["SmsConfiguration"], request["SmsConfiguration"]);
    })
    .await;
}

#[tokio::test]
async fn legacy_texts_and_the_template_show_each_other() {
    both_engines(async |server| {
        let legacy = json!({
            "SmsVerificationMessage": "s {####}",
            "EmailVerificationMessage": "e {####}",
            "EmailVerificationSubject": "subject"
        });
        let template = json!({"VerificationMessageTemplate": {
            "SmsMessage": "s {####}", "EmailMessage": "e {####}", "EmailSubject": "subject"
        }});
        let mut shown = Vec::new();
        for members in [&legacy, &template, &with(legacy.clone(), &template)] {
            let pool = server.pool(members.clone()).await;
            let pool = describe(&server, &pool).await;
            let members = ["SmsVerificationMessage", "EmailVerificationMessage", "EmailVerificationSubject"];
            let texts: Vec<Value> = members.iter().map(|member| pool[member].clone()).collect();
            shown.push((texts, pool["VerificationMessageTemplate"].clone()));
        }
        assert_eq!(shown[0].0, ["s {####}", "e {####}", "subject"]);
        assert_eq!(
            shown[0].1,
            json!({
                "SmsMessage": "s {####}",
                "EmailMessage": "e {####}",
                "EmailSubject": "subject",
                "DefaultEmailOption": "CONFIRM_WITH_CODE"
            })
        );
        assert!(shown.iter().all(|other| *other == shown[0]), "{shown:?}");
    })
    .await;
}

#[tokio::test]
async fn tiers_hold_features_back_unless_the_operator_lifts_them() {
    let history = json!({"UserPoolTier": "LITE", "Policies": {"PasswordPolicy": {"PasswordHistorySize": 3}}});
    let refused = "FeatureUnavailableInTierException: The following features need to be disabled for the LITE pricing tier configured: Password History";
    both_engines(async |server| {
        let pool = server.pool(json!({"Policies": {"PasswordPolicy": {"PasswordHistorySize": 3}}})).await;
        assert_eq!(update(&server, &pool, &history).await.error(), refused);
        assert_eq!(create(&server, &history).await.error(), refused);

        // What was set elsewhere cannot be switched off by the update that changes the tier.
        let passkeys = json!({"UserPoolId": pool, "WebAuthnConfiguration": {"RelyingPartyId": "example.com"}});
        server.call("SetUserPoolMfaConfig", passkeys).await.ok();
        let to_lite = json!({"UserPoolTier": "LITE"});
        let stays = "TierChangeNotAllowedException: The following features need to be disabled for the LITE pricing tier configured: Passwordless Sign-In";
        assert_eq!(update(&server, &pool, &to_lite).await.error(), stays);
        assert_eq!(describe(&server, &pool).await["UserPoolTier"], "ESSENTIALS");
        let pool = server.pool(json!({})).await;
        update(&server, &pool, &to_lite).await.ok();
        assert_eq!(describe(&server, &pool).await["UserPoolTier"], "LITE");
        update(&server, &pool, &json!({})).await.ok();
        assert_eq!(describe(&server, &pool).await["UserPoolTier"], "ESSENTIALS", "the default");
    })
    .await;

    let server = Server::builder().settings(|settings| settings.lift_tiers = true).start().await;
    let pool = create(&server, &history).await.ok()["UserPool"].clone();
    assert_eq!(pool["UserPoolTier"], "LITE");
    assert_eq!(pool["Policies"]["PasswordPolicy"]["PasswordHistorySize"], 3);
    // What is refused because it is not built stays refused.
    let issuer = json!({"IssuerConfiguration": {"Type": "UPDATED"}});
    assert_eq!(
        create(&server, &issuer).await.error(),
        "InvalidParameterException: IssuerConfiguration UPDATED is not supported by this Poolkeeper version yet. See docs/compatibility.md."
    );
}

/// Sender and reply address of the newest mail, as it waits to be handed over; the inbox does not show them.
async fn newest_sender(server: &Server) -> (Value, Value) {
    let message = server.app.store.recent_messages(None, 1).await.unwrap().remove(0).value;
    let content = server.app.ring.open(crypto::seal::Purpose::Message, &message.id, &message.content).unwrap();
    let content: Value = serde_json::from_slice(&content).unwrap();
    (content["from"].clone(), content["reply_to"].clone())
}

#[tokio::test]
async fn mail_comes_from_whom_the_pool_names() {
    both_engines(async |server| {
        let identity = |name: &str| format!("arn:aws:ses:us-east-1:123456789012:identity/{name}");
        let own = "Example <no-reply@mail.example.com>";
        for (configuration, from, reply_to) in [
            (json!({}), Value::Null, Value::Null),
            (json!({"ReplyToEmailAddress": "help@example.com"}), Value::Null, json!("help@example.com")),
            (json!({"SourceArn": identity("hi@example.com")}), json!("hi@example.com"), Value::Null),
            (
                json!({"EmailSendingAccount": "DEVELOPER", "SourceArn": identity("example.com"), "From": own}),
                json!(own),
                Value::Null,
            ),
            // Only an own sender is named by From.
            (json!({"EmailSendingAccount": "COGNITO_DEFAULT", "From": own}), Value::Null, Value::Null),
        ] {
            let pool = server.pool(json!({"EmailConfiguration": configuration})).await;
            let user = json!({
                "UserPoolId": pool,
                "Username": "ana",
                "UserAttributes": [{"Name": "email", "Value": "ana@example.com"}],
                "DesiredDeliveryMediums": ["EMAIL"]
            });
            server.call("AdminCreateUser", user).await.ok();
            assert_eq!(newest_sender(&server).await, (from, reply_to), "{configuration}");
            // The next mail is a second younger, so that it is the newest.
            server.advance(1);
        }
    })
    .await;
}

#[tokio::test]
async fn temporary_passwords_live_as_long_as_the_pool_says() {
    const DAY: i64 = 86_400;
    both_engines(async |server| {
        for members in [
            json!({"Policies": {"PasswordPolicy": {"TemporaryPasswordValidityDays": 2}}}),
            json!({"AdminCreateUserConfig": {"UnusedAccountValidityDays": 2}}),
        ] {
            let pool = server.pool(members.clone()).await;
            let client = server.client_id(&pool, json!({})).await;
            let user = json!({
                "UserPoolId": pool, "Username": "ana", "TemporaryPassword": "Passw0rd!", "MessageAction": "SUPPRESS"
            });
            server.call("AdminCreateUser", user).await.ok();
            server.advance(2 * DAY - 1);
            let answer = server.sign_in(&client, "ana", "Passw0rd!").await.ok();
            assert_eq!(answer["ChallengeName"], "NEW_PASSWORD_REQUIRED", "{members}");
            server.advance(1);
            assert_eq!(
                server.sign_in(&client, "ana", "Passw0rd!").await.error(),
                "NotAuthorizedException: Temporary password has expired and must be reset by an administrator."
            );
        }
    })
    .await;
}
