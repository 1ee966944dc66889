//! How a store is opened.

use std::{fmt, path::PathBuf, time::Duration};

use crate::PostgresOptions;

/// Where the data lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// In memory, gone with the store.
    Memory,
    /// In a SQLite file. Its directory is made when it does not exist, and is held by a lock file while the store
    /// is open, so one directory serves one server.
    File(PathBuf),
    /// In a database of PostgreSQL's family, which any number of servers share.
    Postgres(Box<PostgresOptions>),
}

impl fmt::Display for Location {
    /// In words, without a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => write!(f, "in memory, gone when the server stops"),
            Self::File(path) => write!(f, "{}", std::path::absolute(path).unwrap_or_else(|_| path.clone()).display()),
            Self::Postgres(options) => write!(f, "{options}"),
        }
    }
}

/// What an acknowledged change survives. PostgreSQL's own configuration decides that for its databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Loss of power: every group is on the disk before its changes are acknowledged.
    Full,
    /// The end of the process, however sudden; the last moments before a loss of power may be missing, the rest is
    /// intact.
    Normal,
}

/// Everything that [`Store::open`](crate::Store::open) wants to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Where the data lives.
    pub location: Location,
    /// What acknowledged changes survive; means nothing in memory.
    pub durability: Durability,
    /// How long to wait for a foreign program that holds the database, before [`Error::Busy`](crate::Error::Busy).
    /// Readers and the writer of one store never wait for one another on disk.
    pub busy_timeout: Duration,
}

impl Options {
    /// A database in memory.
    #[must_use]
    pub const fn memory() -> Self {
        Self { location: Location::Memory, durability: Durability::Normal, busy_timeout: Duration::from_secs(5) }
    }

    /// A fully durable database in a file.
    #[must_use]
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self {
            location: Location::File(path.into()),
            durability: Durability::Full,
            busy_timeout: Duration::from_secs(5),
        }
    }

    /// A database of PostgreSQL's family.
    #[must_use]
    pub fn postgres(options: PostgresOptions) -> Self {
        Self { location: Location::Postgres(Box::new(options)), ..Self::file("") }
    }
}
