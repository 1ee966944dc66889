//! Users as administrators and the users themselves see them (accounts.md §7.2, §10, §11.5, §12.1).

mod invitations;
pub(crate) mod passwords;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use testkit::{Answer, Server, both_engines};

pub(crate) const PASSWORD: &str = "Passw0rd!";
pub(crate) const UNKNOWN: &str = "UserNotFoundException: User does not exist.";

pub(crate) fn attributes(pairs: &[(&str, &str)]) -> Value {
    pairs.iter().map(|(name, value)| json!({"Name": name, "Value": value})).collect()
}

fn merged(mut base: Value, members: Value) -> Value {
    base.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    base
}

pub(crate) async fn create(
    server: &Server,
    pool: &str,
    username: &str,
    pairs: &[(&str, &str)],
    members: Value,
) -> Answer {
    let request = json!({"UserPoolId": pool, "Username": username, "UserAttributes": attributes(pairs)});
    server.call("AdminCreateUser", merged(request, members)).await
}

pub(crate) async fn named(server: &Server, operation: &str, pool: &str, username: &str) -> Answer {
    server.call(operation, json!({"UserPoolId": pool, "Username": username})).await
}

pub(crate) async fn get(server: &Server, pool: &str, username: &str) -> Value {
    named(server, "AdminGetUser", pool, username).await.ok()
}

pub(crate) async fn update(server: &Server, pool: &str, username: &str, pairs: &[(&str, &str)]) -> Answer {
    let request = json!({"UserPoolId": pool, "Username": username, "UserAttributes": attributes(pairs)});
    server.call("AdminUpdateUserAttributes", request).await
}

pub(crate) async fn set_password(
    server: &Server,
    pool: &str,
    username: &str,
    password: &str,
    permanent: bool,
) -> Answer {
    let request = json!({"UserPoolId": pool, "Username": username, "Password": password, "Permanent": permanent});
    server.call("AdminSetUserPassword", request).await
}

