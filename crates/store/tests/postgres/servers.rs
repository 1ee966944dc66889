//! Several servers on one database: they migrate it once, and get into each other's way without losing anything.

use std::time::Duration;

use cluster::Scratch;
use domain::NameKind;
use poolkeeper_store::{Changes, CommitError, Error, Isolation, Options, PostgresOptions, Store, Taken};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

use crate::{
    rows::{self, POOL},
    support::{blocking, open, options, scratch, sign_up, subs, try_to_open, wait_for},
};

const ISOLATIONS: [Isolation; 3] = [Isolation::ReadCommitted, Isolation::RepeatableRead, Isolation::Serializable];

/// Servers on one database.
async fn servers(scratch: &Scratch, isolation: Isolation, number: usize) -> Vec<Store> {
    let mut stores = Vec::new();
    for _ in 0..number {
        stores.push(open(PostgresOptions { isolation, ..options(&scratch.url()) }).await);
    }
    stores
}

/// What was tried again for a reason of the database's: 40001 and 40P01, over all servers.
fn retries(stores: &[Store]) -> (u64, u64) {
    let retries = stores.iter().map(|store| store.statistics().retries);
    retries.fold((0, 0), |sum, retries| (sum.0 + retries.serialization, sum.1 + retries.deadlock))
}

async fn all<T>(tasks: Vec<JoinHandle<T>>) -> Vec<T> {
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}

