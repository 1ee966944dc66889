//! SQLite: readers inline on connections of their own, one thread that writes in groups.
//!
//! In a file the database is in WAL mode: readers see what was committed when they began, and neither wait for the
//! writer nor make it wait; between two groups they need not begin anew ([`readers`]). In memory there is one connection,
//! shared behind a mutex that the writer holds for a whole group (short there, since nothing reaches a disk): readers
//! again see only what was committed, and with one lock that nobody holds while waiting for anything else there is
//! nothing to deadlock on.

mod connect;
mod readers;
mod run;
mod writer;

use std::{
    fs::File,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread::JoinHandle,
    time::Duration,
};

use rusqlite::Connection;
use tokio::sync::{Semaphore, oneshot};

use self::{readers::Readers, writer::Job};
use crate::{
    CommitError, Durability, Error, Options, PlannedMigration, Statistics,
    compile::{Param, Step},
    read::Query,
    statistics::Counters,
    sweep::Progress,
};

#[cfg(test)]
pub(crate) use self::connect::migrate;
pub(crate) use self::{
    connect::reader,
    run::{all, command},
};

/// Changesets that may wait for the writer; more wait for a place before they are handed over.
const WAITING: usize = 1_024;
/// Changesets in one group at most.
const GROUP: usize = 64;
/// The same in memory, where a group keeps readers waiting and saves nothing.
const GROUP_IN_MEMORY: usize = 8;

const JOURNAL_MODE: Query<String> =
    Query { table: "none", sql: "PRAGMA journal_mode", decode: |row| row.text(0).map(str::to_owned) };

/// An open SQLite database. Dropping it finishes what the writer has received, then closes the file.
#[derive(Debug)]
pub struct SqliteStore {
    readers: Readers,
    /// `None` while being dropped, and where nothing is written.
    jobs: Option<mpsc::Sender<Job>>,
    writer: Option<JoinHandle<()>>,
    places: Arc<Semaphore>,
    pub(crate) counters: Arc<Counters>,
    shard: AtomicU64,
    progress: tokio::sync::Mutex<Progress>,
    /// Held while the store is open, so that no other server opens the same directory.
    _lock: Option<File>,
}

impl SqliteStore {
    /// Opens the database, brings its schema up to date and starts the writer.
    /// Without a path, it is in memory.
    pub(crate) fn open(path: Option<&Path>, options: &Options) -> Result<Self, Error> {
        let (lock, connection, readers, group, longest_pause) = match path {
            None => {
                let connection = Arc::new(Mutex::new(connect::memory()?));
                (None, Arc::clone(&connection), Readers::new(vec![connection]), GROUP_IN_MEMORY, Duration::ZERO)
            }
            Some(path) => {
                let lock = connect::lock(path)?;
                let connection = connect::writer(path, options)?;
                // The lock on the directory keeps every other server away.
                let readers = Readers::of_only_writer(connect::readers(path, options)?);
                let longest_pause = match options.durability {
                    Durability::Full => writer::LONGEST_PAUSE,
                    Durability::Normal => Duration::ZERO,
                };
                (Some(lock), Arc::new(Mutex::new(connection)), readers, GROUP, longest_pause)
            }
        };
        Self::start(lock, connection, readers, group, longest_pause)
    }

    /// Opens a database to be read beside a server that may be at work; changes are refused as by a closed store.
    pub(crate) fn open_to_read(path: &Path, options: &Options) -> Result<Self, Error> {
        let connection = Arc::new(Mutex::new(reader(path, options)?));
        Ok(Self::without_writer(None, Readers::new(vec![connection])))
    }

    /// What the schema of a file still needs; nothing is changed, not even made.
    pub(crate) fn planned(path: &Path) -> Result<Vec<PlannedMigration>, Error> {
        connect::planned(path)
    }

