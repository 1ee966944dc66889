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

/// The environment variable that says that the server is thrown away after the tests: then databases are emptied and used
/// again instead of made anew, which takes a tenth of the time.
pub const REUSE: &str = "POOLKEEPER_TEST_POSTGRES_REUSE";

/// The environment variable in which nextest numbers the tests that run at the same moment.
const SLOT: &str = "NEXTEST_TEST_GLOBAL_SLOT";

/// Leaves nothing in a database but its tables, and nobody of ours connected to it. PostgreSQL's own workers, which clean up
/// at times, may not be ended and do no harm.
const EMPTY: &str = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity \
     WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid(); \
     DO $$ DECLARE name text; BEGIN \
     FOR name IN SELECT quote_ident(tablename) FROM pg_tables \
     WHERE schemaname = 'public' AND tablename <> 'migrations' \
     LOOP EXECUTE 'DELETE FROM ' || name; END LOOP; END $$";

/// A database without anything in it, which goes with this value.
#[derive(Debug)]
pub struct Scratch {
    server: String,
    name: String,
    /// Whether the next test in the same slot gets it.
    stays: bool,
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

    /// The same for a test that brings the tables up to date and does not mind if somebody has done so before: one that
    /// an earlier test has used, emptied, where [`REUSE`] is set and nextest runs the test.
    ///
    /// # Errors
    /// When the server cannot be reached or makes no database.
    pub fn for_a_test() -> Result<Option<Self>> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let (Ok(server), Ok(slot)) = (std::env::var(VARIABLE), std::env::var(SLOT)) else {
            return Self::from_environment();
        };
        if server.is_empty() || std::env::var_os(REUSE).is_none() {
            return Self::from_environment();
        }
        let name = format!("slot_{slot}_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let scratch = Self { server, name, stays: true };
        if scratch.sql(EMPTY).is_err() {
            make(&scratch.server, &scratch.name)?;
        }
        Ok(Some(scratch))
    }

    /// A database on the server of this URL.
    ///
    /// # Errors
    /// When the server cannot be reached or makes no database.
    pub fn new(server: &str) -> Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("scratch_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        make(server, &name)?;
        Ok(Self { server: server.to_owned(), name, stays: false })
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
        if self.stays {
            return;
        }
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

/// Makes a database anew. Another run may have been killed before it could tidy up, and this process have got its number.
fn make(server: &str, name: &str) -> Result<()> {
    run(server, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))?;
    run(server, &format!("CREATE DATABASE {name}"))?;
    Ok(())
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
            let scratch =
                std::mem::ManuallyDrop::new(Scratch { server: server.to_owned(), name: "x".to_owned(), stays: true });
            scratch.url()
        };
        assert_eq!(url("postgres://u:p@h:1/db?sslmode=disable"), "postgres://u:p@h:1/x?sslmode=disable");
        assert_eq!(url("postgres://u:p@h:1"), "postgres://u:p@h:1/x");
    }
}
