//! The connections that read: about one for every thread, so that a read finds one free and runs where it is.
//!
//! To begin a read costs SQLite two system calls and a look at the log's index, a tenth of what a small request takes.
//! So where nobody but this store's writer changes the file, a connection keeps its moment: from the second read between
//! two groups of changes on, all see the same, which is then the present. The writer ends these moments before each
//! group, because its log cannot start over while one of them lasts, and once a second where nothing is written.

use std::{
    cell::Cell,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use rusqlite::Connection;

use super::run;
use crate::Error;

/// Connections to read from. Clones share them; they are closed when the last one is gone.
#[derive(Clone, Debug)]
pub(crate) struct Readers {
    connections: Arc<[Reader]>,
    /// Grows when a group of changes begins and when it has ended: while it is odd, one is being applied. `None` where
    /// others may write as well, and where the writer shares the connection: every read has a moment of its own there.
    groups: Option<Arc<AtomicU64>>,
}

#[derive(Debug)]
struct Reader {
    connection: Arc<Mutex<Connection>>,
    /// What `groups` was when it last read.
    last_read: AtomicU64,
}

/// Numbers threads, so that each begins its search at a connection of its own.
static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static THREAD: Cell<usize> = Cell::new(THREADS.fetch_add(1, Ordering::Relaxed));
}

