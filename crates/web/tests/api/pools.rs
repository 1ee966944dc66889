//! User pools, their settings and their schema (accounts.md §5.5, §11.2, §12.2, §13).

use std::sync::Arc;

use axum::body::Body;
use http::{Method, Request};
use serde_json::{Value, json};
use testkit::{Answer, Server, both_engines};

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
        "SmsAuthenticationMessage": "Sign in with {####}",
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

fn with(mut request: Value, members: &Value) -> Value {
    request.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    request
}

async fn create(server: &Server, members: &Value) -> Answer {
    server.call("CreateUserPool", with(json!({"PoolName": "p"}), members)).await
}

async fn update(server: &Server, pool: &str, members: &Value) -> Answer {
    server.call("UpdateUserPool", with(json!({"UserPoolId": pool}), members)).await
}

async fn describe(server: &Server, pool: &str) -> Value {
    server.call("DescribeUserPool", json!({"UserPoolId": pool})).await.ok()["UserPool"].clone()
}

/// A call whose request is signed for that region.
async fn call_in(server: &Server, region: &str, operation: &str, body: &Value) -> Answer {
    let credential = format!("AKIAIOSFODNN7EXAMPLE/20260102/{region}/cognito-idp/aws4_request");
    let signature = "0".repeat(64);
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host;x-amz-date;x-amz-target, Signature={signature}"
    );
    let request = Request::builder()
        .method(Method::POST)
        .uri("/")
        .header("host", "127.0.0.1:9229")
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-date", "20260102T030405Z")
        .header("x-amz-target", format!("AWSCognitoIdentityProviderService.{operation}"))
        .header("authorization", authorization)
        .body(Body::from(body.to_string()))
        .unwrap();
    server.request(request).await
}

