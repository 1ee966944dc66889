//! The epoch tells servers that something changed which they keep in memory, and nothing else.

use domain::{AttemptPurpose, CodePurpose, NameKind};
use poolkeeper_store::{Changes, CommitError, Key, Lease, Store};

use crate::{
    engines::on_every_engine,
    rows::{self, NOW, POOL},
};

/// Commits, and says whether the epoch grew. It never shrinks; where nobody shares the data it is always 0.
async fn grows(store: &Store, changes: Changes) -> bool {
    let before = store.epoch().await.unwrap();
    store.commit(changes).await.unwrap();
    let after = store.epoch().await.unwrap();
    assert!(after >= before, "{before} {after}");
    assert!(store.is_shared() || after == 0);
    after > before
}

/// A changeset of one or a few changes.
fn changes(make: impl FnOnce(&mut Changes) -> &mut Changes) -> Changes {
    let mut changes = Changes::new();
    make(&mut changes);
    changes
}

#[test]
fn the_epoch_grows_when_a_pool_a_client_or_a_key_of_a_pool_changes() {
    on_every_engine(async |store| {
        let shared = store.is_shared();
        let [pool, client, key] = [
            Key::Pool { id: POOL.to_owned() },
            Key::Client { id: "client".to_owned() },
            Key::SigningKey { kid: "kid".to_owned() },
        ];
        // A key that belongs to nobody yet is not news; that it now belongs to a pool is.
        assert!(!grows(&store, changes(|c| c.insert(rows::signing_key("kid", "")))).await);
        for news in [
            changes(|c| c.insert(rows::pool(POOL))),
            changes(|c| c.save(rows::pool(POOL), Some(1))),
            changes(|c| c.insert(rows::client("client", POOL))),
            changes(|c| c.save(rows::client("client", POOL), Some(1))),
            changes(|c| c.save(rows::signing_key("kid", POOL), Some(1))),
            changes(|c| c.insert(rows::signing_key("second", POOL))),
            changes(|c| c.delete(key, 2)),
            changes(|c| c.delete(client, 2)),
            changes(|c| c.insert(rows::spent("nonce")).delete(pool, 2)),
        ] {
            assert_eq!(grows(&store, news.clone()).await, shared, "{news:?}");
        }
        let before = store.epoch().await.unwrap();
        store.reset().await.unwrap();
        assert_eq!(store.epoch().await.unwrap() > before, shared);
    });
}

#[test]
fn the_epoch_does_not_grow_for_anything_else() {
    on_every_engine(async |store| {
        store.commit(changes(|c| c.insert(rows::pool(POOL)).insert(rows::client("client", POOL)))).await.unwrap();
        for silent in [
            changes(|c| c.insert(rows::user(POOL, "sub")).claim(POOL, "ann", NameKind::Username, "sub")),
            changes(|c| c.save(rows::user(POOL, "sub"), Some(1)).count_users(POOL, 1)),
            changes(|c| c.insert(rows::password(POOL, "sub"))),
            changes(|c| c.insert(rows::code(POOL, "sub", CodePurpose::Reset, "hash"))),
            changes(|c| c.insert(rows::attempts(POOL, "sub", AttemptPurpose::SignIn))),
            changes(|c| c.insert(rows::message("message", NOW)).insert(rows::access_key("AKIA"))),
            changes(|c| c.insert(rows::revocation(POOL, "jti")).insert(rows::spent("nonce"))),
            changes(|c| c.insert(Lease { name: "job".to_owned(), holder: "server".to_owned() })),
            changes(|c| c.release(POOL, "ann", NameKind::Username, "sub")),
            changes(|c| c.delete(Key::User { pool_id: POOL.to_owned(), sub: "sub".to_owned() }, 2)),
            changes(|c| c.assert(Key::Pool { id: POOL.to_owned() }, 1).insert(rows::spent("other"))),
        ] {
            assert!(!grows(&store, silent.clone()).await, "{silent:?}");
        }
        store.delete_all_messages().await.unwrap();
        store.sweep(NOW.plus(1_000_000), 10).await.unwrap();
        // What was refused is no news either.
        let before = store.epoch().await.unwrap();
        let refused = changes(|c| c.save(rows::pool(POOL), Some(7)));
        assert_eq!(store.commit(refused).await, Err(CommitError::Conflict));
        assert_eq!(store.epoch().await.unwrap(), before);
    });
}

#[test]
fn changes_at_the_same_time_all_count() {
    on_every_engine(async |store| {
        let before = store.epoch().await.unwrap();
        let mut tasks = Vec::new();
        for number in 0..32 {
            let store = store.clone();
            tasks.push(tokio::spawn(async move {
                let id = format!("client-{number}");
                store.commit(changes(|c| c.insert(rows::client(&id, POOL)))).await.unwrap();
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        let grown = store.epoch().await.unwrap() - before;
        assert_eq!(grown, if store.is_shared() { 32 } else { 0 });
    });
}
