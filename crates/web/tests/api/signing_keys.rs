//! Signing keys that are replaced (`poolkeeper keys rotate-signing`; auth-flows.md §17).

use std::collections::BTreeSet;

use serde_json::{Value, json};
use service::tokens::rotation::{OldKeys, RotationError, rotate};
use testkit::{Answer, Server, both_engines};

use crate::tokens::segment;

const PASSWORD: &str = "Passw0rd!";
const INVALID: &str = "NotAuthorizedException: Invalid Access Token";
/// What the old keys go on counting for, in seconds.
const OVERLAP: i64 = 86_400 + 60;

async fn turn(server: &Server, pool: &str, old: OldKeys) {
    let app = &server.app;
    rotate(&app.store, &app.ring, &*app.entropy, pool, old, app.clock.now()).await.unwrap();
    // On one server this is done while it does not run; of several, each sees it within a second.
    app.tokens.forget_keys();
}

async fn key_ids(server: &Server, pool: &str) -> BTreeSet<String> {
    let document = server.get(&format!("/{pool}/.well-known/jwks.json")).await.ok();
    document["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

fn kids(answer: &Value) -> BTreeSet<String> {
    let kid = |name: &str| {
        let token = answer["AuthenticationResult"][name].as_str().unwrap();
        segment(token, 0)["kid"].as_str().unwrap().to_owned()
    };
    ["AccessToken", "IdToken"].map(kid).into()
}

async fn get_user(server: &Server, answer: &Value) -> Answer {
    server.call("GetUser", json!({"AccessToken": answer["AuthenticationResult"]["AccessToken"]})).await
}

async fn refreshed(server: &Server, client: &str, answer: &Value) -> Answer {
    let parameters = json!({"REFRESH_TOKEN": answer["AuthenticationResult"]["RefreshToken"]});
    let request = json!({"AuthFlow": "REFRESH_TOKEN_AUTH", "ClientId": client, "AuthParameters": parameters});
    server.call("InitiateAuth", request).await
}

async fn scene(server: &Server) -> (String, String) {
    let pool = server.pool(json!({})).await;
    let day = json!({"AccessTokenValidity": 24, "IdTokenValidity": 24});
    let client = server.client_id(&pool, day).await;
    server.confirmed_user(&pool, "alice", PASSWORD, json!({})).await;
    (pool, client)
}

#[tokio::test]
async fn old_keys_count_until_their_tokens_have_expired() {
    both_engines(async |server| {
        let (pool, client) = scene(&server).await;
        let old = server.sign_in(&client, "alice", PASSWORD).await.ok();
        get_user(&server, &old).await.ok();
        assert_eq!(key_ids(&server, &pool).await, kids(&old));

        turn(&server, &pool, OldKeys::Overlap).await;
        let new = refreshed(&server, &client, &old).await.ok();
        assert!(kids(&new).is_disjoint(&kids(&old)));
        assert_eq!(key_ids(&server, &pool).await, &kids(&old) | &kids(&new));
        for answer in [&old, &new] {
            get_user(&server, answer).await.ok();
        }
        server.advance(OVERLAP - 61);
        get_user(&server, &old).await.ok();
        server.advance(60);
        // Still named, though there is nothing left to check with them.
        assert_eq!(key_ids(&server, &pool).await, &kids(&old) | &kids(&new));
        assert_eq!(get_user(&server, &old).await.error(), "NotAuthorizedException: Access Token has expired");
        server.advance(1);
        assert_eq!(key_ids(&server, &pool).await, kids(&new));

        // The next ones clear them away.
        turn(&server, &pool, OldKeys::Overlap).await;
        let stored = server.app.store.signing_keys(&pool).await.unwrap();
        let stored: BTreeSet<String> = stored.into_iter().map(|key| key.value.kid).collect();
        assert_eq!(stored.len(), 4);
        assert!(stored.is_disjoint(&kids(&old)) && stored.is_superset(&kids(&new)));
    })
    .await;
}

/// Who has stolen a key can write any claims with it, but not for longer than the key counts.
#[tokio::test]
async fn a_retired_key_signs_nothing_that_outlives_it() {
    both_engines(async |server| {
        let (pool, client) = scene(&server).await;
        let old = server.sign_in(&client, "alice", PASSWORD).await.ok();
        let token = old["AuthenticationResult"]["AccessToken"].as_str().unwrap();
        let kid = segment(token, 0)["kid"].as_str().unwrap().to_owned();
        let keys = server.app.store.signing_keys(&pool).await.unwrap();
        let record = keys.iter().find(|key| key.kid == kid).unwrap();
        let der = server.app.ring.open(crypto::seal::Purpose::SigningKey, &kid, &record.private).unwrap();
        let key = crypto::token::SigningKey::from_pkcs8(&kid, &der).unwrap();
        let mut claims = segment(token, 1);
        claims["exp"] = json!(claims["exp"].as_i64().unwrap() + 1_000_000);
        let forged = key.sign(claims.to_string().as_bytes()).unwrap();
        let forged = json!({"AuthenticationResult": {"AccessToken": forged}});
        get_user(&server, &forged).await.ok();
        turn(&server, &pool, OldKeys::Overlap).await;
        server.advance(OVERLAP - 1);
        get_user(&server, &forged).await.ok();
        server.advance(1);
        assert_eq!(get_user(&server, &forged).await.error(), INVALID);
        // Neither remembered nor checked anew.
        server.app.tokens.clear();
        assert_eq!(get_user(&server, &forged).await.error(), INVALID);
    })
    .await;
}

#[tokio::test]
async fn withdrawn_keys_take_their_tokens_along() {
    both_engines(async |server| {
        let (pool, client) = scene(&server).await;
        let old = server.sign_in(&client, "alice", PASSWORD).await.ok();
        get_user(&server, &old).await.ok();
        turn(&server, &pool, OldKeys::Overlap).await;
        let middle = refreshed(&server, &client, &old).await.ok();
        turn(&server, &pool, OldKeys::Withdraw).await;
        for answer in [&old, &middle] {
            assert_eq!(get_user(&server, answer).await.error(), INVALID);
        }
        let new = refreshed(&server, &client, &old).await.ok();
        assert_eq!(key_ids(&server, &pool).await, kids(&new));
        get_user(&server, &new).await.ok();
    })
    .await;
}

#[tokio::test]
async fn keys_are_made_where_the_stock_is_empty() {
    let server = Server::memory().await;
    let (pool, client) = scene(&server).await;
    let mut changes = store::Changes::new();
    for key in server.app.store.stock_keys(1_000).await.unwrap() {
        changes.delete(store::Key::SigningKey { kid: key.kid.clone() }, key.version);
    }
    server.app.commit(changes).await.unwrap();
    let old = server.sign_in(&client, "alice", PASSWORD).await.ok();
    turn(&server, &pool, OldKeys::Overlap).await;
    let new = server.sign_in(&client, "alice", PASSWORD).await.ok();
    assert!(kids(&new).is_disjoint(&kids(&old)));
    get_user(&server, &new).await.ok();
    let app = &server.app;
    let nowhere = rotate(&app.store, &app.ring, &*app.entropy, "eu-west-1_x", OldKeys::Overlap, app.clock.now()).await;
    assert!(matches!(nowhere, Err(RotationError::NoPool(_))));
}
