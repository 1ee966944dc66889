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
            "ReplyToEmailAddress": "help@example.com"
        },
        "SmsConfiguration": {"SnsCallerArn": "arn:aws:iam::123456789012:role/sms", "ExternalId": "outside"},
        "UserPoolTags": {"stage": "test"},
        "AdminCreateUserConfig": {
            "AllowAdminCreateUserOnly": true,
            "InviteMessageTemplate": {"EmailSubject": "Welcome", "EmailMessage": "{username}: {####}", "SMSMessage": "{username}: {####}"}
        },
        "UserPoolAddOns": {"AdvancedSecurityMode": "OFF"},
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
                "From": "Example <no-reply@example.com>"
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
                "AdvancedSecurityMode": "OFF"
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
            "InvalidParameterException: Provided ReplyToEmailAddress is invalid",
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
    let function = "arn:aws:lambda:us-east-1:123456789012:function:f";
    let sms = json!({"SnsCallerArn": "arn:aws:iam::123456789012:role/sms"});
    let cases = [
        (json!({"LambdaConfig": {"PreSignUp": function}}), "LambdaConfig.PreSignUp"),
        (json!({"SmsAuthenticationMessage": "Sign in with {####}"}), "SmsAuthenticationMessage"),
        (
            json!({"LambdaConfig": {"CustomEmailSender": {"LambdaVersion": "V1_0", "LambdaArn": function}}}),
            "LambdaConfig.CustomEmailSender",
        ),
        (
            json!({"LambdaConfig": {"KMSKeyID": "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000"}}),
            "LambdaConfig.KMSKeyID",
        ),
        (
            json!({"MfaConfiguration": "OPTIONAL", "SmsConfiguration": sms, "AutoVerifiedAttributes": ["phone_number"]}),
            "MfaConfiguration OPTIONAL",
        ),
        (
            json!({"MfaConfiguration": "ON", "SmsConfiguration": sms, "AutoVerifiedAttributes": ["phone_number"]}),
            "MfaConfiguration ON",
        ),
        (json!({"DeviceConfiguration": {"ChallengeRequiredOnNewDevice": false}}), "DeviceConfiguration"),
        (json!({"UserPoolAddOns": {"AdvancedSecurityMode": "AUDIT"}}), "AdvancedSecurityMode AUDIT"),
        (json!({"UserPoolAddOns": {"AdvancedSecurityMode": "ENFORCED"}}), "AdvancedSecurityMode ENFORCED"),
        (
            json!({"UserPoolAddOns": {"AdvancedSecurityMode": "OFF", "AdvancedSecurityAdditionalFlows": {"CustomAuthMode": "AUDIT"}}}),
            "AdvancedSecurityAdditionalFlows",
        ),
        (
            json!({"Policies": {"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "WEB_AUTHN"]}}}),
            "AllowedFirstAuthFactors WEB_AUTHN",
        ),
        (json!({"EmailConfiguration": {"ConfigurationSet": "set"}}), "EmailConfiguration.ConfigurationSet"),
        (
            json!({"SmsConfiguration": {"EumsSms": {"CallerArn": "arn:aws:iam::123456789012:role/sms"}}}),
            "SmsConfiguration.EumsSms",
        ),
        (json!({"KeyConfiguration": {"KeyType": "CUSTOMER_MANAGED_KEY"}}), "KeyConfiguration CUSTOMER_MANAGED_KEY"),
        (json!({"IssuerConfiguration": {"Type": "UPDATED"}}), "IssuerConfiguration UPDATED"),
        (json!({"DcrConfiguration": {"EnableStatus": "Enabled"}}), "DcrConfiguration"),
    ];
    let before = describe(&server, &pool).await;
    for (members, name) in &cases {
        let error = format!(
            "InvalidParameterException: {name} is not supported by this Poolkeeper version yet. See docs/compatibility.md."
        );
        assert_eq!(create(&server, members).await.error(), error, "{members}");
        assert_eq!(update(&server, &pool, members).await.error(), error, "{members}");
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
