//! ListUsers with a filter (accounts.md §12.1). What it does without one is in `users.rs`; random pools and filters are in
//! `list_users_oracle.rs`.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use testkit::{Answer, Server, both_engines};

use crate::users::{PASSWORD, create, get, named, update, value};

async fn list(server: &Server, pool: &str, filter: &str, members: Value) -> Answer {
    let mut request = json!({"UserPoolId": pool, "Filter": filter});
    request.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    server.call("ListUsers", request).await
}

fn names(answer: &Value) -> Vec<String> {
    let users = answer["Users"].as_array().unwrap();
    users.iter().map(|user| user["Username"].as_str().unwrap().to_owned()).collect()
}

/// Who meets the filter, in the order of their names.
async fn found(server: &Server, pool: &str, filter: &str) -> String {
    let answer = list(server, pool, filter, json!({})).await.ok();
    assert_eq!(answer.get("PaginationToken"), None, "{filter}");
    let mut found = names(&answer);
    found.sort();
    found.join(" ")
}

#[tokio::test]
async fn every_attribute_that_can_be_searched() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        let anna = [
            ("email", "Anna.Berg@Example.com"),
            ("phone_number", "+491"),
            ("name", "Anna Berg"),
            ("given_name", "Anna"),
            ("family_name", "Berg"),
            ("preferred_username", "anni"),
        ];
        create(&server, &pool, "anna", &anna, json!({})).await.ok();
        create(&server, &pool, "Anne", &[("email", "anne@example.com"), ("name", "Anne \"Q\" \\o/")], json!({}))
            .await
            .ok();
        create(&server, &pool, "bob", &[("email", "bob@example.com"), ("phone_number", "+492")], json!({})).await.ok();
        server.confirmed_user(&pool, "carl", PASSWORD, json!({"given_name": "Änna"})).await;
        named(&server, "AdminDisableUser", &pool, "carl").await.ok();
        server.confirmed_user(&pool, "dora", PASSWORD, json!({})).await;
        let sub = value(&get(&server, &pool, "anna").await, "sub").unwrap();

        for (filter, expected) in [
            // Names of users count by letter and case.
            ("username = \"anna\"", "anna"),
            ("username = \"ANNA\"", ""),
            ("username ^= \"ann\"", "anna"),
            ("username ^= \"Ann\"", "Anne"),
            ("username = \"ann\"", ""),
            ("username ^= \"anna\"", "anna"),
            ("username ^= \"annaa\"", ""),
            ("username ^= \"\"", "Anne anna bob carl dora"),
            ("username = \"\"", ""),
            // An alias is not the stored username, and neither is the sub.
            ("username = \"anni\"", ""),
            // Attributes count by letter.
            ("email = \"anna.berg@example.com\"", "anna"),
            ("email = \"ANNA.BERG@EXAMPLE.COM\"", "anna"),
            ("\"email\" ^= \"an\"", "Anne anna"),
            ("email^=\"\"", "Anne anna bob"),
            ("email = \"\"", ""),
            ("email = \"anna\"", ""),
            ("phone_number=\"+491\"", "anna"),
            ("phone_number ^= \"+49\"", "anna bob"),
            ("phone_number ^= \"49\"", ""),
            ("name = \"anna berg\"", "anna"),
            ("name ^= \"Ann\"", "Anne anna"),
            ("name = \"Anne \\\"Q\\\" \\\\o/\"", "Anne"),
            ("name ^= \"Anne \\\"\"", "Anne"),
            ("given_name = \"Anna\"", "anna"),
            ("given_name = \"änna\"", "carl"),
            ("given_name ^= \"Ä\"", "carl"),
            ("family_name = \"Berg\"", "anna"),
            ("family_name ^= \"b\"", "anna"),
            ("preferred_username = \"anni\"", "anna"),
            ("preferred_username ^= \"an\"", "anna"),
            // Statuses: one without regard to case, the other with.
            ("cognito:user_status = \"CONFIRMED\"", "carl dora"),
            ("cognito:user_status = \"confirmed\"", "carl dora"),
            ("cognito:user_status ^= \"force\"", "Anne anna bob"),
            ("cognito:user_status = \"CONFIRM\"", ""),
            ("cognito:user_status = \"Enabled\"", ""),
            ("status = \"Enabled\"", "Anne anna bob dora"),
            ("status = \"Disabled\"", "carl"),
            ("status = \"disabled\"", ""),
            ("status = \"CONFIRMED\"", ""),
            ("status ^= \"E\"", "Anne anna bob dora"),
            ("status ^= \"\"", "Anne anna bob carl dora"),
            // What means something elsewhere means nothing here.
            ("name = \"%\"", ""),
            ("name ^= \"_\"", ""),
            ("username ^= \"*\"", ""),
            ("name = \"' OR ''='\"", ""),
        ] {
            assert_eq!(found(&server, &pool, filter).await, expected, "{filter}");
        }
        let half = sub.split_at(18).0;
        for (filter, expected) in [
            (format!("sub = \"{sub}\""), "anna"),
            (format!("sub = \"{}\"", sub.to_uppercase()), ""),
            (format!("sub ^= \"{half}\""), "anna"),
            (format!("sub ^= \"{sub}\""), "anna"),
            (format!("sub = \"{half}\""), ""),
            (format!("username = \"{sub}\""), ""),
            ("sub ^= \"\"".to_owned(), "Anne anna bob carl dora"),
        ] {
            assert_eq!(found(&server, &pool, &filter).await, expected, "{filter}");
        }

        let whole = list(&server, &pool, "given_name = \"Änna\"", json!({})).await.ok();
        insta::allow_duplicates! { insta::assert_json_snapshot!(whole, @r#"
        {
          "Users": [
            {
              "Username": "carl",
              "Attributes": [
                {
                  "Name": "sub",
                  "Value": "16bd7391-059a-4ec3-8845-882bf8dd57dc"
                },
                {
                  "Name": "given_name",
                  "Value": "Änna"
                }
              ],
              "UserCreateDate": 1767323045.0,
              "UserLastModifiedDate": 1767323045.0,
              "Enabled": false,
              "UserStatus": "CONFIRMED"
            }
          ]
        }
        "#); }
        // The filter and the list of attributes have nothing to do with each other.
        let chosen = json!({"AttributesToGet": ["name", "phone_number"]});
        let chosen = list(&server, &pool, "email ^= \"b\"", chosen).await.ok();
        insta::allow_duplicates! { insta::assert_json_snapshot!(chosen, @r#"
        {
          "Users": [
            {
              "Username": "bob",
              "Attributes": [
                {
                  "Name": "phone_number",
                  "Value": "+492"
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
    })
    .await;
}

#[tokio::test]
async fn pools_that_ignore_case_ignore_it_in_usernames_too() {
    both_engines(async |server| {
        let pool = server.pool(json!({"UsernameConfiguration": {"CaseSensitive": false}})).await;
        create(&server, &pool, "Anna", &[], json!({})).await.ok();
        for filter in ["username = \"ANNA\"", "username = \"anna\"", "username ^= \"aN\"", "username ^= \"anna\""] {
            assert_eq!(found(&server, &pool, filter).await, "anna", "{filter}");
        }
        // Where users sign in with an address, the stored username is an id.
        let pool = server.pool(json!({"UsernameAttributes": ["email"]})).await;
        let sub = server.confirmed_user(&pool, "Bob@example.com", PASSWORD, json!({})).await;
        assert_eq!(found(&server, &pool, "username = \"Bob@example.com\"").await, "");
        for filter in [format!("username = \"{sub}\""), "email = \"bob@example.com\"".to_owned()] {
            assert_eq!(found(&server, &pool, &filter).await, sub, "{filter}");
        }
    })
    .await;
}

#[tokio::test]
async fn users_are_found_by_what_they_are_now() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        create(&server, &pool, "anna", &[("email", "a@example.com"), ("name", "Anna")], json!({})).await.ok();
        let states = async || {
            let mut states = Vec::new();
            for filter in [
                "name = \"Anna\"",
                "name = \"Hanna\"",
                "email ^= \"a@\"",
                "status = \"Enabled\"",
                "status = \"Disabled\"",
                "cognito:user_status = \"CONFIRMED\"",
                "username = \"anna\"",
            ] {
                states.push(found(&server, &pool, filter).await.len() / 4);
            }
            states
        };
        assert_eq!(states().await, [1, 0, 1, 1, 0, 0, 1]);
        update(&server, &pool, "anna", &[("name", "Hanna")]).await.ok();
        assert_eq!(states().await, [0, 1, 1, 1, 0, 0, 1]);
        named(&server, "AdminDisableUser", &pool, "anna").await.ok();
        assert_eq!(states().await, [0, 1, 1, 0, 1, 0, 1]);
        let password = json!({"UserPoolId": pool, "Username": "anna", "Password": PASSWORD, "Permanent": true});
        server.call("AdminSetUserPassword", password).await.ok();
        assert_eq!(states().await, [0, 1, 1, 0, 1, 1, 1]);
        named(&server, "AdminEnableUser", &pool, "anna").await.ok();
        assert_eq!(states().await, [0, 1, 1, 1, 0, 1, 1]);
        named(&server, "AdminDeleteUser", &pool, "anna").await.ok();
        assert_eq!(states().await, [0; 7]);
        // Pools do not see one another's users.
        let other = server.pool(json!({})).await;
        create(&server, &other, "anna", &[("name", "Hanna")], json!({})).await.ok();
        assert_eq!(states().await, [0; 7]);
    })
    .await;
}

#[tokio::test]
async fn pages_go_on_where_they_stopped_whoever_comes_or_goes() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        for filter in [
            "username ^= \"u\"",
            "sub ^= \"\"",
            "name = \"Anna\"",
            "name ^= \"a\"",
            "status = \"Enabled\"",
            "cognito:user_status ^= \"\"",
        ] {
            for index in 0..7 {
                let name = ["Anna", "anna"][index % 2];
                create(&server, &pool, &format!("u{index}"), &[("name", name)], json!({})).await.ok();
            }
            // Not everybody has the same status.
            let password = json!({"UserPoolId": pool, "Username": "u1", "Password": PASSWORD, "Permanent": true});
            server.call("AdminSetUserPassword", password).await.ok();
            let mut seen = Vec::new();
            let mut members = json!({"Limit": 2});
            let mut sizes = Vec::new();
            loop {
                let page = list(&server, &pool, filter, members.clone()).await.ok();
                sizes.push(names(&page).len());
                seen.extend(names(&page));
                let Some(token) = page.get("PaginationToken") else { break };
                members["PaginationToken"] = token.clone();
                if sizes.len() == 1 {
                    // The last one that was seen is the place where the next page begins.
                    for name in &seen {
                        named(&server, "AdminDeleteUser", &pool, name).await.ok();
                    }
                }
            }
            assert_eq!(sizes, [2, 2, 2, 1], "{filter}");
            let distinct: BTreeSet<_> = seen.iter().cloned().collect();
            assert_eq!(distinct, (0..7).map(|index| format!("u{index}")).collect(), "{filter}");
            for name in seen.iter().skip(2) {
                named(&server, "AdminDeleteUser", &pool, name).await.ok();
            }
        }
    })
    .await;
}

