//! The store as the rest of the house sees it. Methods are asynchronous because a database across a network will
//! be; on SQLite reads return at once.
//!
//! Opening, committing and running queries are here; what can be read is in files of its own, by what it is about.
//!
//! What waits for PostgreSQL is boxed, which costs nothing beside a network: otherwise every operation on SQLite, whose
//! reads never wait, would carry its room from the first step to the last, 7 KB in a sign-in.

mod messages;
mod pools;
mod sign_ins;
mod users;

use std::sync::Arc;

use crate::{
    Change, Changes, CommitError, Error, Lease, Location, Options, PlannedMigration, PostgresStore, SqliteStore,
    Statistics, Stored,
    compile::{Param, Step, compile, next_epoch},
    postgres,
    read::{self, Query},
    sql,
    statistics::{Counters, UnderWay},
    sweep::Progress,
};

/// An open database. Clones share it; the last one to go closes it.
#[derive(Clone, Debug)]
pub enum Store {
    /// SQLite, in a file or in memory.
    Sqlite(Arc<SqliteStore>),
    /// PostgreSQL or one of its family, shared with other servers.
    Postgres(Arc<PostgresStore>),
}

/// Behind every id.
const LAST: &str = "\u{10ffff}";

/// `limit` as a value to bind.
fn bound(limit: usize) -> Param<'static> {
    i64::try_from(limit).unwrap_or(i64::MAX).into()
}

impl Store {
    /// Opens a database, making it when it does not exist, and brings its schema up to date.
    ///
    /// # Errors
    /// Says what is wrong with the directory, the file or its schema, and what to do next.
    pub async fn open(options: &Options) -> Result<Self, Error> {
        match &options.location {
            Location::Memory => SqliteStore::open(None, options).map(|store| Self::Sqlite(Arc::new(store))),
            Location::File(path) => SqliteStore::open(Some(path), options).map(|store| Self::Sqlite(Arc::new(store))),
            Location::Postgres(postgres) => {
                PostgresStore::open(postgres).await.map(|store| Self::Postgres(Arc::new(store)))
            }
        }
    }

    /// Opens a database as it is, to look at it beside servers that may be at work: without the lock on the data
    /// directory and without bringing the schema up to date. In a SQLite file nothing can be changed through it; an empty
    /// log may stay beside the file, as after a crash.
    ///
    /// # Errors
    /// When a file cannot be opened. A database across a network is asked by the first request.
    pub fn open_to_read(options: &Options) -> Result<Self, Error> {
        match &options.location {
            Location::Memory => SqliteStore::open(None, options).map(|store| Self::Sqlite(Arc::new(store))),
            Location::File(path) => SqliteStore::open_to_read(path, options).map(|store| Self::Sqlite(Arc::new(store))),
            Location::Postgres(postgres) => {
                PostgresStore::connected(postgres).map(|store| Self::Postgres(Arc::new(store)))
            }
        }
    }

    /// What the schema of a database still needs, without changing anything.
    ///
    /// # Errors
    /// When the database cannot be read, or its schema is newer than this program or from another one.
    pub async fn planned_migrations(options: &Options) -> Result<Vec<PlannedMigration>, Error> {
        match &options.location {
            Location::Memory => Ok(Vec::new()),
            Location::File(path) => SqliteStore::planned(path),
            Location::Postgres(postgres) => postgres::planned(&PostgresStore::connected(postgres)?).await,
        }
    }

    /// Whether other servers may work on the same data at the same time.
    #[must_use]
    pub const fn is_shared(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// Does ahead what the first sign-ins would wait for: the statements that they read with are prepared on every
    /// connection of SQLite; to a database across a network a few connections are made, and each is asked everything once.
    ///
    /// # Errors
    /// When the engine fails, which the next reads say as well.
    pub async fn warm_up(&self) -> Result<(), Error> {
        match self {
            Self::Sqlite(store) => store.warm_up(),
            Self::Postgres(store) => Box::pin(store.warm_up()).await,
        }
    }

    /// Says that work has begun that may come to a commit, until the answer is dropped. Where much is under way, commits to
    /// a SQLite file wait for one another a little, so that fewer waits for the disk serve them all; other engines form
    /// groups without asking for it.
    #[must_use]
    pub fn begin(&self) -> UnderWay<'_> {
        self.counters().begin()
    }

    /// Applies a changeset: all of it, in order, or nothing. When this returns, the changes survive what
    /// [`Durability`](crate::Durability) promises. Dropping the future does not take the changes back. A changeset
    /// that only asserts writes nothing.
    ///
    /// # Errors
    /// [`CommitError::Conflict`] when a version moved or a row to insert exists; [`CommitError::Taken`] when a name
    /// or mark belongs to somebody else; [`CommitError::Store`] when the engine failed.
    pub async fn commit(&self, changes: Changes) -> Result<(), CommitError> {
        if changes.is_empty() {
            return Ok(());
        }
        let shard = self.next_shard();
        let is_news = self.is_shared() && changes.as_slice().iter().any(Change::is_cached);
        let mut steps = compile(changes, shard)?;
        if is_news {
            steps.push(next_epoch(shard));
        }
        self.counters().count_statements(steps.len());
        if steps.iter().all(|step| step.expect.only_reads()) {
            return match self {
                Self::Sqlite(store) => store.confirm(&steps),
                Self::Postgres(store) => Box::pin(store.confirm(&steps)).await,
            };
        }
        self.apply(steps).await.map(|_changed| ())
    }

