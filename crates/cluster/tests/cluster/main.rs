//! Every kind of process is started for real, does its work, and fails as it is told to.

#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "other processes are waited for, in real time")]

mod guard;
mod node;
mod patroni;
mod pgbouncer;
mod postgres;
mod proxy;

use std::process::Command;

/// What `psql` says to a URL: whether it succeeded, and its output or its error.
fn psql(url: &str, sql: &str) -> (bool, String) {
    let output = Command::new("psql").args(["-X", "-A", "-t", "-c", sql, url]).output().unwrap();
    let text = if output.status.success() { output.stdout } else { output.stderr };
    (output.status.success(), String::from_utf8(text).unwrap().trim().to_owned())
}
