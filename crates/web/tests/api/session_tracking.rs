//! Sign-ins that are kept track of (auth-flows.md §19 "Session tracking").

mod configuration;
mod limits;
pub mod locations;
mod revoking;
mod sso;

use axum::body::Body;
use http::{Method, Request};
use serde_json::{Value, json};
use testkit::{Answer, Server, both_engines};

const PASSWORD: &str = "Passw0rd!";
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
const REVOKED: &str = "NotAuthorizedException: Access Token has been revoked";
const REFRESH_REVOKED: &str = "NotAuthorizedException: Refresh Token has been revoked";
const OFF: &str = "OperationNotEnabledException: User session tracking is not enabled for this user pool. Enable it \
                   with SetUserPoolSessionConfiguration.";
const NO_SESSION: &str = "ResourceNotFoundException: Session does not exist.";
const NO_POOL: &str = "ResourceNotFoundException: User pool us-east-1_nowhere does not exist.";
const NO_USER: &str = "UserNotFoundException: User does not exist.";

struct Tokens {
    access: String,
    refresh: String,
}

impl Tokens {
    fn of(answer: &Value) -> Self {
        let token = |name: &str| answer["AuthenticationResult"][name].as_str().unwrap_or_default().to_owned();
        Self { access: token("AccessToken"), refresh: token("RefreshToken") }
    }
}

/// A request from an address, by a client that says what it is.
async fn call_from(server: &Server, operation: &str, body: Value, address: &str, user_agent: &str) -> Answer {
    let mut request = Request::builder()
        .method(Method::POST)
        .uri("/")
        .header("host", "127.0.0.1:9229")
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", format!("AWSCognitoIdentityProviderService.{operation}"))
        .header("user-agent", user_agent)
        .body(Body::from(body.to_string()))
        .unwrap();
    let address = (address.parse::<std::net::IpAddr>().unwrap(), 40_000);
    request.extensions_mut().insert(poolkeeper_web::Peer(address.into()));
    server.request(request).await
}

async fn sign_in_from(server: &Server, client: &str, username: &str, address: &str, user_agent: &str) -> Tokens {
    let parameters = json!({"USERNAME": username, "PASSWORD": PASSWORD});
    let request = json!({"AuthFlow": "USER_PASSWORD_AUTH", "ClientId": client, "AuthParameters": parameters});
    Tokens::of(&call_from(server, "InitiateAuth", request, address, user_agent).await.ok())
}

async fn sign_in(server: &Server, client: &str, username: &str) -> Tokens {
    Tokens::of(&server.sign_in(client, username, PASSWORD).await.ok())
}

fn refreshing(client: &str, token: &str) -> Value {
    json!({"AuthFlow": "REFRESH_TOKEN_AUTH", "ClientId": client, "AuthParameters": {"REFRESH_TOKEN": token}})
}

async fn refresh(server: &Server, client: &str, token: &str) -> Answer {
    server.call("InitiateAuth", refreshing(client, token)).await
}

async fn configure(server: &Server, pool: &str, tracking: &str, most: i64) -> Answer {
    let request = json!({"UserPoolId": pool, "UserSessionTracking": tracking, "TokenSession": {"MaxPerUser": most}});
    server.call("SetUserPoolSessionConfiguration", request).await
}

/// A pool that keeps track of so many sign-ins per user, a client, and the user alice.
async fn scene(server: &Server, most: i64) -> (String, String) {
    let pool = server.pool(json!({})).await;
    configure(server, &pool, "ENABLED", most).await.ok();
    let client = server.client_id(&pool, json!({})).await;
    server.confirmed_user(&pool, "alice", PASSWORD, json!({})).await;
    (pool, client)
}

async fn list(server: &Server, access: &str) -> Answer {
    server.call("ListUserSessions", json!({"AccessToken": access})).await
}