/// A connection of somebody else's.
async fn client(scratch: &Scratch) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(&scratch.url(), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// How many wait for a lock in this database.
fn waiting(scratch: &Scratch) -> u64 {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    blocking(|| scratch.sql(sql)).parse().unwrap()
}

/// What the book of migrations says.
fn book(scratch: &Scratch) -> String {
    blocking(|| scratch.sql("SELECT number, checksum FROM migrations ORDER BY number"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_servers_find_an_empty_database() {
    let Some(scratch) = scratch() else { return };
    let planned = Store::planned_migrations(&Options::postgres(options(&scratch.url()))).await.unwrap();
    assert!(!planned.is_empty());
    let tasks = (0..8).map(|_| tokio::spawn(try_to_open(options(&scratch.url())))).collect();
    let stores: Vec<Store> = all(tasks).await.into_iter().map(|opened| opened.unwrap()).collect();
    let numbers: Vec<String> = planned.iter().map(|migration| migration.number.to_string()).collect();
    let applied = blocking(|| scratch.sql("SELECT number FROM migrations ORDER BY number"));
    assert_eq!(applied.lines().collect::<Vec<_>>(), numbers, "once each");
    assert_eq!(blocking(|| scratch.sql("SELECT count(*) FROM leases")), "0", "nobody migrates any more");
    assert_eq!(Store::planned_migrations(&Options::postgres(options(&scratch.url()))).await.unwrap(), []);
    for (number, store) in stores.iter().enumerate() {
        store.commit(sign_up(POOL, &number.to_string())).await.unwrap();
    }
    assert_eq!(subs(&stores[0], POOL).await.len(), 8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_schema_is_migrated_by_whoever_lives() {
    let (Some(dead), Some(living)) = (scratch(), scratch()) else { return };
    let mut finished = String::new();
    for scratch in [&dead, &living] {
        open(options(&scratch.url())).await;
        finished = book(scratch);
        let unfinished =
            "DELETE FROM migrations WHERE number > 1; INSERT INTO leases VALUES ('migrations', 'other', 7)";
        blocking(|| scratch.sql(unfinished));
    }
    let started = Instant::now();
    let tasks = [&dead, &living].map(|scratch| tokio::spawn(try_to_open(options(&scratch.url()))));
    // One of the holders shows that it lives, for longer than silence is taken for death.
    while started.elapsed() < Duration::from_secs(12) {
        blocking(|| living.sql("UPDATE leases SET version = version + 1"));
        sleep(Duration::from_millis(500)).await;
    }
    let [opened, waiting] = tasks;
    assert!(opened.is_finished(), "nobody has taken over from a server that died");
    opened.await.unwrap().unwrap();
    assert_eq!(book(&dead), finished);
    assert!(!waiting.is_finished() && book(&living).lines().count() == 1, "it was taken from a server that lives");
    blocking(|| living.sql("DELETE FROM leases"));
    waiting.await.unwrap().unwrap();
    assert_eq!(book(&living), finished);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dead_server_left_half_done_is_finished() {
    let Some(scratch) = scratch() else { return };
    // Its statement goes on in the database, uncommitted, as a long CREATE INDEX would.
    let client = client(&scratch).await;
    client
        .batch_execute(
            "BEGIN; CREATE TABLE clients (id TEXT COLLATE \"C\" PRIMARY KEY, \
         pool_id TEXT COLLATE \"C\" NOT NULL, version BIGINT NOT NULL, doc TEXT COLLATE \"C\" NOT NULL)",
        )
        .await
        .unwrap();
    let opening = tokio::spawn(try_to_open(options(&scratch.url())));
    wait_for("the new server waits for it", async || (waiting(&scratch) == 1).then_some(())).await;
    client.batch_execute("COMMIT").await.unwrap();
    let store = opening.await.unwrap().unwrap();
    store.commit(sign_up(POOL, "sub")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strange_schemas_are_refused() {
    let Some(scratch) = scratch() else { return };
    open(options(&scratch.url())).await;
    blocking(|| scratch.sql("INSERT INTO migrations VALUES (1000, 'from the future', '')"));
    let error = try_to_open(options(&scratch.url())).await.unwrap_err();
    assert!(matches!(error, Error::NewerSchema { found: 1_000, .. }), "{error:?}");
    assert!(error.to_string().contains("start the newer version"), "{error}");
    let changed =
        "DELETE FROM migrations WHERE number = 1000; UPDATE migrations SET checksum = 'other' WHERE number = 1";
    blocking(|| scratch.sql(changed));
    let error = try_to_open(options(&scratch.url())).await.unwrap_err();
    assert!(matches!(error, Error::ChangedMigration { number: 1, .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_two_servers_want_has_one_owner() {
    let Some(scratch) = scratch() else { return };
    for isolation in ISOLATIONS {
        let stores = servers(&scratch, isolation, 2).await;
        for round in 0..30 {
            let name = format!("{isolation:?}-{round}");
            let tasks = stores.iter().enumerate().map(|(number, store)| {
                let (store, name, sub) = (store.clone(), name.clone(), format!("{name}-{number}"));
                tokio::spawn(async move {
                    let mut changes = sign_up(POOL, &sub);
                    changes.claim(POOL, &name, NameKind::Email, &sub);
                    (store.commit(changes).await, sub)
                })
            });
            let answers = all(tasks.collect()).await;
            let owner = stores[0].name_owner(POOL, &name, NameKind::Email).await.unwrap().unwrap();
            for (answer, sub) in answers {
                if sub == owner {
                    assert_eq!(answer, Ok(()));
                } else {
                    let taken = Taken::Name { name: name.clone(), kind: NameKind::Email, sub: owner.clone() };
                    assert_eq!(answer, Err(CommitError::Taken(taken)));
                }
            }
        }
    }
    let store = open(options(&scratch.url())).await;
    assert_eq!(subs(&store, POOL).await.len(), 90, "losers leave nothing");
    assert_eq!(store.estimated_users(POOL).await.unwrap(), 90);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_counter_that_four_servers_race_for_loses_no_step() {
    let Some(scratch) = scratch() else { return };
    for isolation in ISOLATIONS {
        let stores = servers(&scratch, isolation, 4).await;
        let (id, pool) = (format!("{isolation:?}"), format!("pool of {isolation:?}"));
        let mut changes = Changes::new();
        changes.insert(rows::access_key(&id));
        stores[0].commit(changes).await.unwrap();
        let tasks = stores.iter().cycle().take(64).map(|store| {
            let (store, id, pool) = (store.clone(), id.clone(), pool.clone());
            tokio::spawn(async move {
                let mut conflicts = 0_u64;
                loop {
                    let found = store.access_key(&id).await.unwrap().unwrap();
                    let mut next = found.value.clone();
                    next.label.push('+');
                    let mut changes = Changes::new();
                    // The count names no version: here the database alone decides who comes first.
                    changes.count_users(&pool, 1).replace(&found, next);
                    match store.commit(changes).await {
                        Ok(()) => return conflicts,
                        Err(error) => assert_eq!(error, CommitError::Conflict),
                    }
                    conflicts += 1;
                }
            })
        });
        let conflicts: u64 = all(tasks.collect()).await.into_iter().sum();
        let found = stores[0].access_key(&id).await.unwrap().unwrap();
        assert_eq!((found.label.as_str(), found.version), (format!("ci{}", "+".repeat(64)).as_str(), 65));
        assert_eq!(stores[0].estimated_users(&pool).await.unwrap(), 64);
        let counted: u64 = stores.iter().map(|store| store.statistics().conflicts).sum();
        assert_eq!(counted, conflicts, "{isolation:?}");
        let (serialization, _) = retries(&stores);
        // At READ COMMITTED whoever waited sees what the other did; above it the database turns them down.
        assert_eq!(serialization > 0, isolation != Isolation::ReadCommitted, "{isolation:?}: {serialization}");
        println!("{isolation:?}: {conflicts} conflicts, {serialization} times 40001");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changesets_that_wait_for_one_another_all_succeed() {
    let Some(scratch) = scratch() else { return };
    let stores = servers(&scratch, Isolation::ReadCommitted, 2).await;
    let names: Vec<String> = (0..200).map(|number| format!("name-{number:03}")).collect();
    // Owning a name already is no error, but the row is locked. Nobody is counted: that could make one wait for the other
    // before either of them has a name.
    let in_order = |names: &mut dyn Iterator<Item = &String>, sub: &str| {
        let mut changes = Changes::new();
        changes.insert(rows::user(POOL, sub));
        for name in names {
            changes.claim(POOL, name, NameKind::Username, "owner");
        }
        changes
    };
    stores[0].commit(in_order(&mut names.iter(), "first")).await.unwrap();
    // Both come from their own end to the one in the middle, which is held until both wait for it.
    let client = client(&scratch).await;
    client.batch_execute("BEGIN; SELECT * FROM names WHERE name = 'name-100' FOR UPDATE").await.unwrap();
    let there = in_order(&mut names.iter(), "there");
    let back = in_order(&mut names.iter().rev(), "back");
    let tasks = [(0, there), (1, back)].map(|(number, changes)| {
        let store = stores[number].clone();
        tokio::spawn(async move { store.commit(changes).await })
    });
    wait_for("both wait", async || (waiting(&scratch) == 2).then_some(())).await;
    client.batch_execute("COMMIT").await.unwrap();
    assert_eq!(all(tasks.into()).await, [Ok(()), Ok(())]);
    assert!(retries(&stores).1 > 0, "they did not wait for one another");
    assert_eq!(subs(&stores[0], POOL).await, ["back", "first", "there"]);
}