#[tokio::test]
async fn a_new_pool_shows_all_defaults() {
    both_engines(async |server| {
        let created = create(&server, &json!({})).await.ok();
        let id = created["UserPool"]["Id"].as_str().unwrap().to_owned();
        let (region, name) = id.split_once('_').unwrap();
        assert_eq!((region, name.len()), ("us-east-1", 9));
        assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_eq!(describe(&server, &id).await, created["UserPool"]);
        insta::allow_duplicates! {
            insta::assert_json_snapshot!(created, @r#"
            {
              "UserPool": {
                "Id": "us-east-1_O2c3Nifle",
                "Name": "p",
                "Policies": {
                  "PasswordPolicy": {
                    "MinimumLength": 8,
                    "RequireUppercase": true,
                    "RequireLowercase": true,
                    "RequireNumbers": true,
                    "RequireSymbols": true,
                    "TemporaryPasswordValidityDays": 7
                  },
                  "SignInPolicy": {
                    "AllowedFirstAuthFactors": [
                      "PASSWORD"
                    ]
                  }
                },
                "DeletionProtection": "INACTIVE",
                "LambdaConfig": {},
                "LastModifiedDate": 1767323045.0,
                "CreationDate": 1767323045.0,
                "SchemaAttributes": [
                  {
                    "Name": "sub",
                    "AttributeDataType": "String",
                    "DeveloperOnlyAttribute": false,
                    "Mutable": false,
                    "Required": true,
                    "StringAttributeConstraints": {
                      "MinLength": "1",
                      "MaxLength": "2048"
                    }
                  },
                  {
                    "Name": "name",
                    "AttributeDataType": "String",
                    "DeveloperOnlyAttribute": false,
                    "Mutable": true,
                    "Required": false,
                    "StringAttributeConstraints": {
                      "MinLength": "0",
                      "MaxLength": "2048"
                    }
                  },
                  {
                    "Name": "given_name",
                    "AttributeDataType": "String",
                    "DeveloperOnlyAttribute": false,
                    "Mutable": true,
                    "Required": false,
                    "StringAttributeConstraints": {
                      "MinLength": "0",
                      "MaxLength": "2048"
                    }
                  },
                  {
                    "Name": "family_name",
                    "AttributeDataType": "String",
                    "DeveloperOnlyAttribute": false,
                    "Mutable": true,
                    "Required": false,
                    "StringAttributeConstraints": {
                      "MinLength": "0",
                      "MaxLength": "2048"
                    }
                  },
                  {
                    "Name": "middle_name",
                    "AttributeDataType": "String",
                    "DeveloperOnlyAttribute": false,
                    "Mutable": true,
                    "Required": false,
                    "StringAttributeConstraints": {
                      "MinLength": "0",
                      "MaxLength": "2048"
                    }
                  },
                  {
                    "Name": "nickname",
                    "AttributeDataType": "String",
                    "DeveloperOnlyAttribute": false,
                    "Mutable": true,
                    "Required": false,
                    "StringAttributeConstraints": {
                      "MinLength": "0",
                      "MaxLength": "2048"
                    }
                  },
                  {
                    "Name": "preferred_username",
                    "AttributeDataType": "String",
                    "DeveloperOnlyAttribute": false,
                    "Mutable": true,
                    "Required": false,
                    "StringAttributeConstraints": {
                      "MinLength": "0",
                      "MaxLength": "2048"
                    }
                  },
                  {
                    "Name": "profile",
                    "AttributeDataType": "String",
                    "DeveloperOnlyAttribute": false,
                    "Mutable": true,
                    "Required": false,
                    "StringAttributeConstraints": {
                      "MinLength": "0",
                      "MaxLength": "2048"
                    }
                  },
                  {
                    "Name": "picture",
                    "AttributeDataType": "String",
                    "DeveloperOnlyAttribute": false,
                    "Mutable": true,
                    "Required": false,
                    "StringAttributeConstraints": {
                      "MinLength": "0",
                      "MaxLength": "2048"
                    }
                  },
                  {
                    "Name": "website",
                    "AttributeDataType": "String",
                    "DeveloperOnlyAttribute": false,
                    "Mutable": true,
                    "Required": false,
                    "StringAttributeConstraints": {
                      "MinLength": "0",
                      "MaxLength": "2048"
                    }
                  },
                  {
                    "Name": "email",
                    "AttributeDataType": "String",
                    "DeveloperOnlyAttribute": false,
                    "Mutable": true,
                    "Required": false,
                    "StringAttributeConstraints": {
                      "MinLength": "0",
                      "MaxLength": "2048"
                    }
                  },
                  {
                    "Name": "email_verified",
                    "AttributeDataType": "Boolean",
                    "DeveloperOnlyAttribute": false,
                    "Mutable": true,
                    "Required": false
                  },
                  {
                    "Name": "gender",
                    "AttributeDataType": "String",
                    "DeveloperOnlyAttribute": false,
                    "Mutable": true,
                    "Required": false,
                    "StringAttributeConstraints": {
                      "MinLength": "0",
                      "MaxLength": "2048"
                    }
                  },
                  {
                    "Name": "birthdate",
                    "AttributeDataType": "String",
                    "DeveloperOnlyAttribute": false,
                    "Mutable": true,
                    "Required": false,
                    "StringAttributeConstraints": {
                      "MinLength": "10",
                      "MaxLength": "10"
                    }
                  },
                  {
                    "Name": "zoneinfo",
                    "AttributeDataType": "String",
                    "DeveloperOnlyAttribute": false,
                    "Mutable": true,
                    "Required": false,
                    "StringAttributeConstraints": {
                      "MinLength": "0",
                      "MaxLength": "2048"
                    }
                  },
                  {
                    "Name": "locale",
                    "AttributeDataType": "String",
                    "DeveloperOnlyAttribute": false,
                    "Mutable": true,
                    "Required": false,
                    "StringAttributeConstraints": {
                      "MinLength": "0",
                      "MaxLength": "2048"
                    }
                  },
                  {
                    "Name": "phone_number",
                    "AttributeDataType": "String",
                    "DeveloperOnlyAttribute": false,
                    "Mutable": true,
                    "Required": false,
                    "StringAttributeConstraints": {
                      "MinLength": "0",
                      "MaxLength": "2048"
                    }
                  },
                  {
                    "Name": "phone_number_verified",
                    "AttributeDataType": "Boolean",
                    "DeveloperOnlyAttribute": false,
                    "Mutable": true,
                    "Required": false
                  },
                  {
                    "Name": "address",
                    "AttributeDataType": "String",
                    "DeveloperOnlyAttribute": false,
                    "Mutable": true,
                    "Required": false,
                    "StringAttributeConstraints": {
                      "MinLength": "0",
                      "MaxLength": "2048"
                    }
                  },
                  {
                    "Name": "updated_at",
                    "AttributeDataType": "Number",
                    "DeveloperOnlyAttribute": false,
                    "Mutable": true,
                    "Required": false,
                    "NumberAttributeConstraints": {
                      "MinValue": "0"
                    }
                  }
                ],
                "VerificationMessageTemplate": {
                  "DefaultEmailOption": "CONFIRM_WITH_CODE"
                },
                "MfaConfiguration": "OFF",
                "EstimatedNumberOfUsers": 0,
                "EmailConfiguration": {
                  "EmailSendingAccount": "COGNITO_DEFAULT"
                },
                "AdminCreateUserConfig": {
                  "AllowAdminCreateUserOnly": false,
                  "UnusedAccountValidityDays": 7
                },
                "Arn": "arn:aws:cognito-idp:us-east-1:000000000000:userpool/us-east-1_O2c3Nifle",
                "UserPoolTier": "ESSENTIALS"
              }
            }
            "#);
        }
    })
    .await;
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
async fn the_users_of_a_pool_are_counted() {
    let server = Server::memory().await;
    let pool = server.pool(json!({})).await;
    server.confirmed_user(&pool, "ana", "Passw0rd!", json!({})).await;
    server.confirmed_user(&pool, "ben", "Passw0rd!", json!({})).await;
    assert_eq!(describe(&server, &pool).await["EstimatedNumberOfUsers"], 2);
    server.call("AdminDeleteUser", json!({"UserPoolId": pool, "Username": "ben"})).await.ok();
    assert_eq!(describe(&server, &pool).await["EstimatedNumberOfUsers"], 1);
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
async fn a_deleted_pool_is_gone_with_all_that_is_in_it() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        let other = server.pool(json!({})).await;
        let client = server.client_id(&pool, json!({})).await;
        server.confirmed_user(&pool, "ana", "Passw0rd!", json!({})).await;
        let answer = server.call("DeleteUserPool", json!({"UserPoolId": pool})).await;
        assert_eq!((answer.status, answer.body), (200, Value::Null));
        let gone = format!("ResourceNotFoundException: User pool {pool} does not exist.");
        for operation in ["DescribeUserPool", "UpdateUserPool", "DeleteUserPool", "ListUserPoolClients"] {
            assert_eq!(server.call(operation, json!({"UserPoolId": pool})).await.error(), gone, "{operation}");
        }
        let custom = json!([{"Name": "x", "AttributeDataType": "String"}]);
        let request = json!({"UserPoolId": pool, "CustomAttributes": custom});
        assert_eq!(server.call("AddCustomAttributes", request).await.error(), gone);
        let request = json!({"UserPoolId": pool, "ClientId": client});
        assert_eq!(server.call("DescribeUserPoolClient", request).await.error(), gone);
        let request = json!({"UserPoolId": pool, "Username": "ana"});
        assert_eq!(server.call("AdminGetUser", request).await.error(), gone);
        assert_eq!(
            server.sign_in(&client, "ana", "Passw0rd!").await.error(),
            format!("ResourceNotFoundException: User pool client {client} does not exist.")
        );
        let listed = server.call("ListUserPools", json!({"MaxResults": 60})).await.ok();
        let ids: Vec<&Value> = listed["UserPools"].as_array().unwrap().iter().map(|pool| &pool["Id"]).collect();
        assert_eq!(ids, [&other]);
    })
    .await;
}

