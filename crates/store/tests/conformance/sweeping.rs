//! What has expired goes, what belonged to deleted pools goes, everything else stays.

use domain::{AttemptPurpose, CodePurpose, Group, NameKind, SearchKind, Timestamp};
use poolkeeper_store::{Changes, CommitError, Key, PurgeKind, Store};

use crate::{
    engines::on_every_engine,
    rows::{self, NOW, OTHER_POOL, POOL},
};

/// Sweeps until a pass is complete.
pub async fn sweep_all(store: &Store, now: Timestamp, limit: usize) -> usize {
    let (mut removed, mut calls, mut complete) = (0, 0, false);
    while !complete {
        let swept = store.sweep(now, limit).await.unwrap();
        (removed, calls, complete) = (removed + swept.removed, calls + 1, swept.complete);
        assert!(calls < 1_000, "the pass never ends");
    }
    removed
}

#[test]
fn a_pass_walks_every_table_once_however_little_there_is_to_remove() {
    on_every_engine(async |store| {
        let mut changes = Changes::new();
        for number in 0..50 {
            // All but the last of the longest table live on.
            let mut spent = rows::spent(&format!("{number:02}"));
            spent.expires_at = if number == 49 { NOW } else { NOW.plus(1) };
            changes.insert(spent);
        }
        changes.insert(rows::revocation(POOL, "jti"));
        store.commit(changes).await.unwrap();
        let mut calls = Vec::new();
        for _ in 0..12 {
            let swept = store.sweep(NOW, 10).await.unwrap();
            calls.push((swept.removed, swept.complete));
        }
        // Five full slices and the empty one that is the end; then a new pass, from the beginning, with one row less.
        let first = [(0, false), (0, false), (0, false), (0, false), (1, false), (0, true)];
        let second = [(0, false), (0, false), (0, false), (0, false), (0, true)];
        assert_eq!(calls.get(..6).unwrap(), first);
        assert_eq!(calls.get(6..11).unwrap(), second);
    });
}

#[test]
fn expired_rows_go_and_live_ones_stay() {
    on_every_engine(async |store| {
        let mut changes = Changes::new();
        for number in 0..30_i64 {
            let sub = format!("{number:02}");
            let expires_at = if number % 3 == 0 { NOW } else { NOW.plus(1) };
            let mut code = rows::code(POOL, &sub, CodePurpose::Reset, "hash");
            code.expires_at = expires_at;
            let mut attempts = rows::attempts(POOL, &sub, AttemptPurpose::SignIn);
            attempts.expires_at = expires_at;
            let mut revocation = rows::revocation(POOL, &sub);
            revocation.expires_at = expires_at;
            let mut spent = rows::spent(&sub);
            spent.expires_at = expires_at;
            changes.insert(code).insert(attempts).insert(revocation).insert(spent).insert(rows::user(POOL, &sub));
        }
        store.commit(changes).await.unwrap();
        assert_eq!(sweep_all(&store, NOW.plus(-1), 7).await, 0);
        assert_eq!(sweep_all(&store, NOW, 7).await, 4 * 10);
        for number in 0..30 {
            let sub = format!("{number:02}");
            let lives = number % 3 != 0;
            assert_eq!(store.code(POOL, &sub, CodePurpose::Reset).await.unwrap().is_some(), lives);
            assert_eq!(store.attempts(POOL, &sub, AttemptPurpose::SignIn).await.unwrap().is_some(), lives);
            assert_eq!(store.revocation(POOL, &sub).await.unwrap().is_some(), lives);
            assert_eq!(store.spent(&sub).await.unwrap().is_some(), lives);
            assert!(store.user(POOL, &sub).await.unwrap().is_some());
        }
        assert_eq!(sweep_all(&store, NOW.plus(1), 1_000).await, 4 * 20);
    });
}

/// A pool with one row of everything that a pool can own, and `users` users.
async fn fill(store: &Store, pool_id: &str, users: usize) {
    let mut changes = Changes::new();
    changes.insert(rows::pool(pool_id)).insert(rows::client(&format!("client-of-{pool_id}"), pool_id));
    changes.insert(rows::signing_key(&format!("kid-of-{pool_id}"), pool_id));
    for number in 0..users {
        let sub = format!("{number:02}");
        changes.insert(rows::user(pool_id, &sub)).insert(rows::password(pool_id, &sub));
        changes.insert(rows::code(pool_id, &sub, CodePurpose::SignUp, "hash"));
        changes.insert(rows::attempts(pool_id, &sub, AttemptPurpose::SignIn));
        changes.insert(rows::revocation(pool_id, &sub));
        changes.claim(pool_id, &sub, NameKind::Username, &sub).count_users(pool_id, 1);
        let group = rows::group(pool_id, &sub);
        changes.insert(&group).join(&group, &sub);
        changes.search(pool_id, (SearchKind::Name, "Anna".to_owned()), &sub, true);
        changes.insert(rows::domain(&format!("{sub}-of-{pool_id}"), pool_id));
        changes.insert(rows::chunk(&format!("file-{sub}-of-{pool_id}"), 0, pool_id));
        changes.insert(rows::chunk(&format!("lost-{sub}-of-{pool_id}"), 0, pool_id));
        changes.purge(pool_id, PurgeKind::File, &format!("lost-{sub}-of-{pool_id}"));
        let mut message = rows::message(&format!("{pool_id}-{sub}"), NOW);
        message.pool_id = pool_id.to_owned();
        changes.insert(message);
    }
    store.commit(changes).await.unwrap();
}

