//! `backup`, `restore` and `copy`: what they print, write and refuse, beside servers and without.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use rusqlite::Connection;
use serde_json::json;
use tempfile::TempDir;

use crate::support::{self, Program, call};

/// Data directories and backups of one test.
struct Scene(TempDir);

impl Scene {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Starts `dev` on a data directory with the master key of the first one.
    fn dev(&self, data: &str) -> Program {
        let (key, here) = (self.path("first/master.key"), self.path(data).join("master.key"));
        if key.exists() && key != here {
            fs::create_dir_all(here.parent().unwrap()).unwrap();
            fs::copy(key, here).unwrap();
        }
        Program::dev(&self.path(data))
    }

    fn backup(&self, output: &str, more: &[&str]) -> (Option<i32>, String, String) {
        let (output, data) = (self.text(output), self.text("first"));
        support::run(&[&["backup", "--output", &output, "--data-dir", &data], more].concat(), &[])
    }

    fn restore(&self, input: &str, data: &str, more: &[&str]) -> (Option<i32>, String, String) {
        let (input, data) = (self.text(input), self.text(data));
        support::run(&[&["restore", "--input", &input, "--data-dir", &data], more].concat(), &[])
    }

    /// The name of the only pool.
    fn pool(&self, data: &str) -> String {
        let mut program = self.dev(data);
        let (_, pools) = call(&program.address(), "ListUserPools", &json!({"MaxResults": 10}));
        assert_eq!(program.stop(), Some(0));
        assert!(pools.pointer("/UserPools/1").is_none(), "{pools}");
        pools.pointer("/UserPools/0/Name").unwrap().as_str().unwrap().to_owned()
    }

    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn digest(text: &str) -> String {
    text.split("sha256:").nth(1).unwrap_or_else(|| panic!("no digest: {text}")).trim().to_owned()
}

#[test]
fn a_running_server_is_backed_up_and_comes_back_elsewhere() {
    let scene = Scene::new();
    let mut program = scene.dev("first");
    let address = program.address();
    assert_eq!(call(&address, "CreateUserPool", &json!({"PoolName": "before"})).0, 200);
    let (code, text, told) = scene.backup("one", &[]);
    assert_eq!(code, Some(0), "{told}");
    assert!(text.starts_with(&scene.text("one")) && text.contains(" rows, "), "{text}");
    assert!(told.contains("reading: "), "progress, as lines where there is no terminal: {told}");
    assert_eq!(scene.files(), ["first", "one"], "no part of it is left");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(scene.path("one")).unwrap().permissions().mode() & 0o777, 0o600);
    }

    // It is not overwritten, unless that is said; the server has gone on meanwhile.
    assert_eq!(call(&address, "CreateUserPool", &json!({"PoolName": "after"})).0, 200);
    let before = fs::read(scene.path("one")).unwrap();
    let (code, _, error) = scene.backup("one", &[]);
    assert!(code == Some(1) && error.contains("--replace"), "{error}");
    assert_eq!(fs::read(scene.path("one")).unwrap(), before);
    fs::write(scene.path("two"), "in the way").unwrap();
    fs::write(scene.path("two.part"), "left behind").unwrap();
    let (code, other, error) = scene.backup("two", &["--replace"]);
    assert_eq!(code, Some(0), "{error}");
    assert_ne!(digest(&other), digest(&text));
    assert_eq!(scene.files(), ["first", "one", "two"]);

    // The data of a running server is not overwritten, whatever is said.
    let (code, _, error) = scene.restore("one", "first", &["--replace"]);
    assert!(code == Some(1) && error.contains("in use by another server"), "{error}");
    assert_eq!(program.stop(), Some(0));

    let (code, restored, error) = scene.restore("one", "elsewhere", &[]);
    assert_eq!(code, Some(0), "{error}");
    assert_eq!(digest(&restored), digest(&text));
    assert!(restored.contains(concat!("Poolkeeper ", env!("CARGO_PKG_VERSION"))), "{restored}");
    assert_eq!(scene.pool("elsewhere"), "before");
    // Now it holds data.
    let (code, _, error) = scene.restore("two", "elsewhere", &[]);
    assert!(code == Some(1) && error.contains("is not empty") && error.contains("--replace"), "{error}");
    assert_eq!(scene.pool("elsewhere"), "before");
    let (code, _, error) = scene.restore("one", "elsewhere", &["--replace"]);
    assert_eq!(code, Some(0), "{error}");
    assert_eq!(scene.pool("elsewhere"), "before");
    // Another master key than the data was sealed with.
    assert_eq!(scene.restore("one", "without", &[]).0, Some(0));
    let data = scene.text("without");
    let (code, _, error) = support::run(&["dev", "--listen", "127.0.0.1:0", "--data-dir", &data], &[]);
    assert!(code == Some(1) && error.contains("master key"), "{error}");
}

