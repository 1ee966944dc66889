//! A name has one owner, at whichever servers it is asked for.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use serde_json::{Value, json};
use testkit::Server;

use crate::support::*;

const TAKEN: &str = "AliasExistsException: An account with the email already exists.";

/// How many rows these tables have for the pool.
fn rows(server: &Server, pool: &str, tables: &[&str]) -> Vec<String> {
    let count = |table: &&str| server.scratch().sql(&format!("SELECT count(*) FROM {table} WHERE pool_id = '{pool}'"));
    tables.iter().map(|table| count(table).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_username_is_signed_up_once() {
    let Some([a, b]) = servers().await else { return };
    let (pool, client) = pool_and_client(&a, json!({"AutoVerifiedAttributes": ["email"]}), json!({})).await;
    for round in 1..=10 {
        let name = format!("user-{round}");
        let outcomes = at_once([&a, &b, &a, &b].map(|server| {
            let (server, client, name) = (server.clone(), client.clone(), name.clone());
            async move { sign_up(&server, &client, &name, &[("email", "one@example.com")]).await }
        }))
        .await;
        let exists = "UsernameExistsException: User already exists";
        assert_eq!(tally(&outcomes), [("ok", 1), (exists, 3)].into(), "round {round}");
        // Nothing of the others is left.
        let all = ["users", "names", "passwords", "codes", "messages"];
        assert_eq!(rows(&a, &pool, &all), all.map(|_| round.to_string()));
    }
    assert_eq!(a.app.store.estimated_users(&pool).await.unwrap(), 10);
}

/// A name that is given up while others ask for it is still taken, or free for one of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_becomes_free_has_one_owner_again() {
    let Some([a, b]) = servers().await else { return };
    let (pool, client) = pool_and_client(&a, json!({}), json!({})).await;
    sign_up(&a, &client, "alice", &[]).await.ok();
    for round in 0..8 {
        let sub = attribute(&a, &pool, "alice", "sub").await.unwrap();
        let is_free = Arc::new(AtomicBool::new(false));
        let deleting = tokio::spawn({
            let (a, pool, is_free) = (a.clone(), pool.clone(), is_free.clone());
            async move {
                let answer = administer(&a, "AdminDeleteUser", &pool, &sub).await;
                is_free.store(true, Ordering::SeqCst);
                answer
            }
        });
        let outcomes = at_once([&a, &b, &a, &b].map(|server| {
            let (server, client, is_free) = (server.clone(), client.clone(), is_free.clone());
            async move {
                // The first try of each comes too early.
                loop {
                    let is_last = is_free.load(Ordering::SeqCst);
                    let answer = sign_up(&server, &client, "alice", &[]).await;
                    if is_last || !outcome(&answer).starts_with("UsernameExistsException: ") {
                        return answer;
                    }
                }
            }
        }))
        .await;
        deleting.await.unwrap().ok();
        assert_eq!(tally(&outcomes), [("ok", 1), ("UsernameExistsException: User already exists", 3)].into());
        assert_eq!(rows(&a, &pool, &["users", "names", "passwords"]), ["1", "1", "1"], "round {round}");
    }
}

/// Pairs of unconfirmed users with one address, and the codes that they were sent.
async fn twins(server: &Server, client: &str, pool: &str, round: usize) -> [(String, String); 2] {
    let address = format!("{round}@example.com");
    let mut twins = Vec::new();
    for twin in ["x", "y"] {
        let name = format!("{twin}{round}");
        sign_up(server, client, &name, &[("email", &address)]).await.ok();
        twins.push((name.clone(), server.last_code(pool, &name).await));
    }
    twins.try_into().unwrap()
}

fn with_alias() -> Value {
    json!({"AliasAttributes": ["email", "preferred_username"], "AutoVerifiedAttributes": ["email"]})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_becomes_one_users_alias() {
    let Some([a, b]) = servers().await else { return };
    let (pool, client) = pool_and_client(&a, with_alias(), json!({})).await;
    for round in 0..8 {
        let twins = twins(&a, &client, &pool, round).await;
        let calls = [(&a, &twins[0]), (&b, &twins[1])].map(|(server, (name, code))| {
            let (server, client, name, code) = (server.clone(), client.clone(), name.clone(), code.clone());
            async move { confirm_sign_up(&server, &client, &name, &code).await }
        });
        let outcomes = at_once(calls).await;
        assert_eq!(tally(&outcomes), [("ok", 1), (TAKEN, 1)].into(), "round {round}");
        let winner = usize::from(outcomes[1] == "ok");
        let found = administer(&b, "AdminGetUser", &pool, &format!("{round}@example.com")).await.ok();
        assert_eq!(found["Username"], json!(twins[winner].0));
        // The code was not used up: with force, the other one takes the alias over, wherever it is asked for.
        let (name, code) = &twins[1 - winner];
        let request =
            json!({"ClientId": client, "Username": name, "ConfirmationCode": code, "ForceAliasCreation": true});
        b.call("ConfirmSignUp", request).await.ok();
        let found = administer(&a, "AdminGetUser", &pool, &format!("{round}@example.com")).await.ok();
        assert_eq!(found["Username"], json!(name));
        assert_eq!(attribute(&a, &pool, &twins[winner].0, "email_verified").await.as_deref(), Some("false"));
    }
}

/// Runs both, and says who owns the name afterwards, and what each was told.
async fn claim_at_once(calls: [(&Arc<Server>, &'static str, Value); 2]) -> Vec<String> {
    at_once(calls.map(|(server, operation, request)| {
        let server = server.clone();
        async move { server.call(operation, request).await }
    }))
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preferred_username_has_one_owner() {
    let Some([a, b]) = servers().await else { return };
    let (pool, client) = pool_and_client(&a, with_alias(), json!({})).await;
    for name in ["ann", "bob"] {
        a.confirmed_user(&pool, name, PASSWORD, json!({})).await;
    }
    let wish = |user: &str, name: &str| json!({"UserPoolId": pool, "Username": user, "UserAttributes": listed(&[("preferred_username", name)])});
    for round in 0..8 {
        let name = format!("star-{round}");
        let operation = "AdminUpdateUserAttributes";
        let outcomes = claim_at_once([(&a, operation, wish("ann", &name)), (&b, operation, wish("bob", &name))]).await;
        let exists = "AliasExistsException: An account with the given preferred_username already exists.";
        assert_eq!(tally(&outcomes), [("ok", 1), (exists, 1)].into(), "round {round}");
        let found = administer(&a, "AdminGetUser", &pool, &name).await.ok();
        assert_eq!(found["Username"], if outcomes[0] == "ok" { "ann" } else { "bob" });
    }
    // A name is one name, whatever it is used for: one wants to be called so, another one signs up with it.
    for round in 0..8 {
        let name = format!("both-{round}");
        let new = json!({"ClientId": client, "Username": name, "Password": PASSWORD});
        let outcomes =
            claim_at_once([(&a, "AdminUpdateUserAttributes", wish("ann", &name)), (&b, "SignUp", new)]).await;
        assert_eq!(tally(&outcomes).get("ok"), Some(&1), "round {round}: {outcomes:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alias_that_administrators_force_at_once_has_one_owner() {
    let Some([a, b]) = servers().await else { return };
    let (pool, _) = pool_and_client(&a, with_alias(), json!({})).await;
    let mut owners = vec!["first".to_owned()];
    a.confirmed_user(&pool, "first", PASSWORD, json!({"email": "one@example.com"})).await;
    let attributes = listed(&[("email", "one@example.com"), ("email_verified", "true")]);
    for round in 0..6 {
        let calls = [&a, &b, &a, &b].into_iter().zip(["w", "x", "y", "z"]).map(|(server, letter)| {
            let name = format!("{letter}{round}");
            owners.push(name.clone());
            let request = json!({
                "UserPoolId": pool, "Username": name, "UserAttributes": attributes,
                "ForceAliasCreation": true, "MessageAction": "SUPPRESS",
            });
            let server = server.clone();
            async move { server.call("AdminCreateUser", request).await }
        });
        let outcomes = at_once(calls).await;
        assert_eq!(tally(&outcomes), [("ok", 4)].into(), "round {round}");
        let mut verified = Vec::new();
        for name in &owners {
            if attribute(&b, &pool, name, "email_verified").await.as_deref() == Some("true") {
                verified.push(name.clone());
            }
        }
        let found = administer(&a, "AdminGetUser", &pool, "one@example.com").await.ok();
        assert_eq!(verified, [found["Username"].as_str().unwrap()]);
    }
}
