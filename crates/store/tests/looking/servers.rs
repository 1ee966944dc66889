//! Servers of the test's own: a standby, a full disk, a pooler. They run where `POOLKEEPER_TEST_POSTGRES` asks for
//! PostgreSQL, which is not used here.

use std::{fs, time::Duration};

use cluster::{PgBouncer, Postgres, PostgresOptions, packages, scratch};
use poolkeeper_store::{Address, Changes, CommitError, Error, Options, Prepared, Store};
use wire::Timestamp;

use crate::engines::postgres;

const PATIENCE: Duration = Duration::from_secs(2);
/// For what should go well, on a machine that is busy with other tests.
const ENOUGH: Duration = Duration::from_secs(20);
const NOW: Timestamp = Timestamp(1_700_000_000_123);

fn server(options: &PostgresOptions) -> Option<Postgres> {
    if !std::env::var(scratch::VARIABLE).is_ok_and(|url| !url.is_empty()) {
        println!("Nothing was tested: set {} to the URL of a PostgreSQL server", scratch::VARIABLE);
        return None;
    }
    packages::postgresql().unwrap();
    let server = Postgres::start(options).unwrap();
    server.create_database("main").unwrap();
    Some(server)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_is_known_for_what_it_is() {
    let Some(mut server) = server(&PostgresOptions::default()) else { return };
    let store = Store::open(&Options::postgres(postgres(&server.url("main")))).await.unwrap();
    store.probe(NOW, ENOUGH).await.unwrap();
    let signal = server.data().join("standby.signal");
    fs::write(&signal, "").unwrap();
    server.restart().unwrap();
    let error = store.probe(NOW, PATIENCE).await.unwrap_err().to_string();
    assert!(error.contains("read-only"), "{error}");
    let Store::Postgres(engine) = &store else { unreachable!("another engine") };
    assert_eq!(engine.facts().await.unwrap().is_standby, Some(true));

    // Each host of a list is asked for itself.
    let list = format!("postgres://poolkeeper@127.0.0.1:{},127.0.0.1:1/main", server.port());
    let hosts: Vec<_> = Address::parse(&list).unwrap().each_host().iter().map(ToString::to_string).collect();
    assert_eq!(
        hosts,
        [format!("postgres://127.0.0.1:{}/main", server.port()), "postgres://127.0.0.1:1/main".to_owned()]
    );

    fs::remove_file(&signal).unwrap();
    server.restart().unwrap();
    store.probe(NOW, ENOUGH).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_not_ready() {
    let options = PostgresOptions { data_limit_mib: Some(200), ..PostgresOptions::default() };
    let Some(server) = server(&options) else { return };
    let store = Store::open(&Options::postgres(postgres(&server.url("main")))).await.unwrap();
    store.probe(NOW, ENOUGH).await.unwrap();
    server.fill_disk().unwrap();
    // What space a change needs is found in the pages that there are, until it is not.
    let mut probes = 0;
    let refusal = loop {
        probes += 1;
        assert!(probes < 5_000, "it goes on writing");
        if let Err(error) = store.probe(NOW, ENOUGH).await {
            break error;
        }
    };
    println!("not ready after {probes} probes: {refusal}");
    // From then on no change is kept either: the probe has told the truth.
    let mut changes = Changes::new();
    changes.count_users("pool", 1);
    let failed = store.commit(changes).await.unwrap_err();
    assert!(matches!(failed, CommitError::Store(Error::Full | Error::Unavailable(_))), "{failed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_that_mixes_statements_up_is_found_out() {
    let Some(server) = server(&PostgresOptions::default()) else { return };
    packages::pgbouncer().unwrap();
    let pooler = PgBouncer::start(&server, 10).unwrap();
    let gentle = |url: &str| poolkeeper_store::PostgresOptions {
        prepared_statements: false,
        max_connections: 2,
        ..postgres(url)
    };
    let store = Store::open(&Options::postgres(gentle(&pooler.url("main")))).await.unwrap();
    let Store::Postgres(engine) = &store else { unreachable!("another engine") };
    let version = std::process::Command::new("/usr/sbin/pgbouncer").arg("--version").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    let keeps_apart = !["1.17", "1.18", "1.19", "1.20"].iter().any(|old| version.contains(&format!(" {old}.")));
    for _ in 0..3 {
        let found = engine.prepared_statements().await;
        if keeps_apart {
            assert_eq!(found, Prepared::Work { through_pooler: true }, "{version}");
        } else {
            assert!(matches!(&found, Prepared::MixedUp(reason) if reason.contains("prepared statement")), "{found:?}");
        }
    }
    // One connection to give: it cannot be found out, and that is said.
    let narrow = PgBouncer::start(&server, 1).unwrap();
    let store = Store::open(&Options::postgres(gentle(&narrow.url("main")))).await.unwrap();
    let Store::Postgres(engine) = &store else { unreachable!("another engine") };
    assert!(matches!(engine.prepared_statements().await, Prepared::Unknown(_)));
    store.probe(NOW, ENOUGH).await.unwrap();
}