/// A read that panicked left nothing behind: statements reset themselves when they are dropped.
impl Reader {
    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_lock(&self) -> Option<MutexGuard<'_, Connection>> {
        match self.connection.try_lock() {
            Ok(connection) => Some(connection),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

impl Readers {
    /// Connections that read a moment of their own each time.
    pub(crate) fn new(connections: Vec<Arc<Mutex<Connection>>>) -> Self {
        let reader = |connection| Reader { connection, last_read: AtomicU64::new(u64::MAX) };
        Self { connections: connections.into_iter().map(reader).collect(), groups: None }
    }

    /// Connections to a file that only the writer changes who tells them of each group, by [`Self::while_writing`].
    pub(crate) fn of_only_writer(connections: Vec<Connection>) -> Self {
        let connections = connections.into_iter().map(|connection| Arc::new(Mutex::new(connection))).collect();
        Self { groups: Some(Arc::default()), ..Self::new(connections) }
    }

    /// Runs a read on a free connection, or waits for the thread's own. It sees everything that was acknowledged before.
    pub(crate) fn with<T>(&self, read: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        let start = THREAD.with(Cell::get);
        let count = self.connections.len().max(1);
        for offset in 0..count {
            let Some(reader) = self.connections.get(start.wrapping_add(offset) % count) else { break };
            if let Some(connection) = reader.try_lock() {
                return self.read(reader, &connection, read);
            }
        }
        let reader = self.connections.get(start % count).ok_or(Error::Closed)?;
        self.read(reader, &reader.lock(), read)
    }

    fn read<T>(
        &self,
        reader: &Reader,
        connection: &Connection,
        read: impl FnOnce(&Connection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let Some(groups) = &self.groups else { return read(connection) };
        let now = groups.load(Ordering::SeqCst);
        if reader.last_read.load(Ordering::Relaxed) != now {
            end_moment(connection)?;
            reader.last_read.store(now, Ordering::Relaxed);
        } else if now.is_multiple_of(2) && connection.is_autocommit() {
            run::command(connection, run::BEGIN)?;
        }
        let result = read(connection);
        if result.is_err() {
            end_moment(connection)?;
        }
        result
    }

    /// Applies a group of changes, or of what else must not meet a moment that is kept; none is begun meanwhile.
    pub(crate) fn while_writing<T>(&self, write: impl FnOnce() -> T) -> T {
        let Some(groups) = &self.groups else { return write() };
        groups.fetch_add(1, Ordering::SeqCst);
        self.end_moments();
        let written = write();
        groups.fetch_add(1, Ordering::SeqCst);
        written
    }

    /// Ends the moments that are kept, but for those of connections that read right now: they end at their next read.
    pub(crate) fn end_moments(&self) {
        if self.groups.is_none() {
            return;
        }
        for reader in self.connections.iter() {
            if let Some(connection) = reader.try_lock()
                && let Err(error) = end_moment(&connection)
            {
                tracing::warn!(%error, "a read could not be ended");
            }
        }
    }

    /// Does something with every connection, one after the other; reads find the others free meanwhile.
    pub(crate) fn each(&self, act: impl Fn(&Connection) -> Result<(), Error>) -> Result<(), Error> {
        self.connections.iter().try_for_each(|reader| act(&reader.lock()))
    }

    /// Lets go of all connections.
    pub(crate) fn close(&mut self) {
        self.connections = Arc::new([]);
    }
}

/// Ends the moment that a connection keeps, if it does.
fn end_moment(connection: &Connection) -> Result<(), Error> {
    if connection.is_autocommit() { Ok(()) } else { run::command(connection, run::END) }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        path::Path,
        sync::{
            Arc, Mutex,
            atomic::{AtomicI64, Ordering},
            mpsc,
        },
    };

    use rusqlite::Connection;

    use super::Readers;
    use crate::{Error, Options, sqlite::connect};

    /// A file with one number in it, its writer and two connections that read.
    fn file(folder: &Path) -> (Connection, Readers) {
        let path = folder.join("file.db");
        let writer = connect::writer(&path, &Options::memory()).unwrap();
        writer.execute_batch("CREATE TABLE t (n INTEGER); INSERT INTO t VALUES (0)").unwrap();
        let reader = || connect::reader(&path, &Options::memory()).unwrap();
        (writer, Readers::of_only_writer(vec![reader(), reader()]))
    }

    fn write(readers: &Readers, writer: &Connection) {
        readers.while_writing(|| writer.execute("UPDATE t SET n = n + 1", []).unwrap());
    }

    fn number(connection: &Connection) -> Result<i64, Error> {
        Ok(connection.query_row("SELECT n FROM t", [], |row| row.get(0))?)
    }

    fn read(readers: &Readers) -> i64 {
        readers.with(number).unwrap()
    }

    /// Of each connection, whether it keeps its moment.
    fn kept(readers: &Readers) -> Vec<bool> {
        readers.connections.iter().map(|reader| !reader.lock().is_autocommit()).collect()
    }

    #[test]
    fn the_second_read_between_two_groups_keeps_its_moment() {
        let folder = tempfile::tempdir().unwrap();
        let (writer, readers) = file(folder.path());
        for expected in [0, 1, 2] {
            assert_eq!(read(&readers), expected);
            assert_eq!(kept(&readers), [false, false]);
            for _ in 0..3 {
                assert_eq!(read(&readers), expected);
                assert_eq!(kept(&readers).iter().filter(|kept| **kept).count(), 1);
            }
            write(&readers, &writer);
            assert_eq!(kept(&readers), [false, false]);
        }
        readers.end_moments();
        read(&readers);
        read(&readers);
        readers.end_moments();
        assert_eq!(kept(&readers), [false, false], "nor where nothing is written");
    }

    #[test]
    fn a_moment_that_is_read_in_while_a_group_is_written_is_not_kept_for_the_next_read() {
        let folder = tempfile::tempdir().unwrap();
        let (writer, readers) = file(folder.path());
        read(&readers);
        read(&readers);
        let (reads, reading) = mpsc::channel();
        std::thread::scope(|scope| {
            let mut go_on = Vec::new();
            for reader in readers.connections.iter() {
                let (reads, (sender, may_go_on)) = (reads.clone(), mpsc::channel::<()>());
                go_on.push(sender);
                scope.spawn(move || {
                    let connection = reader.lock();
                    reads.send(number(&connection).unwrap()).unwrap();
                    may_go_on.recv().unwrap_err();
                });
            }
            assert_eq!([reading.recv().unwrap(), reading.recv().unwrap()], [0, 0]);
            write(&readers, &writer);
        });
        assert_eq!(kept(&readers).iter().filter(|kept| **kept).count(), 1, "it could not be ended");
        for _ in 0..4 {
            assert_eq!(readers.with(number).unwrap(), 1);
        }
    }

    #[test]
    fn a_read_that_begins_while_a_group_is_written_keeps_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (writer, readers) = file(folder.path());
        readers.while_writing(|| {
            for _ in 0..3 {
                assert_eq!((read(&readers), kept(&readers)), (0, vec![false, false]));
            }
            writer.execute("UPDATE t SET n = 7", []).unwrap();
            assert_eq!((read(&readers), kept(&readers)), (7, vec![false, false]));
        });
        assert_eq!(read(&readers), 7);
    }

    #[test]
    fn a_read_that_fails_ends_its_moment() {
        let folder = tempfile::tempdir().unwrap();
        let (_writer, readers) = file(folder.path());
        read(&readers);
        read(&readers);
        let failed = readers.with(|connection| -> Result<(), Error> {
            assert!(!connection.is_autocommit());
            Err(connection.execute("SELECT n FROM nowhere", []).unwrap_err().into())
        });
        assert!(failed.is_err());
        assert_eq!(kept(&readers), [false, false]);
        assert_eq!(read(&readers), 0);
    }

    #[test]
    fn whatever_was_acknowledged_is_seen_by_every_read_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let (writer, readers) = file(folder.path());
        writer.pragma_update(None, "synchronous", "OFF").unwrap();
        let acknowledged = AtomicI64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while acknowledged.load(Ordering::SeqCst) < 5_000 {
                        let before = acknowledged.load(Ordering::SeqCst);
                        let found = read(&readers);
                        assert!(found >= before, "{found} after {before}");
                    }
                });
            }
            for number in 1..=5_000 {
                write(&readers, &writer);
                acknowledged.store(number, Ordering::SeqCst);
                // Now and then there is time to keep a moment.
                if number % 50 == 0 {
                    std::thread::yield_now();
                    while read(&readers) < number {}
                }
            }
        });
    }

    #[test]
    fn the_log_starts_over_though_somebody_always_reads() {
        let folder = tempfile::tempdir().unwrap();
        let (writer, readers) = file(folder.path());
        writer.pragma_update(None, "wal_autocheckpoint", 10).unwrap();
        for expected in 1..=1_000 {
            write(&readers, &writer);
            assert_eq!([read(&readers), read(&readers), read(&readers)], [expected; 3]);
        }
        let log = fs::metadata(folder.path().join("file.db-wal")).unwrap().len();
        assert!(log < 100 * 4_096, "{log} bytes");
    }

    #[test]
    fn a_connection_that_others_write_with_keeps_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (writer, readers) = file(folder.path());
        let reader = connect::reader(&folder.path().join("file.db"), &Options::memory()).unwrap();
        let others = Readers::new(vec![Arc::new(Mutex::new(reader))]);
        for expected in 1..=3 {
            write(&readers, &writer);
            assert_eq!([read(&others), read(&others), read(&others)], [expected; 3]);
            assert_eq!(kept(&others), [false]);
        }
    }
}
