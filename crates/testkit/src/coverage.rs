//! What the tests have seen each operation answer. `cargo xtask test` gathers it into docs/compatibility.md and
//! compares it with the errors that the model lists.

use std::{fs::OpenOptions, io::Write, path::PathBuf};

use crate::Answer;

/// Notes an operation's outcome when `POOLKEEPER_COVERAGE` names a folder.
pub fn record(operation: &str, answer: &Answer) {
    let Some(folder) = std::env::var_os("POOLKEEPER_COVERAGE").map(PathBuf::from) else { return };
    let outcome = answer.body.get("__type").and_then(serde_json::Value::as_str).unwrap_or("ok");
    let test = std::thread::current().name().unwrap_or("unnamed").to_owned();
    let path = folder.join(format!("{}.txt", std::process::id()));
    let mut file = OpenOptions::new().create(true).append(true).open(path).expect("the coverage folder can be written");
    // In one piece, because several threads of a test append to the same file.
    let line = format!("{operation} {outcome} {test}\n");
    file.write_all(line.as_bytes()).expect("the coverage folder can be written");
}