#[tokio::test]
async fn tokens_belong_to_their_filter() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        for name in ["anna", "anne"] {
            create(&server, &pool, name, &[("name", "Anna")], json!({})).await.ok();
        }
        let page = list(&server, &pool, "name = \"Anna\"", json!({"Limit": 1})).await.ok();
        let token = json!({"PaginationToken": page["PaginationToken"]});
        let refused = async |pool: &str, filter: &str| {
            assert_eq!(
                list(&server, pool, filter, token.clone()).await.error(),
                "InvalidParameterException: Invalid pagination token",
                "{filter}"
            );
        };
        refused(&pool, "name = \"Anne\"").await;
        refused(&pool, "name ^= \"Anna\"").await;
        refused(&pool, "").await;
        refused(&server.pool(json!({})).await, "name = \"Anna\"").await;
        assert_eq!(names(&list(&server, &pool, "name = \"Anna\"", token.clone()).await.ok()).len(), 1);
        server.advance(3_599);
        list(&server, &pool, "name = \"Anna\"", token.clone()).await.ok();
        server.advance(1);
        refused(&pool, "name = \"Anna\"").await;
    })
    .await;
}

#[tokio::test]
async fn what_a_filter_must_not_be() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        for filter in [
            " ",
            "anna",
            "name",
            "name =",
            "name = anna",
            "name = 'anna'",
            "name = \"anna",
            "name == \"anna\"",
            "name != \"anna\"",
            "name = \"anna\" and email = \"x\"",
            "name = \"anna\" OR name = \"anne\"",
            "\0",
        ] {
            let answer = list(&server, &pool, filter, json!({})).await;
            assert_eq!(answer.error(), "InvalidParameterException: Error while parsing filter", "{filter}");
        }
        for name in ["custom:color", "address", "Username", "email_verified", "x"] {
            let answer = list(&server, &pool, &format!("{name} = \"1\""), json!({})).await;
            assert_eq!(answer.error(), format!("InvalidParameterException: Invalid search attribute: {name}"));
        }
        let answer = list(&server, &pool, &"x".repeat(257), json!({})).await.error();
        assert!(
            answer.ends_with(
                "at 'filter' failed to satisfy constraint: Member must have length less than or equal to 256"
            ),
            "{answer}"
        );
        let answer = list(&server, &pool, "name = \"x\"", json!({"AttributesToGet": ["nonsense"]})).await;
        assert_eq!(answer.error(), "InvalidParameterException: One or more requested attributes do not exist.");
        assert_eq!(
            list(&server, "us-east-1_Unknown00", "name = \"x\"", json!({})).await.error(),
            "ResourceNotFoundException: User pool us-east-1_Unknown00 does not exist."
        );
    })
    .await;
}