    fn next_shard(&self) -> u64 {
        match self {
            Self::Sqlite(store) => store.next_shard(),
            Self::Postgres(store) => store.next_shard(),
        }
    }

    /// How far sweeping has come.
    pub(crate) fn progress(&self) -> &tokio::sync::Mutex<Progress> {
        match self {
            Self::Sqlite(store) => store.progress(),
            Self::Postgres(store) => store.progress(),
        }
    }

    /// Applies steps: all or nothing, and says how many rows changed in steps that may change any number.
    pub(crate) async fn apply(&self, steps: Vec<Step>) -> Result<u64, CommitError> {
        match self {
            Self::Sqlite(store) => store.apply(steps).await,
            Self::Postgres(store) => Box::pin(store.apply(steps)).await,
        }
    }

    /// Runs steps that may change any number of rows, and says how many they changed.
    pub(crate) async fn change_any(&self, steps: Vec<Step>) -> Result<usize, Error> {
        match self.apply(steps).await {
            Ok(changed) => Ok(usize::try_from(changed).unwrap_or(usize::MAX)),
            Err(CommitError::Store(error)) => Err(error),
            Err(CommitError::Conflict | CommitError::Taken(_)) => {
                Err(Error::Engine("a statement that expects nothing was refused".to_owned()))
            }
        }
    }

    pub(crate) async fn first<T>(&self, query: &Query<T>, params: &[Param<'_>]) -> Result<Option<T>, Error> {
        Counters::count(&self.counters().reads);
        match self {
            Self::Sqlite(store) => store.first(query, params),
            Self::Postgres(store) => Box::pin(store.first(query, params)).await,
        }
    }

    /// All rows of a query that finds a few by their keys.
    async fn few<T>(&self, query: &Query<T>, params: &[Param<'_>]) -> Result<Vec<T>, Error> {
        Counters::count(&self.counters().reads);
        match self {
            Self::Sqlite(store) => store.all(query, params),
            Self::Postgres(store) => Box::pin(store.few(query, params)).await,
        }
    }

    /// All rows of a query that may find many.
    pub(crate) async fn all<T>(&self, query: &Query<T>, params: &[Param<'_>]) -> Result<Vec<T>, Error> {
        Counters::count(&self.counters().reads);
        match self {
            Self::Sqlite(store) => store.all(query, params),
            Self::Postgres(store) => Box::pin(store.all(query, params)).await,
        }
    }

    /// All rows of a query for somebody's overview, which may lag behind a little where there is a replica.
    async fn list<T>(&self, query: &Query<T>, params: &[Param<'_>]) -> Result<Vec<T>, Error> {
        Counters::count(&self.counters().reads);
        match self {
            Self::Sqlite(store) => store.all(query, params),
            Self::Postgres(store) => Box::pin(store.list(query, params)).await,
        }
    }

    fn counters(&self) -> &Counters {
        match self {
            Self::Sqlite(store) => &store.counters,
            Self::Postgres(store) => &store.counters,
        }
    }

    /// A value that belongs to the server itself.
    pub async fn get_meta(&self, name: &str) -> Result<Option<String>, Error> {
        self.first(&read::META, &[name.into()]).await
    }

    /// Sets a value that belongs to the server itself, unless it has one, and returns the one in force.
    pub async fn set_meta_if_absent(&self, name: &str, value: &str) -> Result<String, Error> {
        let params = vec![name.to_owned().into(), value.to_owned().into()];
        self.change_any(vec![Step::any(sql::SET_META, params)]).await?;
        self.get_meta(name).await?.ok_or_else(|| Error::Corrupt { table: "meta", key: name.to_owned() })
    }

    /// Removes all pools and everything that came of them or of requests, at once. What belongs to the server itself
    /// stays: meta values, administrators' keys, signing keys that no pool uses yet.
    pub async fn reset(&self) -> Result<(), Error> {
        let mut steps: Vec<Step> = sql::RESET.iter().map(|sql| Step::any(sql, Vec::new())).collect();
        if self.is_shared() {
            steps.push(next_epoch(self.next_shard()));
        }
        self.change_any(steps).await.map(|_removed| ())
    }

    /// A number that grows whenever somebody changes a pool, a client or a pool's keys, on whichever server. Always 0
    /// where nobody else has access.
    pub async fn epoch(&self) -> Result<i64, Error> {
        if !self.is_shared() {
            return Ok(0);
        }
        Ok(self.first(&read::EPOCH, &[]).await?.unwrap_or_default())
    }

    /// Who may do a job, if anybody.
    pub async fn lease(&self, name: &str) -> Result<Option<Stored<Lease>>, Error> {
        let found = self.first(&read::LEASE, &[name.into()]).await?;
        Ok(found.map(|(holder, version)| Stored { value: Lease { name: name.to_owned(), holder }, version }))
    }

    /// What the store has done since it was opened.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        match self {
            Self::Sqlite(store) => store.statistics(),
            Self::Postgres(store) => store.statistics(),
        }
    }
}