#[tokio::test]
async fn a_protected_pool_is_not_deleted() {
    let server = Server::memory().await;
    let pool = server.pool(json!({"DeletionProtection": "ACTIVE"})).await;
    assert_eq!(
        server.call("DeleteUserPool", json!({"UserPoolId": pool})).await.error(),
        "InvalidParameterException: The user pool cannot be deleted because deletion protection is activated. Deletion protection must be inactivated first."
    );
    update(&server, &pool, &json!({"DeletionProtection": "INACTIVE"})).await.ok();
    server.call("DeleteUserPool", json!({"UserPoolId": pool})).await.ok();
}

#[tokio::test]
async fn pools_are_listed_page_by_page() {
    both_engines(async |server| {
        let mut expected = Vec::new();
        for _ in 0..5 {
            expected.push(server.pool(json!({})).await);
        }
        expected.sort();
        let (mut seen, mut sizes, mut token) = (Vec::new(), Vec::new(), Value::Null);
        loop {
            let page = server.call("ListUserPools", json!({"MaxResults": 2, "NextToken": token})).await.ok();
            let pools = page["UserPools"].as_array().unwrap();
            sizes.push(pools.len());
            seen.extend(pools.iter().map(|pool| pool["Id"].as_str().unwrap().to_owned()));
            token = page["NextToken"].clone();
            if token.is_null() {
                break;
            }
            // A pool that comes in between disturbs nothing.
            if sizes.len() == 1 {
                server.call("DeleteUserPool", json!({"UserPoolId": seen[0]})).await.ok();
            }
        }
        assert_eq!((seen, sizes), (expected, vec![2, 2, 1]));
        let page = server.call("ListUserPools", json!({"MaxResults": 1})).await.ok();
        insta::allow_duplicates! {
            insta::assert_json_snapshot!(page["UserPools"], @r#"
            [
              {
                "Id": "us-east-1_O2c3Nifle",
                "Name": "test",
                "LambdaConfig": {},
                "LastModifiedDate": 1767323045.0,
                "CreationDate": 1767323045.0
              }
            ]
            "#);
        }
    })
    .await;
}

#[tokio::test]
async fn a_full_last_page_has_no_token() {
    let server = Server::memory().await;
    assert_eq!(server.call("ListUserPools", json!({"MaxResults": 1})).await.ok(), json!({"UserPools": []}));
    server.pool(json!({})).await;
    let page = server.call("ListUserPools", json!({"MaxResults": 1})).await.ok();
    assert_eq!((page["UserPools"].as_array().unwrap().len(), page.get("NextToken")), (1, None));
}

#[tokio::test]
async fn page_tokens_are_good_for_their_list_for_an_hour() {
    let server = Server::memory().await;
    let pool = server.pool(json!({})).await;
    server.pool(json!({})).await;
    let bad = "InvalidParameterException: Invalid pagination token";
    let page = server.call("ListUserPools", json!({"MaxResults": 1})).await.ok();
    let token = page["NextToken"].as_str().unwrap();
    let mut changed = token.to_owned();
    let last = changed.pop().unwrap();
    changed.push(if last == 'A' { 'B' } else { 'A' });
    let long = "A".repeat(5_000);
    for hostile in ["x", "us-east-1_AbCdEfGh1", "....", "\u{1f511}", changed.as_str(), long.as_str()] {
        let answer = server.call("ListUserPools", json!({"MaxResults": 1, "NextToken": hostile})).await;
        assert_eq!(answer.error(), bad, "{hostile}");
    }
    let elsewhere = json!({"MaxResults": 1, "NextToken": token});
    assert_eq!(call_in(&server, "eu-west-1", "ListUserPools", &elsewhere).await.error(), bad);
    let request = json!({"UserPoolId": pool, "NextToken": token});
    assert_eq!(server.call("ListUserPoolClients", request).await.error(), bad);

    server.advance(59 * 60);
    server.call("ListUserPools", json!({"MaxResults": 1, "NextToken": token})).await.ok();
    server.advance(60);
    assert_eq!(server.call("ListUserPools", json!({"MaxResults": 1, "NextToken": token})).await.error(), bad);
}

#[tokio::test]
async fn a_pool_lives_in_the_region_of_the_request_that_made_it() {
    let server = Server::memory().await;
    let here = server.pool(json!({})).await;
    let request = json!({"PoolName": "p", "SmsConfiguration": {"SnsCallerArn": "arn:aws:iam::123456789012:role/sms"}});
    let there = call_in(&server, "eu-central-1", "CreateUserPool", &request).await.ok()["UserPool"].clone();
    let id = there["Id"].as_str().unwrap();
    assert!(id.starts_with("eu-central-1_"), "{id}");
    assert_eq!(there["Arn"], format!("arn:aws:cognito-idp:eu-central-1:000000000000:userpool/{id}"));
    assert_eq!(there["SmsConfiguration"]["SnsRegion"], "eu-central-1");
    for (region, expected) in [("us-east-1", here.as_str()), ("eu-central-1", id)] {
        let listed = call_in(&server, region, "ListUserPools", &json!({"MaxResults": 60})).await.ok();
        let ids: Vec<&Value> = listed["UserPools"].as_array().unwrap().iter().map(|pool| &pool["Id"]).collect();
        assert_eq!(ids, [expected], "{region}");
    }
    // A region that would break the pool's id is none.
    for region in ["us_east_1", "eu west", "<b>", &"r".repeat(60)] {
        let made = call_in(&server, region, "CreateUserPool", &json!({"PoolName": "p"})).await.ok();
        let id = made["UserPool"]["Id"].as_str().unwrap();
        assert!(id.starts_with("us-east-1_"), "{region} made {id}");
    }
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

#[tokio::test]
async fn names_and_schema_are_settled_at_creation() {
    let server = Server::memory().await;
    let custom = json!({"Name": "x", "AttributeDataType": "String"});
    let cases = [
        (
            json!({"AliasAttributes": ["email"], "UsernameAttributes": ["phone_number"]}),
            "Only one of the aliasAttributes or usernameAttributes can be set in a User pool.",
        ),
        (
            json!({"AliasAttributes": ["preferred_username"], "Schema": [{"Name": "preferred_username", "Required": true}]}),
            "preferred_username cannot be both a required attribute and an alias.",
        ),
        (
            json!({"Schema": [{"Name": "x", "AttributeDataType": "String", "Required": true}]}),
            "Required custom attributes are not supported currently.",
        ),
        (
            json!({"Schema": [{"Name": "x"}]}),
            "Invalid AttributeDataType input, consider using the provided AttributeDataType enum.",
        ),
        (
            json!({"Schema": [{"Name": "email", "AttributeDataType": "Number"}]}),
            "You can not change AttributeDataType or set developerOnlyAttribute for standard schema attribute email",
        ),
        (
            json!({"Schema": [custom, custom]}),
            "Duplicate custom attribute names custom:x are not allowed in a user pool schema.",
        ),
        (
            json!({"Schema": [{"Name": "x", "AttributeDataType": "String", "StringAttributeConstraints": {"MinLength": "many"}}]}),
            "Invalid StringAttributeConstraints for schema attribute custom:x",
        ),
    ];
    for (members, message) in &cases {
        assert_eq!(
            create(&server, members).await.error(),
            format!("InvalidParameterException: {message}"),
            "{members}"
        );
    }
}

#[tokio::test]
async fn custom_attributes_are_added_and_stay() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        let add = async |attributes: Value| {
            server.call("AddCustomAttributes", json!({"UserPoolId": pool, "CustomAttributes": attributes})).await
        };
        assert_eq!(add(json!([{"Name": "x", "AttributeDataType": "String"}])).await.ok(), json!({}));
        assert_eq!(
            add(json!([{"Name": "y", "AttributeDataType": "String"}, {"Name": "x", "AttributeDataType": "Number"}])).await.error(),
            "InvalidParameterException: custom:x: Existing attribute already has name custom:x."
        );
        assert_eq!(
            add(json!([])).await.error(),
            "InvalidParameterException: 1 validation error detected: Value '[]' at 'customAttributes' failed to satisfy constraint: Member must have length greater than or equal to 1"
        );
        update(&server, &pool, &json!({})).await.ok();
        let schema = describe(&server, &pool).await["SchemaAttributes"].clone();
        assert_eq!(schema.as_array().unwrap().len(), 21);
        insta::allow_duplicates! {
            insta::assert_json_snapshot!(schema[20], @r#"
            {
              "Name": "custom:x",
              "AttributeDataType": "String",
              "DeveloperOnlyAttribute": false,
              "Mutable": true,
              "Required": false,
              "StringAttributeConstraints": {}
            }
            "#);
        }
    })
    .await;
}

