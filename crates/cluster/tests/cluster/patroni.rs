//! A pair under Patroni: whatever happens to its leader, what was committed stays.

use std::time::{Duration, Instant};

use poolkeeper_cluster::{Patroni, Proxy, packages};

use crate::psql;

/// Longer than anything takes that works.
const PATIENCE: Duration = Duration::from_secs(120);

/// A pair with a table, and the time that it took.
fn start() -> Patroni {
    packages::patroni().unwrap();
    let started = Instant::now();
    let pair = Patroni::start().unwrap();
    println!("start: {:.1?}", started.elapsed());
    pair.create_database("main").unwrap();
    let created = psql(&pair.url("main"), "CREATE TABLE kept (number INTEGER PRIMARY KEY); SELECT current_user");
    assert_eq!(created, (true, "CREATE TABLE\npoolkeeper".to_owned()));
    pair
}

/// Tries to insert a number until it is committed, through a URL of both members.
fn insert(url: &str, number: u32) {
    let started = Instant::now();
    // A member that stands still accepts connections and never says anything.
    let url = format!("{url}&connect_timeout=2");
    let sql = format!("INSERT INTO kept VALUES ({number}) ON CONFLICT DO NOTHING");
    loop {
        let (good, error) = psql(&url, &sql);
        if good {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "{error}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn commits_survive_a_switchover_and_a_dead_leader() {
    let mut pair = start();
    let proxies = pair.ports().map(|port| Proxy::start(port).unwrap());
    let through_proxies = pair.url_through(proxies.each_ref().map(Proxy::port), "main");
    insert(&through_proxies, 1);
    let first = pair.leader().unwrap().unwrap();

    let started = Instant::now();
    pair.switchover().unwrap();
    let second = pair.wait_for_leader(PATIENCE).unwrap();
    assert_ne!(first, second);
    insert(&through_proxies, 2);
    println!("switched over, with a write: {:.1?}", started.elapsed());
    pair.wait_until_healthy(PATIENCE).unwrap();
    println!("healthy: {:.1?}", started.elapsed());

    let started = Instant::now();
    pair.kill_member(second).unwrap();
    insert(&pair.url("main"), 3);
    println!("leader killed, with a write: {:.1?}", started.elapsed());
    assert_eq!(pair.wait_for_leader(PATIENCE).unwrap(), first);
    assert_eq!(pair.sql("main", "SELECT number FROM kept ORDER BY number").unwrap(), "1\n2\n3");
    let started = Instant::now();
    pair.start_member(second).unwrap();
    pair.wait_until_healthy(PATIENCE).unwrap();
    println!("healthy: {:.1?}", started.elapsed());
}

#[test]
fn a_leader_that_stood_still_follows() {
    let pair = start();
    let url = pair.url("main");
    insert(&url, 1);
    let first = pair.leader().unwrap().unwrap();

    let started = Instant::now();
    pair.pause_member(first).unwrap();
    insert(&url, 2);
    println!("leader paused, with a write: {:.1?}", started.elapsed());
    let second = pair.wait_for_leader(PATIENCE).unwrap();
    assert_ne!(first, second);

    let started = Instant::now();
    pair.resume_member(first).unwrap();
    insert(&url, 3);
    pair.wait_until_healthy(PATIENCE).unwrap();
    println!("healthy: {:.1?}", started.elapsed());
    assert_eq!(pair.leader().unwrap(), Some(second));
    assert_eq!(pair.sql("main", "SELECT number FROM kept ORDER BY number").unwrap(), "1\n2\n3");
}
