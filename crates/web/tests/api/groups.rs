//! Groups, their members, and what tokens say of them (accounts.md §17, auth-flows.md §17).

use std::sync::Arc;

use domain::Group;
use serde_json::{Value, json};
use store::Changes;
use testkit::{Answer, Server, both_engines};
use tokio::task::JoinSet;
use wire::Timestamp;

use crate::{
    tokens::segment,
    users::{PASSWORD, create, named},
};

const NO_GROUP: &str = "ResourceNotFoundException: Group not found.";
const NO_USER: &str = "UserNotFoundException: User does not exist.";
const NO_POOL: &str = "ResourceNotFoundException: User pool us-east-1_Unknown00 does not exist.";
const ROLE: &str = "arn:aws:iam::123456789012:role/";

async fn call(server: &Server, operation: &str, pool: &str, members: Value) -> Answer {
    let mut request = json!({"UserPoolId": pool});
    request.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    server.call(operation, request).await
}

async fn make(server: &Server, pool: &str, name: &str, members: Value) -> Value {
    let mut request = json!({"GroupName": name});
    request.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    call(server, "CreateGroup", pool, request).await.ok()
}

async fn membership(server: &Server, operation: &str, pool: &str, username: &str, group: &str) -> Answer {
    call(server, operation, pool, json!({"Username": username, "GroupName": group})).await
}

async fn join(server: &Server, pool: &str, username: &str, group: &str) {
    let answer = membership(server, "AdminAddUserToGroup", pool, username, group).await;
    assert_eq!(answer.ok(), Value::Null);
}

/// The names in a list, joined.
fn listed(answer: &Value, list: &str, member: &str) -> String {
    let items = answer[list].as_array().unwrap().iter();
    items.map(|item| item[member].as_str().unwrap()).collect::<Vec<_>>().join(" ")
}

async fn groups_of(server: &Server, pool: &str, username: &str) -> String {
    let answer = call(server, "AdminListGroupsForUser", pool, json!({"Username": username})).await.ok();
    assert_eq!(answer.get("NextToken"), None);
    listed(&answer, "Groups", "GroupName")
}

async fn members_of(server: &Server, pool: &str, group: &str) -> String {
    let answer = call(server, "ListUsersInGroup", pool, json!({"GroupName": group})).await.ok();
    assert_eq!(answer.get("NextToken"), None);
    let mut names: Vec<_> =
        answer["Users"].as_array().unwrap().iter().map(|user| user["Username"].as_str().unwrap()).collect();
    names.sort_unstable();
    names.join(" ")
}

