//! Every kind of process is started for real, does its work, and fails as it is told to.

#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "other processes are waited for, in real time")]

mod guard;
mod node;
mod patroni;
mod pgbouncer;
mod postgres;
mod proxy;

use std::{
    process::Command,
    time::{Duration, Instant},
};

/// What `psql` says to a URL: whether it succeeded, and its output or its error.
fn psql(url: &str, sql: &str) -> (bool, String) {
    let output = Command::new("psql").args(["-X", "-A", "-t", "-c", sql, url]).output().unwrap();
    let text = if output.status.success() { output.stdout } else { output.stderr };
    (output.status.success(), String::from_utf8(text).unwrap().trim().to_owned())
}

/// Asks until there is an answer, for a minute at most.
fn wait_for<T>(ask: impl Fn() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(started.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(20));
    }
}
