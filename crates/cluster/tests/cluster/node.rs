//! A Poolkeeper node. It takes a built program, which `POOLKEEPER_BINARY` names; without it only what needs none is
//! tested, and that is said.

use std::{path::PathBuf, time::Duration};

use poolkeeper_cluster::{Node, NodeOptions};

use crate::wait_for;

fn options(binary: PathBuf) -> NodeOptions {
    NodeOptions {
        binary,
        command: "dev".to_owned(),
        config: "[server]\nlisten = \"{listen}\"\nadmin_listen = \"{admin_listen}\"\n\n[store]\ndata_dir = \"{folder}/data\"\n"
            .to_owned(),
        environment: vec![("POOLKEEPER_LOG".to_owned(), "debug".to_owned())],
    }
}

#[test]
fn a_program_that_ends_is_told_with_its_log() {
    let mut failing = options(PathBuf::from("/bin/sh"));
    failing.command = "-c".to_owned();
    // The shell takes the next word of the command line for an option of its own.
    let error = format!("{:#}", Node::start(failing).unwrap_err());
    assert!(error.contains("node is not ready: it ended with") && error.contains("Illegal option"), "{error}");
    let error = format!("{:#}", Node::start(options(PathBuf::from("/no/such/program"))).unwrap_err());
    assert!(error.contains("/no/such/program"), "{error}");
}

#[test]
fn a_node_lives_dies_and_comes_back() {
    let Some(binary) = std::env::var_os("POOLKEEPER_BINARY") else {
        println!(
            "NOT TESTED: nodes. Set POOLKEEPER_BINARY to the built program (cargo build; target/debug/poolkeeper)."
        );
        return;
    };
    let mut node = Node::start(options(binary.into())).unwrap();
    assert!(node.is_ready() && node.has_ended().is_none());
    assert!(node.folder().join("data/poolkeeper.db").exists());
    assert_ne!(node.endpoint(), node.admin_endpoint());
    let (endpoint, first) = (node.endpoint(), node.process_id());
    node.kill().unwrap();
    assert!(!node.is_ready() && node.has_ended().is_some());
    node.restart().unwrap();
    assert!(node.endpoint() == endpoint && node.process_id() != first);
    node.pause().unwrap();
    assert!(!node.is_ready());
    node.resume().unwrap();
    node.wait_until_ready(Duration::from_secs(10)).unwrap();
    // Whoever asks for readiness may know it before the first line of output is written.
    wait_for(|| node.log().contains("listening on").then_some(()));
    let folder = node.folder().to_owned();
    assert!(node.stop().unwrap().success());
    drop(node);
    assert!(!folder.exists());
}
