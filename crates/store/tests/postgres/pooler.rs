//! A pooler that hands each transaction to any of its connections: PgBouncer 1.18, which knows nothing of prepared
//! statements.

use std::time::Duration;

use cluster::PgBouncer;
use domain::{AttemptPurpose, CodePurpose, NameKind};
use poolkeeper_store::{CommitError, Error, Isolation, Key, PostgresOptions, Store, Taken};
use tokio::time::Instant;

use crate::{
    rows::{self, NOW, POOL},
    support::{blocking, open, options, server, sign_up, subs, try_to_open},
};

/// Something of everything that the store can do.
pub async fn do_everything(store: &Store, tag: &str) {
    let pool = format!("{POOL}-{tag}");
    let mut changes = sign_up(&pool, "sub");
    changes.insert(rows::pool(&pool)).insert(rows::client(&format!("client-{tag}"), &pool));
    changes.insert(rows::signing_key(&format!("key-{tag}"), &pool));
    changes.insert(rows::password(&pool, "sub")).insert(rows::code(&pool, "sub", CodePurpose::Reset, "hash"));
    changes.insert(rows::attempts(&pool, "sub", AttemptPurpose::SignIn)).insert(rows::message(tag, NOW));
    changes.claim(&pool, "name", NameKind::Username, "sub").insert(rows::spent(tag));
    store.commit(changes).await.unwrap();

    let mut taken = sign_up(&pool, "other");
    taken.claim(&pool, "name", NameKind::Username, "other");
    let owner = Taken::Name { name: "name".to_owned(), kind: NameKind::Username, sub: "sub".to_owned() };
    assert_eq!(store.commit(taken).await, Err(CommitError::Taken(owner)));
    let key = Key::User { pool_id: pool.clone(), sub: "sub".to_owned() };
    let mut stale = sign_up(&pool, "other");
    stale.assert(key.clone(), 7);
    assert_eq!(store.commit(stale).await, Err(CommitError::Conflict));
    let mut current = poolkeeper_store::Changes::new();
    current.assert(key.clone(), 1).assert_no_attempts(&pool, "sub", AttemptPurpose::ResetCode);
    store.commit(current.clone()).await.unwrap();
    current.save(rows::user(&pool, "sub"), Some(1));
    store.commit(current).await.unwrap();

    assert_eq!(subs(store, &pool).await, ["sub"]);
    assert_eq!(store.estimated_users(&pool).await.unwrap(), 1);
    assert_eq!(store.user_by_name(&pool, "name").await.unwrap().unwrap().version, 2);
    assert!(store.sign_in_snapshot(&pool, "sub").await.unwrap().attempts.is_some());
    assert!(store.recovery_snapshot(&pool, "sub").await.unwrap().code.is_some());
    assert!(!store.token_snapshot(&pool, "sub", Some("jti")).await.unwrap().is_revoked);
    assert_eq!(store.clients(&pool, None, 10).await.unwrap().len(), 1);
    assert_eq!(store.signing_keys(&pool).await.unwrap().len(), 1);
    assert_eq!(store.set_meta_if_absent(tag, "value").await.unwrap(), "value");
    assert!(store.epoch().await.unwrap() > 0);
    assert!(store.message(tag).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_per_transaction_works_without_prepared_statements_and_says_so_with_them() {
    let Some(server) = server(&Default::default()) else { return };
    cluster::packages::pgbouncer().unwrap();
    let mut pooler = blocking(|| PgBouncer::start(&server, 4));
    let without = |isolation| PostgresOptions { isolation, prepared_statements: false, ..options(&pooler.url("main")) };
    let opened =
        tokio::join!(try_to_open(without(Isolation::ReadCommitted)), try_to_open(without(Isolation::Serializable)));
    let stores = [opened.0.unwrap(), opened.1.unwrap()];
    let tasks: Vec<_> = (0..24)
        .map(|number| {
            let store = stores[number % 2].clone();
            tokio::spawn(async move { do_everything(&store, &number.to_string()).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert!(stores[0].sweep(NOW.plus(1_000_000), 1_000).await.unwrap().removed >= 24 * 3);

    // When it ends, connections break in the middle, and new ones are made when it is back.
    let url = pooler.url("main");
    let tasks: Vec<_> = (0..4)
        .map(|task| {
            let store = stores[task % 2].clone();
            tokio::spawn(async move {
                for number in 0..50 {
                    store.commit(sign_up("restart", &format!("{task}-{number}"))).await.unwrap();
                }
            })
        })
        .collect();
    blocking(|| pooler.restart());
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(subs(&stores[0], "restart").await.len(), 200);
    assert_eq!(stores[0].estimated_users("restart").await.unwrap(), 200);

    // Prepared statements get lost between its connections: no server starts, however often it is tried.
    for isolation in [Isolation::ReadCommitted, Isolation::Serializable].repeat(5) {
        let refused = try_to_open(PostgresOptions { isolation, ..options(&url) }).await.unwrap_err();
        assert!(matches!(refused, Error::Refused(_)), "{refused:?}");
        assert!(refused.to_string().contains("store.postgres.prepared_statements = false"), "{refused}");
    }
    // What was tried left nothing behind.
    stores[0].commit(sign_up("restart", "last")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_with_one_connection_keeps_nobody_from_starting() {
    let Some(server) = server(&Default::default()) else { return };
    cluster::packages::pgbouncer().unwrap();
    let pooler = blocking(|| PgBouncer::start(&server, 1));
    let started = Instant::now();
    let store = open(options(&pooler.url("main"))).await;
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    store.commit(sign_up("one", "sub")).await.unwrap();
}