    fn start(
        lock: Option<File>,
        connection: Arc<Mutex<Connection>>,
        readers: Readers,
        group: usize,
        longest_pause: Duration,
    ) -> Result<Self, Error> {
        let mut store = Self::without_writer(lock, readers.clone());
        let (jobs, received) = mpsc::channel();
        let writer = writer::Writer::new(readers, connection, Arc::clone(&store.counters), group, longest_pause);
        let writer = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || writer.run(&received))
            .map_err(|error| Error::Engine(format!("cannot start the writer thread: {error}")))?;
        store.jobs = Some(jobs);
        store.writer = Some(writer);
        Ok(store)
    }

    fn without_writer(lock: Option<File>, readers: Readers) -> Self {
        Self {
            readers,
            jobs: None,
            writer: None,
            places: Arc::new(Semaphore::new(WAITING)),
            counters: Arc::default(),
            shard: AtomicU64::new(0),
            progress: tokio::sync::Mutex::default(),
            _lock: lock,
        }
    }

    /// Applies steps, all or nothing, and says how many rows changed in steps that may change any number.
    pub(crate) async fn apply(&self, steps: Vec<Step>) -> Result<u64, CommitError> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_closed| Error::Closed)?;
        let (answer, answered) = oneshot::channel();
        let jobs = self.jobs.as_ref().ok_or(Error::Closed)?;
        jobs.send(Job { steps, answer, _place: place }).map_err(|_ended| Error::Closed)?;
        answered.await.map_err(|_ended| Error::Unanswered)?
    }

    /// The first row of a query.
    pub(crate) fn first<T>(&self, query: &Query<T>, params: &[Param<'_>]) -> Result<Option<T>, Error> {
        self.readers.with(|connection| run::first(connection, query, params))
    }

    /// All rows of a query.
    pub(crate) fn all<T>(&self, query: &Query<T>, params: &[Param<'_>]) -> Result<Vec<T>, Error> {
        self.readers.with(|connection| all(connection, query, params))
    }

    /// Whether what was read still holds: steps that only read, all of them at one moment.
    pub(crate) fn confirm(&self, steps: &[Step]) -> Result<(), CommitError> {
        let holds = self.readers.snapshot(|connection| run::all_hold(connection, steps))?;
        if holds {
            return Ok(());
        }
        self.counters.count_answer(&Err(CommitError::Conflict));
        Err(CommitError::Conflict)
    }

    /// Prepares on every connection what sign-ins read with, which the first one on each would otherwise do.
    pub(crate) fn warm_up(&self) -> Result<(), Error> {
        self.readers.each(|connection| {
            run::first_statements().try_for_each(|sql| Ok(connection.prepare_cached(sql).map(drop)?))
        })
    }

    /// How the database keeps account of changes that are not in the file yet: `wal` where servers have opened it.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn journal_mode(&self) -> Result<String, Error> {
        Ok(self.first(&JOURNAL_MODE, &[])?.unwrap_or_default())
    }

    /// A number that differs from call to call, to spread estimated counts.
    pub(crate) fn next_shard(&self) -> u64 {
        self.shard.fetch_add(1, Ordering::Relaxed)
    }

    /// How far sweeping has come.
    pub(crate) const fn progress(&self) -> &tokio::sync::Mutex<Progress> {
        &self.progress
    }

    /// Where the counters stand.
    pub(crate) fn statistics(&self) -> Statistics {
        self.counters.snapshot()
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        // The writer's connection must be the last one to close: it may write, so it moves the log into the file.
        self.readers.close();
        self.jobs.take();
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the store's writer thread ended by a defect");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        cell::Cell,
        sync::{Arc, Mutex},
        time::Duration,
    };

    use domain::{AttemptPurpose, Attempts, Revocation};
    use rusqlite::Connection;
    use wire::Timestamp;

    use super::{GROUP, SqliteStore, connect, readers::Readers, run::first_statements};
    use crate::{Changes, CommitError, Error, compile::compile, read};

    fn revocation(origin_jti: &str) -> Changes {
        let row = Revocation { pool_id: "r_1".to_owned(), origin_jti: origin_jti.to_owned(), expires_at: Timestamp(7) };
        let mut changes = Changes::new();
        changes.insert(row);
        changes
    }

    #[tokio::test]
    async fn a_full_disk_fails_the_group_and_the_next_one_succeeds() {
        // The database may hardly grow, as on a full disk.
        let connection = connect::memory().unwrap();
        let pages: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        let limit = format!("PRAGMA max_page_count = {}", pages + 2);
        connection.query_row(&limit, [], |_row| Ok(())).unwrap();
        let connection = Arc::new(Mutex::new(connection));
        let store =
            SqliteStore::start(None, Arc::clone(&connection), Readers::new(vec![connection]), GROUP, Duration::ZERO)
                .unwrap();

        let mut large = revocation("small");
        large.append(revocation(&"x".repeat(100_000)));
        let error = store.apply(compile(large, 0).unwrap()).await.unwrap_err();
        assert_eq!(error, CommitError::Store(Error::Full));
        let small = ["r_1".into(), "small".into()];
        assert_eq!(store.first(&read::REVOCATION, &small).unwrap(), None);
        store.apply(compile(revocation("small"), 0).unwrap()).await.unwrap();
        assert!(store.first(&read::REVOCATION, &small).unwrap().is_some());
        assert_eq!((store.statistics().failures, store.statistics().commits), (1, 1));
    }

    #[tokio::test]
    async fn every_reader_knows_the_first_reads_after_warming_up() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(Some(&folder.path().join("file.db")), &crate::Options::memory()).unwrap();
        let prepared = |expected: usize| {
            store.readers.each(|connection| {
                // By this the connection learns what became of the tables.
                connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_row| Ok(()))?;
                let found = first_statements().filter(|sql| connection.prepare_cached(sql).is_ok()).count();
                assert_eq!(found, expected);
                Ok(())
            })
        };
        store.warm_up().unwrap();
        // Without their tables, only those can be had that were prepared before.
        let writer = Connection::open(folder.path().join("file.db")).unwrap();
        for table in ["clients", "pools", "users", "passwords", "attempts", "members", "signing_keys"] {
            writer.execute(&format!("DROP TABLE {table}"), []).unwrap();
        }
        prepared(first_statements().count()).unwrap();
        let forget = |connection: &Connection| {
            connection.flush_prepared_statement_cache();
            Ok(())
        };
        store.readers.each(forget).unwrap();
        // The beginning and the end of a transaction name no table.
        prepared(2).unwrap();
        assert!(matches!(store.warm_up(), Err(Error::Engine(_))));
    }

    /// How many connections keep their moment.
    fn kept(store: &SqliteStore) -> usize {
        let kept = Cell::new(0);
        let count = |connection: &Connection| {
            kept.set(kept.get() + usize::from(!connection.is_autocommit()));
            Ok(())
        };
        store.readers.each(count).unwrap();
        kept.get()
    }

    #[tokio::test]
    async fn a_file_is_read_at_one_moment_until_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(Some(&folder.path().join("file.db")), &crate::Options::memory()).unwrap();
        let found = |id: &str| store.first(&read::REVOCATION, &["r_1".into(), id.into()]).unwrap().is_some();
        let id = |number: usize| format!("jti {number}");
        // The writer ends what is kept once a second, between two reads perhaps.
        let keeps = || (0..3).any(|_| !found("none") && !found("none") && kept(&store) == 1);
        let mut none_counted = Changes::new();
        none_counted.assert_no_attempts("r_1", "a", AttemptPurpose::SignIn);
        let none_counted = compile(none_counted, 0).unwrap();
        for number in 0..6 {
            assert!(!found(&id(number)));
            assert!(keeps());
            assert_eq!(store.confirm(&none_counted).is_ok(), number < 4, "{number}");
            let mut changes = revocation(&id(number));
            if number == 3 {
                changes.insert(Attempts::none("r_1", "a", AttemptPurpose::SignIn, Timestamp(7)));
            }
            store.apply(compile(changes, 0).unwrap()).await.unwrap();
            assert!(found(&id(number)));
        }
        assert!(keeps());
        // Where nothing happens, the writer ends it after a while.
        let end = async {
            while kept(&store) != 0 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), end).await.unwrap();
        assert!(keeps());
        drop(store);
        assert!(!folder.path().join("file.db-wal").exists(), "the writer's connection closed last");
    }

    #[tokio::test]
    async fn without_a_writer_changes_are_refused() {
        let mut store = SqliteStore::open(None, &crate::Options::memory()).unwrap();
        store.jobs.take();
        let error = store.apply(compile(revocation("jti"), 0).unwrap()).await.unwrap_err();
        assert_eq!(error, CommitError::Store(Error::Closed));
    }
}
