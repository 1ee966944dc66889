//! Guessing passwords (auth-flows.md §10).

use super::*;

async fn fail(server: &Server, client: &str, username: &str, times: usize) {
    for _ in 0..times {
        assert_eq!(server.sign_in(client, username, "Wr0ng-password").await.error(), INCORRECT);
    }
}

#[tokio::test]
async fn five_failures_lock_and_the_lock_doubles() {
    both_engines(async |server| {
        let (pool, client) = scene(&server, json!({})).await;
        fail(&server, &client, "alice", 5).await;
        for lock in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900] {
            // The right password is refused too, by either operation, and trying does not make it longer.
            server.advance(lock - 1);
            assert_eq!(server.sign_in(&client, "alice", PASSWORD).await.error(), LOCKED);
            assert_eq!(server.sign_in(&client, "alice", "Wr0ng-password").await.error(), LOCKED);
            assert_eq!(admin_sign_in(&server, &pool, &client, "alice", PASSWORD).await.error(), LOCKED);
            server.advance(1);
            fail(&server, &client, "alice", 1).await;
        }
        server.advance(900);
        // A success after the lock starts over.
        server.sign_in(&client, "alice", PASSWORD).await.ok();
        fail(&server, &client, "alice", 4).await;
        server.sign_in(&client, "alice", PASSWORD).await.ok();
    })
    .await;
}

#[tokio::test]
async fn fifteen_quiet_minutes_start_over() {
    let server = Server::memory().await;
    let (_, client) = scene(&server, json!({})).await;
    // They begin when the lock ends, whatever was tried while it lasted.
    fail(&server, &client, "alice", 5).await;
    server.advance(900);
    fail(&server, &client, "alice", 1).await;
    assert_eq!(server.sign_in(&client, "alice", PASSWORD).await.error(), LOCKED);
    server.advance(902);
    fail(&server, &client, "alice", 4).await;
    server.sign_in(&client, "alice", PASSWORD).await.ok();
}

#[tokio::test]
async fn both_operations_and_both_flows_count_together() {
    both_engines(async |server| {
        let (pool, client) = scene(&server, json!({})).await;
        fail(&server, &client, "alice", 2).await;
        for _ in 0..2 {
            assert_eq!(admin_sign_in(&server, &pool, &client, "alice", "Wr0ng-password").await.error(), INCORRECT);
        }
        let srp = testkit::srp::SignIn::start(&server, &client, &pool, "alice", "Wr0ng-password").await;
        assert_eq!(srp.finish(&server).await.error(), INCORRECT);
        assert_eq!(srp.finish(&server).await.error(), LOCKED);
        assert_eq!(server.sign_in(&client, "alice", PASSWORD).await.error(), LOCKED);
        let srp = testkit::srp::SignIn::start(&server, &client, &pool, "alice", PASSWORD).await;
        assert_eq!(srp.finish(&server).await.error(), LOCKED);
        // A refused proof was not spent.
        server.advance(1);
        srp.finish(&server).await.ok();
    })
    .await;
}

#[tokio::test]
async fn users_that_do_not_exist_are_locked_alike() {
    both_engines(async |server| {
        let (pool, client) = scene(&server, hides()).await;
        fail(&server, &client, "nobody", 5).await;
        assert_eq!(server.sign_in(&client, "nobody", "Wr0ng-password").await.error(), LOCKED);
        assert_eq!(admin_sign_in(&server, &pool, &client, "nobody", "Wr0ng-password").await.error(), LOCKED);
        // Each name for itself.
        fail(&server, &client, "nobody else", 1).await;
        server.sign_in(&client, "alice", PASSWORD).await.ok();
        server.advance(1);
        fail(&server, &client, "nobody", 1).await;
    })
    .await;
}

#[tokio::test]
async fn a_lock_is_the_users_own() {
    let server = Server::memory().await;
    let (pool, client) = scene(&server, json!({})).await;
    server.confirmed_user(&pool, "bob", PASSWORD, json!({})).await;
    fail(&server, &client, "alice", 5).await;
    server.sign_in(&client, "bob", PASSWORD).await.ok();
    assert_eq!(server.sign_in(&client, "alice", PASSWORD).await.error(), LOCKED);
}

#[tokio::test]
async fn a_burst_gains_nothing() {
    both_engines(async |server| {
        let (_, client) = scene(&server, json!({})).await;
        let server = Arc::new(server);
        let outcomes = at_once(30, &server, |server| {
            let client = client.clone();
            async move { server.sign_in(&client, "alice", "Wr0ng-password").await }
        })
        .await;
        assert_eq!(outcomes, [times(5, INCORRECT), times(25, LOCKED)].concat());
    })
    .await;
}