#[test]
fn backups_go_through_pipes() {
    let scene = Scene::new();
    let mut program = scene.dev("first");
    assert_eq!(call(&program.address(), "CreateUserPool", &json!({"PoolName": "piped"})).0, 200);
    assert_eq!(program.stop(), Some(0));
    let data = scene.text("first");
    let (code, archive, told) = support::run(&["backup", "--output", "-", "--data-dir", &data], &[]);
    assert_eq!(code, Some(0), "{told}");
    assert!(archive.starts_with("{\"poolkeeper_archive\":1,") && archive.ends_with("\"}\n"), "{archive}");
    assert!(told.contains("standard output: ") && told.contains(" rows, "), "{told}");

    let restore = |input: &str, data: &str| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_poolkeeper"))
            .args(["restore", "--input", "-", "--data-dir", &scene.text(data)])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, error) = restore(&archive[..archive.len() / 2], "broken");
    let line = archive[..archive.len() / 2].lines().count();
    assert_eq!(code, Some(1));
    assert!(error.contains(&format!("line {line} of the archive: the archive is cut off")), "{error}");
    assert!(!scene.path("broken").exists(), "nothing was touched");
    let (code, error) = restore(&archive, "second");
    assert_eq!(code, Some(0), "{error}");
    assert_eq!(scene.pool("second"), "piped");
}

/// Waits until `look` finds something in a database, which may not be there yet.
fn wait_for(database: &Path, look: impl Fn(&Connection) -> rusqlite::Result<bool>) {
    let deadline = Instant::now() + Duration::from_secs(30);
    let found =
        || database.exists() && Connection::open(database).and_then(|connection| look(&connection)).unwrap_or(false);
    while !found() {
        assert!(Instant::now() < deadline, "not seen in {}", database.display());
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn no_server_starts_on_half_a_restore() {
    let scene = Scene::new();
    let mut program = scene.dev("first");
    assert_eq!(call(&program.address(), "CreateUserPool", &json!({"PoolName": "whole"})).0, 200);
    assert_eq!(program.stop(), Some(0));
    let rows = 60_000;
    Connection::open(scene.path("first/poolkeeper.db"))
        .unwrap()
        .execute_batch(&format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) \
             INSERT INTO spent (id, version, expires_at) SELECT i, 1, 9000000000000000 FROM n"
        ))
        .unwrap();
    let (code, text, error) = scene.backup("one", &[]);
    assert_eq!(code, Some(0), "{error}");

    let mut child = Command::new(env!("CARGO_BIN_EXE_poolkeeper"))
        .args(["restore", "--input", &scene.text("one"), "--data-dir", &scene.text("second")])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let database = scene.path("second/poolkeeper.db");
    wait_for(&database, |connection| connection.query_row("SELECT COUNT(*) > 0 FROM spent", [], |row| row.get(0)));
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success(), "it was not at its end");

    let data = scene.text("second");
    fs::copy(scene.path("first/master.key"), scene.path("second/master.key")).unwrap();
    for command in [&["dev", "--listen", "127.0.0.1:0"][..], &["keys", "list"]] {
        let (code, _, error) = support::run(&[command, &["--data-dir", &data]].concat(), &[]);
        assert!(code == Some(1) && error.contains("unfinished restore (begun at 2"), "{error}");
    }
    let (code, _, error) = scene.restore("one", "second", &[]);
    assert!(code == Some(1) && error.contains("unfinished restore") && error.contains("--replace"), "{error}");
    let (code, _, error) = support::run(&["backup", "--output", &scene.text("half"), "--data-dir", &data], &[]);
    assert!(code == Some(1) && error.contains("not complete"), "{error}");
    assert!(!scene.path("half").exists() && !scene.path("half.part").exists());

    let (code, restored, error) = scene.restore("one", "second", &["--replace"]);
    assert_eq!(code, Some(0), "{error}");
    assert_eq!(digest(&restored), digest(&text));
    assert_eq!(scene.pool("second"), "whole");
}

