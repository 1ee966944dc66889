//! A leader of former times wakes up: nobody who has seen the next one believes it.

use std::{fs::File, time::Duration};

use cluster::{Postgres, Proxy};
use poolkeeper_store::{Error, PostgresOptions};

use crate::{
    rows::POOL,
    support::{blocking, open, options, server, sign_up, subs, wait_for},
};

const PASSWORD: &str = "the same on both servers";

/// What any server takes that is to be made a leader once more.
fn leader() -> Option<Postgres> {
    let settings = vec![("restore_command".to_owned(), "false".to_owned())];
    let server = server(&cluster::PostgresOptions { settings, ..cluster::PostgresOptions::default() })?;
    blocking(|| server.sql("postgres", &format!("ALTER ROLE poolkeeper PASSWORD '{PASSWORD}'")));
    Some(server)
}

/// The database of whichever of these ports answers and takes writes.
fn url(ports: &[u16]) -> String {
    let hosts: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    let password = PASSWORD.replace(' ', "%20");
    format!("postgres://poolkeeper:{password}@{}/main?sslmode=disable&target_session_attrs=read-write", hosts.join(","))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_former_leader_is_not_believed() {
    let (Some(former), Some(mut next)) = (leader(), leader()) else { return };
    // A server that recovers from an archive, even an empty one, leads on a timeline of its own afterwards.
    File::create(next.data().join("recovery.signal")).unwrap();
    blocking(|| next.restart());
    let is_recovering = || blocking(|| next.sql("main", "SELECT pg_is_in_recovery()"));
    wait_for("recovery ends", async || (is_recovering() == "f").then_some(())).await;
    let timelines = [&former, &next]
        .map(|server| blocking(|| server.sql("main", "SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)")));
    assert_eq!(timelines, ["00000001", "00000002"]);
    drop(open(options(&url(&[former.port()]))).await);

    let [to_former, to_next] = [former.port(), next.port()].map(|port| blocking(|| Proxy::start(port)));
    to_former.refuse();
    let hosts = url(&[to_former.port(), to_next.port()]);
    let store = open(PostgresOptions { patience: Duration::from_secs(2), ..options(&hosts) }).await;
    store.commit(sign_up(POOL, "alice")).await.unwrap();

    to_next.refuse();
    to_former.mend();
    let refused = store.users(POOL, None, 10).await.unwrap_err();
    assert!(matches!(&refused, Error::Unavailable(reason) if reason.contains("leads no longer")), "{refused:?}");
    assert!(store.commit(sign_up(POOL, "mallory")).await.is_err());

    to_next.mend();
    assert_eq!(subs(&store, POOL).await, ["alice"], "of two that say they lead, the next one is believed");
    assert_eq!(blocking(|| former.sql("main", "SELECT count(*) FROM users")), "0");
}
