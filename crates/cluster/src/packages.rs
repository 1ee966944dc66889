//! Debian's packages of what the tests run. Installing needs root; who is not root is told what to install. Debian also
//! starts what it installs as services of the machine: they are left alone, and none of the tests uses them.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::account::is_root;

/// Where Debian keeps the versions of PostgreSQL, a folder each.
const POSTGRESQL: &str = "/usr/lib/postgresql";

/// PostgreSQL, its client programs and `pgbench`, and OpenSSL for the certificates of a server with TLS.
///
/// # Errors
/// When something is missing and cannot be installed.
pub fn postgresql() -> Result<()> {
    install(&["postgresql", "openssl"], || postgresql_programs().is_ok() && Path::new("/usr/bin/openssl").exists())
}

/// PgBouncer, besides PostgreSQL.
///
/// # Errors
/// When something is missing and cannot be installed.
pub fn pgbouncer() -> Result<()> {
    postgresql()?;
    install(&["pgbouncer"], || Path::new("/usr/sbin/pgbouncer").exists())
}

/// Patroni and etcd, besides PostgreSQL.
///
/// # Errors
/// When something is missing and cannot be installed.
pub fn patroni() -> Result<()> {
    postgresql()?;
    // Patroni speaks to etcd through python3-etcd and to PostgreSQL through psycopg2, which it only suggests.
    let programs = ["/usr/bin/patroni", "/usr/bin/etcd", "/usr/lib/python3/dist-packages/etcd"];
    install(&["patroni", "etcd-server", "etcd-client", "python3-etcd", "python3-psycopg2"], || {
        programs.iter().all(|program| Path::new(program).exists())
    })
}

/// The folder of the programs of the newest PostgreSQL.
///
/// # Errors
/// When there is none.
pub fn postgresql_programs() -> Result<PathBuf> {
    let versions = std::fs::read_dir(POSTGRESQL).into_iter().flatten().flatten();
    let newest = versions
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|version| Path::new(POSTGRESQL).join(format!("{version}/bin/initdb")).exists())
        .max()
        .with_context(|| {
            format!("there is no PostgreSQL server in {POSTGRESQL}; install it: apt-get install postgresql")
        })?;
    Ok(Path::new(POSTGRESQL).join(format!("{newest}/bin")))
}

fn install(packages: &[&str], present: impl Fn() -> bool) -> Result<()> {
    if present() {
        return Ok(());
    }
    let names = packages.join(" ");
    anyhow::ensure!(is_root(), "needed and not installed: {names}; install them: sudo apt-get install {names}");
    println!("Installing Debian's packages {names}");
    apt_get(&["update"])?;
    apt_get(&[&["install", "--yes", "--no-install-recommends"], packages].concat())?;
    anyhow::ensure!(present(), "apt-get installed {names}, but the programs are not where Debian puts them");
    Ok(())
}

fn apt_get(arguments: &[&str]) -> Result<()> {
    let status = Command::new("apt-get")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .status()
        .context("starting apt-get; only Debian and its descendants are known here")?;
    anyhow::ensure!(status.success(), "apt-get {} ended with {status}", arguments.join(" "));
    Ok(())
}
