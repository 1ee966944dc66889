//! What goes wrong with a server, and with the network before it, under load. Whatever was acknowledged is there
//! afterwards; requests wait for a while or fail with an error that says "try again"; nobody has to help.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use cluster::{PostgresOptions, Proxy, Stop};
use poolkeeper_store::{CommitError, Error, Isolation, Store};
use tokio::time::{Instant, sleep, timeout};

use crate::{
    load::Load,
    rows::{self, POOL},
    support::{blocking, is_transient, open, options, scratch, server, sign_up, subs, wait_for},
};

/// Two servers on a database.
async fn two(url: &str) -> [Store; 2] {
    let strict = poolkeeper_store::PostgresOptions { isolation: Isolation::Serializable, ..options(url) };
    [open(options(url)).await, open(strict).await]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backends_that_are_ended_again_and_again() {
    let Some(scratch) = scratch() else { return };
    let stores = two(&scratch.url()).await;
    let load = Load::start(&stores).await;
    let end = "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity \
               WHERE datname = current_database() AND application_name = 'poolkeeper' ORDER BY random() LIMIT 3) AS victims";
    let mut ended = 0;
    while ended < 200 {
        ended += blocking(|| scratch.sql(end)).parse::<u64>().unwrap();
        sleep(Duration::from_millis(10)).await;
    }
    load.progress(50).await;
    let report = load.audit(&stores[0]).await;
    let statistics = stores.each_ref().map(Store::statistics);
    println!("{ended} ended: {report} {:?}", statistics.map(|all| (all.retries, all.settled_kept, all.settled_lost)));
    assert_eq!((report.refused, report.unknown), (0, 0), "patience lasts longer than that");
    assert!(statistics.iter().all(|statistics| statistics.retries.connection > 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_restarts_and_one_that_is_killed() {
    let Some(mut server) = server(&PostgresOptions::default()) else { return };
    let stores = two(&server.url("main")).await;
    let load = Load::start(&stores).await;
    for how in [Stop::Fast, Stop::Kill, Stop::Immediate] {
        load.progress(200).await;
        blocking(|| server.stop(how));
        blocking(|| server.restart());
        let took = load.progress(200).await;
        println!("{how:?}: {took:.1?} until 200 more");
        assert!(took < Duration::from_secs(20), "{how:?}: {took:?}");
    }
    let report = load.audit(&stores[1]).await;
    println!("{report}");
    assert_eq!((report.refused, report.unknown), (0, 0), "patience lasts longer than a restart");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_is_full() {
    // 160 MiB are left for everything, as the log alone takes what it likes.
    let limited = PostgresOptions { data_limit_mib: Some(160), ..Default::default() };
    let Some(mut server) = server(&limited) else { return };
    let stores = two(&server.url("main")).await;
    let load = Load::start(&stores).await;
    load.progress(100).await;
    blocking(|| server.fill_disk());
    // A large row needs a new page.
    let mut large = rows::user(POOL, "large");
    large.username = "x".repeat(50_000);
    let error = wait_for("a full disk is noticed", async || {
        let mut changes = poolkeeper_store::Changes::new();
        large.sub.push('r');
        // What does not compress.
        large.username =
            (0..20_000_u64).map(|number| format!("{:x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
        changes.insert(large.clone());
        stores[0].commit(changes).await.err()
    })
    .await;
    println!("{error:?}");
    let CommitError::Store(error) = error else { unreachable!("{error:?}") };
    assert!(error == Error::Full || error.is_transient(), "{error:?}");
    blocking(|| server.free_disk());
    // A server that could not write its log has ended; whoever looks after it starts it again.
    let is_there = timeout(Duration::from_secs(5), stores[0].commit(sign_up(POOL, "is there"))).await;
    if !matches!(is_there, Ok(Ok(()))) {
        blocking(|| server.restart());
    }
    load.progress(100).await;
    let report = load.audit(&stores[0]).await;
    println!("{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_slow_cut_off_or_full_of_others() {
    let few = PostgresOptions { settings: vec![("max_connections".to_owned(), "20".to_owned())], ..Default::default() };
    let Some(server) = server(&few) else { return };
    a_slow_network_and_none(&server).await;
    connections_that_others_hold(&server).await;
    a_standby_that_is_not_there(&server).await;
}

async fn a_slow_network_and_none(server: &cluster::Postgres) {
    let url = server.url("main");
    let proxy = blocking(|| Proxy::start(server.port()));
    let through = blocking(|| cluster::through(&url, proxy.port()));
    let near = open(options(&url)).await;
    let far = open(poolkeeper_store::PostgresOptions { max_connections: 4, ..options(&through) }).await;

    proxy.delay(Duration::from_millis(200));
    let started = Instant::now();
    far.commit(sign_up(POOL, "slow")).await.unwrap();
    println!("slow: {:?} for a changeset", started.elapsed());
    assert!(started.elapsed() > Duration::from_millis(800), "two round trips");
    // Of everything something, on a connection that has prepared nothing yet.
    let tasks: Vec<_> = (0..4)
        .map(|number| {
            let (store, id) = (far.clone(), format!("slow-{number}"));
            tokio::spawn(async move { store.commit(everything(&id)).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(far.statistics().failures, 0);
    assert!(far.user(POOL, "slow").await.unwrap().is_some());

    // In the middle of work, the network of one server loses everything.
    proxy.mend();
    let patience = Duration::from_secs(3);
    let far = open(poolkeeper_store::PostgresOptions { patience, ..options(&through) }).await;
    let load = Load::start(&[far.clone(), near.clone()]).await;
    load.progress(100).await;
    proxy.cut();
    let started = Instant::now();
    let (refused, others) = tokio::join!(
        async { (far.user(POOL, "slow").await.unwrap_err(), started.elapsed()) },
        // The other one does not wait for ever for the locks of who was cut off.
        load.progress(100)
    );
    let (error, took) = refused;
    println!("cut off: {error:?} after {took:.1?}; the other server went on after {others:.1?}");
    assert!(error.is_transient() && matches!(error, Error::Unavailable(_)), "{error:?}");
    assert!(took < patience * 2, "{took:?}");
    assert!(others < Duration::from_secs(11), "{others:?}");
    proxy.mend();
    let started = Instant::now();
    load.progress(100).await;
    wait_for("who was cut off is back", async || far.commit(sign_up(POOL, "mended")).await.ok()).await;
    println!("mended after {:.1?}", started.elapsed());
    println!("{}", load.audit(&near).await);
}

/// A changeset with one statement of every kind.
fn everything(id: &str) -> poolkeeper_store::Changes {
    use domain::{AttemptPurpose, CodePurpose, NameKind};
    let mut changes = sign_up(POOL, id);
    changes.insert(rows::pool(id)).insert(rows::client(id, id)).insert(rows::signing_key(id, id));
    changes.insert(rows::password(id, id)).insert(rows::code(id, id, CodePurpose::Reset, "hash"));
    changes.insert(rows::attempts(id, id, AttemptPurpose::SignIn)).insert(rows::message(id, rows::NOW));
    changes.insert(rows::access_key(id)).insert(rows::revocation(id, id)).insert(rows::spent(id));
    changes.claim(id, id, NameKind::Email, id).assert_no_attempts(id, id, AttemptPurpose::ResetCode);
    changes
}

async fn connections_that_others_hold(server: &cluster::Postgres) {
    let url = server.url("main");
    let patience = Duration::from_secs(2);
    let store = open(poolkeeper_store::PostgresOptions { patience, max_connections: 1, ..options(&url) }).await;
    // Ended from outside, so that it needs a new one when there is none.
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'poolkeeper'";
    let mut others = Vec::new();
    assert!(blocking(|| server.sql("main", end)).parse::<u64>().unwrap() > 0);
    while let Ok((client, connection)) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await {
        others.push((client, tokio::spawn(connection)));
    }
    assert!(others.len() > 5, "{}", others.len());
    let started = Instant::now();
    let refused = store.commit(sign_up("few", "refused")).await.unwrap_err();
    let took = started.elapsed();
    println!("exhausted: {refused:?} after {took:?}");
    assert!(matches!(refused, CommitError::Store(Error::Unavailable(_))) && is_transient(&refused), "{refused:?}");
    assert!(took > patience / 2 && took < patience + Duration::from_secs(2), "{took:?}");
    assert!(store.statistics().retries.exhausted > 0);
    // One that asks while there is none, and is patient for long enough.
    let waiting = tokio::spawn({
        let store = store.clone();
        async move { store.commit(sign_up("few", "patient")).await }
    });
    let tries = store.statistics().retries.exhausted;
    wait_for("a try", async || (store.statistics().retries.exhausted > tries).then_some(())).await;
    for (client, connection) in others {
        drop(client);
        connection.await.unwrap().unwrap();
    }
    waiting.await.unwrap().unwrap();
    assert_eq!(subs(&store, "few").await, ["patient"]);
    // The own share is used up: whoever comes later waits.
    let tasks: Vec<_> = (0..50)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move { store.commit(sign_up("few", &number.to_string())).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
}

/// A COMMIT that waits for a standby, and whose server is torn from it: it shows in the database at once, but may be
/// lost with it as long as no standby has it.
async fn a_standby_that_is_not_there(server: &cluster::Postgres) {
    let store = open(options(&server.url("main"))).await;
    let wait_for_standbys = |names: &str| {
        let sql = format!("ALTER SYSTEM SET synchronous_standby_names = '{names}'; SELECT pg_reload_conf()");
        blocking(|| server.sql("postgres", &sql));
    };
    let waiting = async |who: &str| {
        let sql = format!(
            "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name = 'poolkeeper' AND {who}"
        );
        let found = wait_for("a COMMIT waits for the standby", async || {
            Some(blocking(|| server.sql("postgres", &sql))).filter(|pid| !pid.is_empty())
        });
        found.await
    };
    wait_for_standbys("nobody");
    wait_for("the setting is read", async || {
        (blocking(|| server.sql("postgres", "SHOW synchronous_standby_names")) == "nobody").then_some(())
    })
    .await;
    // Not all of the server reads a setting at once, so that the first ones may not wait yet.
    let is_over = Arc::new(AtomicBool::new(false));
    let committing = tokio::spawn({
        let (store, is_over) = (store.clone(), is_over.clone());
        async move {
            let mut acknowledged = 0;
            while !is_over.load(Ordering::Relaxed) {
                store.commit(sign_up("standby", &acknowledged.to_string())).await.unwrap();
                acknowledged += 1;
            }
            acknowledged
        }
    });
    let pid = waiting("true").await;
    blocking(|| server.sql("postgres", &format!("SELECT pg_terminate_backend({pid})")));
    // It can be seen, and yet it is not acknowledged before the standby has what came after it.
    let fence = waiting(&format!("pid <> {pid}")).await;
    assert_ne!(fence, pid);
    is_over.store(true, Ordering::Relaxed);
    assert_eq!(store.statistics().settled_kept, 0, "acknowledged without the standby");
    wait_for_standbys("");
    let acknowledged = committing.await.unwrap();
    assert_eq!((store.statistics().settled_kept, store.statistics().settled_lost), (1, 0));
    assert_eq!(store.estimated_users("standby").await.unwrap(), acknowledged);
    assert_eq!(subs(&store, "standby").await.len(), usize::try_from(acknowledged).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_that_changes_under_prepared_statements() {
    let Some(scratch) = scratch() else { return };
    let store = open(options(&scratch.url())).await;
    store.commit(sign_up(POOL, "sub")).await.unwrap();
    let assert = || {
        let mut changes = sign_up(POOL, "other");
        changes.assert(poolkeeper_store::Key::User { pool_id: POOL.to_owned(), sub: "sub".to_owned() }, 1);
        changes.delete(poolkeeper_store::Key::User { pool_id: POOL.to_owned(), sub: "other".to_owned() }, 1);
        changes
    };
    store.commit(assert()).await.unwrap();
    assert!(store.user(POOL, "sub").await.unwrap().is_some());
    blocking(|| scratch.sql("ALTER TABLE users ALTER doc TYPE VARCHAR, ADD extra BIGINT, ALTER version TYPE BIGINT"));
    assert_eq!(store.user(POOL, "sub").await.unwrap().unwrap().version, 1);
    store.commit(assert()).await.unwrap();
    assert_eq!(subs(&store, POOL).await, ["sub"]);
}