/// How many rows of a filled pool are found.
async fn found(store: &Store, pool_id: &str, users: usize) -> usize {
    let mut found = store.signing_keys(pool_id).await.unwrap().len();
    found += usize::try_from(store.estimated_users(pool_id).await.unwrap()).unwrap();
    for number in 0..users {
        let sub = format!("{number:02}");
        found += usize::from(store.user(pool_id, &sub).await.unwrap().is_some());
        found += usize::from(store.password(pool_id, &sub).await.unwrap().is_some());
        found += usize::from(store.code(pool_id, &sub, CodePurpose::SignUp).await.unwrap().is_some());
        found += usize::from(store.attempts(pool_id, &sub, AttemptPurpose::SignIn).await.unwrap().is_some());
        found += usize::from(store.revocation(pool_id, &sub).await.unwrap().is_some());
        found += usize::from(store.name_owner(pool_id, &sub, NameKind::Username).await.unwrap().is_some());
        found += usize::from(store.message(&format!("{pool_id}-{sub}")).await.unwrap().is_some());
        found += usize::from(store.part::<Group>(pool_id, &sub).await.unwrap().is_some());
        found += store.members(&rows::group(pool_id, &sub), None, 10).await.unwrap().len();
        found += usize::from(store.chunk(&format!("file-{sub}-of-{pool_id}"), 0).await.unwrap().is_some());
    }
    found += store.users_with(pool_id, SearchKind::Name, "Anna", "", 100).await.unwrap().len();
    found += store.domains(pool_id).await.unwrap().len().min(users);
    found
}

#[test]
fn a_deleted_pool_is_gone_at_once_and_cleared_away_later() {
    on_every_engine(async |store| {
        fill(&store, POOL, 20).await;
        fill(&store, OTHER_POOL, 3).await;
        let key = Key::Pool { id: POOL.to_owned() };
        let delete = |version| {
            let mut changes = Changes::new();
            changes.delete(key.clone(), version);
            store.commit(changes)
        };
        assert_eq!(delete(2).await, Err(CommitError::Conflict));
        delete(1).await.unwrap();
        assert_eq!(delete(2).await, Err(CommitError::Conflict), "it is deleted once");

        assert_eq!(store.pool(POOL).await.unwrap(), None);
        assert_eq!(store.client(&format!("client-of-{POOL}")).await.unwrap(), None);
        assert_eq!(store.clients(POOL, None, 10).await.unwrap(), []);
        let pools = store.pools(None, 10).await.unwrap();
        assert_eq!(pools.iter().map(|pool| pool.id.as_str()).collect::<Vec<_>>(), [OTHER_POOL]);
        for version in [1, 2] {
            let mut changes = Changes::new();
            changes.assert(key.clone(), version);
            assert_eq!(store.commit(changes).await, Err(CommitError::Conflict));
            let mut changes = Changes::new();
            changes.save(rows::pool(POOL), Some(version));
            assert_eq!(store.commit(changes).await, Err(CommitError::Conflict));
        }
        let mut changes = Changes::new();
        changes.insert(rows::pool(POOL));
        assert_eq!(store.commit(changes).await, Err(CommitError::Conflict), "its rows are still there");

        assert!(found(&store, POOL, 20).await > 0);
        assert!(sweep_all(&store, NOW, 7).await > 0);
        assert_eq!(found(&store, POOL, 20).await, 0);
        assert_eq!(found(&store, OTHER_POOL, 3).await, 1 + 3 + 12 * 3);
        assert!(store.client(&format!("client-of-{OTHER_POOL}")).await.unwrap().is_some());
        sweep_all(&store, NOW.plus(domain::time::MINUTE), 7).await;
        // Nothing is left, so the id is free again, and what comes under it stays.
        fill(&store, POOL, 2).await;
        assert_eq!(sweep_all(&store, NOW, 7).await, 4, "the lost files alone");
        assert_eq!(found(&store, POOL, 2).await, 1 + 2 + 12 * 2);
    });
}

#[test]
fn a_reset_keeps_only_what_belongs_to_the_server() {
    on_every_engine(async |store| {
        fill(&store, POOL, 2).await;
        let mut changes = Changes::new();
        changes.insert(rows::spent("nonce")).insert(rows::access_key("AKIA")).insert(rows::signing_key("stock", ""));
        store.commit(changes).await.unwrap();
        store.set_meta_if_absent("name", "value").await.unwrap();
        store.reset().await.unwrap();
        assert_eq!(found(&store, POOL, 2).await, 0);
        assert_eq!(store.pools(None, 10).await.unwrap(), []);
        assert_eq!(store.spent("nonce").await.unwrap(), None);
        assert_eq!(store.stock_keys(10).await.unwrap().len(), 1);
        assert_eq!(store.access_keys().await.unwrap().len(), 1);
        assert_eq!(store.get_meta("name").await.unwrap().unwrap(), "value");
        fill(&store, POOL, 2).await;
    });
}
