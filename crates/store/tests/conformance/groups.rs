//! Changesets that share a transaction must not notice.

use domain::{AttemptPurpose, CodePurpose, NameKind, PartKind};
use poolkeeper_store::{Changes, CommitError, Key, Lease, Row, Store, Taken};

use crate::{
    engines::on_every_engine,
    rows::{self, NOW, POOL},
    versions::read,
};

/// Commits changesets at the same time.
async fn at_once(store: &Store, changesets: Vec<Changes>) -> Vec<Result<(), CommitError>> {
    let commits: Vec<_> = changesets
        .into_iter()
        .map(|changes| {
            let store = store.clone();
            tokio::spawn(async move { store.commit(changes).await })
        })
        .collect();
    let mut results = Vec::new();
    for commit in commits {
        results.push(commit.await.unwrap());
    }
    results
}

/// Whether groups have formed, where they form at all.
fn has_grouped(store: &Store) -> bool {
    let statistics = store.statistics();
    statistics.groups == 0 || statistics.largest_group > 1
}

/// A row of every kind that a changeset may write beside others', with where it is.
fn of_every_kind(number: usize) -> Vec<(Row, Key)> {
    let (pool_id, name) = (POOL.to_owned(), format!("number-{number:03}"));
    let (reset, sign_in) = (CodePurpose::Reset, AttemptPurpose::SignIn);
    vec![
        (rows::user(POOL, &name).into(), Key::User { pool_id: pool_id.clone(), sub: name.clone() }),
        (rows::password(POOL, &name).into(), Key::Password { pool_id: pool_id.clone(), sub: name.clone() }),
        (
            rows::code(POOL, &name, reset, "hash").into(),
            Key::Code { pool_id: pool_id.clone(), sub: name.clone(), purpose: reset },
        ),
        (
            rows::attempts(POOL, &name, sign_in).into(),
            Key::Attempts { pool_id: pool_id.clone(), sub: name.clone(), purpose: sign_in },
        ),
        (rows::message(&name, NOW).into(), Key::Message { id: name.clone() }),
        (rows::access_key(&name).into(), Key::AccessKey { id: name.clone() }),
        (rows::revocation(POOL, &name).into(), Key::Revocation { pool_id: pool_id.clone(), origin_jti: name.clone() }),
        (rows::spent(&name).into(), Key::Spent { id: name.clone() }),
        (Lease { name: name.clone(), holder: "somebody".to_owned() }.into(), Key::Lease { name: name.clone() }),
        (Row::from(&rows::group(POOL, &name)), Key::Part { pool_id, kind: PartKind::Group, id: name.clone() }),
        (rows::domain(&name, POOL).into(), Key::Domain { domain: name.clone() }),
        (rows::chunk(&name, 0, POOL).into(), Key::Chunk { file_id: name, number: 0 }),
    ]
}

#[test]
fn rows_of_every_kind_are_written_together() {
    on_every_engine(async |store| {
        const CHANGESETS: usize = 24;
        let numbers = || 0..CHANGESETS;
        let insert = |number| {
            let mut changes = Changes::new();
            for (row, _) in of_every_kind(number) {
                changes.insert(row);
            }
            changes
        };
        // Without its pool a domain cannot be read.
        let mut pool = Changes::new();
        pool.insert(rows::pool(POOL));
        store.commit(pool).await.unwrap();
        assert_eq!(at_once(&store, numbers().map(insert).collect()).await, vec![Ok(()); CHANGESETS]);
        let mut versions = Vec::new();
        for number in numbers() {
            let mut found = Vec::new();
            for (row, key) in of_every_kind(number) {
                let (is, version) = read(&store, &key).await.unwrap().unwrap();
                assert_eq!(is, row);
                found.push((row, key, version));
            }
            versions.push(found);
        }
        // Every third one was decided on a version that the last of its rows does not have.
        let loses = |number: usize| number % 3 == 1;
        let write = |number: usize, delete: bool, ahead: i64| {
            let mut changes = Changes::new();
            let found = &versions[number];
            for (position, (row, key, version)) in found.iter().enumerate() {
                let wrong = i64::from(loses(number) && position + 1 == found.len());
                match delete {
                    true => changes.delete(key.clone(), version + ahead + wrong),
                    false => changes.save(row.clone(), Some(version + ahead + wrong)),
                };
            }
            changes
        };
        let expected: Vec<_> =
            numbers().map(|number| if loses(number) { Err(CommitError::Conflict) } else { Ok(()) }).collect();
        let replaced = at_once(&store, numbers().map(|number| write(number, false, 0)).collect()).await;
        assert_eq!(replaced, expected);
        for (number, found) in versions.iter().enumerate() {
            for (row, key, version) in found {
                let now = read(&store, key).await.unwrap();
                assert_eq!(now, Some((row.clone(), version + i64::from(!loses(number)))), "{key:?}");
            }
        }
        let deleted = at_once(&store, numbers().map(|number| write(number, true, 1)).collect()).await;
        assert_eq!(deleted, expected);
        for (number, found) in versions.iter().enumerate() {
            for (_, key, _) in found {
                assert_eq!(read(&store, key).await.unwrap().is_some(), loses(number), "{key:?}");
            }
        }
        assert!(has_grouped(&store), "{:?}", store.statistics());
    });
}

#[test]
fn of_many_who_meet_at_one_row_in_a_group_one_wins() {
    on_every_engine(async |store| {
        const CHANGESETS: usize = 16;
        let changesets = (0..CHANGESETS).map(|number| {
            let mut changes = Changes::new();
            changes.insert(rows::user(POOL, &format!("sub-{number}"))).insert(rows::spent("nonce"));
            changes
        });
        let results = at_once(&store, changesets.collect()).await;
        let taken = Err(CommitError::Taken(Taken::Spent { id: "nonce".to_owned() }));
        assert_eq!(results.iter().filter(|result| **result == Ok(())).count(), 1);
        assert_eq!(results.iter().filter(|result| **result == taken).count(), CHANGESETS - 1);
        assert_eq!(store.users(POOL, None, 100).await.unwrap().len(), 1);

        // Each makes room for the next one's row: of the same kind, one goes and one comes.
        let owner = |number: usize| Lease { name: format!("job-{number}"), holder: "somebody".to_owned() };
        let mut changes = Changes::new();
        for number in 0..CHANGESETS {
            changes.insert(owner(number));
        }
        store.commit(changes).await.unwrap();
        let moves = (0..CHANGESETS).map(|number| {
            let mut changes = Changes::new();
            changes.delete(Key::Lease { name: owner(number).name }, 1).insert(owner((number + 1) % CHANGESETS));
            changes
        });
        let results = at_once(&store, moves.collect()).await;
        // Whoever is the first finds the next one's row still there, so not all of them can have won.
        let kept = results.iter().filter(|result| **result == Ok(())).count();
        assert!(kept < CHANGESETS && results.contains(&Err(CommitError::Conflict)), "{results:?}");
        let mut left = 0;
        for number in 0..CHANGESETS {
            left += usize::from(store.lease(&owner(number).name).await.unwrap().is_some());
        }
        assert_eq!(left, CHANGESETS, "each that won has taken one away and brought one");
        assert!(has_grouped(&store), "{:?}", store.statistics());
    });
}

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
