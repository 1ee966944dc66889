//! What load balancers and monitoring ask.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::{Body, Bytes, HttpBody};
use domain::{Medium, Message, MessagePurpose, MessageState, Sealed};
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Frame;
use poolkeeper_web::{Options, admin_router, router};
use serde_json::{Value, json};
use store::Changes;
use testkit::{Server, both_engines};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// Longer than what was found holds.
const STALE: Duration = Duration::from_millis(300);

/// The value of a metric without labels, or with these.
fn value(text: &str, metric: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(metric)?.strip_prefix(' '));
    line.unwrap_or_else(|| unreachable!("{metric} in {text}")).parse().unwrap()
}

async fn metrics(server: &Server) -> String {
    server.get("/metrics").await.ok().as_str().unwrap().to_owned()
}

#[tokio::test]
async fn health_is_told_in_both_modes() {
    for server in [Server::memory().await, Server::builder().production().start().await] {
        let answer = server.get("/_poolkeeper/health").await;
        assert_eq!((answer.status, answer.body), (200, json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")})));
    }
}

#[tokio::test]
async fn readiness_takes_a_write_that_many_who_ask_share() {
    both_engines(async |server| {
        let commits = || server.app.store.statistics().commits;
        let before = commits();
        let ask = async || assert_eq!(server.get("/_poolkeeper/ready").await.ok(), json!({"status": "ready"}));
        let mut asking = tokio::task::JoinSet::new();
        let routes = router(server.app.clone(), controls());
        for _ in 0..200 {
            let routes = routes.clone();
            asking.spawn(async move { routes.oneshot(get("/_poolkeeper/ready")).await.unwrap().status().as_u16() });
        }
        assert!(asking.join_all().await.into_iter().all(|status| status == 200));
        if !server.app.store.is_shared() {
            assert_eq!(commits(), before + 1, "one look for all");
            ask().await;
            assert_eq!(commits(), before + 2, "another listener looks for itself");
            tokio::time::sleep(STALE).await;
            ask().await;
            assert_eq!(commits(), before + 3, "what was found holds for a moment only, and each look writes");
        }
        // What a look leaves behind goes with the next sweep.
        server.advance(60);
        let swept = server.app.store.sweep(server.app.clock.now(), 1_000).await.unwrap();
        assert!(swept.removed >= 1, "{swept:?}");
        assert_eq!(server.app.store.sweep(server.app.clock.now(), 1_000).await.unwrap().removed, 0);
    })
    .await;
}

fn controls() -> Options {
    Options { test_controls: true, ..Options::default() }
}

fn get(path: &str) -> Request<Body> {
    Request::builder().uri(path).header("host", "127.0.0.1:9229").body(Body::empty()).unwrap()
}

async fn body(response: Response<Body>) -> Value {
    serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
}

#[tokio::test]
async fn a_server_that_is_stopping_is_not_ready() {
    let server = Server::memory().await;
    let shutdown = CancellationToken::new();
    let routes = admin_router(server.app.clone(), Options { leaving: shutdown.clone(), ..controls() });
    let ask = async || {
        let response = routes.clone().oneshot(get("/_poolkeeper/ready")).await.unwrap();
        (response.status().as_u16(), body(response).await)
    };
    assert_eq!(ask().await, (200, json!({"status": "ready"})));
    shutdown.cancel();
    assert_eq!(ask().await, (503, json!({"status": "not ready", "reason": "shutting down"})));
}

#[tokio::test]
async fn who_leaves_early_does_not_take_the_answer_along() {
    let server = Server::file().await;
    let routes = router(server.app.clone(), controls());
    let before = server.app.store.statistics().commits;
    for _ in 0..5 {
        // Looks once, which sends the look on its way, and leaves.
        let asking = routes.clone().oneshot(get("/_poolkeeper/ready"));
        tokio::select! {
            biased;
            _ = asking => {}
            () = tokio::task::yield_now() => {}
        }
    }
    let response = routes.oneshot(get("/_poolkeeper/ready")).await.unwrap();
    assert_eq!(response.status(), 200);
    if !server.app.store.is_shared() {
        assert_eq!(server.app.store.statistics().commits, before + 1, "the look that was begun first was for all");
    }
}

#[tokio::test]
async fn requests_are_counted_however_they_end() {
    let server = Server::memory().await;
    server.call("ListUserPools", json!({"MaxResults": 1})).await.ok();
    server.call("ListUserPools", json!({})).await;
    // A body that does not come, and then nobody who waits.
    let request = Request::builder()
        .method("POST")
        .uri("/")
        .header("x-amz-target", "AWSCognitoIdentityProviderService.ListUserPools")
        .body(Body::new(Silent))
        .unwrap();
    let routes = router(server.app.clone(), controls());
    let waiting = tokio::time::timeout(Duration::from_millis(50), routes.oneshot(request));
    assert!(waiting.await.is_err());

    let answer = server.get("/metrics").await;
    assert_eq!(answer.header("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    let text = answer.body.as_str().unwrap();
    for (outcome, number) in [("ok", 1.0), ("InvalidParameterException", 1.0), ("abandoned", 1.0)] {
        let metric = format!("poolkeeper_requests_total{{operation=\"ListUserPools\",outcome=\"{outcome}\"}}");
        assert_eq!(value(text, &metric), number, "{outcome}");
    }
    let count = value(text, "poolkeeper_request_seconds_count{operation=\"ListUserPools\"}");
    let most = value(text, "poolkeeper_request_seconds_bucket{le=\"+Inf\",operation=\"ListUserPools\"}");
    assert_eq!((count, most), (3.0, 3.0));
    assert!(value(text, "poolkeeper_request_seconds_sum{operation=\"ListUserPools\"}") >= 0.05);
    assert_eq!(value(text, "poolkeeper_requests_in_flight"), 0.0);
    assert!(text.ends_with("# EOF\n") && text.matches("# EOF").count() == 1, "{text}");
}

/// A body that never comes.
struct Silent;

impl HttpBody for Silent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}

#[tokio::test]
async fn the_outbox_is_measured_without_being_read_all_the_time() {
    both_engines(async |server| {
        let written = server.app.clock.now();
        let put = async |id: &str, state: MessageState| {
            let mut changes = Changes::new();
            changes.insert(Message {
                id: id.to_owned(),
                pool_id: "us-east-1_Aaaaaaaa1".to_owned(),
                sub: "sub".to_owned(),
                username: "alice".to_owned(),
                purpose: MessagePurpose::SignUp,
                medium: Medium::Email,
                content: Sealed("sealed".to_owned()),
                created_at: server.app.clock.now(),
                state,
                due_at: written.plus(3_600_000),
                tries: 1,
                last_error: None,
            });
            server.app.store.commit(changes).await.unwrap();
        };
        put("oldest", MessageState::Pending).await;
        server.advance(60);
        put("younger", MessageState::Pending).await;
        put("dead", MessageState::Dead).await;
        put("sent", MessageState::Sent).await;
        server.advance(30);
        for _ in 0..2 {
            let text = metrics(&server).await;
            assert_eq!(value(&text, "poolkeeper_messages_pending"), 2.0);
            assert_eq!(value(&text, "poolkeeper_messages_oldest_pending_seconds"), 90.0);
            assert_eq!(value(&text, "poolkeeper_messages_dead"), 1.0);
            // The next look is not due yet.
            put("late", MessageState::Pending).await;
            server.app.store.delete_all_messages().await.unwrap();
            put("oldest", MessageState::Pending).await;
        }
    })
    .await;
}

#[tokio::test]
async fn the_store_tells_of_groups_and_of_connections() {
    both_engines(async |server| {
        server.pool(json!({})).await;
        let text = metrics(&server).await;
        assert!(value(&text, "poolkeeper_store_commits_total") >= 1.0);
        let groups = value(&text, "poolkeeper_store_groups_total");
        // At a stricter isolation than READ COMMITTED every changeset goes alone.
        let goes_alone = server.app.store.is_shared()
            && std::env::var("POOLKEEPER_TEST_ENGINE").is_ok_and(|engine| engine == "postgres-serializable");
        assert_eq!(groups >= 1.0, !goes_alone, "{text}");
        assert!(value(&text, "poolkeeper_store_grouped_changesets_total") >= groups, "{text}");
        if server.app.store.is_shared() {
            assert_eq!(value(&text, "poolkeeper_store_connections_limit"), 4.0);
            let state = |state: &str| value(&text, &format!("poolkeeper_store_connections{{state=\"{state}\"}}"));
            assert!((1.0..=4.0).contains(&(state("idle") + state("in_use"))), "{text}");
            assert_eq!(value(&text, "poolkeeper_store_retries_total{cause=\"read_only\"}"), 0.0);
        } else {
            assert!(!text.contains("poolkeeper_store_connections"));
        }
    })
    .await;
}
