//! Any server answers any request: each step of what takes several goes to another one.

use axum::body::Body;
use crypto::sigv4::{SignedRequest, sign};
use http::{Method, Request};
use serde_json::{Value, json};
use store::{Changes, Key};
use testkit::{Answer, Server, srp::SignIn};

use crate::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_up_goes_on_at_another_server() {
    let Some([a, b, c]) = servers().await else { return };
    // Made here, used there: the pool, its client, the user, the code.
    let pool = a.pool(json!({"AutoVerifiedAttributes": ["email"]})).await;
    let client = b.client_id(&pool, json!({})).await;
    sign_up(&c, &client, "alice", &[("email", "alice@example.com")]).await.ok();
    let first = a.last_code(&pool, "alice").await;
    b.call("ResendConfirmationCode", json!({"ClientId": client, "Username": "alice"})).await.ok();
    let second = c.last_code(&pool, "alice").await;
    assert_ne!(first, second);
    assert_eq!(confirm_sign_up(&a, &client, "alice", &first).await.error(), MISMATCH);
    confirm_sign_up(&b, &client, "alice", &second).await.ok();
    let tokens = tokens(&c, &client, "alice", PASSWORD).await;
    assert_eq!(get_user(&a, &tokens.access).await.ok()["Username"], "alice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recovery_goes_on_at_another_server() {
    let Some([a, b, c]) = servers().await else { return };
    let (pool, client) = scene(&a).await;
    forgot(&a, &client, "alice").await.ok();
    let code = b.last_code(&pool, "alice").await;
    assert_eq!(confirm_forgot(&c, &client, "alice", &other(&code), NEW).await.error(), MISMATCH);
    confirm_forgot(&b, &client, "alice", &code, NEW).await.ok();
    assert_eq!(confirm_forgot(&c, &client, "alice", &code, PASSWORD).await.error(), EXPIRED);
    b.sign_in(&client, "alice", NEW).await.ok();
    assert_eq!(c.sign_in(&client, "alice", PASSWORD).await.error(), INCORRECT);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_goes_on_at_another_server_and_not_twice() {
    let Some([a, b, c]) = servers().await else { return };
    let (pool, client) = scene(&a).await;
    let used = "NotAuthorizedException: Invalid session for the user, session can only be used once.";
    // What a server must remember between the steps travels with the client.
    let sign_in = SignIn::start(&a, &client, &pool, "alice", PASSWORD).await;
    let answer = sign_in.finish(&b).await.ok();
    assert_eq!(sign_in.finish(&c).await.error(), used);
    assert_eq!(sign_in.finish(&a).await.error(), used);
    let token = |answer: &Value, name: &str| answer["AuthenticationResult"][name].as_str().unwrap().to_owned();
    get_user(&c, &token(&answer, "AccessToken")).await.ok();
    let renewed = refresh(&a, &client, &token(&answer, "RefreshToken")).await.ok();
    get_user(&b, &token(&renewed, "AccessToken")).await.ok();

    let temporary = "Temp-Passw0rd";
    set_password(&b, &pool, "alice", temporary, false).await.ok();
    let challenge = c.sign_in(&client, "alice", temporary).await.ok();
    assert_eq!(challenge["ChallengeName"], "NEW_PASSWORD_REQUIRED");
    let request = json!({
        "ClientId": client,
        "ChallengeName": "NEW_PASSWORD_REQUIRED",
        "Session": challenge["Session"],
        "ChallengeResponses": {"USERNAME": "alice", "NEW_PASSWORD": NEW},
    });
    let answer = a.call("RespondToAuthChallenge", request.clone()).await.ok();
    get_user(&b, &token(&answer, "AccessToken")).await.ok();
    assert_eq!(b.call("RespondToAuthChallenge", request).await.error(), used);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_go_on_at_another_server() {
    let Some([a, b]) = servers().await else { return };
    let pool = a.pool(json!({})).await;
    b.pool(json!({})).await;
    for name in ["one", "two", "three"] {
        a.client_id(&pool, json!({"ClientName": name})).await;
        b.confirmed_user(&pool, name, PASSWORD, json!({})).await;
    }
    let lists = [
        ("ListUsers", "Limit", "PaginationToken", "Users", json!({"UserPoolId": pool}), 3),
        ("ListUserPoolClients", "MaxResults", "NextToken", "UserPoolClients", json!({"UserPoolId": pool}), 3),
        ("ListUserPools", "MaxResults", "NextToken", "UserPools", json!({}), 2),
    ];
    for (operation, size, token, items, mut request, count) in lists {
        request[size] = json!(1);
        let mut found = Vec::new();
        for server in [&a, &b].into_iter().cycle() {
            let answer = server.call(operation, request.clone()).await.ok();
            found.extend(answer[items].as_array().unwrap().iter().map(Value::to_string));
            request[token] = answer[token].clone();
            if request[token].is_null() {
                break;
            }
        }
        found.sort();
        found.dedup();
        assert_eq!(found.len(), count, "{operation}: {found:?}");
    }
}

/// ListUserPools, signed with this key.
async fn signed(server: &Server, id: &str, secret: &str) -> Answer {
    let body = r#"{"MaxResults": 1}"#;
    let fixed = [("host", "auth.example.com"), ("x-amz-target", "AWSCognitoIdentityProviderService.ListUserPools")];
    let request = SignedRequest { method: "POST", path: "/", query: "", headers: &fixed, body: body.as_bytes() };
    let added = sign(&request, id, secret, None, "us-east-1", server.app.clock.now().seconds()).unwrap();
    let mut request = Request::builder().method(Method::POST).uri("/");
    for (name, value) in fixed {
        request = request.header(name, value);
    }
    for (name, value) in added {
        request = request.header(name, value);
    }
    server.request(request.body(Body::from(body)).unwrap()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_access_key_signs_at_every_server_until_it_is_deleted() {
    let Some([a, b]) = servers_like(Server::builder().production()).await else { return };
    let made = service::access_keys::make(&a.app.ring, &*a.app.entropy, "test", None, a.app.clock.now());
    let (id, secret) = (made.row.id.clone(), made.secret.reveal().clone());
    let refused = "UnrecognizedClientException: ";
    assert!(signed(&b, &id, &secret).await.error().starts_with(refused));
    let mut changes = Changes::new();
    changes.insert(made.row);
    a.app.store.commit(changes).await.unwrap();
    for server in [&b, &a] {
        assert_eq!(signed(server, &id, &secret).await.ok(), json!({"UserPools": []}));
    }
    let mut changes = Changes::new();
    changes.delete(Key::AccessKey { id: id.clone() }, 1);
    a.app.store.commit(changes).await.unwrap();
    for server in [&b, &a] {
        assert!(signed(server, &id, &secret).await.error().starts_with(refused));
    }
}

/// Names that nobody has get the same stand-in everywhere, or the servers could be told apart by them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_users_look_the_same_at_every_server() {
    let Some([a, b]) = servers().await else { return };
    let hides = json!({"PreventUserExistenceErrors": "ENABLED"});
    let (pool, client) = pool_and_client(&a, json!({"AutoVerifiedAttributes": ["email"]}), hides).await;
    let mut challenges = Vec::new();
    let mut destinations = Vec::new();
    for server in [&a, &b] {
        let sign_in = SignIn::start(server, &client, &pool, "nobody", PASSWORD).await;
        let parameters = &sign_in.challenge["ChallengeParameters"];
        challenges.push((parameters["SALT"].clone(), parameters["USER_ID_FOR_SRP"].clone()));
        destinations.push(forgot(server, &client, "nobody").await.ok());
    }
    assert_eq!(challenges[0], challenges[1]);
    assert_eq!(destinations[0], destinations[1]);
    // Two of five requests have been made.
    for server in [&a, &b, &a] {
        forgot(server, &client, "nobody").await.ok();
    }
    for server in [&b, &a] {
        assert_eq!(forgot(server, &client, "nobody").await.error(), LIMIT);
    }
    for server in [&a, &b, &a, &b, &a] {
        assert_eq!(confirm_forgot(server, &client, "nobody", "123456", NEW).await.error(), MISMATCH);
        assert_eq!(server.sign_in(&client, "nobody", PASSWORD).await.error(), INCORRECT);
    }
    for server in [&b, &a] {
        assert_eq!(confirm_forgot(server, &client, "nobody", "123456", NEW).await.error(), LIMIT);
        assert_eq!(server.sign_in(&client, "nobody", PASSWORD).await.error(), LOCKED);
    }
}
