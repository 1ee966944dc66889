//! `cargo xtask test`: every check and every test, from a machine that has the Rust toolchain and Debian's packages
//! and nothing else. Each step says what it does and what it installs.
//!
//! Steps: generated files are current; formatting; lints; dependencies; a private PostgreSQL; unit and conformance tests,
//! and golden tests on SQLite in a file; the golden tests again on PostgreSQL; coverage of the operations' errors; the
//! built binary against real clients; a short torture test of three servers on a pair of PostgreSQL.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use anyhow::{Context, bail};

use crate::{dependencies, torture};

/// Which parts to run.
#[derive(clap::Args)]
pub struct Options {
    /// Leave out the tests with real clients (they install packages)
    #[arg(long)]
    no_clients: bool,
    /// Leave out everything that needs PostgreSQL (which is installed from Debian's packages), the torture test included
    #[arg(long)]
    no_postgres: bool,
    /// Minutes of torture
    #[arg(long, default_value = "1")]
    torture_minutes: String,
}

/// Where tests find PostgreSQL.
const POSTGRES: &str = "POOLKEEPER_TEST_POSTGRES";
/// Names the engine of tests that do not care.
const ENGINE: &str = "POOLKEEPER_TEST_ENGINE";
/// The engines that the golden tests run on after SQLite in a file. Serializable is the strictest isolation.
const SHARED_ENGINES: [&str; 2] = ["postgres", "postgres-serializable"];

/// Runs everything; stops at the first failure.
pub fn run(root: &Path, options: &Options) -> anyhow::Result<()> {
    let started = stopwatch();
    let step = |what: &str| println!("\n== {what} (after {:.1} minutes)", started.elapsed().as_secs_f64() / 60.0);
    step("generated files are current");
    cargo(root, ["xtask", "codegen", "--check"], &[])?;
    step("formatting");
    tool(root, "rustfmt", &["rustup", "component", "add", "rustfmt"])?;
    cargo(root, ["fmt", "--all", "--check"], &[])?;
    step("lints");
    tool(root, "cargo-clippy", &["rustup", "component", "add", "clippy"])?;
    cargo(root, ["clippy", "--workspace", "--all-targets", "--quiet", "--", "--deny", "warnings"], &[])?;
    step("licences and origins of dependencies");
    dependencies::check(root)?;
    step("unit, conformance and golden tests");
    tool(root, "cargo-nextest", &["cargo", "install", "cargo-nextest", "--locked"])?;
    let coverage = root.join("target/coverage");
    if coverage.exists() {
        std::fs::remove_dir_all(&coverage)?;
    }
    std::fs::create_dir_all(&coverage)?;
    cargo(root, ["build", "--package", "poolkeeper", "--bin", "poolkeeper"], &[])?;
    let binary = root.join("target/debug/poolkeeper");
    let postgres = if options.no_postgres { None } else { Some(postgres()?) };
    let url = OsString::from(postgres.as_ref().map(|server| server.url("postgres")).unwrap_or_default());
    let mut environment = vec![
        ("POOLKEEPER_COVERAGE", coverage.as_os_str()),
        ("POOLKEEPER_BINARY", binary.as_os_str()),
        (POSTGRES, url.as_os_str()),
        (cluster::scratch::REUSE, OsStr::new("1")),
        // Not in memory, which is what they do while somebody works on them: a file is what servers have.
        (ENGINE, OsStr::new("file")),
    ];
    cargo(root, ["nextest", "run", "--workspace", "--no-fail-fast"], &environment)?;
    for engine in SHARED_ENGINES.iter().filter(|_| postgres.is_some()) {
        step(&format!("golden tests on the engine '{engine}'"));
        environment.pop();
        environment.push((ENGINE, OsStr::new(engine)));
        cargo(
            root,
            ["nextest", "run", "--package", "poolkeeper-web", "--test", "api", "--no-fail-fast"],
            &environment,
        )?;
    }
    step("every answer of every operation is tested, or listed as not yet");
    cargo(root, ["xtask", "coverage", "--check"], &[])?;
    if !options.no_clients {
        step("real clients against the built binary");
        tool(root, "python3", &["apt-get", "install", "--yes", "python3", "python3-venv"])?;
        tool(root, "node", &["apt-get", "install", "--yes", "nodejs", "npm"])?;
        let mut arguments = vec![OsStr::new("e2e/run.py"), OsStr::new("--binary"), binary.as_os_str()];
        run_command(root, "python3", &arguments, &[])?;
        if postgres.is_some() {
            step("real clients again, on PostgreSQL");
            arguments.extend(["--postgres".as_ref(), url.as_os_str()]);
            arguments.extend(["boto3", "javascript", "outage"].map(OsStr::new));
            run_command(root, "python3", &arguments, &[])?;
        }
    }
    drop(postgres);
    if !options.no_postgres {
        step("torture: three servers, a pair of PostgreSQL, faults");
        let arguments = ["--debug", "--minutes", options.torture_minutes.as_str()];
        torture::run(root, &arguments.map(str::to_owned))?;
    }
    println!("\neverything passed in {:.1} minutes", started.elapsed().as_secs_f64() / 60.0);
    Ok(())
}

/// A server for the tests, gone when this is dropped. It need not survive a loss of power, which makes it quick.
fn postgres() -> anyhow::Result<cluster::Postgres> {
    cluster::packages::postgresql()?;
    let settings = [("fsync", "off"), ("synchronous_commit", "off"), ("max_connections", "300")];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    cluster::Postgres::start(&cluster::PostgresOptions { settings, ..cluster::PostgresOptions::default() })
}

#[expect(clippy::disallowed_methods, reason = "how long the tests took is real time")]
fn stopwatch() -> Instant {
    Instant::now()
}

fn cargo<const N: usize>(root: &Path, arguments: [&str; N], environment: &[(&str, &OsStr)]) -> anyhow::Result<()> {
    run_command(root, env!("CARGO"), &arguments, environment)
}

fn run_command(
    root: &Path,
    program: &str,
    arguments: &[impl AsRef<OsStr>],
    environment: &[(&str, &OsStr)],
) -> anyhow::Result<()> {
    let status = Command::new(program)
        .args(arguments)
        .envs(environment.iter().copied().collect::<BTreeMap<_, _>>())
        .current_dir(root)
        .status()
        .with_context(|| format!("starting {program}"))?;
    if !status.success() {
        bail!("{program} ended with {status}");
    }
    Ok(())
}

/// Makes sure that a program is there; installs it, and says so, when it is not.
fn tool(root: &Path, name: &str, install: &[&str]) -> anyhow::Result<()> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|folder: PathBuf| folder.join(name).is_file());
    if found {
        return Ok(());
    }
    println!("{name} is missing; installing it: {}", install.join(" "));
    let [program, arguments @ ..] = install else { bail!("no way to install {name}") };
    if *program == "apt-get" {
        run_command(root, "apt-get", &["update", "--quiet"], &[])?;
    }
    let status = Command::new(program).args(arguments).current_dir(root).status()?;
    if !status.success() {
        bail!("could not install {name}: {} failed", install.join(" "));
    }
    Ok(())
}
