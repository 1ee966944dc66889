//! Whether a database takes changes at this moment, and how long it takes to find out.

use std::time::{Duration, Instant};

use cluster::Scratch;
use poolkeeper_store::{Changes, Error, Options, PlannedMigration, Prepared, Store};
use wire::Timestamp;

use crate::engines::{on_every_engine, postgres};

const PATIENCE: Duration = Duration::from_secs(1);
/// For what should go well, on a machine that is busy with other tests.
const ENOUGH: Duration = Duration::from_secs(20);
const NOW: Timestamp = Timestamp(1_700_000_000_123);

#[test]
fn a_database_in_order_takes_a_row_that_the_next_sweep_removes() {
    on_every_engine(async |store| {
        for _ in 0..3 {
            store.probe(NOW, ENOUGH).await.unwrap();
        }
        assert_eq!(store.sweep(NOW, 100).await.unwrap().removed, 3, "each one wrote");
    });
}

/// A database, and the store on it.
async fn opened() -> Option<(Scratch, Store)> {
    let scratch = Scratch::from_environment().unwrap()?;
    let store = Store::open(&Options::postgres(postgres(&scratch.url()))).await.unwrap();
    Some((scratch, store))
}

/// What the probe says against it, and that it said so in time.
async fn refusal(store: &Store) -> String {
    let began = now();
    let error = store.probe(NOW, PATIENCE).await.unwrap_err();
    assert!(began.elapsed() < PATIENCE * 3, "{:?}: {error}", began.elapsed());
    error.to_string()
}

#[expect(clippy::disallowed_methods, reason = "a test measures how long something takes")]
fn now() -> Instant {
    Instant::now()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_only_reads_is_seen_through() {
    let Some((scratch, store)) = opened().await else { return };
    store.probe(NOW, ENOUGH).await.unwrap();
    let name = scratch.sql("SELECT current_database()").unwrap();
    scratch.sql(&format!("ALTER DATABASE {name} SET default_transaction_read_only = on")).unwrap();
    let ours = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                WHERE datname = current_database() AND pid <> pg_backend_pid()";
    scratch.sql(ours).unwrap();
    let error = refusal(&store).await;
    assert!(error.contains("read-only transaction"), "{error}");
    assert!(store.pools(None, 1).await.is_ok(), "it reads all the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_stands_still_is_given_up_in_time() {
    let Some((scratch, store)) = opened().await else { return };
    let (begun, has_begun) = std::sync::mpsc::channel();
    let blocker = std::thread::spawn(move || {
        begun.send(()).unwrap();
        scratch.sql("BEGIN; LOCK TABLE stamps; SELECT pg_sleep(4); COMMIT").unwrap();
        scratch
    });
    has_begun.recv().unwrap();
    // It is not known when exactly the lock is taken.
    let began = now();
    let error = loop {
        if let Err(error) = store.probe(NOW, PATIENCE).await {
            break error.to_string();
        }
        assert!(began.elapsed() < Duration::from_secs(4), "never locked");
    };
    assert!(error.contains("no answer") || error.contains("in time"), "{error}");
    let scratch = blocker.join().unwrap();
    store.probe(NOW, ENOUGH).await.unwrap();
    drop(scratch);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_being_filled_is_not_ready() {
    let Some((scratch, store)) = opened().await else { return };
    scratch.sql("INSERT INTO meta VALUES ('restore-in-progress', 'begun by a test')").unwrap();
    let error = refusal(&store).await;
    assert!(error.contains("a restore is under way, begun by a test"), "{error}");
    scratch.sql("DELETE FROM meta WHERE name = 'restore-in-progress'").unwrap();
    store.probe(NOW, ENOUGH).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn looking_leaves_an_empty_database_empty() {
    let Some(scratch) = Scratch::from_environment().unwrap() else { return };
    let options = Options::postgres(postgres(&scratch.url()));
    let store = Store::open_to_read(&options).unwrap();
    assert!(matches!(store.get_meta("x").await, Err(Error::Engine(_))));
    let numbers = |planned: Vec<PlannedMigration>| planned.iter().map(|one| one.number).collect::<Vec<_>>();
    assert!(numbers(Store::planned_migrations(&options).await.unwrap()).contains(&1));
    assert_eq!(scratch.sql("SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()").unwrap(), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_tells_about_itself() {
    let Some((scratch, store)) = opened().await else { return };
    let Store::Postgres(engine) = &store else { unreachable!("another engine") };
    engine.ping().await.unwrap();
    let facts = engine.facts().await.unwrap();
    let setting = |name: &str| Some(scratch.sql(&format!("SHOW {name}")).unwrap());
    assert_eq!(facts.version, scratch.sql("SELECT version()").unwrap());
    assert_eq!((facts.is_standby, facts.replayed_milliseconds), (Some(false), None));
    assert_eq!((facts.fsync, facts.synchronous_commit), (setting("fsync"), setting("synchronous_commit")));
    assert_eq!(facts.synchronous_standby_names, setting("synchronous_standby_names"));
    let all: i64 = setting("max_connections").unwrap().parse().unwrap();
    assert!((1..all).contains(&facts.max_connections.unwrap()), "without those of superusers");
    assert_eq!(facts.default_transaction_read_only.as_deref(), Some("off"));

    let theirs = || scratch.sql("SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)").unwrap();
    let before: i64 = theirs().parse().unwrap();
    let asked = engine.clock().await.unwrap().unwrap().milliseconds();
    let after: i64 = theirs().parse().unwrap();
    assert!((before..=after).contains(&asked), "{before} {asked} {after}");

    assert_eq!(engine.isolation_in_force().await.unwrap(), "read committed");
    assert_eq!(engine.prepared_statements().await, Prepared::Work { through_pooler: false });
    // Nothing of all this stays open.
    store.commit(Changes::new()).await.unwrap();
    let open = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'";
    assert_eq!(scratch.sql(open).unwrap(), "0");
}
