//! A pair of servers under Patroni, whose leader leaves in every way there is.

use std::time::Duration;

use cluster::Patroni;
use poolkeeper_store::{CommitError, Error, Isolation, PostgresOptions, Store};
use tokio::time::Instant;

use crate::{
    load::Load,
    rows::POOL,
    support::{LONG, blocking, is_transient, may_start_servers, open, options, sign_up, subs, wait_for},
};

/// How long requests may fail after the leader has gone. Patroni takes up to 20 seconds to be sure.
const MOST: Duration = Duration::from_secs(40);

/// A URL of one member alone.
fn alone(pair: &Patroni, index: usize) -> String {
    let url = pair.url("main").replace("&target_session_attrs=read-write", "");
    let hosts = pair.ports().map(|port| format!("127.0.0.1:{port}"));
    url.replace(&hosts.join(","), &hosts[index])
}

/// Takes the leader away, and waits until another one answers. Says how long nobody was served.
async fn without_leader(pair: &mut Patroni, load: &Load, how: &str, take: impl FnOnce(&mut Patroni, usize)) -> usize {
    let leader = blocking(|| pair.wait_for_leader(LONG));
    load.progress(100).await;
    let started = Instant::now();
    take(pair, leader);
    wait_for("the other member leads", async || blocking(|| pair.leader()).filter(|now| *now != leader)).await;
    let elected = started.elapsed();
    load.progress(100).await;
    let served = started.elapsed();
    println!("{how}: a new leader after {elected:.1?}, requests succeed again after {served:.1?}");
    assert!(served < MOST, "{how}: {served:?}");
    leader
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaders_come_and_go_and_nothing_is_lost() {
    if !may_start_servers() {
        return;
    }
    cluster::packages::patroni().unwrap();
    let started = Instant::now();
    let mut pair = blocking(Patroni::start);
    blocking(|| pair.create_database("main"));
    println!("start: {:.1?}", started.elapsed());
    let strict = PostgresOptions { isolation: Isolation::Serializable, ..options(&pair.url("main")) };
    let stores = [open(options(&pair.url("main"))).await, open(strict).await];
    let standby = 1 - blocking(|| pair.wait_for_leader(LONG));
    let of_standby = led_to_a_standby(&pair, standby).await;

    let load = Load::start(&stores).await;
    without_leader(&mut pair, &load, "switchover", |pair, _| blocking(|| pair.switchover())).await;
    for (number, store) in of_standby.iter().enumerate() {
        store.commit(sign_up("standby", &number.to_string())).await.unwrap();
    }
    drop(of_standby);

    blocking(|| pair.wait_until_healthy(LONG));
    let killed = without_leader(&mut pair, &load, "killed", |pair, leader| blocking(|| pair.kill_member(leader))).await;
    let started = Instant::now();
    blocking(|| pair.start_member(killed));
    blocking(|| pair.wait_until_healthy(LONG));
    println!("healthy: {:.1?}", started.elapsed());

    let paused =
        without_leader(&mut pair, &load, "paused", |pair, leader| blocking(|| pair.pause_member(leader))).await;
    // It wakes up as somebody who leads, until it learns better. Nobody may believe it.
    blocking(|| pair.resume_member(paused));
    wait_for("the old leader learns better", async || blocking(|| pair.leader())).await;
    load.progress(200).await;

    let statistics = stores.each_ref().map(|store| (store.statistics().retries, store.statistics().settled_lost));
    println!("{statistics:?}");
    println!("{}", load.audit(&stores[0]).await);
}

/// Two servers whose URL leads to the standby, as a proxy with old news would: they read, and may write when it leads.
async fn led_to_a_standby(pair: &Patroni, standby: usize) -> [Store; 2] {
    let brief = PostgresOptions { patience: Duration::from_secs(2), ..options(&alone(pair, standby)) };
    let strict = PostgresOptions { isolation: Isolation::Serializable, ..brief.clone() };
    let stores = [open(brief).await, open(strict).await];
    for store in &stores {
        let refused = store.commit(sign_up("standby", "refused")).await.unwrap_err();
        assert!(matches!(refused, CommitError::Store(Error::Unavailable(_))) && is_transient(&refused), "{refused:?}");
        assert!(store.statistics().retries.read_only > 0, "{:?}", store.statistics());
        assert_eq!(subs(store, POOL).await, Vec::<String>::new());
    }
    stores
}
