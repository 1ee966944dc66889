//! Users who change their own attributes, and administrators who delete some (accounts.md §11.3 to §11.5).

use domain::User;
use serde_json::{Value, json};
use store::Changes;
use testkit::{Answer, Server, both_engines};
use wire::UserStatusType;

use crate::users::{PASSWORD, UNKNOWN, attributes, get, update, value};

pub(crate) async fn access_token(server: &Server, client: &str, username: &str) -> String {
    let answer = server.sign_in(client, username, PASSWORD).await.ok();
    answer["AuthenticationResult"]["AccessToken"].as_str().unwrap().to_owned()
}

pub(crate) async fn update_own(server: &Server, token: &str, pairs: &[(&str, &str)]) -> Answer {
    let request = json!({"AccessToken": token, "UserAttributes": attributes(pairs)});
    server.call("UpdateUserAttributes", request).await
}

async fn delete_own(server: &Server, token: &str, names: &[&str]) -> Answer {
    server.call("DeleteUserAttributes", json!({"AccessToken": token, "UserAttributeNames": names})).await
}

async fn delete(server: &Server, pool: &str, username: &str, names: &[&str]) -> Answer {
    let request = json!({"UserPoolId": pool, "Username": username, "UserAttributeNames": names});
    server.call("AdminDeleteUserAttributes", request).await
}

/// Changes a user behind the service's back.
pub(crate) async fn tamper(server: &Server, pool: &str, username: &str, change: impl FnOnce(&mut User)) {
    let sub = value(&get(server, pool, username).await, "sub").unwrap();
    let before = server.app.store.user(pool, &sub).await.unwrap().unwrap();
    let mut after = before.value.clone();
    change(&mut after);
    let mut changes = Changes::new();
    changes.replace(&before, after);
    server.app.commit(changes).await.unwrap();
}

fn schema() -> Value {
    json!([
        {"Name": "given_name", "Required": true, "Mutable": true},
        {"Name": "birthdate", "Mutable": false},
        {"Name": "nickname", "AttributeDataType": "String", "StringAttributeConstraints": {"MinLength": "2", "MaxLength": "4"}},
        {"Name": "level", "AttributeDataType": "Number", "NumberAttributeConstraints": {"MinValue": "1", "MaxValue": "9"}},
        {"Name": "badge", "AttributeDataType": "String", "Mutable": false},
        {"Name": "since", "AttributeDataType": "DateTime", "Mutable": true},
        {"Name": "member", "AttributeDataType": "Boolean", "Mutable": true},
        {"Name": "note", "AttributeDataType": "String", "DeveloperOnlyAttribute": true, "Mutable": true},
    ])
}

