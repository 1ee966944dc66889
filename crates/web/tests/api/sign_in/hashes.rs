//! How passwords are kept must not show, and must not be a way to wear the server out (docs/security.md).

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use crypto::{seal::Purpose, srp};
use service::settings::SrpOff;

use super::*;

const BUSY: &str = "TooManyRequestsException: Too many passwords are being checked at the moment. Please try again.";

/// A server that keeps Argon2id hashes in every pool.
async fn without_srp() -> Server {
    Server::builder().settings(|settings| settings.srp_off = SrpOff::Everywhere).start().await
}

#[tokio::test]
async fn a_password_that_is_too_long_is_wrong_for_everybody_alike() {
    for server in [Server::memory().await, without_srp().await] {
        let (pool, client) = scene(&server, hides()).await;
        // More than 256 characters; more than Argon2 takes; and more than that in few characters.
        let long = [257, 1_024, 1_025, 131_072].map(|length| "x".repeat(length)).into_iter();
        for password in long.chain(["\u{1f511}".repeat(257)]) {
            for username in ["alice", "nobody"] {
                assert_eq!(server.sign_in(&client, username, &password).await.error(), INCORRECT, "{username}");
            }
        }
        // Each of the five was counted as a failure.
        for username in ["alice", "nobody"] {
            assert_eq!(admin_sign_in(&server, &pool, &client, username, PASSWORD).await.error(), LOCKED, "{username}");
        }
    }
}

#[tokio::test]
async fn the_longest_password_signs_in() {
    for server in [Server::memory().await, without_srp().await] {
        let (pool, client) = scene(&server, hides()).await;
        let longest = format!("Aa1!{}", "\u{1f511}".repeat(252));
        set_password(&server, &pool, "alice", &longest, true).await;
        server.sign_in(&client, "alice", &longest).await.ok();
        assert_eq!(server.sign_in(&client, "alice", &format!("{longest}x")).await.error(), INCORRECT);
    }
}

/// The shortest of a few failed sign-ins: what it takes at least.
#[expect(clippy::disallowed_methods, reason = "what a refusal takes is what is tested")]
async fn least(server: &Server, client: &str, username: &str) -> Duration {
    let mut least = Duration::MAX;
    for _ in 0..4 {
        let start = Instant::now();
        assert_eq!(server.sign_in(client, username, "Wr0ng-password").await.error(), INCORRECT);
        least = least.min(start.elapsed());
    }
    least
}

#[tokio::test]
async fn a_user_whose_password_is_still_kept_as_a_verifier_takes_no_less_time() {
    let server = without_srp().await;
    let pool = server.pool(json!({})).await;
    let client = server.client_id(&pool, hides()).await;
    let sub = server.confirmed_user(&pool, "alice", PASSWORD, json!({})).await;
    let stored = server.app.store.password(&pool, &sub).await.unwrap().unwrap();
    let (_, short_name) = pool.split_once('_').unwrap();
    let entropy = &*server.app.entropy;
    let made = srp::make_verifier(entropy, short_name, "alice", PASSWORD);
    let identity = format!("{pool}/{sub}");
    let verifier = server.app.ring.seal(entropy, Purpose::PasswordVerifier, &identity, &made.verifier);
    let mut older = stored.value.clone();
    older.current = domain::PasswordHash::Srp { salt: srp::to_hex(&made.salt), verifier };
    let mut changes = Changes::new();
    changes.replace(&stored, older);
    server.app.commit(changes).await.unwrap();

    // Argon2 takes fifty times as long as checking a verifier, so that a busy machine changes nothing here.
    let (known, unknown) = (least(&server, &client, "alice").await, least(&server, &client, "nobody").await);
    assert!(known * 5 > unknown, "{known:?} {unknown:?}");

    server.sign_in(&client, "alice", PASSWORD).await.ok();
    let after = server.app.store.password(&pool, &sub).await.unwrap().unwrap();
    assert!(matches!(after.current, domain::PasswordHash::Argon2id { .. }));
    server.sign_in(&client, "alice", PASSWORD).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_sign_ins_is_turned_away_instead_of_taking_all_memory() {
    let server = without_srp().await;
    let (_, client) = scene(&server, hides()).await;
    let server = Arc::new(server);
    let room = std::thread::available_parallelism().unwrap().get() + 64;
    // Under many names, since one user's sign-ins wait for each other anyway.
    let names = AtomicUsize::new(0);
    let outcomes = at_once(room * 4, &server, |server| {
        let (client, name) = (client.clone(), format!("nobody{}", names.fetch_add(1, Ordering::Relaxed)));
        async move { server.sign_in(&client, &name, "Wr0ng-password").await }
    })
    .await;
    let of = |outcome: &str| outcomes.iter().filter(|found| *found == outcome).count();
    assert_eq!(of(INCORRECT) + of(BUSY), outcomes.len(), "{outcomes:?}");
    assert!(of(INCORRECT) >= room && of(BUSY) > 0, "{} {}", of(INCORRECT), of(BUSY));
    // Whoever tries again later is served.
    server.sign_in(&client, "alice", PASSWORD).await.ok();
}
