//! Test controls: scripts rely on every word of them (docs/test-controls.md).

use axum::body::Body;
use http::{Method, Request};
use serde_json::{Value, json};
use testkit::{Answer, Server, both_engines};

async fn send(server: &Server, method: Method, path: &str, body: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder().method(method).uri(path).header("host", "127.0.0.1:9229");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    server.request(request.body(Body::from(body.to_owned())).unwrap()).await
}

async fn set_clock(server: &Server, change: Value) -> Answer {
    send(server, Method::POST, "/_poolkeeper/clock", &change.to_string(), &[]).await
}

/// A pool with one sign-up by mail in it, and its client.
async fn signed_up(server: &Server, username: &str) -> (String, String) {
    let pool = server.pool(json!({"AutoVerifiedAttributes": ["email"], "AliasAttributes": ["email"]})).await;
    let client = server.client_id(&pool, json!({})).await;
    sign_up(server, &client, username).await;
    (pool, client)
}

async fn sign_up(server: &Server, client: &str, username: &str) {
    let attributes = json!([{"Name": "email", "Value": format!("{username}@example.com")}]);
    let body = json!({"ClientId": client, "Username": username, "Password": "Passw0rd!", "UserAttributes": attributes});
    server.call("SignUp", body).await.ok();
}

#[tokio::test]
async fn production_has_no_test_controls() {
    let server = Server::builder().production().start().await;
    let paths = ["messages", "clock", "reset", "inbox", "inbox/clear", "ready", "style.css", "none", "a/b"];
    for path in paths {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            let answer = send(&server, method.clone(), &format!("/_poolkeeper/{path}"), "{}", &[]).await;
            assert_eq!(answer.status, 404, "{method} {path}");
        }
    }
    assert_eq!(server.get("/metrics").await.status, 400, "an unknown document");
}

