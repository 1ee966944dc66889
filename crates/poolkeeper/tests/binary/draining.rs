//! `server.drain_delay_seconds`: after the signal to end, a server says that it is not ready, and answers all the same.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::Path,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::support::{Program, call, get, run};

const STOPPING: &str = "shutting down";

/// A server with this delay; the addresses of its two listeners.
fn started(folder: &Path, drain_delay_seconds: u64) -> (Program, String, String) {
    // Port 0 is printed to the log only, so a free port is looked for here.
    let admin = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let file = folder.join("poolkeeper.toml");
    let text = format!("[server]\nadmin_listen = \"{admin}\"\ndrain_delay_seconds = {drain_delay_seconds}\n");
    fs::write(&file, text).unwrap();
    let data = folder.join("data");
    let mut program = Program::start(
        &["dev", "--listen", "127.0.0.1:0", "--data-dir", data.to_str().unwrap(), "--config", file.to_str().unwrap()],
        &[],
    );
    let address = program.address();
    (program, address, format!("http://{admin}"))
}

/// Sends SIGTERM and waits until the server says that it is about to end.
fn signal_and_see(program: &Program, admin: &str) -> Instant {
    assert_eq!(get(admin, "/_poolkeeper/ready"), (200, json!({"status": "ready"})));
    let signalled = Instant::now();
    program.signal("TERM");
    // The signal is on its way to the process for a moment.
    while get(admin, "/_poolkeeper/ready").0 == 200 {
        assert!(signalled.elapsed() < Duration::from_secs(30), "the server goes on saying that it is ready");
    }
    signalled
}

#[test]
#[cfg(unix)]
fn a_server_that_is_about_to_end_answers_everything_but_is_not_ready() {
    let folder = tempfile::tempdir().unwrap();
    // As long as is allowed: the test ends it with another signal.
    let (mut program, address, admin) = started(folder.path(), 3_600);
    signal_and_see(&program, &admin);
    for listener in [&admin, &address] {
        let (status, answer) = get(listener, "/_poolkeeper/ready");
        assert_eq!((status, answer), (503, json!({"status": "not ready", "reason": STOPPING})));
        assert_eq!(get(listener, "/_poolkeeper/health").0, 200);
    }
    for name in ["one", "another"] {
        assert_eq!(call(&address, "CreateUserPool", &json!({"PoolName": name})).0, 200, "on a new connection");
    }
    program.signal("TERM");
    assert_eq!(program.wait(), Some(130), "a second signal ends it at once");
    assert!(program.log().contains("ended without waiting"), "{}", program.log());
}

#[test]
#[cfg(unix)]
fn the_end_comes_after_the_delay_and_not_before() {
    let folder = tempfile::tempdir().unwrap();
    let (mut program, address, admin) = started(folder.path(), 2);
    let signalled = signal_and_see(&program, &admin);
    assert_eq!(program.wait(), Some(0));
    assert!(signalled.elapsed() >= Duration::from_secs(2), "{:?}", signalled.elapsed());
    for listener in [&admin, &address] {
        assert!(TcpStream::connect(listener.trim_start_matches("http://")).is_err(), "nobody listens any more");
    }
}

#[test]
fn a_delay_of_more_than_an_hour_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("poolkeeper.toml");
    fs::write(&file, "[server]\ndrain_delay_seconds = 3601\n").unwrap();
    let (code, _, error) = run(&["config", "check", "--config", file.to_str().unwrap()], &[]);
    assert!(
        code == Some(1) && error.contains("server.drain_delay_seconds is 3601; it must be at most 3600"),
        "{error}"
    );
}
