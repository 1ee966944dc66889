//! How many sessions there may be, and what they cost.

use std::sync::Arc;

use domain::{SessionKind, SessionOrigin, TrackedSession};
use store::Changes;
use tokio::task::JoinSet;
use wire::Timestamp;

use super::*;

#[tokio::test]
async fn the_least_recently_used_session_makes_room() {
    both_engines(async |server| {
        let (pool, client) = scene(&server, 3).await;
        let mut tokens = Vec::new();
        for _ in 0..3 {
            server.advance(10);
            tokens.push(sign_in(&server, &client, "alice").await);
        }
        // The oldest one is used, so that the second has to go.
        server.advance(10);
        refresh(&server, &client, &tokens[0].refresh).await.ok();
        server.advance(10);
        let fourth = sign_in(&server, &client, "alice").await;
        let good = async |tokens: &[Tokens]| {
            let mut good = Vec::new();
            for tokens in tokens {
                good.push(is_good(&server, &tokens.access).await);
            }
            good
        };
        assert_eq!(good(&tokens).await, [true, false, true]);
        assert_eq!(refresh(&server, &client, &tokens[1].refresh).await.error(), REFRESH_REVOKED);
        assert_eq!(listed(&server, &fourth.access).await.len(), 3);

        // A lower number ends sessions at the next sign-in and not before.
        configure(&server, &pool, "ENABLED", 1).await.ok();
        assert_eq!(good(&tokens).await, [true, false, true]);
        assert_eq!(listed(&server, &fourth.access).await.len(), 3);
        server.advance(10);
        let fifth = sign_in(&server, &client, "alice").await;
        assert_eq!(good(&tokens).await, [false, false, false]);
        assert!(!is_good(&server, &fourth.access).await);
        assert_eq!(listed(&server, &fifth.access).await.len(), 1);

        // Sessions that are over take no room.
        configure(&server, &pool, "ENABLED", 2).await.ok();
        let request = json!({"UserPoolId": pool, "Username": "alice"});
        server.call("AdminUserGlobalSignOut", request).await.ok();
        server.advance(10);
        let (sixth, seventh) = (sign_in(&server, &client, "alice").await, sign_in(&server, &client, "alice").await);
        assert!(is_good(&server, &sixth.access).await && is_good(&server, &seventh.access).await);
        assert_eq!(listed(&server, &seventh.access).await.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn users_do_not_take_room_from_one_another() {
    both_engines(async |server| {
        let (pool, client) = scene(&server, 1).await;
        server.confirmed_user(&pool, "bob", PASSWORD, json!({})).await;
        let alice = sign_in(&server, &client, "alice").await;
        let bob = sign_in(&server, &client, "bob").await;
        assert!(is_good(&server, &alice.access).await && is_good(&server, &bob.access).await);
    })
    .await;
}

/// Sign-ins at the same moment: all of them succeed, and as many sessions as there may be are left.
async fn crowd(servers: Vec<Arc<Server>>, most: usize, count: usize) {
    let first = servers[0].clone();
    let (pool, client) = scene(&first, i64::try_from(most).unwrap()).await;
    let mut signing_in = JoinSet::new();
    for number in 0..count {
        let (server, client) = (servers[number % servers.len()].clone(), client.clone());
        signing_in.spawn(async move { sign_in(&server, &client, "alice").await });
    }
    let tokens = signing_in.join_all().await;
    let mut good = 0;
    for tokens in &tokens {
        if is_good(&first, &tokens.access).await {
            good += 1;
            refresh(&first, &client, &tokens.refresh).await.ok();
        } else {
            assert_eq!(refresh(&first, &client, &tokens.refresh).await.error(), REFRESH_REVOKED);
        }
    }
    assert_eq!(good, most.min(count));
    assert_eq!(by_age(&admin_list(&first, &pool, "alice").await.ok()).len(), most.min(count));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_sign_ins_at_once_never_exceed_the_number() {
    for (most, count) in [(1, 12), (3, 12), (12, 12), (20, 6)] {
        crowd(vec![Arc::new(Server::memory().await)], most, count).await;
    }
    crowd(vec![Arc::new(Server::file().await)], 3, 12).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_sign_ins_at_several_servers_never_exceed_the_number() {
    let Some(builder) = Server::builder().on_postgres() else { return };
    let first = builder.start().await;
    let second = first.sibling().start().await;
    crowd(vec![Arc::new(first), Arc::new(second)], 3, 8).await;
}

#[tokio::test]
async fn what_tracking_costs() {
    both_engines(async |server| {
        let (pool, client) = scene(&server, 2).await;
        // Commits of a sign-in, of a refresh, and of a sign-in that ends an older session.
        let mut costs = Vec::new();
        for tracking in ["DISABLED", "ENABLED"] {
            configure(&server, &pool, tracking, 1).await.ok();
            let commits = || server.app.store.statistics().commits;
            let before = commits();
            let tokens = sign_in(&server, &client, "alice").await;
            let signed_in = commits();
            refresh(&server, &client, &tokens.refresh).await.ok();
            let refreshed = commits();
            sign_in(&server, &client, "alice").await;
            costs.push([signed_in - before, refreshed - signed_in, commits() - refreshed]);
        }
        let [off, on] = <[[u64; 3]; 2]>::try_from(costs).unwrap();
        assert_eq!(off[1], 0, "a refresh only reads");
        assert_eq!(on, off.map(|commits| commits + 1));
    })
    .await;
}

#[tokio::test]
async fn long_lists_have_pages() {
    both_engines(async |server| {
        let (pool, client) = scene(&server, 100).await;
        let tokens = sign_in(&server, &client, "alice").await;
        let user = server.app.store.user_by_name(&pool, "alice").await.unwrap().unwrap();
        // More than any sign-in leaves behind.
        let mut changes = Changes::new();
        for number in 0..250 {
            changes.insert_user_part(TrackedSession {
                pool_id: pool.clone(),
                sub: user.sub.clone(),
                id: format!("tkn{number:025}"),
                kind: SessionKind::Token,
                origin_jti: format!("jti-{number}"),
                origin_session_id: None,
                client_id: client.clone(),
                auth_time: server.app.clock.now().seconds(),
                created_at: server.app.clock.now(),
                last_active_at: server.app.clock.now(),
                origin: SessionOrigin {
                    device: "x".to_owned(),
                    address: "::1".to_owned(),
                    city: None,
                    country: "unknown".to_owned(),
                },
                // Every tenth has expired.
                expires_at: if number % 10 == 0 { Timestamp(1) } else { server.app.clock.now().plus(1_000) },
            });
        }
        server.app.store.commit(changes).await.unwrap();
        let page = async |token: Option<&Value>| {
            let request = json!({"AccessToken": tokens.access, "NextToken": token});
            server.call("ListUserSessions", request).await.ok()
        };
        let first = page(None).await;
        let second = page(first.get("NextToken")).await;
        let third = page(second.get("NextToken")).await;
        assert_eq!(third.get("NextToken"), None);
        let pages = [first, second, third.clone()];
        let counts = pages.iter().map(|page| page["Sessions"].as_array().unwrap().len()).collect::<Vec<_>>();
        assert_eq!(counts, [112, 113, 1]);
        assert_eq!(third["Sessions"][0]["IsCurrentSession"], true);
        // The token is for this list of this user.
        server.confirmed_user(&pool, "bob", PASSWORD, json!({})).await;
        let request = json!({"UserPoolId": pool, "Username": "bob", "NextToken": pages[0]["NextToken"]});
        let answer = server.call("AdminListUserSessions", request).await.error();
        assert_eq!(answer, "InvalidParameterException: Invalid pagination token");
        // The next sign-in brings the user back to the number.
        server.advance(10);
        let tokens = sign_in(&server, &client, "alice").await;
        assert_eq!(listed(&server, &tokens.access).await.len(), 2, "the others have expired meanwhile");
        let records = server.app.store.user_part_documents(&pool, &user.sub, 999).await.unwrap();
        assert_eq!(records.len(), 3, "the two and the row in which sign-ins meet");
    })
    .await;
}