#[tokio::test]
async fn constraints_of_the_model_come_first() {
    let server = Server::memory().await;
    for (operation, request, error) in [
        (
            "CreateUserPool",
            json!({}),
            "1 validation error detected: Value null at 'poolName' failed to satisfy constraint: Member must not be null",
        ),
        (
            "CreateUserPool",
            json!({"PoolName": "p", "Policies": {"PasswordPolicy": {"MinimumLength": 5}}}),
            "1 validation error detected: Value '5' at 'policies.passwordPolicy.minimumLength' failed to satisfy constraint: Member must have value greater than or equal to 6",
        ),
        (
            "CreateUserPool",
            json!({"PoolName": "p", "Policies": {"PasswordPolicy": {"MinimumLength": 100}}}),
            "1 validation error detected: Value '100' at 'policies.passwordPolicy.minimumLength' failed to satisfy constraint: Member must have value less than or equal to 99",
        ),
        (
            "DescribeUserPool",
            json!({"UserPoolId": "bad"}),
            "1 validation error detected: Value 'bad' at 'userPoolId' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w-]+_[0-9a-zA-Z]+",
        ),
        (
            "ListUserPools",
            json!({}),
            "1 validation error detected: Value null at 'maxResults' failed to satisfy constraint: Member must not be null",
        ),
        (
            "ListUserPools",
            json!({"MaxResults": 61}),
            "1 validation error detected: Value '61' at 'maxResults' failed to satisfy constraint: Member must have value less than or equal to 60",
        ),
    ] {
        assert_eq!(server.call(operation, request).await.error(), format!("InvalidParameterException: {error}"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn changes_at_the_same_time_lose_nothing() {
    both_engines(async |server| {
        let server = Arc::new(server);
        let mut created = tokio::task::JoinSet::new();
        for _ in 0..6 {
            let server = server.clone();
            created.spawn(async move { server.pool(json!({})).await });
        }
        let mut pools = created.join_all().await;
        pools.sort();
        pools.dedup();
        assert_eq!(pools.len(), 6);

        let mut adding = tokio::task::JoinSet::new();
        for number in 0..6 {
            let (server, pool) = (server.clone(), pools[0].clone());
            adding.spawn(async move {
                let attributes = json!([{"Name": format!("a{number}"), "AttributeDataType": "String"}]);
                server
                    .call("AddCustomAttributes", json!({"UserPoolId": pool, "CustomAttributes": attributes}))
                    .await
                    .ok()
            });
        }
        adding.join_all().await;
        let schema = describe(&server, &pools[0]).await["SchemaAttributes"].clone();
        assert_eq!(schema.as_array().unwrap().len(), 26);

        let mut deleting = tokio::task::JoinSet::new();
        for _ in 0..6 {
            let (server, pool) = (server.clone(), pools[0].clone());
            deleting.spawn(async move { server.call("DeleteUserPool", json!({"UserPoolId": pool})).await.status });
        }
        let statuses = deleting.join_all().await;
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    })
    .await;
}