/// An attribute in AdminGetUser's answer.
pub(crate) fn value(user: &Value, name: &str) -> Option<String> {
    let attributes = user["UserAttributes"].as_array().unwrap();
    attributes
        .iter()
        .find(|attribute| attribute["Name"] == name)
        .map(|found| found["Value"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn an_administrator_creates_a_user_with_an_invitation() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        let pairs = [("email", "alice@example.com"), ("email_verified", "True"), ("given_name", "Alice")];
        let answer = create(&server, &pool, "alice", &pairs, json!({"DesiredDeliveryMediums": ["EMAIL"]})).await.ok();
        insta::allow_duplicates! { insta::assert_json_snapshot!(answer, @r#"
        {
          "User": {
            "Username": "alice",
            "Attributes": [
              {
                "Name": "sub",
                "Value": "0c10cea7-3e6e-410d-bb43-dba308331651"
              },
              {
                "Name": "email",
                "Value": "alice@example.com"
              },
              {
                "Name": "email_verified",
                "Value": "true"
              },
              {
                "Name": "given_name",
                "Value": "Alice"
              }
            ],
            "UserCreateDate": 1767323045.0,
            "UserLastModifiedDate": 1767323045.0,
            "Enabled": true,
            "UserStatus": "FORCE_CHANGE_PASSWORD"
          }
        }
        "#); }
        let user = get(&server, &pool, "alice").await;
        insta::allow_duplicates! { insta::assert_json_snapshot!(user, @r#"
        {
          "Username": "alice",
          "UserAttributes": [
            {
              "Name": "sub",
              "Value": "0c10cea7-3e6e-410d-bb43-dba308331651"
            },
            {
              "Name": "email",
              "Value": "alice@example.com"
            },
            {
              "Name": "email_verified",
              "Value": "true"
            },
            {
              "Name": "given_name",
              "Value": "Alice"
            }
          ],
          "UserCreateDate": 1767323045.0,
          "UserLastModifiedDate": 1767323045.0,
          "Enabled": true,
          "UserStatus": "FORCE_CHANGE_PASSWORD"
        }
        "#); }

        let messages = server.messages(&pool, "alice").await;
        assert_eq!(messages.len(), 1);
        assert_eq!(messages[0]["purpose"], "AdminCreateUser");
        let first = server.last_code(&pool, "alice").await;
        assert!(first.len() >= 12, "{first}");

        // Once more: another password, the first one is worthless.
        server.advance(60);
        let again = json!({"MessageAction": "RESEND", "DesiredDeliveryMediums": ["EMAIL"]});
        let answer = create(&server, &pool, "alice", &[], again).await.ok();
        assert_eq!(answer["User"]["UserStatus"], "FORCE_CHANGE_PASSWORD");
        assert_eq!(server.messages(&pool, "alice").await.len(), 2);
        let second = server.last_code(&pool, "alice").await;
        assert_ne!(first, second);
        let client = server.client_id(&pool, json!({})).await;
        assert_eq!(
            server.sign_in(&client, "alice", &first).await.error(),
            "NotAuthorizedException: Incorrect username or password."
        );
        assert_eq!(server.sign_in(&client, "alice", &second).await.ok()["ChallengeName"], "NEW_PASSWORD_REQUIRED");
    })
    .await;
}

#[tokio::test]
async fn invitations_go_where_they_are_wanted() {
    let server = Server::memory().await;
    let pool = server.pool(json!({})).await;
    let both = [("email", "a@example.com"), ("phone_number", "+14325551212")];
    let mediums = |messages: Vec<Value>| -> BTreeSet<String> {
        messages.iter().map(|message| message["medium"].as_str().unwrap().to_owned()).collect()
    };
    for (name, members, expected) in [
        ("default", json!({}), vec!["SMS"]),
        ("empty", json!({"DesiredDeliveryMediums": []}), vec!["SMS"]),
        ("mail", json!({"DesiredDeliveryMediums": ["EMAIL"]}), vec!["EMAIL"]),
        ("two", json!({"DesiredDeliveryMediums": ["EMAIL", "SMS"]}), vec!["EMAIL", "SMS"]),
        ("none", json!({"DesiredDeliveryMediums": ["EMAIL"], "MessageAction": "SUPPRESS"}), vec![]),
    ] {
        create(&server, &pool, name, &both, members).await.ok();
        let expected: BTreeSet<_> = expected.into_iter().map(str::to_owned).collect();
        assert_eq!(mediums(server.messages(&pool, name).await), expected, "{name}");
    }
    // By default without a phone: the user is created, and nothing goes out.
    create(&server, &pool, "mute", &both[..1], json!({})).await.ok();
    assert!(server.messages(&pool, "mute").await.is_empty());
    assert_eq!(
        create(&server, &pool, "lost", &both[..1], json!({"DesiredDeliveryMediums": ["SMS"]})).await.error(),
        "InvalidParameterException: DesiredDeliveryMediums contains SMS but the user has no phone_number."
    );
    assert_eq!(named(&server, "AdminGetUser", &pool, "lost").await.error(), UNKNOWN);
}

#[tokio::test]
async fn generated_passwords_meet_any_policy() {
    let server = Server::memory().await;
    let policy = json!({
        "MinimumLength": 40, "RequireUppercase": true, "RequireLowercase": true, "RequireNumbers": true, "RequireSymbols": true,
    });
    let pool = server.pool(json!({"Policies": {"PasswordPolicy": policy}})).await;
    for index in 0..10 {
        let name = format!("user{index}");
        let wanted = json!({"DesiredDeliveryMediums": ["EMAIL"]});
        create(&server, &pool, &name, &[("email", "a@example.com")], wanted).await.ok();
        let password = server.last_code(&pool, &name).await;
        assert_eq!(password.chars().count(), 40);
        // The pool takes it as one that an administrator chose.
        set_password(&server, &pool, &name, &password, true).await.ok();
    }
}

#[tokio::test]
async fn what_creation_refuses() {
    let server = Server::memory().await;
    let pool = server.pool(json!({})).await;
    let error = async |name: &str, pairs: &[(&str, &str)], members: Value| {
        create(&server, &pool, name, pairs, members).await.error()
    };
    create(&server, &pool, "alice", &[], json!({})).await.ok();
    assert_eq!(error("alice", &[], json!({})).await, "UsernameExistsException: User account already exists");
    assert_eq!(
        error("bob", &[], json!({"TemporaryPassword": "short"})).await,
        "InvalidPasswordException: Password did not conform with password policy: Password not long enough"
    );
    assert_eq!(
        error("bob", &[("email_verified", "true")], json!({})).await,
        "InvalidParameterException: Email is required to verify/un-verify an email"
    );
    assert_eq!(
        error("bob", &[("phone_number_verified", "true")], json!({})).await,
        "InvalidParameterException: Phone number is required to verify/un-verify a phone number"
    );
    assert_eq!(
        error("bob", &[("nonsense", "x")], json!({})).await,
        "InvalidParameterException: Attributes did not conform to the schema: nonsense: Attribute does not exist in the schema.\n"
    );
    assert_eq!(error("bob", &[], json!({"MessageAction": "RESEND"})).await, UNKNOWN);
    set_password(&server, &pool, "alice", PASSWORD, true).await.ok();
    assert_eq!(
        error("alice", &[], json!({"MessageAction": "RESEND"})).await,
        "UnsupportedUserStateException: Resend not possible. alice status is not FORCE_CHANGE_PASSWORD"
    );
    assert_eq!(
        create(&server, "us-east-1_Unknown00", "bob", &[], json!({})).await.error(),
        "ResourceNotFoundException: User pool us-east-1_Unknown00 does not exist."
    );
}

#[tokio::test]
async fn a_disabled_user_is_out_at_once() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        let client = server.client_id(&pool, json!({})).await;
        server.confirmed_user(&pool, "alice", PASSWORD, json!({})).await;
        let tokens = server.sign_in(&client, "alice", PASSWORD).await.ok();
        let access = json!({"AccessToken": tokens["AuthenticationResult"]["AccessToken"]});
        server.call("GetUser", access.clone()).await.ok();

        assert_eq!(named(&server, "AdminDisableUser", &pool, "alice").await.ok(), json!({}));
        let disabled = get(&server, &pool, "alice").await;
        assert_eq!((&disabled["Enabled"], &disabled["UserStatus"]), (&json!(false), &json!("CONFIRMED")));
        assert_eq!(
            server.sign_in(&client, "alice", PASSWORD).await.error(),
            "NotAuthorizedException: User is disabled."
        );
        assert!(server.call("GetUser", access.clone()).await.error().starts_with("NotAuthorizedException: "));

        // Twice is once.
        server.advance(60);
        named(&server, "AdminDisableUser", &pool, "alice").await.ok();
        assert_eq!(get(&server, &pool, "alice").await, disabled);

        // Back again, but the old tokens stay worthless.
        assert_eq!(named(&server, "AdminEnableUser", &pool, "alice").await.ok(), json!({}));
        named(&server, "AdminEnableUser", &pool, "alice").await.ok();
        assert_eq!(get(&server, &pool, "alice").await["Enabled"], true);
        assert_eq!(
            server.call("GetUser", access).await.error(),
            "NotAuthorizedException: Access Token has been revoked"
        );
        let tokens = server.sign_in(&client, "alice", PASSWORD).await.ok();
        let access = json!({"AccessToken": tokens["AuthenticationResult"]["AccessToken"]});
        server.call("GetUser", access).await.ok();
        for operation in ["AdminDisableUser", "AdminEnableUser", "AdminGetUser", "AdminDeleteUser"] {
            assert_eq!(named(&server, operation, &pool, "nobody").await.error(), UNKNOWN, "{operation}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_deleted_user_leaves_nothing_behind() {
    both_engines(async |server| {
        let pool = server.pool(json!({"AutoVerifiedAttributes": ["email"], "AliasAttributes": ["email"]})).await;
        let client = server.client_id(&pool, json!({})).await;
        let sub = server.confirmed_user(&pool, "alice", PASSWORD, json!({"email": "a@example.com"})).await;
        let tokens = server.sign_in(&client, "alice", PASSWORD).await.ok();
        assert_eq!(server.sign_in(&client, "alice", "Wr0ng-password").await.status, 400);
        server.call("ForgotPassword", json!({"ClientId": client, "Username": "alice"})).await.ok();
        let users = async || {
            let described = server.call("DescribeUserPool", json!({"UserPoolId": pool})).await.ok();
            described["UserPool"]["EstimatedNumberOfUsers"].clone()
        };
        assert_eq!(users().await, 1);
        assert_eq!(named(&server, "AdminDeleteUser", &pool, "a@example.com").await.ok(), Value::Null);
        assert_eq!(users().await, 0);
        for name in ["alice", "a@example.com", sub.as_str()] {
            assert_eq!(named(&server, "AdminGetUser", &pool, name).await.error(), UNKNOWN, "{name}");
        }
        let access = json!({"AccessToken": tokens["AuthenticationResult"]["AccessToken"]});
        assert!(server.call("GetUser", access).await.status == 400);
        assert_eq!(server.sign_in(&client, "alice", PASSWORD).await.error(), UNKNOWN);
        // The names are free, and the new user is another one.
        let again = server.confirmed_user(&pool, "alice", PASSWORD, json!({"email": "a@example.com"})).await;
        assert_ne!(sub, again);
    })
    .await;
}

#[tokio::test]
async fn users_see_what_their_client_may_read_and_can_leave() {
    let server = Server::memory().await;
    let pool =
        server.pool(json!({"Schema": [{"Name": "level", "AttributeDataType": "Number", "Mutable": true}]})).await;
    let open = server.client_id(&pool, json!({})).await;
    let narrow = server.client_id(&pool, json!({"ReadAttributes": ["name", "custom:level"]})).await;
    let pairs = json!({"email": "a@example.com", "name": "Alice", "custom:level": "3"});
    server.confirmed_user(&pool, "alice", PASSWORD, pairs).await;
    let mut tokens = Vec::new();
    for client in [&open, &narrow] {
        let answer = server.sign_in(client, "alice", PASSWORD).await.ok();
        tokens.push(json!({"AccessToken": answer["AuthenticationResult"]["AccessToken"]}));
    }
    insta::assert_json_snapshot!(server.call("GetUser", tokens[0].clone()).await.ok(), @r#"
    {
      "Username": "alice",
      "UserAttributes": [
        {
          "Name": "sub",
          "Value": "b0c8ad3e-a034-47eb-80ba-f6f603df4cf8"
        },
        {
          "Name": "email",
          "Value": "a@example.com"
        },
        {
          "Name": "email_verified",
          "Value": "true"
        },
        {
          "Name": "name",
          "Value": "Alice"
        }
      ]
    }
    "#);
    insta::assert_json_snapshot!(server.call("GetUser", tokens[1].clone()).await.ok(), @r#"
    {
      "Username": "alice",
      "UserAttributes": [
        {
          "Name": "sub",
          "Value": "b0c8ad3e-a034-47eb-80ba-f6f603df4cf8"
        },
        {
          "Name": "custom:level",
          "Value": "3"
        },
        {
          "Name": "name",
          "Value": "Alice"
        }
      ]
    }
    "#);
    assert_eq!(server.call("DeleteUser", tokens[0].clone()).await.ok(), Value::Null);
    assert_eq!(named(&server, "AdminGetUser", &pool, "alice").await.error(), UNKNOWN);
    assert_eq!(server.call("DeleteUser", tokens[1].clone()).await.status, 400);
    for operation in ["GetUser", "DeleteUser"] {
        let garbage = json!({"AccessToken": "eyJhbGciOiJub25lIn0.e30.x"});
        assert_eq!(
            server.call(operation, garbage).await.error(),
            "NotAuthorizedException: Invalid Access Token",
            "{operation}"
        );
    }
}

#[tokio::test]
async fn users_are_listed_page_by_page() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        let list = async |members: Value| server.call("ListUsers", merged(json!({"UserPoolId": pool}), members)).await;
        assert_eq!(list(json!({})).await.ok(), json!({"Users": []}));
        for index in 0..7 {
            create(&server, &pool, &format!("user{index}"), &[("name", "N"), ("email", "a@example.com")], json!({}))
                .await
                .ok();
        }
        let whole = list(json!({})).await.ok();
        assert_eq!((whole["Users"].as_array().unwrap().len(), whole.get("PaginationToken")), (7, None));
        let mut seen = Vec::new();
        let mut next = json!({"Limit": 3});
        let mut pages = 0;
        loop {
            let page = list(next.clone()).await.ok();
            pages += 1;
            seen.extend(
                page["Users"].as_array().unwrap().iter().map(|user| user["Username"].as_str().unwrap().to_owned()),
            );
            let Some(token) = page.get("PaginationToken") else { break };
            next["PaginationToken"] = token.clone();
            // Who comes or goes meanwhile makes nobody else come twice or not at all.
            if pages == 1 {
                named(&server, "AdminDeleteUser", &pool, &seen[0]).await.ok();
            }
        }
        assert_eq!(pages, 3);
        let distinct: BTreeSet<_> = seen.iter().cloned().collect();
        assert_eq!((seen.len(), distinct.len()), (7, 7));

        let chosen = list(json!({"AttributesToGet": ["email"], "Limit": 1})).await.ok();
        assert_eq!(chosen["Users"][0]["Attributes"], json!([{"Name": "email", "Value": "a@example.com"}]));
        // A token belongs to its pool, and is not made by hand.
        let token = chosen["PaginationToken"].clone();
        let other = server.pool(json!({})).await;
        for (pool, token) in [(&other, token.clone()), (&pool, json!("nonsense"))] {
            let answer = server.call("ListUsers", json!({"UserPoolId": pool, "PaginationToken": token})).await;
            assert!(answer.error().starts_with("InvalidParameterException: Invalid pagination token"), "{answer:?}");
        }
        server.advance(3_601);
        assert_eq!(list(json!({"PaginationToken": token})).await.status, 400);
    })
    .await;
}

#[tokio::test]
async fn what_a_list_refuses() {
    let server = Server::memory().await;
    let pool = server.pool(json!({})).await;
    for (members, expected) in [
        (json!({"AttributesToGet": ["custom:x"]}), "One or more requested attributes do not exist."),
        (
            json!({"Limit": 61}),
            "1 validation error detected: Value '61' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 60",
        ),
    ] {
        let answer = server.call("ListUsers", merged(json!({"UserPoolId": pool}), members)).await;
        assert_eq!(answer.error(), format!("InvalidParameterException: {expected}"));
    }
    let empty =
        server.call("ListUsers", json!({"UserPoolId": pool, "Filter": "", "Limit": 0, "AttributesToGet": []})).await;
    assert_eq!(empty.ok(), json!({"Users": []}));
    let unknown = server.call("ListUsers", json!({"UserPoolId": "us-east-1_Unknown00"})).await;
    assert_eq!(unknown.error(), "ResourceNotFoundException: User pool us-east-1_Unknown00 does not exist.");
}
