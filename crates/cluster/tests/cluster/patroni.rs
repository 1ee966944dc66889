//! A pair under Patroni: whatever happens to its leader, what was committed stays.

use std::time::{Duration, Instant};

use poolkeeper_cluster::{Patroni, Proxy, packages};

use crate::psql;

/// Longer than anything takes that works.
const PATIENCE: Duration = Duration::from_secs(120);

const NUMBERS: &str = "SELECT number FROM kept ORDER BY number";

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

// One test, because a pair takes longer to start than most of what is done to it. What a fault took is printed.
#[test]
fn commits_survive_whatever_happens_to_the_leader() {
    packages::patroni().unwrap();
    let mut clock = Clock(Instant::now());
    let mut pair = Patroni::start().unwrap();
    clock.print("start");
    pair.create_database("main").unwrap();
    let url = pair.url("main");
    let created = psql(&url, "CREATE TABLE kept (number INTEGER PRIMARY KEY); SELECT current_user");
    assert_eq!(created, (true, "CREATE TABLE\npoolkeeper".to_owned()));
    insert(&url, 1);
    let first = pair.leader().unwrap().unwrap();

    clock.restart();
    pair.pause_member(first).unwrap();
    insert(&url, 2);
    clock.print("leader paused, until a write");
    let second = pair.wait_for_leader(PATIENCE).unwrap();
    assert_ne!(first, second);
    pair.resume_member(first).unwrap();
    insert(&url, 3);
    pair.wait_until_healthy(PATIENCE).unwrap();
    clock.print("resumed, until healthy");
    // It has not taken the lead back, nor undone what was written without it.
    assert_eq!(pair.leader().unwrap(), Some(second));
    assert_eq!(pair.sql("main", NUMBERS).unwrap(), "1\n2\n3");

    clock.restart();
    pair.kill_member(second).unwrap();
    insert(&url, 4);
    clock.print("leader killed, until a write");
    assert_eq!(pair.wait_for_leader(PATIENCE).unwrap(), first);
    pair.start_member(second).unwrap();
    pair.wait_until_healthy(PATIENCE).unwrap();
    clock.print("started again, until healthy");

    let proxies = pair.ports().map(|port| Proxy::start(port).unwrap());
    let url = pair.url_through(proxies.each_ref().map(Proxy::port), "main");
    insert(&url, 5);
    clock.restart();
    pair.switchover().unwrap();
    insert(&url, 6);
    clock.print("switched over, until a write");
    assert_eq!(pair.wait_for_leader(PATIENCE).unwrap(), second);
    assert_eq!(pair.sql("main", NUMBERS).unwrap(), "1\n2\n3\n4\n5\n6");
}

/// What takes how long.
struct Clock(Instant);

impl Clock {
    fn restart(&mut self) {
        self.0 = Instant::now();
    }

    fn print(&mut self, what: &str) {
        println!("{what}: {:.1?}", self.0.elapsed());
        self.restart();
    }
}
