//! A PostgreSQL server from outside: databases on it, and what `pgbench` reaches there at best.

use std::{
    ffi::OsStr,
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use anyhow::{Context, bail};
use crypto::random::SystemEntropy;

use crate::cores;

/// Rows of the table that `pgbench` reads and writes: so many that its clients hardly ever wait for one another's.
const ROWS: u32 = 100_000;

/// One row changed by its key in a transaction of its own, as durable as the server is set to be.
const COMMIT: &str = "UPDATE bound SET version = version + 1 WHERE id = :id;";
/// One row found by its key.
const SELECT: &str = "SELECT doc, version FROM bound WHERE id = :id;";

/// What `pgbench` does.
#[derive(Clone, Copy, Debug)]
pub enum Load {
    /// Durable commits of one row each.
    Commits,
    /// Reads of one row each.
    Selects,
}

/// What `pgbench` reaches.
#[derive(Clone, Copy, Debug)]
pub struct Reached {
    /// Transactions per second.
    pub rate: f64,
    /// Seconds of the database's processor time that one takes, where they can be seen.
    pub database_cpu: Option<f64>,
}

impl Reached {
    /// The mean of two.
    pub fn between(self, other: Self) -> Self {
        let mean = |(one, other)| f64::midpoint(one, other);
        Self { rate: mean((self.rate, other.rate)), database_cpu: self.database_cpu.zip(other.database_cpu).map(mean) }
    }
}

impl std::fmt::Display for Reached {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.0}/s", self.rate)?;
        self.database_cpu.map_or(Ok(()), |seconds| write!(f, " ({:.3} ms of database CPU each)", seconds * 1_000.0))
    }
}

/// A server, the way to it, and the right to make databases there.
pub struct Server {
    /// The URL up to the password: `postgres://user`.
    front: String,
    password: Option<String>,
    /// `host:port`, or several.
    hosts: String,
    /// The database that the URL names.
    database: String,
    /// From `?` on.
    options: String,
}

impl Server {
    /// Reads an URL.
    ///
    /// # Errors
    /// When it is of another form, without repeating it: it may hold a password.
    pub fn new(url: &str) -> anyhow::Result<Self> {
        let form = "--store: the URL of a database is postgres://USER:PASSWORD@HOST:PORT/DATABASE";
        let (scheme, rest) = url.split_once("://").context(form)?;
        let (user, rest) = rest.split_once('@').context(form)?;
        let (hosts, rest) = rest.split_once('/').context(form)?;
        let (user, password) = match user.split_once(':') {
            Some((user, password)) => (user, Some(password.to_owned())),
            None => (user, None),
        };
        let at = rest.find('?').unwrap_or(rest.len());
        let (database, options) = rest.split_at(at);
        Ok(Self {
            front: format!("{scheme}://{user}"),
            password,
            hosts: hosts.to_owned(),
            database: database.to_owned(),
            options: options.to_owned(),
        })
    }

    /// The URL of a database. Without its password it may be shown to others, as the arguments of a program are.
    fn url(&self, database: &str, with_password: bool) -> String {
        let password = self.password.as_ref().filter(|_| with_password);
        let password = password.map(|password| format!(":{password}")).unwrap_or_default();
        format!("{}{password}@{}/{database}{}", self.front, self.hosts, self.options)
    }