#[tokio::test]
async fn the_life_of_a_group() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        let role = format!("{ROLE}admin");
        let members = json!({"Description": "Those who may", "RoleArn": role, "Precedence": 0});
        let created = make(&server, &pool, "admins", members).await;
        insta::allow_duplicates! { insta::assert_json_snapshot!(created, @r#"
        {
          "Group": {
            "GroupName": "admins",
            "UserPoolId": "us-east-1_O2c3Nifle",
            "Description": "Those who may",
            "RoleArn": "arn:aws:iam::123456789012:role/admin",
            "Precedence": 0,
            "LastModifiedDate": 1767323045.0,
            "CreationDate": 1767323045.0
          }
        }
        "#); }
        assert_eq!(call(&server, "GetGroup", &pool, json!({"GroupName": "admins"})).await.ok(), created);

        // What is not set is not there.
        let bare = make(&server, &pool, "Ünï🎉", json!({})).await;
        insta::allow_duplicates! { insta::assert_json_snapshot!(bare, @r#"
        {
          "Group": {
            "GroupName": "Ünï🎉",
            "UserPoolId": "us-east-1_O2c3Nifle",
            "LastModifiedDate": 1767323045.0,
            "CreationDate": 1767323045.0
          }
        }
        "#); }

        // What is left out stays, and the name always does.
        server.advance(60);
        let changed = call(&server, "UpdateGroup", &pool, json!({"GroupName": "admins", "Precedence": 7})).await.ok();
        insta::allow_duplicates! { insta::assert_json_snapshot!(changed, @r#"
        {
          "Group": {
            "GroupName": "admins",
            "UserPoolId": "us-east-1_O2c3Nifle",
            "Description": "Those who may",
            "RoleArn": "arn:aws:iam::123456789012:role/admin",
            "Precedence": 7,
            "LastModifiedDate": 1767323105.0,
            "CreationDate": 1767323045.0
          }
        }
        "#); }
        assert_eq!(call(&server, "GetGroup", &pool, json!({"GroupName": "admins"})).await.ok(), changed);
        let members = json!({"GroupName": "Ünï🎉", "Description": "", "RoleArn": role, "Precedence": 2_147_483_647});
        let changed = call(&server, "UpdateGroup", &pool, members).await.ok();
        insta::allow_duplicates! { insta::assert_json_snapshot!(changed, @r#"
        {
          "Group": {
            "GroupName": "Ünï🎉",
            "UserPoolId": "us-east-1_O2c3Nifle",
            "Description": "",
            "RoleArn": "arn:aws:iam::123456789012:role/admin",
            "Precedence": 2147483647,
            "LastModifiedDate": 1767323105.0,
            "CreationDate": 1767323045.0
          }
        }
        "#); }

        let list = call(&server, "ListGroups", &pool, json!({})).await.ok();
        assert_eq!((listed(&list, "Groups", "GroupName").as_str(), list.get("NextToken")), ("admins Ünï🎉", None));
        assert_eq!(list["Groups"][1], changed["Group"]);

        assert_eq!(call(&server, "DeleteGroup", &pool, json!({"GroupName": "admins"})).await.ok(), Value::Null);
        assert_eq!(call(&server, "GetGroup", &pool, json!({"GroupName": "admins"})).await.error(), NO_GROUP);
        let list = call(&server, "ListGroups", &pool, json!({})).await.ok();
        assert_eq!(listed(&list, "Groups", "GroupName"), "Ünï🎉");
    })
    .await;
}

#[tokio::test]
async fn groups_that_are_not_there() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        create(&server, &pool, "alice", &[], json!({})).await.ok();
        make(&server, &pool, "staff", json!({})).await;
        for operation in ["GetGroup", "UpdateGroup", "DeleteGroup", "ListUsersInGroup"] {
            // Names count by letter and case.
            for name in ["nobody", "Staff", "staff2"] {
                let request = json!({"GroupName": name});
                assert_eq!(call(&server, operation, &pool, request).await.error(), NO_GROUP, "{operation}");
            }
        }
        for operation in ["AdminAddUserToGroup", "AdminRemoveUserFromGroup"] {
            assert_eq!(membership(&server, operation, &pool, "alice", "nobody").await.error(), NO_GROUP);
            assert_eq!(membership(&server, operation, &pool, "bob", "staff").await.error(), NO_USER);
            assert_eq!(membership(&server, operation, &pool, "bob", "nobody").await.error(), NO_GROUP);
        }
        assert_eq!(named(&server, "AdminListGroupsForUser", &pool, "bob").await.error(), NO_USER);
        let unknown = "us-east-1_Unknown00";
        let whole = json!({"GroupName": "staff", "Username": "alice"});
        for operation in [
            "CreateGroup",
            "GetGroup",
            "UpdateGroup",
            "DeleteGroup",
            "ListGroups",
            "AdminAddUserToGroup",
            "AdminRemoveUserFromGroup",
            "AdminListGroupsForUser",
            "ListUsersInGroup",
        ] {
            assert_eq!(call(&server, operation, unknown, whole.clone()).await.error(), NO_POOL, "{operation}");
        }
        // Another pool's group is none.
        let other = server.pool(json!({})).await;
        assert_eq!(call(&server, "GetGroup", &other, json!({"GroupName": "staff"})).await.error(), NO_GROUP);
    })
    .await;
}

#[tokio::test]
async fn a_name_is_taken_once() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        let first = make(&server, &pool, "staff", json!({"Description": "first"})).await;
        let again = call(&server, "CreateGroup", &pool, json!({"GroupName": "staff", "Description": "second"})).await;
        assert_eq!(again.error(), "GroupExistsException: A group with the name already exists.");
        assert_eq!(call(&server, "GetGroup", &pool, json!({"GroupName": "staff"})).await.ok(), first);
        make(&server, &pool, "Staff", json!({})).await;
        make(&server, &server.pool(json!({})).await, "staff", json!({})).await;

        // Of many at once, one is first.
        let server = Arc::new(server);
        let mut making = JoinSet::new();
        for index in 0..8 {
            let (server, pool) = (server.clone(), pool.clone());
            let members = json!({"GroupName": "contested", "Description": index.to_string()});
            making.spawn(async move { call(&server, "CreateGroup", &pool, members).await });
        }
        let answers = making.join_all().await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
        for answer in answers.iter().filter(|answer| answer.status != 200) {
            assert_eq!(answer.error(), "GroupExistsException: A group with the name already exists.");
        }
    })
    .await;
}

