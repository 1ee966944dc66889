//! ListUsers with more than the original takes, where `[beyond]` allows it (docs/beyond.md).

use std::collections::BTreeSet;

use domain::{Timestamp, User};
use serde_json::json;
use store::Changes;
use testkit::{Server, both_engines};
use wire::UserStatusType;

use crate::users::create;

async fn page(server: &Server, pool: &str, filter: &str, limit: usize, token: Option<&str>) -> testkit::Answer {
    let mut request = json!({"UserPoolId": pool, "Filter": filter, "Limit": limit});
    if let Some(token) = token {
        request["PaginationToken"] = token.into();
    }
    server.call("ListUsers", request).await
}

/// Everybody on all pages, and how many pages there were.
async fn all(server: &Server, pool: &str, filter: &str, limit: usize) -> (BTreeSet<String>, usize) {
    let (mut found, mut token, mut pages) = (BTreeSet::new(), None::<String>, 0);
    loop {
        let answer = page(server, pool, filter, limit, token.as_deref()).await.ok();
        pages += 1;
        for user in answer["Users"].as_array().unwrap() {
            assert!(found.insert(user["Username"].as_str().unwrap().to_owned()), "{filter}: {user} comes twice");
        }
        match answer.get("PaginationToken") {
            Some(next) => token = Some(next.as_str().unwrap().to_owned()),
            None => return (found, pages),
        }
    }
}

fn names(list: &str) -> BTreeSet<String> {
    list.split_whitespace().map(str::to_owned).collect()
}

#[tokio::test]
async fn any_attribute_and_several_conditions() {
    let server = Server::builder().settings(|settings| settings.beyond_filters = true).start().await;
    let schema = json!([{"Name": "team", "AttributeDataType": "String", "Mutable": true}]);
    let pool = server.pool(json!({"Schema": schema})).await;
    for (name, team, email) in
        [("anna", "sales", "anna@x.org"), ("bob", "sales", "bob@y.org"), ("carl", "it", "carl@x.org"), ("dora", "", "")]
    {
        let given = [("custom:team", team), ("email", email)];
        let given: Vec<_> = given.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        create(&server, &pool, name, &given, json!({})).await.ok();
    }
    for (filter, expected) in [
        ("custom:team = \"sales\"", "anna bob"),
        ("custom:team = \"Sales\"", ""),
        ("custom:team ^= \"\"", "anna bob carl"),
        ("custom:team = \"sales\" and email = \"ANNA@x.org\"", "anna"),
        ("email ^= \"a\" or email ^= \"c\"", "anna carl"),
        ("custom:team = \"it\" or custom:team = \"sales\" and email ^= \"bob\"", "bob carl"),
        ("username = \"dora\" and status = \"Enabled\"", "dora"),
        ("cognito:user_status = \"FORCE_CHANGE_PASSWORD\" and custom:team = \"it\"", "carl"),
    ] {
        for limit in [1, 2, 60] {
            assert_eq!(all(&server, &pool, filter, limit).await.0, names(expected), "{filter} by {limit}");
        }
    }
    let whole = all(&server, &pool, "", 3).await;
    assert_eq!(whole, (names("anna bob carl dora"), 2), "nothing asked for is everybody, as ever");
    for (filter, expected) in [
        ("custom:other = \"x\"", "InvalidParameterException: Invalid search attribute: custom:other"),
        ("custom:team = \"x\" and", "InvalidParameterException: Error while parsing filter"),
        ("(custom:team = \"x\")", "InvalidParameterException: Invalid search attribute: (custom:team"),
    ] {
        assert_eq!(page(&server, &pool, filter, 1, None).await.error(), expected, "{filter}");
    }
}

fn user(pool_id: &str, number: usize) -> User {
    let (sub, username) = (format!("{number:032x}"), format!("u{number}"));
    User::new(pool_id, &sub, &username, UserStatusType::Confirmed, [].into(), Timestamp(0))
}

#[tokio::test]
async fn nobody_is_looked_for_without_end() {
    let server = Server::builder().settings(|settings| settings.beyond_filters = true).start().await;
    let pool = server.pool(json!({})).await;
    let stored = server.app.store.pool(&pool).await.unwrap().unwrap().value;
    let mut changes = Changes::new();
    for number in 0..2_105 {
        service::users::insert(&mut changes, &stored, user(&pool, number));
    }
    server.app.commit(changes).await.unwrap();
    // Nobody meets it: that takes two looks at the pool.
    let (found, pages) = all(&server, &pool, "email = \"x\" or email = \"y\"", 60).await;
    assert_eq!((found.len(), pages), (0, 2));
}

#[tokio::test]
async fn without_beyond_it_is_the_originals_language() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        let answer = page(&server, &pool, "address = \"x\"", 1, None).await;
        assert_eq!(answer.error(), "InvalidParameterException: Invalid search attribute: address");
        let answer = page(&server, &pool, "email = \"x\" or email = \"y\"", 1, None).await;
        assert_eq!(answer.error(), "InvalidParameterException: Error while parsing filter");
    })
    .await;
}
