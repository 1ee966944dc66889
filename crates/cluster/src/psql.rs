//! What a PostgreSQL server is asked and told through `psql`, and the URLs by which others reach it.

use std::{
    fs::File,
    io::{Read, Seek, Write},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::{account::Account, packages::postgresql_programs};

/// Seconds that one call may take, so that a server that hangs fails a test instead of stopping it.
const PATIENCE: &str = "300";

/// Who may use a server, and with which passwords: made anew for each run.
#[derive(Clone)]
pub struct Access {
    /// Of `postgres`, who may do everything.
    pub superuser_password: String,
    /// Of `poolkeeper`, who may log in and make databases.
    pub password: String,
    /// When the server speaks TLS only: its authority's certificate.
    pub authority: Option<PathBuf>,
}

impl std::fmt::Debug for Access {
    /// Without the passwords.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Access").field("authority", &self.authority).finish_non_exhaustive()
    }
}

impl Access {
    /// New passwords.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn new(authority: Option<PathBuf>) -> Result<Self> {
        Ok(Self { superuser_password: random_password()?, password: random_password()?, authority })
    }

    /// The same passwords without TLS, for what stands in front of a server.
    pub fn without_tls(&self) -> Self {
        Self { authority: None, ..self.clone() }
    }

    /// A URL for `poolkeeper`. `hosts` is `address:port`, or several with commas between.
    pub fn url(&self, hosts: &str, database: &str) -> String {
        self.complete("poolkeeper", &self.password, hosts, database)
    }

    /// A URL for the superuser.
    pub fn superuser_url(&self, hosts: &str, database: &str) -> String {
        self.complete("postgres", &self.superuser_password, hosts, database)
    }

    fn complete(&self, user: &str, password: &str, hosts: &str, database: &str) -> String {
        let options = if self.authority.is_some() { "" } else { "?sslmode=disable" };
        format!("postgres://{user}:{password}@{hosts}/{database}{options}")
    }

    /// Runs SQL as the superuser, statement by statement; rows come one a line, columns with `|` between.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses a statement; those before it have been done.
    pub fn sql(&self, port: u16, database: &str, sql: &str) -> Result<String> {
        let mut input = tempfile::tempfile()?;
        input.write_all(sql.as_bytes())?;
        input.rewind()?;
        let mut command = Command::new("/usr/bin/timeout");
        command.arg(PATIENCE).arg(postgresql_programs()?.join("psql"));
        command.args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "--no-password"]).stdin(input);
        command.env_clear().env("PGHOST", "localhost").env("PGHOSTADDR", "127.0.0.1").env("PGPORT", port.to_string());
        command.env("PGUSER", "postgres").env("PGPASSWORD", &self.superuser_password).env("PGDATABASE", database);
        command.env("PGCONNECT_TIMEOUT", "5").env("PGCLIENTENCODING", "UTF8");
        match &self.authority {
            Some(authority) => command.env("PGSSLMODE", "verify-full").env("PGSSLROOTCERT", authority),
            None => command.env("PGSSLMODE", "disable"),
        };
        let output = command.output().context("starting psql")?;
        let error = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "psql ended with {}: {}", output.status, error.trim_end());
        Ok(String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned())
    }

    /// Makes the role `poolkeeper`.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn create_role(&self, port: u16) -> Result<()> {
        self.sql_everywhere(port, &format!("CREATE ROLE poolkeeper LOGIN CREATEDB PASSWORD '{}'", self.password))
    }

    /// Makes a database that belongs to `poolkeeper`.
    ///
    /// # Errors
    /// When the server refuses, as it does when there is one of this name.
    pub fn create_database(&self, port: u16, name: &str) -> Result<()> {
        let name = name.replace('"', "\"\"");
        self.sql_everywhere(port, &format!("CREATE DATABASE \"{name}\" OWNER poolkeeper"))
    }

    /// Runs a statement; returns when a synchronous standby has done it, too. A client that asks the standby first
    /// would otherwise be told that there is no such role or database, and go away.
    fn sql_everywhere(&self, port: u16, statement: &str) -> Result<()> {
        self.sql(port, "postgres", &format!("SET synchronous_commit = remote_apply; {statement}")).map(drop)
    }
}

/// What is said to `initdb`, besides the folder and the passwords. Text is sorted by the rules of a language and not by
/// its bytes, as on most real servers, so that a query which counts on the order of bytes shows. The rules are ICU's,
/// which PostgreSQL brings along: a machine for tests often has no language installed.
pub const INITDB: [(&str, &str); 6] = [
    ("encoding", "UTF8"),
    ("locale", "C.UTF-8"),
    ("locale-provider", "icu"),
    ("icu-locale", "en-US"),
    ("auth-host", "scram-sha-256"),
    ("auth-local", "reject"),
];

/// Makes the files of a new server in an empty folder.
///
/// # Errors
/// When `initdb` fails.
pub fn initdb(account: Account, data: &Path, password_file: &Path) -> Result<()> {
    let mut command = account.command(postgresql_programs()?.join("initdb"), data);
    command.args(["--no-sync", "--no-instructions", "--username=postgres", "--pgdata"]).arg(data);
    command.args(INITDB.map(|(option, value)| format!("--{option}={value}"))).arg("--pwfile").arg(password_file);
    let output = command.output().context("starting initdb")?;
    let error = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "initdb ended with {}: {}", output.status, error.trim_end());
    Ok(())
}

/// 32 hexadecimal digits, which need no quoting anywhere.
fn random_password() -> Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom").and_then(|mut random| random.read_exact(&mut bytes)).context("reading /dev/urandom")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