async fn admin_list(server: &Server, pool: &str, username: &str) -> Answer {
    server.call("AdminListUserSessions", json!({"UserPoolId": pool, "Username": username})).await
}

/// The user's sessions, the one that was made first in front.
async fn listed(server: &Server, access: &str) -> Vec<Value> {
    by_age(&list(server, access).await.ok())
}

fn by_age(answer: &Value) -> Vec<Value> {
    assert_eq!(answer.get("NextToken"), None);
    let mut sessions = answer["Sessions"].as_array().unwrap().clone();
    sessions.sort_by(|one, other| one["CreateDate"].as_f64().partial_cmp(&other["CreateDate"].as_f64()).unwrap());
    sessions
}

fn id(session: &Value) -> &str {
    session["SessionId"].as_str().unwrap()
}

/// The id of the token's own session.
async fn current(server: &Server, access: &str) -> String {
    let sessions = listed(server, access).await;
    let mut current = sessions.iter().filter(|session| session["IsCurrentSession"] == true);
    let found = id(current.next().unwrap()).to_owned();
    assert_eq!(current.next(), None);
    found
}

async fn is_good(server: &Server, access: &str) -> bool {
    let answer = server.call("GetUser", json!({"AccessToken": access})).await;
    assert!(answer.status == 200 || answer.error() == REVOKED, "{answer:?}");
    answer.status == 200
}