#[tokio::test]
async fn messages_are_listed_newest_first() {
    both_engines(async |server| {
        let (pool, client) = signed_up(&server, "alice").await;
        server.advance(60);
        sign_up(&server, &client, "bob").await;
        let messages = server.get("/_poolkeeper/messages").await.ok();
        insta::allow_duplicates! {
            insta::assert_json_snapshot!(messages, @r#"
            {
              "messages": [
                {
                  "id": "019b7caa-76e8-77c0-8740-be20e82802c1",
                  "sent_at": "2026-01-02T03:05:05Z",
                  "user_pool_id": "us-east-1_O2c3Nifle",
                  "username": "bob",
                  "purpose": "SignUp",
                  "medium": "EMAIL",
                  "destination": "bob@example.com",
                  "subject": "Your verification code",
                  "body": "Your verification code is 885263. ",
                  "code": "885263"
                },
                {
                  "id": "019b7ca9-8c88-77eb-80ba-f6f603df4cf8",
                  "sent_at": "2026-01-02T03:04:05Z",
                  "user_pool_id": "us-east-1_O2c3Nifle",
                  "username": "alice",
                  "purpose": "SignUp",
                  "medium": "EMAIL",
                  "destination": "alice@example.com",
                  "subject": "Your verification code",
                  "body": "Your verification code is 313498. ",
                  "code": "313498"
                }
              ]
            }
            "#);
        }
        let names = async |query: &str| {
            let found = server.get(&format!("/_poolkeeper/messages?{query}")).await.ok();
            let names = found["messages"].as_array().unwrap().iter().map(|message| message["username"].to_string());
            names.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names(&format!("user_pool_id={pool}")).await, r#""bob" "alice""#);
        assert_eq!(names("user_pool_id=us-east-1_none").await, "");
        assert_eq!(names("username=ALICE").await, r#""alice""#);
        assert_eq!(names("username=alice%40example.com").await, r#""alice""#);
        assert_eq!(names("username=&user_pool_id=").await, r#""bob" "alice""#);
        assert_eq!(names("limit=1").await, r#""bob""#);
        assert_eq!(names("limit=0").await, "");
        let user = server.call("AdminGetUser", json!({"UserPoolId": pool, "Username": "bob"})).await.ok();
        let sub =
            user["UserAttributes"].as_array().unwrap().iter().find(|attribute| attribute["Name"] == "sub").unwrap();
        assert_eq!(names(&format!("username={}", sub["Value"].as_str().unwrap())).await, r#""bob""#);
    })
    .await;
}

#[tokio::test]
async fn queries_that_are_not_understood_are_refused() {
    let server = Server::memory().await;
    for query in ["limit=-1", "limit=x", "limit=10001", "user=alice", "limit=1&limit=2"] {
        let answer = server.get(&format!("/_poolkeeper/messages?{query}")).await;
        assert_eq!(answer.status, 400, "{query}: {answer:?}");
        assert!(answer.body["error"].is_string(), "{query}: {answer:?}");
    }
    let put = send(&server, Method::PUT, "/_poolkeeper/messages", "", &[]).await;
    assert_eq!(put.status, 405);
}

#[tokio::test]
async fn messages_can_be_emptied() {
    both_engines(async |server| {
        let (pool, _) = signed_up(&server, "alice").await;
        assert_eq!(server.messages(&pool, "alice").await.len(), 1);
        let answer = send(&server, Method::DELETE, "/_poolkeeper/messages", "", &[]).await;
        assert_eq!((answer.status, answer.body), (200, json!({})));
        assert_eq!(server.messages(&pool, "alice").await.len(), 0);
    })
    .await;
}

#[tokio::test]
async fn the_clock_can_be_moved() {
    let server = Server::memory().await;
    let clock = server.get("/_poolkeeper/clock").await.ok();
    assert_eq!(clock, json!({"now": "2026-01-02T03:04:05Z", "offset_seconds": 0, "frozen": true}));
    let moved = set_clock(&server, json!({"advance_seconds": 3_600})).await.ok();
    assert_eq!(moved, json!({"now": "2026-01-02T04:04:05Z", "offset_seconds": 3_600, "frozen": true}));
    let back = set_clock(&server, json!({"advance_seconds": -0.5})).await.ok();
    assert_eq!(back, json!({"now": "2026-01-02T04:04:04.5Z", "offset_seconds": 3_599.5, "frozen": true}));
    let set = set_clock(&server, json!({"set": "2030-06-01T12:00:00+02:00", "freeze": false})).await.ok();
    assert_eq!((&set["now"], &set["frozen"]), (&json!("2030-06-01T10:00:00Z"), &json!(false)));
    assert_eq!(server.get("/_poolkeeper/clock").await.ok(), set);
    let reset = set_clock(&server, json!({"reset": true})).await.ok();
    assert_eq!(reset, json!({"now": "2026-01-02T03:04:05Z", "offset_seconds": 0, "frozen": false}));
    let frozen = set_clock(&server, json!({"reset": true, "advance_seconds": 10, "freeze": true})).await.ok();
    assert_eq!(frozen, json!({"now": "2026-01-02T03:04:15Z", "offset_seconds": 10, "frozen": true}));
}

#[tokio::test]
async fn changes_of_the_clock_that_make_no_sense_change_nothing() {
    let server = Server::memory().await;
    let before = server.get("/_poolkeeper/clock").await.ok();
    for wrong in [
        json!({}),
        json!({"reset": false}),
        json!({"advance": 1}),
        json!({"advance_seconds": "1"}),
        json!({"advance_seconds": 1e300}),
        json!({"advance_seconds": 300_000_000_000_i64}),
        json!({"advance_seconds": -100_000_000_000_i64}),
        json!({"set": "yesterday"}),
        json!({"set": "1969-12-31T23:59:59Z"}),
        json!({"set": "2026-01-02"}),
        json!({"freeze": 1}),
        json!({"reset": true, "set": "9999-12-31T00:00:00Z", "advance_seconds": 1_000_000}),
        json!([]),
    ] {
        let answer = set_clock(&server, wrong.clone()).await;
        assert_eq!(answer.status, 400, "{wrong}: {answer:?}");
        assert!(answer.body["error"].is_string(), "{wrong}");
    }
    assert_eq!(send(&server, Method::POST, "/_poolkeeper/clock", "{", &[]).await.status, 400);
    assert_eq!(server.get("/_poolkeeper/clock").await.ok(), before);
}

#[tokio::test]
async fn a_reset_empties_everything() {
    both_engines(async |server| {
        let (pool, client) = signed_up(&server, "alice").await;
        server.advance(1_000);
        // Into the caches.
        server.call("DescribeUserPool", json!({"UserPoolId": pool})).await.ok();
        server.get(&format!("/{pool}/.well-known/jwks.json")).await.ok();
        let answer = send(&server, Method::POST, "/_poolkeeper/reset", "", &[]).await;
        assert_eq!((answer.status, answer.body), (200, json!({})));
        assert_eq!(server.call("ListUserPools", json!({"MaxResults": 60})).await.ok(), json!({"UserPools": []}));
        assert!(
            server.call("DescribeUserPool", json!({"UserPoolId": pool})).await.error().starts_with("ResourceNotFound")
        );
        let forgot = server.call("ForgotPassword", json!({"ClientId": client, "Username": "alice"})).await;
        assert!(forgot.error().starts_with("ResourceNotFound"));
        assert_eq!(server.get(&format!("/{pool}/.well-known/jwks.json")).await.status, 400);
        assert_eq!(server.get("/_poolkeeper/messages").await.ok(), json!({"messages": []}));
        let clock = server.get("/_poolkeeper/clock").await.ok();
        assert_eq!((&clock["offset_seconds"], &clock["frozen"]), (&json!(0), &json!(false)));
        // And it goes on.
        signed_up(&server, "alice").await;
    })
    .await;
}

#[tokio::test]
async fn control_routes_answer_to_names_of_this_machine_only() {
    let server = Server::builder().settings(|settings| settings.base_url = "http://dev.example:9229".to_owned());
    let server = server.start().await;
    let ask = async |method: Method, path: &str, host: Option<&str>| {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(host) = host {
            request = request.header("host", host);
        }
        server.request(request.body(Body::empty()).unwrap()).await
    };
    let controls = [
        (Method::GET, "/_poolkeeper/messages"),
        (Method::GET, "/_poolkeeper/clock"),
        (Method::GET, "/_poolkeeper/inbox"),
        (Method::DELETE, "/_poolkeeper/messages"),
        (Method::POST, "/_poolkeeper/reset"),
    ];
    for (method, path) in controls {
        for own in ["127.0.0.1:9229", "localhost:9229", "a.auth.localhost:9229", "[::1]:9229", "dev.example:9229"] {
            assert_eq!(ask(method.clone(), path, Some(own)).await.status, 200, "{method} {path} {own}");
        }
        for other in [Some("evil.example"), Some("evil.example:9229"), Some("127.0.0.1.evil.example"), None] {
            let answer = ask(method.clone(), path, other).await;
            assert_eq!(answer.status, 403, "{method} {path} {other:?}");
            assert!(answer.body["error"].as_str().unwrap().contains("--base-url"), "{answer:?}");
        }
    }
    // Load balancers ask by any name.
    assert_eq!(ask(Method::GET, "/_poolkeeper/health", Some("10.0.0.1:9229")).await.status, 200);
}

#[tokio::test]
async fn pages_of_other_origins_cannot_press_buttons() {
    let server = Server::memory().await;
    let (pool, _) = signed_up(&server, "alice").await;
    for (method, path) in [
        (Method::POST, "/_poolkeeper/reset"),
        (Method::DELETE, "/_poolkeeper/messages"),
        (Method::POST, "/_poolkeeper/inbox/clear"),
        (Method::POST, "/_poolkeeper/clock"),
    ] {
        for origin in ["http://evil.example", "http://127.0.0.1:3000", "null"] {
            let answer = send(&server, method.clone(), path, r#"{"advance_seconds": 1}"#, &[("origin", origin)]).await;
            assert_eq!(answer.status, 403, "{method} {path} {origin}");
        }
    }
    assert_eq!(server.messages(&pool, "alice").await.len(), 1);
    // What was sent is not for them either: no page may read it.
    let read = send(&server, Method::GET, "/_poolkeeper/messages", "", &[("origin", "http://evil.example")]).await;
    assert_eq!(read.header("access-control-allow-origin"), None);
    let own = [("origin", "http://127.0.0.1:9229")];
    let cleared = send(&server, Method::POST, "/_poolkeeper/inbox/clear", "", &own).await;
    assert_eq!((cleared.status, cleared.header("location")), (303, Some("/_poolkeeper/inbox")));
    assert_eq!(server.messages(&pool, "alice").await.len(), 0);
}

#[tokio::test]
async fn the_inbox_shows_messages_to_people() {
    let server = Server::memory().await;
    let template = json!({
        "DefaultEmailOption": "CONFIRM_WITH_LINK",
        "EmailSubjectByLink": "<script>alert(1)</script>",
        "EmailMessageByLink": "<img src=x onerror=alert(1)> {##Confirm##}",
    });
    let pool = server.pool(json!({"AutoVerifiedAttributes": ["email"], "VerificationMessageTemplate": template})).await;
    let client = server.client_id(&pool, json!({})).await;
    let attributes = json!([{"Name": "email", "Value": "eve@example.com"}]);
    let body =
        json!({"ClientId": client, "Username": "<b>eve</b>", "Password": "Passw0rd!", "UserAttributes": attributes});
    server.call("SignUp", body).await.ok();
    let page = server.get("/_poolkeeper/inbox").await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(page.header("cache-control"), Some("no-store"));
    let text = page.body.as_str().unwrap();
    for foreign in ["<script", "<img", "<b>"] {
        assert!(!text.contains(foreign), "{foreign} in {text}");
    }
    assert!(text.contains("eve") && text.contains("1 message, newest first"), "{text}");
    assert!(text.contains("href=\"http://127.0.0.1:9229/confirmUser/?"), "the link can be followed: {text}");
    assert!(!text.contains("http-equiv"), "it does not reload unless asked to");
    let reloading = server.get("/_poolkeeper/inbox?reload=on&username=%22%3E%3Cscript%3E").await;
    let text = reloading.body.as_str().unwrap();
    assert!(text.contains("http-equiv=\"refresh\"") && text.contains("No messages."), "{text}");
    assert!(!text.contains("<script"), "{text}");
    let style = server.get("/_poolkeeper/style.css").await;
    assert_eq!((style.status, style.header("content-type")), (200, Some("text/css; charset=utf-8")));
}

#[tokio::test]
async fn every_field_of_the_inbox_has_a_label() {
    let server = Server::memory().await;
    let page = server.get("/_poolkeeper/inbox").await;
    let text = page.body.as_str().unwrap();
    for id in text.split("<input").skip(1).map(|input| input.split_once("id=\"").unwrap().1.split('"').next().unwrap())
    {
        assert!(text.contains(&format!("<label for=\"{id}\"")), "{id}");
    }
    assert!(text.contains("<html lang=\"en\">") && text.contains("<main>") && text.matches("<h1>").count() == 1);
}