#[tokio::test]
async fn what_groups_refuse() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        make(&server, &pool, "staff", json!({})).await;
        let pattern = r"satisfy regular expression pattern: [\p{L}\p{M}\p{S}\p{N}\p{P}]+";
        for operation in ["CreateGroup", "UpdateGroup"] {
            for (members, member, rule) in [
                (json!({"GroupName": ""}), "groupName", "have length greater than or equal to 1"),
                (json!({"GroupName": "x".repeat(129)}), "groupName", "have length less than or equal to 128"),
                (json!({"GroupName": "a b"}), "groupName", pattern),
                (json!({"GroupName": "a\0b"}), "groupName", pattern),
                (json!({"Description": "x".repeat(2_049)}), "description", "have length less than or equal to 2048"),
                (json!({"RoleArn": "arn:x"}), "roleArn", "have length greater than or equal to 20"),
                (
                    json!({"RoleArn": "not an arn, but long enough"}),
                    "roleArn",
                    "satisfy regular expression pattern: arn:",
                ),
                (json!({"Precedence": -1}), "precedence", "have value greater than or equal to 0"),
                (json!({"Precedence": 2_147_483_648_i64}), "precedence", "have value less than or equal to 2147483647"),
            ] {
                let mut request = json!({"GroupName": "staff"});
                request.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
                let answer = call(&server, operation, &pool, request).await.error();
                assert!(answer.starts_with("InvalidParameterException: "), "{answer}");
                let expected = format!("at '{member}' failed to satisfy constraint: Member must {rule}");
                assert!(answer.contains(&expected), "{operation}: {answer}");
            }
        }
        for operation in
            ["GetGroup", "DeleteGroup", "ListUsersInGroup", "AdminAddUserToGroup", "AdminRemoveUserFromGroup"]
        {
            let answer =
                call(&server, operation, &pool, json!({"GroupName": "a b", "Username": "alice"})).await.error();
            assert!(answer.contains("at 'groupName' failed to satisfy constraint"), "{operation}: {answer}");
        }
        let answer = call(&server, "AdminListGroupsForUser", &pool, json!({"Username": "a b"})).await.error();
        assert!(answer.contains("at 'username' failed to satisfy constraint"), "{answer}");
        let answer = call(&server, "ListGroups", "nonsense", json!({})).await.error();
        assert!(answer.contains("at 'userPoolId' failed to satisfy constraint"), "{answer}");
        // The most that is taken.
        let most = json!({"Description": "é".repeat(2_048), "Precedence": 2_147_483_647});
        make(&server, &pool, &"é".repeat(128), most).await;
    })
    .await;
}

