//! `cargo xtask torture`: builds the server and the torture test and runs it; docs/reliability.md says what it does.

use std::{path::Path, process::Command};

/// Passes `arguments` on, but for `--debug`, which takes the server as it is built without optimisation.
///
/// # Errors
/// When something cannot be built or started, or the torture test has findings.
pub fn run(root: &Path, arguments: &[String]) -> anyhow::Result<()> {
    let is_debug = arguments.iter().any(|argument| argument == "--debug");
    let (profile, folder): (&[&str], _) = if is_debug { (&[], "debug") } else { (&["--release"], "release") };
    let build = Command::new(env!("CARGO"))
        .args(["build", "--package", "poolkeeper", "--package", "poolkeeper-torture"])
        .args(profile)
        .current_dir(root)
        .status()?;
    anyhow::ensure!(build.success(), "the build failed");
    let built = root.join("target").join(folder);
    let mut command = Command::new(built.join("poolkeeper-torture"));
    if !arguments.iter().any(|argument| argument.starts_with("--binary")) {
        command.arg("--binary").arg(built.join("poolkeeper"));
    }
    let run = command.args(arguments.iter().filter(|argument| *argument != "--debug")).current_dir(root).status()?;
    anyhow::ensure!(run.success(), "the torture test failed: what is wrong is said above");
    Ok(())
}
