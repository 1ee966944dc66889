//! Changesets that share a transaction must not notice.

use domain::NameKind;
use poolkeeper_store::{Changes, CommitError, Key};

use crate::{
    engines::on_every_engine,
    rows::{self, POOL},
};

#[test]
fn a_loser_hurts_nobody_in_its_group() {
    on_every_engine(async |store| {
        let mut changes = Changes::new();
        changes.claim(POOL, "taken", NameKind::Username, "somebody");
        store.commit(changes).await.unwrap();
        let mut tasks = Vec::new();
        for number in 0..256 {
            let store = store.clone();
            tasks.push(tokio::spawn(async move {
                let sub = format!("sub-{number:03}");
                let mut changes = Changes::new();
                changes.insert(rows::user(POOL, &sub));
                match number % 32 {
                    // Loses after it wrote, loses at once, and loses by name after it wrote.
                    5 => changes.delete(Key::Message { id: "none".to_owned() }, 1),
                    6 => changes.assert(Key::Pool { id: "none".to_owned() }, 1),
                    7 => changes.claim(POOL, "taken", NameKind::Username, &sub),
                    _ => changes.count_users(POOL, 1),
                };
                (number, store.commit(changes).await)
            }));
        }
        for task in tasks {
            let (number, result) = task.await.unwrap();
            match number % 32 {
                5 | 6 => assert_eq!(result, Err(CommitError::Conflict)),
                7 => assert!(matches!(result, Err(CommitError::Taken(_))), "{result:?}"),
                _ => assert_eq!(result, Ok(())),
            }
        }
        let kept = store.users(POOL, None, 1_000).await.unwrap();
        assert_eq!(kept.len(), 256 - 3 * 8);
        assert_eq!(store.estimated_users(POOL).await.unwrap(), 256 - 3 * 8);
        let statistics = store.statistics();
        assert_eq!((statistics.commits, statistics.conflicts, statistics.taken), (256 - 3 * 8 + 1, 16, 8));
        assert_eq!(statistics.failures, 0);
        if !store.is_shared() {
            assert!(statistics.groups >= 1 && statistics.largest_group >= 1, "{statistics:?}");
        }
    });
}

#[test]
fn a_counter_that_many_race_for_loses_no_step() {
    on_every_engine(async |store| {
        let mut changes = Changes::new();
        changes.insert(rows::access_key("AKIA"));
        store.commit(changes).await.unwrap();
        let mut tasks = Vec::new();
        for _ in 0..16 {
            let store = store.clone();
            tasks.push(tokio::spawn(async move {
                let mut conflicts = 0_u64;
                loop {
                    let found = store.access_key("AKIA").await.unwrap().unwrap();
                    let mut next = found.value.clone();
                    next.label.push('+');
                    let mut changes = Changes::new();
                    changes.replace(&found, next);
                    match store.commit(changes).await {
                        Ok(()) => return conflicts,
                        Err(error) => assert_eq!(error, CommitError::Conflict),
                    }
                    conflicts += 1;
                }
            }));
        }
        let mut conflicts = 0;
        for task in tasks {
            conflicts += task.await.unwrap();
        }
        let found = store.access_key("AKIA").await.unwrap().unwrap();
        assert_eq!(found.label, format!("ci{}", "+".repeat(16)));
        assert_eq!(found.version, 17);
        assert_eq!(store.statistics().conflicts, conflicts);
    });
}

#[test]
fn whoever_was_answered_reads_their_own_write() {
    on_every_engine(async |store| {
        let mut tasks = Vec::new();
        for number in 0..64 {
            let store = store.clone();
            tasks.push(tokio::spawn(async move {
                let sub = format!("sub-{number}");
                let mut changes = Changes::new();
                changes.insert(rows::user(POOL, &sub));
                store.commit(changes).await.unwrap();
                assert_eq!(store.user(POOL, &sub).await.unwrap().unwrap().value, rows::user(POOL, &sub));
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
    });
}