#[tokio::test]
async fn members_come_and_go() {
    both_engines(async |server| {
        let pool = server.pool(json!({"AliasAttributes": ["email"]})).await;
        for name in ["staff", "admins"] {
            make(&server, &pool, name, json!({})).await;
        }
        let email = [("email", "alice@example.com"), ("email_verified", "true")];
        create(&server, &pool, "alice", &email, json!({})).await.ok();
        create(&server, &pool, "bob", &[], json!({})).await.ok();
        let before = named(&server, "AdminGetUser", &pool, "alice").await.ok();
        server.advance(60);
        join(&server, &pool, "alice", "staff").await;
        join(&server, &pool, "alice", "staff").await;
        join(&server, &pool, "alice@example.com", "admins").await;
        join(&server, &pool, "bob", "staff").await;
        assert_eq!(groups_of(&server, &pool, "alice").await, "admins staff");
        assert_eq!(groups_of(&server, &pool, "alice@example.com").await, "admins staff");
        assert_eq!(groups_of(&server, &pool, "bob").await, "staff");
        assert_eq!(members_of(&server, &pool, "staff").await, "alice bob");
        // Being in a group changes nothing about the user.
        assert_eq!(named(&server, "AdminGetUser", &pool, "alice").await.ok(), before);
        let whole = call(&server, "ListUsersInGroup", &pool, json!({"GroupName": "admins"})).await.ok();
        insta::allow_duplicates! { insta::assert_json_snapshot!(whole, @r#"
        {
          "Users": [
            {
              "Username": "alice",
              "Attributes": [
                {
                  "Name": "sub",
                  "Value": "353d17cc-81bc-45b1-ab48-e71aa7d2235a"
                },
                {
                  "Name": "email",
                  "Value": "alice@example.com"
                },
                {
                  "Name": "email_verified",
                  "Value": "true"
                }
              ],
              "UserCreateDate": 1767323045.0,
              "UserLastModifiedDate": 1767323045.0,
              "Enabled": true,
              "UserStatus": "FORCE_CHANGE_PASSWORD"
            }
          ]
        }
        "#); }
        let whole = call(&server, "AdminListGroupsForUser", &pool, json!({"Username": "bob"})).await.ok();
        insta::allow_duplicates! { insta::assert_json_snapshot!(whole, @r#"
        {
          "Groups": [
            {
              "GroupName": "staff",
              "UserPoolId": "us-east-1_O2c3Nifle",
              "LastModifiedDate": 1767323045.0,
              "CreationDate": 1767323045.0
            }
          ]
        }
        "#); }

        // Out, and out again.
        for _ in 0..2 {
            let answer = membership(&server, "AdminRemoveUserFromGroup", &pool, "alice", "staff").await;
            assert_eq!(answer.ok(), Value::Null);
            assert_eq!(groups_of(&server, &pool, "alice").await, "admins");
            assert_eq!(members_of(&server, &pool, "staff").await, "bob");
        }
        // With the user goes the membership, also for whoever gets the name.
        named(&server, "AdminDeleteUser", &pool, "bob").await.ok();
        assert_eq!(members_of(&server, &pool, "staff").await, "");
        create(&server, &pool, "bob", &[], json!({})).await.ok();
        assert_eq!(groups_of(&server, &pool, "bob").await, "");
        // The same with the group, before and after everything is cleared away.
        call(&server, "DeleteGroup", &pool, json!({"GroupName": "admins"})).await.ok();
        assert_eq!(groups_of(&server, &pool, "alice").await, "");
        make(&server, &pool, "admins", json!({})).await;
        for _ in 0..2 {
            assert_eq!(groups_of(&server, &pool, "alice").await, "");
            assert_eq!(members_of(&server, &pool, "admins").await, "");
            while !server.app.store.sweep(server.app.clock.now(), 100).await.unwrap().complete {}
        }
        named(&server, "AdminGetUser", &pool, "alice").await.ok();
    })
    .await;
}

/// All pages of a list: what is on them, in order, and how many there are.
async fn pages(server: &Server, operation: &str, request: Value, list: &str, member: &str) -> (Vec<String>, usize) {
    let (mut request, mut names, mut count) = (request, Vec::new(), 0);
    loop {
        let page = server.call(operation, request.clone()).await.ok();
        count += 1;
        names.extend(page[list].as_array().unwrap().iter().map(|item| item[member].as_str().unwrap().to_owned()));
        let Some(token) = page.get("NextToken") else { return (names, count) };
        request["NextToken"] = token.clone();
    }
}

#[tokio::test]
async fn lists_come_in_pages() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        create(&server, &pool, "alice", &[], json!({})).await.ok();
        let mut expected = Vec::new();
        for index in 0..7 {
            let name = format!("group{index}");
            make(&server, &pool, &name, json!({})).await;
            join(&server, &pool, "alice", &name).await;
            expected.push(name);
        }
        for index in 0..6 {
            let name = format!("user{index}");
            create(&server, &pool, &name, &[], json!({})).await.ok();
            join(&server, &pool, &name, "group0").await;
        }
        for operation in ["ListGroups", "AdminListGroupsForUser"] {
            let request = json!({"UserPoolId": pool, "Username": "alice", "Limit": 3});
            assert_eq!(pages(&server, operation, request, "Groups", "GroupName").await, (expected.clone(), 3));
            let request = json!({"UserPoolId": pool, "Username": "alice", "Limit": 7});
            assert_eq!(pages(&server, operation, request, "Groups", "GroupName").await, (expected.clone(), 1));
            let request = json!({"UserPoolId": pool, "Username": "alice", "Limit": 0});
            assert_eq!(pages(&server, operation, request, "Groups", "GroupName").await, (expected.clone(), 1));
        }
        let request = json!({"UserPoolId": pool, "GroupName": "group0", "Limit": 3});
        let (mut members, count) = pages(&server, "ListUsersInGroup", request.clone(), "Users", "Username").await;
        members.sort();
        assert_eq!((members.join(" ").as_str(), count), ("alice user0 user1 user2 user3 user4 user5", 3));

        // Whoever comes or goes makes nobody else come twice or not at all.
        let page = server.call("ListUsersInGroup", request.clone()).await.ok();
        let first = listed(&page, "Users", "Username");
        for name in first.split(' ') {
            membership(&server, "AdminRemoveUserFromGroup", &pool, name, "group0").await.ok();
        }
        let mut next = request.clone();
        next["NextToken"] = page["NextToken"].clone();
        let (rest, _) = pages(&server, "ListUsersInGroup", next, "Users", "Username").await;
        assert_eq!(rest.len(), 4);
        assert!(rest.iter().all(|name| !first.split(' ').any(|seen| seen == name)));

        // A token belongs to its list.
        let token = &page["NextToken"];
        let bad = "InvalidParameterException: Invalid pagination token";
        for (operation, members) in [
            ("ListUsersInGroup", json!({"GroupName": "group1", "NextToken": token})),
            ("ListUsersInGroup", json!({"GroupName": "group0", "NextToken": "nonsense"})),
            ("ListGroups", json!({"NextToken": token})),
            ("AdminListGroupsForUser", json!({"Username": "alice", "NextToken": token})),
        ] {
            assert_eq!(call(&server, operation, &pool, members).await.error(), bad, "{operation}");
        }
        for operation in ["ListGroups", "AdminListGroupsForUser", "ListUsersInGroup"] {
            let members = json!({"Username": "alice", "GroupName": "group0", "Limit": 61});
            assert_eq!(
                call(&server, operation, &pool, members).await.error(),
                "InvalidParameterException: 1 validation error detected: Value '61' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 60"
            );
        }
    })
    .await;
}

/// Writes groups straight into the store, with a member where one is given.
async fn many_groups(server: &Server, pool: &str, count: usize, member: Option<&str>) {
    let mut changes = Changes::new();
    for index in 0..count {
        let group = Group {
            pool_id: pool.to_owned(),
            name: format!("many{index:05}"),
            id: format!("id-{index}"),
            description: None,
            role_arn: None,
            precedence: None,
            created_at: Timestamp(0),
            modified_at: Timestamp(0),
        };
        changes.insert(&group);
        if let Some(sub) = member {
            changes.join(&group, sub);
        }
        if index % 1_000 == 999 {
            server.app.commit(std::mem::take(&mut changes)).await.unwrap();
        }
    }
    server.app.commit(changes).await.unwrap();
}

#[tokio::test]
async fn a_pool_has_ten_thousand_groups_at_most() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        many_groups(&server, &pool, 9_999, None).await;
        make(&server, &pool, "last", json!({})).await;
        assert_eq!(
            call(&server, "CreateGroup", &pool, json!({"GroupName": "more"})).await.error(),
            "LimitExceededException: A user pool cannot have more than 10000 groups. Delete one that is not needed any more first."
        );
        assert_eq!(
            call(&server, "CreateGroup", &pool, json!({"GroupName": "last"})).await.error(),
            "GroupExistsException: A group with the name already exists."
        );
        call(&server, "DeleteGroup", &pool, json!({"GroupName": "many00000"})).await.ok();
        make(&server, &pool, "more", json!({})).await;
        // Another pool has room.
        make(&server, &server.pool(json!({})).await, "more", json!({})).await;
    })
    .await;
}

