//! User pools: their defaults, their life, and lists of them (accounts.md §12.2, §13.1, §13.2, §13.5).

use std::sync::Arc;

use axum::body::Body;
use http::{Method, Request};
use serde_json::{Value, json};
use testkit::{Answer, Server, both_engines};

/// A request with more members.
pub fn with(mut request: Value, members: &Value) -> Value {
    request.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    request
}

pub async fn create(server: &Server, members: &Value) -> Answer {
    server.call("CreateUserPool", with(json!({"PoolName": "p"}), members)).await
}

pub async fn update(server: &Server, pool: &str, members: &Value) -> Answer {
    server.call("UpdateUserPool", with(json!({"UserPoolId": pool}), members)).await
}

pub async fn describe(server: &Server, pool: &str) -> Value {
    server.call("DescribeUserPool", json!({"UserPoolId": pool})).await.ok()["UserPool"].clone()
}

/// A call whose request is signed for that region.
pub async fn call_in(server: &Server, region: &str, operation: &str, body: &Value) -> Answer {
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
