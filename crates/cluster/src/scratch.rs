//! A database for one test, on a server that the environment names.

use std::{
    process::Command,
    sync::atomic::{AtomicU64, Ordering},
};

use anyhow::{Context, Result};

use crate::packages::postgresql_programs;

/// The environment variable with the URL of a server on which tests may make databases, as
/// `postgres://user:password@host:port/any`. PostgreSQL or one of its family.
pub const VARIABLE: &str = "POOLKEEPER_TEST_POSTGRES";

/// An empty database, which goes with this value.
#[derive(Debug)]
pub struct Scratch {
    server: String,
    name: String,
}

impl Scratch {
    /// A database on the server that `POOLKEEPER_TEST_POSTGRES` names; `None` when it names none.
    ///
    /// # Errors
    /// When the server cannot be reached or makes no database.
    pub fn from_environment() -> Result<Option<Self>> {
        match std::env::var(VARIABLE) {
            Ok(server) if !server.is_empty() => Self::new(&server).map(Some),
            _ => Ok(None),
        }
    }

    /// A database on the server of this URL.
    ///
    /// # Errors
    /// When the server cannot be reached or makes no database.
    pub fn new(server: &str) -> Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("scratch_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        // Another run may have been killed before it could tidy up, and this process have got its number.
        run(server, &format!("DROP DATABASE IF EXISTS {name}"))?;
        run(server, &format!("CREATE DATABASE {name}"))?;
        Ok(Self { server: server.to_owned(), name })
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        let (base, query) = self.server.split_once('?').map_or((self.server.as_str(), None), |(b, q)| (b, Some(q)));
        let start = base.find("://").map_or(0, |at| at + 3);
        let host = base.get(start..).and_then(|rest| rest.split('/').next()).unwrap_or_default();
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        format!("{}{host}/{}{query}", base.get(..start).unwrap_or_default(), self.name)
    }

    /// Runs SQL in it; rows come one a line, columns with `|` between.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn sql(&self, sql: &str) -> Result<String> {
        run(&self.url(), sql)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // FORCE, because connections of the test may not be closed yet. It is refused while the server itself is at
        // work there, which does not take long.
        let sql = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        for tries in 1.. {
            match run(&self.server, &sql) {
                Ok(_) => return,
                Err(error) if tries == 5 => return eprintln!("{} stays behind: {error:#}", self.name),
                Err(_) => std::thread::sleep(std::time::Duration::from_millis(200)),
            }
        }
    }
}

fn run(url: &str, sql: &str) -> Result<String> {
    let mut command = Command::new(postgresql_programs()?.join("psql"));
    command.args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "--no-password", "-d", url, "-c", sql]);
    let output = command.env("PGCONNECT_TIMEOUT", "10").output().context("starting psql")?;
    let error = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "psql ended with {}: {}", output.status, error.trim_end());
    Ok(String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned())
}

#[cfg(test)]
mod tests {
    use super::Scratch;

    #[test]
    fn only_the_database_of_the_url_is_another_one() {
        let url = |server: &str| {
            let scratch = std::mem::ManuallyDrop::new(Scratch { server: server.to_owned(), name: "x".to_owned() });
            scratch.url()
        };
        assert_eq!(url("postgres://u:p@h:1/db?sslmode=disable"), "postgres://u:p@h:1/x?sslmode=disable");
        assert_eq!(url("postgres://u:p@h:1"), "postgres://u:p@h:1/x");
    }
}
