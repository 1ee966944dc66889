//! Reads that wait at the same time share a statement, and nobody notices.

use std::time::Duration;

use domain::{AttemptPurpose, CodePurpose};
use futures_util::future::join_all;
use poolkeeper_store::{Changes, Error, Store};
use tokio::time::{Instant, sleep};

use crate::{
    rows,
    support::{blocking, open, options, register, scratch, wait_for},
};

const POOL: &str = "reads";
/// Users there are; every second one has a code, every third one a counter.
const USERS: usize = 40;

/// A store with users.
async fn with_users(url: &str) -> Store {
    let store = open(options(url)).await;
    for number in 0..USERS {
        let sub = format!("sub-{number}");
        let mut changes = register(POOL, &sub);
        if number % 2 == 0 {
            changes.insert(rows::code(POOL, &sub, CodePurpose::Reset, "hash"));
        }
        if number % 3 == 0 {
            changes.insert(rows::attempts(POOL, &sub, AttemptPurpose::ResetRequest));
        }
        store.commit(changes).await.unwrap();
    }
    store
}

/// Everything that can be asked of one user, as text.
async fn all_of(store: &Store, number: usize) -> Result<String, Error> {
    let sub = format!("sub-{number}");
    let user = store.user(POOL, &sub).await?;
    let named = store.user_by_name_or_nobody(POOL, &sub, "nobody").await?;
    let code = store.code(POOL, &sub, CodePurpose::Reset).await?;
    let sign_in = store.sign_in_snapshot(POOL, &sub).await?;
    let recovery = store.recovery_snapshot(POOL, &sub).await?;
    let reset = store.reset_request_snapshot(POOL, &sub, "nobody").await?;
    Ok(format!("{user:?} {named:?} {code:?} {sign_in:?} {recovery:?} {reset:?}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_that_go_together_find_what_each_finds_alone() {
    let Some(scratch) = scratch() else { return };
    let store = with_users(&scratch.url()).await;
    let mut alone = Vec::new();
    // A quarter of them does not exist.
    for number in 0..USERS * 4 / 3 {
        alone.push(all_of(&store, number).await.unwrap());
    }
    assert_eq!(store.statistics().read_groups, 0, "nobody waited");
    let often = || (0..4).flat_map(|_| 0..alone.len());
    let together = join_all(often().map(|number| all_of(&store, number))).await;
    for (number, found) in often().zip(together) {
        assert_eq!(found.unwrap(), alone[number]);
    }
    let statistics = store.statistics();
    let (groups, reads) = (statistics.read_groups, statistics.grouped_reads);
    assert!(groups > 0 && reads >= 8 * groups, "{statistics:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_sees_what_was_kept_before_it_was_asked_for() {
    let Some(scratch) = scratch() else { return };
    let store = with_users(&scratch.url()).await;
    let tasks = (0..32).map(|number| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut stored = store.user(POOL, &format!("sub-{number}")).await.unwrap().unwrap();
            for round in 0..40 {
                let mut changes = Changes::new();
                changes.replace(&stored, stored.value.clone());
                store.commit(changes).await.unwrap();
                let read = store.user(POOL, &format!("sub-{number}")).await.unwrap().unwrap();
                assert_eq!(read.version, stored.version + 1, "round {round}");
                stored = read;
            }
        })
    });
    for task in join_all(tasks).await {
        task.unwrap();
    }
    assert!(store.statistics().read_groups > 0);
}

/// Those who read one table wait for whoever has locked it; nobody else does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_is_locked_holds_up_nobody_who_reads_another() {
    let Some(scratch) = scratch() else { return };
    let store = with_users(&scratch.url()).await;
    let (holder, connection) = tokio_postgres::connect(&scratch.url(), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    holder.batch_execute("BEGIN; LOCK TABLE codes").await.unwrap();
    let waiting = (0..6).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { store.code(POOL, "sub-0", CodePurpose::Reset).await })
    });
    let waiting: Vec<_> = waiting.collect();
    // The first two are under way; the others wait for them, and go alone before long.
    let locked = || {
        let sql = "SELECT count(*) FROM pg_stat_activity \
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
        blocking(|| scratch.sql(sql)) == "6"
    };
    wait_for("all of them wait for the lock", async || locked().then_some(())).await;
    let since = Instant::now();
    let others = join_all((0..USERS).map(|number| {
        let store = store.clone();
        async move {
            let sub = format!("sub-{number}");
            (store.user(POOL, &sub).await, store.attempts(POOL, &sub, AttemptPurpose::ResetCode).await)
        }
    }));
    assert!(others.await.into_iter().all(|(user, attempts)| user.unwrap().is_some() && attempts.is_ok()));
    assert!(since.elapsed() < Duration::from_secs(3), "they waited, too");
    assert!(waiting.iter().all(|task| !task.is_finished()));
    holder.batch_execute("COMMIT").await.unwrap();
    for task in waiting {
        assert!(task.await.unwrap().unwrap().is_some());
    }
}

/// Whoever goes away takes nobody along.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_that_nobody_waits_for_any_more_harm_nobody() {
    let Some(scratch) = scratch() else { return };
    let store = with_users(&scratch.url()).await;
    for round in 0..20 {
        let tasks = (0..64).map(|number| {
            let store = store.clone();
            let task = tokio::spawn(async move { store.user(POOL, &format!("sub-{}", number % USERS)).await });
            (number, task)
        });
        let tasks: Vec<_> = tasks.collect();
        sleep(Duration::from_micros(100 * round)).await;
        for (number, task) in tasks {
            if number % 2 == 0 {
                task.abort();
            } else {
                assert!(task.await.unwrap().unwrap().is_some());
            }
        }
    }
}