#[tokio::test]
async fn sessions_follow_sign_ins() {
    both_engines(async |server| {
        let (pool, client) = scene(&server, 20).await;
        let chrome = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                      Chrome/126.0.0.0 Safari/537.36";
        let first = sign_in_from(&server, &client, "alice", "192.0.2.1", FIREFOX).await;
        server.advance(60);
        let other_client = server.client_id(&pool, json!({})).await;
        let second = sign_in_from(&server, &other_client, "alice", "2001:db8::2", "\"").await;
        server.advance(60);
        let again = call_from(&server, "InitiateAuth", refreshing(&client, &first.refresh), "192.0.2.9", chrome).await;
        let again = Tokens::of(&again.ok());
        let sessions = listed(&server, &first.access).await;
        insta::allow_duplicates! { insta::assert_json_snapshot!(sessions, @r#"
        [
          {
            "SessionId": "tknc2ep4u8458hw90a2k2935wswd",
            "SessionType": "TOKEN",
            "ClientId": "ernm8hn77bwpkuw9y6b6f08g8d",
            "CreateDate": 1767323045.0,
            "LastActiveDate": 1767323165.0,
            "DeviceType": "Chrome 126 on Windows",
            "LastIPAddress": "192.0.2.9",
            "LastLocation": {
              "Country": "unknown"
            },
            "IsCurrentSession": true
          },
          {
            "SessionId": "tknqjc9zuzm81fa77hb16r28cogd",
            "SessionType": "TOKEN",
            "ClientId": "85o40i58w8d2vt7wmqbhiwx8e0",
            "CreateDate": 1767323105.0,
            "LastActiveDate": 1767323105.0,
            "DeviceType": "unknown",
            "LastIPAddress": "2001:db8::2",
            "LastLocation": {
              "Country": "unknown"
            },
            "IsCurrentSession": false
          }
        ]
        "#); }
        for session in &sessions {
            let id = id(session);
            let is_drawn = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
            assert!(id.len() == 28 && id.starts_with("tkn") && id.bytes().all(is_drawn), "{id}");
        }
        // The refreshed token is of the same session, the other client's is of the other one.
        assert_eq!(listed(&server, &again.access).await, sessions);
        assert_eq!(current(&server, &second.access).await, id(&sessions[1]));
        // An administrator sees the same, and has none of the sessions.
        let mut seen = by_age(&admin_list(&server, &pool, "alice").await.ok());
        assert!(seen.iter().all(|session| session["IsCurrentSession"] == false));
        seen[0]["IsCurrentSession"] = json!(true);
        assert_eq!(seen, sessions);
        // Somebody else has other ones.
        server.confirmed_user(&pool, "bob", PASSWORD, json!({})).await;
        assert_eq!(admin_list(&server, &pool, "bob").await.ok(), json!({"Sessions": []}));
        let bob = sign_in(&server, &client, "bob").await;
        assert_eq!(listed(&server, &bob.access).await.len(), 1);
        assert_eq!(admin_list(&server, &pool, "nobody").await.error(), NO_USER);
        assert_eq!(admin_list(&server, "us-east-1_nowhere", "alice").await.error(), NO_POOL);
    })
    .await;
}

#[tokio::test]
async fn while_tracking_is_off_nothing_is_kept_and_sessions_cannot_be_asked_for() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        let client = server.client_id(&pool, json!({})).await;
        let sub = server.confirmed_user(&pool, "alice", PASSWORD, json!({})).await;
        let before = sign_in(&server, &client, "alice").await;
        assert_eq!(server.app.store.user_part_documents(&pool, &sub, 9).await.unwrap(), []);
        let refused = async || {
            let session = format!("tkn{}", "a".repeat(25));
            let by_user = json!({"AccessToken": before.access, "SessionId": session});
            let by_administrator = json!({"UserPoolId": pool, "Username": "alice", "SessionId": session});
            assert_eq!(list(&server, &before.access).await.error(), OFF);
            assert_eq!(admin_list(&server, &pool, "alice").await.error(), OFF);
            assert_eq!(server.call("RevokeUserSession", by_user).await.error(), OFF);
            assert_eq!(server.call("AdminRevokeUserSession", by_administrator).await.error(), OFF);
        };
        refused().await;

        // A sign-in from before has no record and gets none, and its token is of no session.
        configure(&server, &pool, "ENABLED", 20).await.ok();
        refresh(&server, &client, &before.refresh).await.ok();
        assert_eq!(listed(&server, &before.access).await, [] as [Value; 0]);
        let tracked = sign_in(&server, &client, "alice").await;
        assert_eq!(listed(&server, &before.access).await[0]["IsCurrentSession"], false);

        // Records stay while tracking is off, but nothing is added to them.
        server.advance(60);
        configure(&server, &pool, "DISABLED", 20).await.ok();
        refused().await;
        let untracked = sign_in(&server, &client, "alice").await;
        refresh(&server, &client, &tracked.refresh).await.ok();
        // A sign-in that ends meanwhile is not seen again.
        configure(&server, &pool, "ENABLED", 20).await.ok();
        let sessions = listed(&server, &untracked.access).await;
        assert_eq!(sessions.len(), 1);
        assert_eq!(sessions[0]["CreateDate"], sessions[0]["LastActiveDate"]);
        configure(&server, &pool, "DISABLED", 20).await.ok();
        server.call("RevokeToken", json!({"ClientId": client, "Token": tracked.refresh})).await.ok();
        configure(&server, &pool, "ENABLED", 20).await.ok();
        assert_eq!(listed(&server, &untracked.access).await, [] as [Value; 0]);
    })
    .await;
}

#[tokio::test]
async fn what_listing_refuses() {
    both_engines(async |server| {
        let (pool, client) = scene(&server, 20).await;
        let tokens = sign_in(&server, &client, "alice").await;
        let wrong = "NotAuthorizedException: Invalid Access Token";
        assert_eq!(list(&server, "a.b.c").await.error(), wrong);
        for token in ["x", "AAAA"] {
            let request = json!({"AccessToken": tokens.access, "NextToken": token});
            let answer = server.call("ListUserSessions", request).await.error();
            assert_eq!(answer, "InvalidParameterException: Invalid pagination token");
            let request = json!({"UserPoolId": pool, "Username": "alice", "NextToken": token});
            let answer = server.call("AdminListUserSessions", request).await.error();
            assert_eq!(answer, "InvalidParameterException: Invalid pagination token");
        }
    })
    .await;
}