/// Puts a user into a hundred groups with the longest names.
pub async fn join_long_groups(server: &Server, pool: &str, username: &str) {
    for number in 0..100 {
        // A letter of four bytes.
        let name = format!("{number:03}{}", "\u{10400}".repeat(125));
        make(server, pool, &name, json!({})).await;
        join(server, pool, username, &name).await;
    }
}

#[tokio::test]
async fn tokens_of_many_groups_are_taken() {
    let server = Server::memory().await;
    let pool = server.pool(json!({})).await;
    let client = server.client_id(&pool, json!({})).await;
    server.confirmed_user(&pool, "alice", PASSWORD, json!({})).await;
    join_long_groups(&server, &pool, "alice").await;
    let tokens = server.sign_in(&client, "alice", PASSWORD).await.ok();
    let token = tokens["AuthenticationResult"]["AccessToken"].as_str().unwrap();
    assert!(token.len() > 68_000, "{}", token.len());
    for _ in 0..2 {
        assert_eq!(server.call("GetUser", json!({"AccessToken": token})).await.ok()["Username"], "alice");
    }
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let other = if signature.starts_with('A') { 'B' } else { 'A' };
    let forged = format!("{signed}.{other}{}", &signature[1..]);
    let refused = server.call("GetUser", json!({"AccessToken": forged})).await.error();
    assert_eq!(refused, "NotAuthorizedException: Could not verify signature for Access Token");
}