#[test]
fn databases_are_copied_and_both_digests_shown() {
    let scene = Scene::new();
    let mut program = scene.dev("first");
    assert_eq!(call(&program.address(), "CreateUserPool", &json!({"PoolName": "copied"})).0, 200);
    let url = |data: &str| format!("sqlite:{}", scene.path(data).join("poolkeeper.db").display());
    let copy = |from: &str, to: &str, more: &[&str]| {
        support::run(&[&["copy"], more].concat(), &[("POOLKEEPER_COPY_FROM", from), ("POOLKEEPER_COPY_TO", to)])
    };
    let check = |(code, text, error): (Option<i32>, String, String), to: &str| {
        assert_eq!(code, Some(0), "{error}");
        assert!(error.contains("What a server changes on the source from now on is not copied"), "{error}");
        let digests: Vec<String> = text.lines().map(digest).collect();
        assert!(digests.len() == 2 && digests[0] == digests[1], "{text}");
        assert!(text.lines().nth(1).unwrap().contains(to), "{text}");
        digests[0].clone()
    };
    let (first, second) = (url("first"), url("second"));
    check(copy(&first, &second, &[]), "second/poolkeeper.db");
    assert_eq!(program.stop(), Some(0));
    let (_, backup, _) = scene.backup("one", &[]);
    let (code, _, error) = copy(&first, &second, &[]);
    assert!(code == Some(1) && error.contains("--replace"), "{error}");
    assert_eq!(check(copy(&first, &second, &["--replace"]), "second/poolkeeper.db"), digest(&backup));
    if let Some(scratch) = cluster::Scratch::from_environment().unwrap() {
        assert_eq!(check(copy(&first, &scratch.url(), &[]), "postgres://"), digest(&backup));
        assert_eq!(check(copy(&scratch.url(), &url("third"), &[]), "third/poolkeeper.db"), digest(&backup));
        assert_eq!(scene.pool("third"), "copied");
    }
    assert_eq!(scene.pool("second"), "copied");
}

#[test]
fn what_cannot_be_moved_is_said_without_passwords() {
    let scene = Scene::new();
    let data = scene.text("mistyped");
    let (code, _, error) = support::run(&["backup", "--output", &scene.text("one"), "--data-dir", &data], &[]);
    assert!(code == Some(1) && error.contains("there is no such file"), "{error}");
    assert!(!scene.path("mistyped").exists() && scene.files().is_empty());
    let (code, _, error) = support::run(&["backup", "--output", &scene.text("one"), "--store", "sqlite::memory:"], &[]);
    assert!(code == Some(1) && error.contains("in memory"), "{error}");
    let (code, _, error) = scene.restore("missing", "second", &[]);
    assert!(code == Some(1) && error.contains("missing"), "{error}");
    fs::write(scene.path("letter"), "Dear archive,\n").unwrap();
    let (code, _, error) = scene.restore("letter", "second", &[]);
    assert!(code == Some(1) && error.contains("line 1 of the archive: this is not a Poolkeeper archive"), "{error}");

    let file = scene.path("c.toml");
    fs::write(&file, "[store.postgres]\npatience_seconds = 1\n").unwrap();
    let config = file.to_str().unwrap();
    for (from, to) in [
        ("postgres://keeper:se-cret@127.0.0.1:1/x", "sqlite:second/x.db"),
        ("postgres://keeper:se-cret@127.0.0.1:x/x", "sqlite:second/x.db"),
        ("mysql://keeper:se-cret@127.0.0.1/x", "sqlite:second/x.db"),
    ] {
        let (code, text, error) = support::run(&["copy", "--from", from, "--to", to, "--config", config], &[]);
        assert!(code == Some(1) && !error.is_empty(), "{error}");
        assert!(!error.contains("se-cret") && !text.contains("se-cret"), "{error}");
    }
    for wrong in [&["backup"][..], &["restore"], &["copy", "--from", "sqlite:x"]] {
        let (code, _, error) = support::run(wrong, &[]);
        assert!(code == Some(2) && error.contains("--help"), "{error}");
    }
}
