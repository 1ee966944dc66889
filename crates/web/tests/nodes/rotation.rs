//! Refresh tokens and signing keys that are replaced while several servers work.

use serde_json::{Value, json};
use service::tokens::rotation::{OldKeys, rotate};
use testkit::{Answer, Server};
use tokio::time::Instant;

use crate::{
    memory::{kid, seen},
    support::{PASSWORD, get_user, pool_and_client, scene, servers, tokens},
};

async fn renew(server: &Server, client: &str, token: &str) -> Answer {
    server.call("GetTokensFromRefreshToken", json!({"ClientId": client, "RefreshToken": token})).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_token_is_replaced_by_one_server_only() {
    let Some([a, b]) = servers().await else { return };
    for (grace, good) in [(0, 1), (60, 2)] {
        let rotation = json!({"Feature": "ENABLED", "RetryGracePeriodSeconds": grace});
        let client = json!({"ExplicitAuthFlows": ["ALLOW_USER_PASSWORD_AUTH"], "RefreshTokenRotation": rotation});
        let (pool, client) = pool_and_client(&a, json!({}), client).await;
        a.confirmed_user(&pool, "alice", PASSWORD, json!({})).await;
        for _ in 0..10 {
            let first = tokens(&a, &client, "alice", PASSWORD).await;
            let (one, two) = tokio::join!(renew(&a, &client, &first.refresh), renew(&b, &client, &first.refresh));
            let answers: Vec<Value> =
                [one, two].into_iter().filter(|answer| answer.status == 200).map(Answer::ok).collect();
            assert_eq!(answers.len(), good);
            for answer in answers {
                let next = answer["AuthenticationResult"]["RefreshToken"].as_str().unwrap();
                // Without grace, the second use has ended the sign-in.
                assert_eq!(renew(&b, &client, next).await.status == 200, good == 2);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_servers_sign_with_new_keys_within_a_second() {
    let Some([a, b]) = servers().await else { return };
    let (pool, client) = scene(&a).await;
    for _ in 0..2 {
        let old = tokens(&b, &client, "alice", PASSWORD).await.access;
        // As the command does it, beside the servers.
        let app = &a.app;
        rotate(&app.store, &app.ring, &*app.entropy, &pool, OldKeys::Overlap, app.clock.now()).await.unwrap();
        let changed = Instant::now();
        for server in [&a, &b] {
            seen("a key that signs", changed, async || {
                kid(&tokens(server, &client, "alice", PASSWORD).await.access) != kid(&old)
            })
            .await;
            get_user(server, &old).await.ok();
        }
    }
}