#[tokio::test]
async fn a_user_is_in_a_hundred_groups_at_most() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        let client = server.client_id(&pool, json!({})).await;
        let sub = server.confirmed_user(&pool, "alice", PASSWORD, json!({})).await;
        many_groups(&server, &pool, 99, Some(&sub)).await;
        let contested: Vec<String> = (0..4).map(|index| format!("contested{index}")).collect();
        for name in &contested {
            make(&server, &pool, name, json!({})).await;
        }
        // Of several at once, one gets the last place.
        let server = Arc::new(server);
        let mut joining = JoinSet::new();
        for name in contested.clone() {
            let (server, pool) = (server.clone(), pool.clone());
            joining.spawn(async move { membership(&server, "AdminAddUserToGroup", &pool, "alice", &name).await });
        }
        let answers = joining.join_all().await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1, "{answers:?}");
        let full =
            "LimitExceededException: A user cannot be in more than 100 groups. Remove the user from another one first.";
        for answer in answers.iter().filter(|answer| answer.status != 200) {
            assert_eq!(answer.error(), full);
        }
        // A member stays one.
        join(&server, &pool, "alice", "many00007").await;
        let access =
            server.sign_in(&client, "alice", PASSWORD).await.ok()["AuthenticationResult"]["AccessToken"].clone();
        assert_eq!(segment(access.as_str().unwrap(), 1)["cognito:groups"].as_array().unwrap().len(), 100);
        assert_eq!(server.call("GetUser", json!({"AccessToken": access})).await.status, 200);
        membership(&server, "AdminRemoveUserFromGroup", &pool, "alice", "many00007").await.ok();
        make(&server, &pool, "one-more", json!({})).await;
        join(&server, &pool, "alice", "one-more").await;
    })
    .await;
}