    /// Makes a database and says its URL.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    pub fn create_database(&self) -> anyhow::Result<String> {
        let name = format!("poolkeeper_bench_{}", crypto::random::uuid_v4(&SystemEntropy).replace('-', ""));
        self.psql(&self.database, &format!("CREATE DATABASE {name}")).context("making a database for the bench")?;
        Ok(self.url(&name, true))
    }

    /// Removes a database that [`Self::create_database`] has made.
    pub fn drop_database(&self, url: &str) -> anyhow::Result<()> {
        self.psql(&self.database, &format!("DROP DATABASE {} WITH (FORCE)", name(url))).map(drop)
    }

    /// Runs a statement in the database with this URL.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    pub fn sql(&self, url: &str, statement: &str) -> anyhow::Result<String> {
        self.psql(name(url), statement)
    }

    fn psql(&self, database: &str, statement: &str) -> anyhow::Result<String> {
        let arguments = ["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "--no-password", "-c", statement];
        let output = self.run("psql", database, arguments)?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Makes the table that [`Self::reach`] works on, in the database with this URL.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    pub fn prepare_rates(&self, url: &str) -> anyhow::Result<()> {
        self.sql(url, "CREATE TABLE bound (id BIGINT PRIMARY KEY, doc TEXT NOT NULL, version BIGINT NOT NULL)")?;
        let rows = format!("INSERT INTO bound SELECT i, repeat('x', 200), 1 FROM generate_series(1, {ROWS}) AS i");
        self.sql(url, &rows).map(drop)
    }

    /// What `pgbench` reaches with `clients` clients, in the database with this URL. `cpu_seconds` says what the
    /// database's processes have used.
    ///
    /// # Errors
    /// When `pgbench` is not there, or fails.
    pub fn reach(
        &self,
        url: &str,
        load: Load,
        time: Duration,
        clients: usize,
        cpu_seconds: impl Fn() -> anyhow::Result<Option<f64>>,
    ) -> anyhow::Result<Reached> {
        let statement = match load {
            Load::Commits => COMMIT,
            Load::Selects => SELECT,
        };
        let script = tempfile::NamedTempFile::new()?;
        std::fs::write(script.path(), format!("\\set id random(1, {ROWS})\n{statement}\n"))?;
        let seconds = time.as_secs().max(1).to_string();
        let (clients, threads) = (clients.to_string(), cores().min(clients).to_string());
        let file = script.path().to_string_lossy();
        let cpu = cpu_seconds()?;
        let output = self.run(
            "pgbench",
            name(url),
            ["-n", "-M", "prepared", "-c", &clients, "-j", &threads, "-T", &seconds, "-f", &file],
        )?;
        let cpu = cpu_seconds()?.zip(cpu).map(|(now, before)| now - before);
        let text = String::from_utf8_lossy(&output.stdout);
        let number = |name: &str| -> anyhow::Result<f64> {
            let number = text.lines().find_map(|line| line.strip_prefix(name)?.split([' ', '/']).next()?.parse().ok());
            number.with_context(|| format!("pgbench does not say {name:?}: {text}"))
        };
        let transactions = number("number of transactions actually processed: ")?;
        Ok(Reached { rate: number("tps = ")?, database_cpu: cpu.map(|seconds| seconds / transactions) })
    }

    /// Runs one of PostgreSQL's programs on a database.
    fn run<'a>(
        &self,
        program: &str,
        database: &str,
        arguments: impl IntoIterator<Item = &'a str>,
    ) -> anyhow::Result<Output> {
        let path = cluster::packages::postgresql_programs()?.join(program);
        let mut command = Command::new(&path);
        command.args(arguments.into_iter().map(OsStr::new)).arg(self.url(database, false));
        if let Some(password) = &self.password {
            command.env("PGPASSWORD", unescaped(password)?);
        }
        let output = command.output().with_context(|| format!("starting {}", path.display()))?;
        if !output.status.success() {
            bail!("{program} ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim_end());
        }
        Ok(output)
    }
}

/// The name of the database that an URL leads to.
fn name(url: &str) -> &str {
    let path = url.split('?').next().unwrap_or_default();
    Path::new(path).file_name().and_then(OsStr::to_str).unwrap_or_default()
}

/// What stands in an URL as it is meant.
fn unescaped(text: &str) -> anyhow::Result<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let digits = part.get(..2).context("the password in the URL is not well escaped")?;
        bytes.push(u8::from_str_radix(digits, 16).context("the password in the URL is not well escaped")?);
        bytes.extend(part.bytes().skip(2));
    }
    Ok(String::from_utf8(bytes)?)
}

#[cfg(test)]
mod tests {
    use super::{Server, name, unescaped};

    #[test]
    fn a_password_reaches_programs_but_not_their_arguments() {
        let server = Server::new("postgres://keeper:p%40ss@127.0.0.1:5432/x?sslmode=disable").unwrap();
        assert_eq!(server.url("y", false), "postgres://keeper@127.0.0.1:5432/y?sslmode=disable");
        assert_eq!(server.url("y", true), "postgres://keeper:p%40ss@127.0.0.1:5432/y?sslmode=disable");
        assert_eq!(unescaped(server.password.as_deref().unwrap()).unwrap(), "p@ss");
        assert_eq!(name(&server.url("y", true)), "y");
        assert_eq!(server.database, "x");
        assert!(unescaped("%4").is_err() && unescaped("%zz").is_err());
        for other in ["postgres://", "postgres://127.0.0.1/x", "postgres://keeper:secret@127.0.0.1"] {
            let error = Server::new(other).err().unwrap().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