#[tokio::test]
async fn users_change_and_delete_what_their_client_may_write() {
    both_engines(async |server| {
        let pool = server.pool(json!({"Schema": schema()})).await;
        let open = server.client_id(&pool, json!({})).await;
        let names = json!(["given_name", "custom:level", "custom:member"]);
        let narrow = server.client_id(&pool, json!({"WriteAttributes": names, "ReadAttributes": names})).await;
        let given = json!({"given_name": "A", "email": "a@example.com", "custom:badge": "x", "dev:custom:note": "n"});
        server.confirmed_user(&pool, "alice", PASSWORD, given).await;
        let (open, narrow) =
            (access_token(&server, &open, "alice").await, access_token(&server, &narrow, "alice").await);
        server.advance(60);
        assert_eq!(
            update_own(&server, &open, &[("given_name", "Alice"), ("website", "w"), ("name", "A B")]).await.ok(),
            json!({"CodeDeliveryDetailsList": []})
        );
        update_own(&server, &narrow, &[("custom:level", "3"), ("custom:member", "True")]).await.ok();
        // A blank value deletes, and so does one that is not there at all.
        update_own(&server, &open, &[("website", "")]).await.ok();
        let request = json!({"AccessToken": open, "UserAttributes": [{"Name": "name"}]});
        server.call("UpdateUserAttributes", request).await.ok();
        let shown = server.call("GetUser", json!({"AccessToken": narrow})).await.ok();
        insta::allow_duplicates! { insta::assert_json_snapshot!(shown, @r#"
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
              "Name": "custom:member",
              "Value": "true"
            },
            {
              "Name": "given_name",
              "Value": "Alice"
            }
          ]
        }
        "#); }
        let user = get(&server, &pool, "alice").await;
        insta::allow_duplicates! { insta::assert_json_snapshot!(user, @r#"
        {
          "Username": "alice",
          "UserAttributes": [
            {
              "Name": "sub",
              "Value": "b0c8ad3e-a034-47eb-80ba-f6f603df4cf8"
            },
            {
              "Name": "custom:badge",
              "Value": "x"
            },
            {
              "Name": "custom:level",
              "Value": "3"
            },
            {
              "Name": "custom:member",
              "Value": "true"
            },
            {
              "Name": "dev:custom:note",
              "Value": "n"
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
              "Name": "given_name",
              "Value": "Alice"
            }
          ],
          "UserCreateDate": 1767323045.0,
          "UserLastModifiedDate": 1767323105.0,
          "Enabled": true,
          "UserStatus": "CONFIRMED"
        }
        "#); }

        assert_eq!(
            delete_own(&server, &narrow, &["custom:level", "custom:level", "custom:member"]).await.ok(),
            json!({})
        );
        // What is not set is none to delete.
        assert_eq!(delete_own(&server, &narrow, &["custom:level"]).await.ok(), json!({}));
        assert_eq!(delete_own(&server, &open, &["email", "nickname"]).await.ok(), json!({}));
        let user = get(&server, &pool, "alice").await;
        for name in ["custom:level", "custom:member", "email", "email_verified"] {
            assert_eq!(value(&user, name), None, "{name}");
        }

        let unauthorized = "NotAuthorizedException: A client attempted to write unauthorized attribute";
        for (token, name) in [
            (&open, "email_verified"),
            (&open, "phone_number_verified"),
            (&open, "custom:level"),
            (&open, "dev:custom:note"),
            (&narrow, "email"),
            (&narrow, "nickname"),
        ] {
            let value = match name {
                "custom:level" => "5",
                "email" => "b@example.com",
                "nickname" => "nick",
                _ => "true",
            };
            // With something that may be written: all or nothing.
            let answer = update_own(&server, token, &[("given_name", "Mallory"), (name, value)]).await;
            assert_eq!(answer.error(), unauthorized, "{name}");
            assert_eq!(delete_own(&server, token, &[name]).await.error(), unauthorized, "{name}");
        }
        assert_eq!(get(&server, &pool, "alice").await, user);
    })
    .await;
}

#[tokio::test]
async fn what_changes_and_deletions_refuse() {
    let server = Server::memory().await;
    let pool = server.pool(json!({"Schema": schema()})).await;
    let names = json!([
        "given_name",
        "birthdate",
        "nickname",
        "email",
        "phone_number",
        "custom:level",
        "custom:badge",
        "custom:since",
        "custom:member"
    ]);
    let client = server.client_id(&pool, json!({"WriteAttributes": names})).await;
    let given = json!({"given_name": "A", "birthdate": "2001-01-01", "custom:badge": "x"});
    server.confirmed_user(&pool, "alice", PASSWORD, given).await;
    let token = access_token(&server, &client, "alice").await;
    let before = get(&server, &pool, "alice").await;
    for (name, given, expected) in [
        ("sub", "x", "user.sub: Attribute cannot be updated.\n"),
        ("birthdate", "2001-01-02", "user.birthdate: Attribute cannot be updated.\n"),
        ("birthdate", "", "user.birthdate: Attribute cannot be updated.\n"),
        ("custom:badge", "y", "user.custom:badge: Attribute cannot be updated.\n"),
        ("custom:nothing", "y", "user.custom:nothing: Attribute does not exist in the schema.\n"),
        ("identities", "[]", "user.identities: Attribute does not exist in the schema.\n"),
        ("given_name", "", "user.given_name: The attribute is required\n"),
        ("nickname", "x", "user.nickname: String must be at least 2 characters\n"),
        ("nickname", "xyzxy", "user.nickname: String must be no longer than 4 characters\n"),
        ("custom:level", "0", "user.custom:level: Number must be at least 1\n"),
        ("custom:level", "10", "user.custom:level: Number must be no larger than 9\n"),
        ("custom:level", "x", "user.custom:level: Number must be an integer\n"),
        ("custom:since", "soon", "user.custom:since: DateTime must be an ISO 8601 date\n"),
        ("custom:member", "yes", "user.custom:member: Boolean must be true or false\n"),
        ("email", "a@b", "Invalid email address format."),
        ("phone_number", "12", "Invalid phone number format."),
    ] {
        for answer in [
            update_own(&server, &token, &[(name, given)]).await,
            update(&server, &pool, "alice", &[(name, given)]).await,
        ] {
            assert_eq!(answer.error(), format!("InvalidParameterException: {expected}"), "{name}={given}");
        }
    }
    // A line for each.
    assert_eq!(
        update_own(&server, &token, &[("custom:a", "1"), ("custom:b", "2")]).await.error(),
        "InvalidParameterException: user.custom:a: Attribute does not exist in the schema.\n\
         user.custom:b: Attribute does not exist in the schema.\n"
    );
    for (names, expected) in [
        (
            vec!["custom:a", "given_name", "custom:b"],
            "user.custom:a: Attribute does not exist in the schema.\n\
             user.custom:b: Attribute does not exist in the schema.\n\
             user.given_name: The attribute is required\n",
        ),
        (vec!["custom:badge"], "user.custom:badge: Attribute cannot be updated.\n"),
        (vec!["sub"], "user.sub: Attribute cannot be updated.\n"),
    ] {
        for answer in [delete_own(&server, &token, &names).await, delete(&server, &pool, "alice", &names).await] {
            assert_eq!(answer.error(), format!("InvalidParameterException: Invalid user attributes: {expected}"));
        }
    }
    assert_eq!(get(&server, &pool, "alice").await, before);
    // Longer than any value is, or nothing that could be a name.
    let long = "x".repeat(2_049);
    assert_eq!(
        update_own(&server, &token, &[("given_name", long.as_str())]).await.error(),
        "InvalidParameterException: 1 validation error detected: Value at 'userAttributes.1.member.value' failed to \
         satisfy constraint: Member must have length less than or equal to 2048"
    );
    assert!(update_own(&server, &token, &[("", "x")]).await.error().contains("at 'userAttributes.1.member.name'"));
}

#[tokio::test]
async fn administrators_delete_attributes() {
    both_engines(async |server| {
        let pool = server.pool(json!({"AliasAttributes": ["email"], "Schema": schema()})).await;
        let given = json!({"given_name": "A", "email": "a@example.com", "dev:custom:note": "n", "custom:level": "1"});
        server.confirmed_user(&pool, "alice", PASSWORD, given).await;
        server.advance(60);
        assert_eq!(get(&server, &pool, "a@example.com").await["Username"], "alice");
        assert_eq!(delete(&server, &pool, "a@example.com", &["email", "dev:custom:note"]).await.ok(), json!({}));
        let user = get(&server, &pool, "alice").await;
        for name in ["email", "email_verified", "dev:custom:note"] {
            assert_eq!(value(&user, name), None, "{name}");
        }
        assert_eq!(value(&user, "custom:level").as_deref(), Some("1"));
        assert_eq!(user["UserLastModifiedDate"].as_f64().unwrap() - user["UserCreateDate"].as_f64().unwrap(), 60.0);
        // The alias is gone with it.
        assert_eq!(delete(&server, &pool, "a@example.com", &["name"]).await.error(), UNKNOWN);
        assert_eq!(delete(&server, &pool, "alice", &[]).await.ok(), json!({}));
        assert_eq!(
            delete(&server, "us-east-1_Unknown00", "alice", &["name"]).await.error(),
            "ResourceNotFoundException: User pool us-east-1_Unknown00 does not exist."
        );
        // A flag without its address, and the address without its flag.
        server.confirmed_user(&pool, "bob", PASSWORD, json!({"given_name": "B", "email": "b@example.com"})).await;
        delete(&server, &pool, "bob", &["email_verified"]).await.ok();
        assert_eq!(delete(&server, &pool, "b@example.com", &["name"]).await.error(), UNKNOWN);
        assert_eq!(value(&get(&server, &pool, "bob").await, "email").as_deref(), Some("b@example.com"));
    })
    .await;
}

#[tokio::test]
async fn a_name_to_sign_in_with_changes_at_once() {
    both_engines(async |server| {
        let pool = server.pool(json!({"UsernameAttributes": ["email", "phone_number"]})).await;
        let client = server.client_id(&pool, json!({})).await;
        for name in ["a@example.com", "b@example.com", "c@example.com"] {
            server.confirmed_user(&pool, name, PASSWORD, json!({})).await;
        }
        let token = access_token(&server, &client, "a@example.com").await;
        let other = access_token(&server, &client, "b@example.com").await;
        assert_eq!(
            update_own(&server, &token, &[("email", "b@example.com")]).await.error(),
            "AliasExistsException: An account with the given email already exists."
        );
        update_own(&server, &token, &[("email", "new@example.com"), ("phone_number", "+14325551212")]).await.ok();
        assert_eq!(
            update_own(&server, &other, &[("phone_number", "+14325551212")]).await.error(),
            "AliasExistsException: An account with the given phone_number already exists."
        );
        assert_eq!(server.sign_in(&client, "a@example.com", PASSWORD).await.error(), UNKNOWN);
        for name in ["new@example.com", "+14325551212"] {
            server.sign_in(&client, name, PASSWORD).await.ok();
        }
        // One name may go, the last one not.
        delete_own(&server, &token, &["email"]).await.ok();
        assert_eq!(
            delete_own(&server, &token, &["phone_number"]).await.error(),
            "InvalidParameterException: Invalid user attributes: user.phone_number: The attribute is required\n"
        );
        // Of many who want a name one gets it.
        let mut tokens = vec![other];
        tokens.push(access_token(&server, &client, "c@example.com").await);
        tokens.push(token);
        let wanted = [("email", "wanted@example.com")];
        let answers = tokio::join!(
            update_own(&server, &tokens[0], &wanted),
            update_own(&server, &tokens[1], &wanted),
            update_own(&server, &tokens[2], &wanted),
        );
        let (won, lost): (Vec<_>, Vec<_>) =
            [answers.0, answers.1, answers.2].into_iter().partition(|answer| answer.status == 200);
        assert_eq!(won.len(), 1);
        for answer in lost {
            assert_eq!(answer.error(), "AliasExistsException: An account with the given email already exists.");
        }
        server.sign_in(&client, "wanted@example.com", PASSWORD).await.ok();
    })
    .await;
}

#[tokio::test]
async fn changes_of_one_user_at_once_all_happen() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        let client = server.client_id(&pool, json!({})).await;
        server.confirmed_user(&pool, "alice", PASSWORD, json!({})).await;
        let token = access_token(&server, &client, "alice").await;
        let answers = tokio::join!(
            update_own(&server, &token, &[("name", "N")]),
            update_own(&server, &token, &[("website", "W")]),
            update(&server, &pool, "alice", &[("locale", "L")]),
            update(&server, &pool, "alice", &[("gender", "G")]),
        );
        for answer in [answers.0, answers.1, answers.2, answers.3] {
            answer.ok();
        }
        let user = get(&server, &pool, "alice").await;
        for (name, expected) in [("name", "N"), ("website", "W"), ("locale", "L"), ("gender", "G")] {
            assert_eq!(value(&user, name).as_deref(), Some(expected));
        }
    })
    .await;
}