#[tokio::test]
async fn tokens_say_which_groups_their_user_is_in() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        let client = server.client_id(&pool, json!({})).await;
        server.confirmed_user(&pool, "alice", PASSWORD, json!({})).await;
        let role = |name: &str| format!("{ROLE}{name}");
        let claims = |answer: &Value, token: &str| {
            let claims = segment(answer["AuthenticationResult"][token].as_str().unwrap(), 1);
            let only = |name: &str| claims.get(name).cloned().unwrap_or_default();
            json!([only("cognito:groups"), only("cognito:roles"), only("cognito:preferred_role")])
        };
        let refresh =
            server.sign_in(&client, "alice", PASSWORD).await.ok()["AuthenticationResult"]["RefreshToken"].clone();
        // Signing in and refreshing say the same: how it is now.
        let said = async || {
            let parameters = json!({"REFRESH_TOKEN": refresh});
            let request = json!({"AuthFlow": "REFRESH_TOKEN_AUTH", "ClientId": client, "AuthParameters": parameters});
            let refreshed = server.call("InitiateAuth", request).await.ok();
            let signed_in = server.sign_in(&client, "alice", PASSWORD).await.ok();
            for token in ["IdToken", "AccessToken"] {
                assert_eq!(claims(&refreshed, token), claims(&signed_in, token));
            }
            (claims(&signed_in, "IdToken"), claims(&signed_in, "AccessToken"))
        };
        assert_eq!(said().await, (json!([null, null, null]), json!([null, null, null])));

        make(&server, &pool, "readers", json!({})).await;
        join(&server, &pool, "alice", "readers").await;
        assert_eq!(said().await, (json!([["readers"], null, null]), json!([["readers"], null, null])));

        make(&server, &pool, "admins", json!({"RoleArn": role("admin"), "Precedence": 5})).await;
        make(&server, &pool, "writers", json!({"RoleArn": role("writer"), "Precedence": 1})).await;
        for name in ["admins", "writers"] {
            join(&server, &pool, "alice", name).await;
        }
        let groups = json!(["writers", "admins", "readers"]);
        let roles = json!([role("writer"), role("admin")]);
        assert_eq!(said().await, (json!([groups, roles, role("writer")]), json!([groups, null, null])));
        // A tie.
        call(&server, "UpdateGroup", &pool, json!({"GroupName": "admins", "Precedence": 1})).await.ok();
        let (groups, roles) = (json!(["admins", "writers", "readers"]), json!([role("admin"), role("writer")]));
        assert_eq!(said().await, (json!([groups, roles, null]), json!([groups, null, null])));
        // A tie of the same role.
        call(&server, "UpdateGroup", &pool, json!({"GroupName": "admins", "RoleArn": role("writer")})).await.ok();
        assert_eq!(said().await.0, json!([groups, [role("writer")], role("writer")]));

        call(&server, "DeleteGroup", &pool, json!({"GroupName": "writers"})).await.ok();
        membership(&server, "AdminRemoveUserFromGroup", &pool, "alice", "readers").await.ok();
        assert_eq!(said().await.0, json!([["admins"], [role("writer")], role("writer")]));
        let answer = server.sign_in(&client, "alice", PASSWORD).await.ok();
        let id = segment(answer["AuthenticationResult"]["IdToken"].as_str().unwrap(), 1);
        insta::allow_duplicates! { insta::assert_json_snapshot!(id, @r#"
        {
          "sub": "fdfeeba9-f04c-4e5c-be60-76135dc4bdef",
          "cognito:groups": [
            "admins"
          ],
          "cognito:preferred_role": "arn:aws:iam::123456789012:role/writer",
          "cognito:roles": [
            "arn:aws:iam::123456789012:role/writer"
          ],
          "iss": "http://127.0.0.1:9229/us-east-1_O2c3Nifle",
          "cognito:username": "alice",
          "origin_jti": "c581d02c-18db-44b5-83c6-6fe606c55b6f",
          "aud": "cgqnq25d7v3j8fm9ernm8hn77b",
          "event_id": "a9f3123e-355f-4ade-b553-ff75f66a90e9",
          "token_use": "id",
          "auth_time": 1767323045,
          "exp": 1767326645,
          "iat": 1767323045,
          "jti": "76fdb4ed-e830-41ae-aa90-cbe1e44a7b52"
        }
        "#); }
        let access = segment(answer["AuthenticationResult"]["AccessToken"].as_str().unwrap(), 1);
        insta::allow_duplicates! { insta::assert_json_snapshot!(access, @r#"
        {
          "sub": "fdfeeba9-f04c-4e5c-be60-76135dc4bdef",
          "cognito:groups": [
            "admins"
          ],
          "iss": "http://127.0.0.1:9229/us-east-1_O2c3Nifle",
          "client_id": "cgqnq25d7v3j8fm9ernm8hn77b",
          "origin_jti": "c581d02c-18db-44b5-83c6-6fe606c55b6f",
          "event_id": "a9f3123e-355f-4ade-b553-ff75f66a90e9",
          "token_use": "access",
          "scope": "aws.cognito.signin.user.admin",
          "auth_time": 1767323045,
          "exp": 1767326645,
          "iat": 1767323045,
          "jti": "c82994d9-5a2c-4b12-86ef-5f767e990403",
          "username": "alice"
        }
        "#); }
    })
    .await;
}
