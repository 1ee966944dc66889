//! Where the server under test keeps its data: SQLite in a file, or a PostgreSQL server. Each measurement has a database
//! of its own there, which is removed afterwards.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail};
use store::{Address, Durability, Location, PostgresOptions};

use crate::{
    apart::{self, Half},
    postgres::{Load, Reached, Server},
    process,
};

/// One `--store`.
pub enum Target {
    /// SQLite, in this new file or in a temporary one.
    Sqlite(Option<PathBuf>),
    /// A server of PostgreSQL's family, and the private one that was started for it.
    Postgres(Server, Option<Box<cluster::Postgres>>),
}

impl Target {
    /// Reads what follows `--store`; starts a server for `postgres:`, kept on its half of so many `cores` if it is to have
    /// one.
    ///
    /// # Errors
    /// Says which forms there are, without repeating an URL, which may hold a password.
    pub fn open(text: &str, apart_on: Option<usize>) -> anyhow::Result<Self> {
        match text.split_once(':') {
            Some(("sqlite", "")) => Ok(Self::Sqlite(None)),
            Some(("sqlite", path)) => Ok(Self::Sqlite(Some(path.into()))),
            Some(("postgres", "")) => {
                cluster::packages::postgresql()?;
                // Room for pgbench beside the nodes; everything else as PostgreSQL comes.
                let settings = vec![("max_connections".to_owned(), "300".to_owned())];
                let private = cluster::Postgres::start(&cluster::PostgresOptions { settings, ..Default::default() })?;
                if let Some(cores) = apart_on {
                    apart::keep(id(&private)?, Half::Second, cores)?;
                }
                Ok(Self::Postgres(Server::new(&private.url("postgres"))?, Some(Box::new(private))))
            }
            _ if apart_on.is_some() => {
                bail!("--apart is for --store postgres:, the server that the bench starts itself")
            }
            _ if store::is_url(text) => Ok(Self::Postgres(Server::new(text)?, None)),
            _ => bail!(
                "--store is none of sqlite: (a temporary file), sqlite:PATH (a new file), postgres: (a private server \
                 is started) and postgres://USER:PASSWORD@HOST:PORT/DATABASE"
            ),
        }
    }

    /// Its kind, for headings.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "SQLite",
            Self::Postgres(..) => "PostgreSQL",
        }
    }

    /// Whether several nodes can share it.
    pub const fn is_shared(&self) -> bool {
        matches!(self, Self::Postgres(..))
    }

    /// Processor time that the database's own processes have used, in seconds; only a server that was started here
    /// tells.
    pub fn cpu_seconds(&self) -> anyhow::Result<Option<f64>> {
        let Self::Postgres(_, Some(private)) = self else { return Ok(None) };
        process::family_cpu_seconds(id(private)?).map(Some)
    }

    /// Makes a database.
    ///
    /// # Errors
    /// When there is one already, or the server refuses.
    pub fn database(&self) -> anyhow::Result<Database<'_>> {
        match self {
            Self::Sqlite(None) => {
                let folder = tempfile::tempdir()?;
                Ok(Database::File(folder.path().join("poolkeeper.db"), Some(folder)))
            }
            Self::Sqlite(Some(path)) => {
                anyhow::ensure!(!path.exists(), "{} exists: name a file that does not", path.display());
                Ok(Database::File(path.clone(), None))
            }
            Self::Postgres(server, _) => Ok(Database::Postgres(self, server, server.create_database()?)),
        }
    }
}

/// The process that has started all others of a server.
fn id(server: &cluster::Postgres) -> anyhow::Result<u32> {
    let text = fs::read_to_string(server.data().join("postmaster.pid"))?;
    Ok(text.lines().next().context("the server wrote the id of its process")?.parse()?)
}

/// A database that is removed when this is dropped.
pub enum Database<'a> {
    /// A file of SQLite.
    File(PathBuf, Option<tempfile::TempDir>),
    /// The URL of a database, and the server that it is on.
    Postgres(&'a Target, &'a Server, String),
}

impl Database<'_> {
    /// What `store.url` is for the server under test.
    pub fn url(&self) -> String {
        match self {
            Self::File(path, _) => format!("sqlite:{}", path.display()),
            Self::Postgres(_, _, url) => url.clone(),
        }
    }

    /// How the bench itself opens it, to fill it.
    pub fn options(&self) -> anyhow::Result<store::Options> {
        let location = match self {
            Self::File(path, _) => Location::File(path.clone()),
            Self::Postgres(_, _, url) => {
                let address = Address::parse(url).map_err(|reason| anyhow::anyhow!("--store: {reason}"))?;
                Location::Postgres(Box::new(PostgresOptions::new(address)))
            }
        };
        Ok(store::Options { location, durability: Durability::Normal, ..store::Options::memory() })
    }

    /// Makes what [`Self::reach`] needs.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn prepare_rates(&self) -> anyhow::Result<()> {
        match self {
            Self::File(..) => Ok(()),
            Self::Postgres(_, server, url) => server.prepare_rates(url),
        }
    }

    /// What `pgbench` reaches with a load on the same server, where there is one.
    ///
    /// # Errors
    /// When it fails.
    pub fn reach(&self, load: Option<Load>, time: Duration, clients: usize) -> anyhow::Result<Option<Reached>> {
        match (self, load) {
            (Self::Postgres(target, server, url), Some(load)) => {
                server.reach(url, load, time, clients, || target.cpu_seconds()).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Tells the planner what the tables hold, as PostgreSQL does by itself some time after they were filled.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn settle(&self) -> anyhow::Result<()> {
        match self {
            Self::File(..) => Ok(()),
            Self::Postgres(_, server, url) => server.sql(url, "VACUUM (ANALYZE) users, names, passwords").map(drop),
        }
    }
}

impl Drop for Database<'_> {
    fn drop(&mut self) {
        match self {
            Self::File(path, None) => ["", "-wal", "-shm"].iter().for_each(|suffix| remove(path, suffix)),
            Self::File(_, Some(_)) => {}
            Self::Postgres(_, server, url) => {
                if let Err(error) = server.drop_database(url) {
                    println!("a database that the bench has made is left behind: {error:#}");
                }
            }
        }
    }
}

fn remove(path: &Path, suffix: &str) {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    drop(fs::remove_file(PathBuf::from(name)));
}