#[tokio::test]
async fn hostile_values_find_nobody_and_do_no_harm() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        create(&server, &pool, "anna", &[("name", "Anna"), ("email", "a@example.com")], json!({})).await.ok();
        let last = "\u{10FFFF}".repeat(200);
        for subject in ["username", "sub", "name", "email", "status", "cognito:user_status"] {
            for operator in ["=", "^="] {
                for value in ["\0", "a\0", "\n", "\u{D7FF}", "\u{E000}", "\u{10FFFF}", last.as_str(), "İ", "🏴‍☠️", "a\\"]
                {
                    let value = value.replace('\\', "\\\\");
                    let filter = format!("{subject} {operator} \"{value}\"");
                    assert_eq!(found(&server, &pool, &filter).await, "", "{filter:?}");
                }
            }
        }
        // A name that is longer than any filter, and than what is kept to find it by.
        let long = "é".repeat(2_000);
        update(&server, &pool, "anna", &[("name", &long)]).await.ok();
        let prefix = "É".repeat(240);
        assert_eq!(found(&server, &pool, &format!("name ^= \"{prefix}\"")).await, "anna");
        assert_eq!(found(&server, &pool, &format!("name = \"{prefix}\"")).await, "");
        update(&server, &pool, "anna", &[("name", "Anna")]).await.ok();
        assert_eq!(found(&server, &pool, &format!("name ^= \"{prefix}\"")).await, "");
    })
    .await;
}