#[tokio::test]
async fn operations_of_users_need_a_good_token() {
    let server = Server::memory().await;
    let pool = server.pool(json!({"AutoVerifiedAttributes": ["email"]})).await;
    let client = server.client_id(&pool, json!({})).await;
    let calls = async |token: &str| {
        let mut answers = Vec::new();
        for (operation, members) in [
            ("GetUser", json!({})),
            ("DeleteUser", json!({})),
            ("UpdateUserAttributes", json!({"UserAttributes": attributes(&[("name", "x")])})),
            ("DeleteUserAttributes", json!({"UserAttributeNames": ["name"]})),
            ("GetUserAttributeVerificationCode", json!({"AttributeName": "email"})),
            ("VerifyUserAttribute", json!({"AttributeName": "email", "Code": "123456"})),
        ] {
            let mut request = members;
            request["AccessToken"] = json!(token);
            answers.push(server.call(operation, request).await.error());
        }
        answers.sort();
        answers.dedup();
        answers
    };
    assert_eq!(calls("x.y.z").await, ["NotAuthorizedException: Invalid Access Token"]);
    server.confirmed_user(&pool, "alice", PASSWORD, json!({"email": "a@example.com"})).await;
    let token = access_token(&server, &client, "alice").await;
    tamper(&server, &pool, "alice", |user| user.status = UserStatusType::Unconfirmed).await;
    assert_eq!(calls(&token).await, ["UserNotConfirmedException: User is not confirmed."]);
    tamper(&server, &pool, "alice", |user| user.status = UserStatusType::ResetRequired).await;
    assert_eq!(calls(&token).await, ["PasswordResetRequiredException: Password reset required for the user"]);
    tamper(&server, &pool, "alice", |user| user.status = UserStatusType::Confirmed).await;
    tamper(&server, &pool, "alice", |user| user.enabled = false).await;
    assert_eq!(calls(&token).await, ["NotAuthorizedException: User is disabled."]);
    tamper(&server, &pool, "alice", |user| user.enabled = true).await;
    crate::users::named(&server, "AdminUserGlobalSignOut", &pool, "alice").await.ok();
    assert_eq!(calls(&token).await, ["NotAuthorizedException: Access Token has been revoked"]);
    crate::users::named(&server, "AdminDeleteUser", &pool, "alice").await.ok();
    assert_eq!(calls(&token).await, [UNKNOWN]);
    server.advance(3_600);
    assert_eq!(calls(&token).await, ["NotAuthorizedException: Access Token has expired"]);
}
