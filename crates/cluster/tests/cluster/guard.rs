//! What a program leaves behind that was killed and could not tidy up: nothing.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use poolkeeper_cluster::{Postgres, PostgresOptions, packages};

use crate::wait_for;

/// Names the file in which the victim says where its data is.
const VICTIM: &str = "POOLKEEPER_TEST_VICTIM";

#[test]
fn a_killed_program_leaves_nothing() {
    if let Some(file) = std::env::var_os(VICTIM) {
        let root = rustix::process::geteuid().is_root();
        let options = PostgresOptions { data_limit_mib: root.then_some(160), ..PostgresOptions::default() };
        let server = Postgres::start(&options).unwrap();
        std::fs::write(file, server.data().to_str().unwrap()).unwrap();
        loop {
            std::thread::park();
        }
    }
    packages::postgresql().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("data");
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "guard::a_killed_program_leaves_nothing"])
        .env(VICTIM, &file)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let data = wait_for(|| std::fs::read_to_string(&file).ok().filter(|data| !data.is_empty()));
    let postmaster = std::fs::read_to_string(Path::new(&data).join("postmaster.pid")).unwrap();
    let postmaster = format!("/proc/{}", postmaster.lines().next().unwrap());
    assert!(Path::new(&postmaster).exists());
    victim.kill().unwrap();
    victim.wait().unwrap();
    wait_for(|| (!Path::new(&data).parent().unwrap().exists()).then_some(()));
    wait_for(|| (!Path::new(&postmaster).exists()).then_some(()));
}
