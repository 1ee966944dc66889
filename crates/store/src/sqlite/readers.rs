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
    /// Grows by one when a group of changes begins and when it has ended, and by two each second where nothing is written:
    /// while it is odd, a group is being applied, or the writer has ended. `None` where others may write as well, and where
    /// the writer shares the connection: every read has a moment of its own there.
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

/// A read that panicked leaves no statement behind, since they reset themselves when they are dropped, and a transaction at
/// most, which the next read ends or keeps.
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

    /// [`Self::with`] for several reads that must see the same moment.
    pub(crate) fn snapshot<T>(&self, read: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        self.with(|connection| {
            let keeps_moment = self.groups.is_some() && !connection.is_autocommit();
            if keeps_moment { read(connection) } else { run::snapshot(connection, read) }
        })
    }

    fn read<T>(
        &self,
        reader: &Reader,
        connection: &Connection,
        read: impl FnOnce(&Connection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let Some(groups) = &self.groups else { return read(connection) };
        let now = groups.load(Ordering::SeqCst);
        let is_writing = !now.is_multiple_of(2);
        if is_writing || reader.last_read.load(Ordering::Relaxed) != now {
            end_moment(connection)?;
            reader.last_read.store(now, Ordering::Relaxed);
        } else if connection.is_autocommit()
            && let Err(error) = run::command(connection, run::BEGIN)
        {
            tracing::warn!(%error, "a read could not keep its moment");
        }
        let result = read(connection);
        // The writer could not end it, because it was in use.
        let is_over = groups.load(Ordering::SeqCst) != now;
        if is_over || result.is_err() {
            end_moment_if_possible(connection);
        }
        result
    }

    /// Applies a group of changes; no moment is kept meanwhile.
    pub(crate) fn while_writing<T>(&self, write: impl FnOnce() -> T) -> T {
        let Some(groups) = &self.groups else { return write() };
        groups.fetch_add(1, Ordering::SeqCst);
        self.end_moments();
        let written = write();
        groups.fetch_add(1, Ordering::SeqCst);
        written
    }

    /// Has the moments end that are kept where nothing is written.
    pub(crate) fn begin_anew(&self) {
        if let Some(groups) = &self.groups {
            groups.fetch_add(2, Ordering::SeqCst);
            self.end_moments();
        }
    }

    /// Keeps no moments any more: nobody is left to end them.
    pub(crate) fn keep_no_more(&self) {
        if let Some(groups) = &self.groups {
            groups.fetch_or(1, Ordering::SeqCst);
            self.end_moments();
        }
    }

    /// Whether moments are kept at all.
    pub(crate) const fn may_keep(&self) -> bool {
        self.groups.is_some()
    }

    /// Ends the moments that are kept; whoever reads right now ends its own.
    fn end_moments(&self) {
        self.connections.iter().filter_map(Reader::try_lock).for_each(|connection| end_moment_if_possible(&connection));
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

/// The same where nothing depends on it: the next read tries again, and fails if it must.
fn end_moment_if_possible(connection: &Connection) {
    if let Err(error) = end_moment(connection) {
        tracing::warn!(%error, "a read could not be ended");
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        path::Path,
        sync::{
            Arc, Mutex,
            atomic::{AtomicBool, AtomicI64, Ordering},
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
    }

    /// What the writer cannot end, because somebody reads in it, that reader ends; if it goes wrong, the next one does.
    #[test]
    fn a_moment_that_is_read_in_while_a_group_is_written_ends_with_that_read() {
        let folder = tempfile::tempdir().unwrap();
        let (writer, readers) = file(folder.path());
        assert_eq!([read(&readers), read(&readers)], [0, 0]);
        let found = readers.with(|connection| {
            assert!(!connection.is_autocommit());
            write(&readers, &writer);
            assert!(!connection.is_autocommit());
            number(connection)
        });
        assert_eq!(found.unwrap(), 0, "it sees what it saw when it began");
        assert_eq!(kept(&readers), [false, false]);
        assert_eq!(read(&readers), 1);
        // As if the writer had come after the reader had looked for it, and before it let go of the connection.
        assert_eq!([read(&readers), read(&readers)], [1, 1]);
        readers.groups.as_ref().unwrap().fetch_add(1, Ordering::SeqCst);
        writer.execute("UPDATE t SET n = n + 1", []).unwrap();
        readers.groups.as_ref().unwrap().fetch_add(1, Ordering::SeqCst);
        assert!(kept(&readers).contains(&true));
        assert_eq!([read(&readers), read(&readers), read(&readers)], [2; 3]);
    }

    #[test]
    fn moments_end_where_nothing_is_written_and_nobody_keeps_one_without_a_writer() {
        let folder = tempfile::tempdir().unwrap();
        let (writer, readers) = file(folder.path());
        assert_eq!([read(&readers), read(&readers)], [0, 0]);
        readers.begin_anew();
        assert_eq!(kept(&readers), [false, false]);
        // Whoever reads at that moment ends it as well.
        assert_eq!([read(&readers), read(&readers)], [0, 0]);
        readers
            .with(|_| {
                readers.begin_anew();
                Ok(())
            })
            .unwrap();
        assert_eq!(kept(&readers), [false, false]);
        assert_eq!([read(&readers), read(&readers)], [0, 0]);
        readers.keep_no_more();
        readers.keep_no_more();
        writer.execute("UPDATE t SET n = 1", []).unwrap();
        for _ in 0..3 {
            assert_eq!((read(&readers), kept(&readers)), (1, vec![false, false]));
        }
    }

    #[test]
    fn a_read_that_panics_leaves_no_moment_that_others_miss_something_in() {
        let folder = tempfile::tempdir().unwrap();
        let (writer, readers) = file(folder.path());
        // In a moment that is kept, and in a transaction of its own.
        for (expected, (is_snapshot, reads_before)) in (1..).zip([(false, 2), (true, 2), (true, 0)]) {
            readers.begin_anew();
            (0..reads_before).for_each(|_| assert_eq!(read(&readers), expected - 1));
            let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                let read = |connection: &Connection| -> Result<(), Error> {
                    number(connection)?;
                    std::panic::resume_unwind(Box::new("a defect"));
                };
                if is_snapshot { readers.snapshot(read) } else { readers.with(read) }
            }));
            assert!(panicked.is_err());
            assert!(kept(&readers).contains(&true));
            write(&readers, &writer);
            assert_eq!(kept(&readers), [false, false], "the writer ends it, though its lock is poisoned");
            assert_eq!([read(&readers), read(&readers), read(&readers)], [expected; 3]);
        }
    }

    #[test]
    fn what_a_panic_leaves_open_while_a_group_is_written_ends_with_the_next_read() {
        let folder = tempfile::tempdir().unwrap();
        let (writer, readers) = file(folder.path());
        readers.while_writing(|| {
            let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                readers.snapshot(|connection| -> Result<(), Error> {
                    number(connection)?;
                    std::panic::resume_unwind(Box::new("a defect"));
                })
            }));
            assert!(panicked.is_err() && kept(&readers).contains(&true));
            writer.execute("UPDATE t SET n = 7", []).unwrap();
            assert_eq!((read(&readers), kept(&readers)), (7, vec![false, false]));
        });
    }

    #[test]
    fn after_a_group_that_panicked_nothing_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (writer, readers) = file(folder.path());
        let group = || readers.while_writing(|| std::panic::resume_unwind(Box::new("a defect")));
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(group)).is_err());
        readers.keep_no_more();
        writer.execute("UPDATE t SET n = 1", []).unwrap();
        for _ in 0..3 {
            assert_eq!((read(&readers), kept(&readers)), (1, vec![false, false]));
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
        let is_over = AtomicBool::new(false);
        let mut gaps_with_moments = 0;
        std::thread::scope(|scope| {
            let _end = End(&is_over);
            let reads: Vec<_> = (0..3)
                .map(|_| {
                    scope.spawn(|| {
                        while !is_over.load(Ordering::SeqCst) {
                            let before = acknowledged.load(Ordering::SeqCst);
                            let found = read(&readers);
                            assert!(found >= before, "{found} after {before}");
                        }
                    })
                })
                .collect();
            for number in 1..=2_000 {
                write(&readers, &writer);
                acknowledged.store(number, Ordering::SeqCst);
                assert_eq!(read(&readers), number);
                // Four reads on two connections: one of them keeps its moment.
                if number % 50 == 0 {
                    assert_eq!([read(&readers), read(&readers), read(&readers)], [number; 3]);
                    gaps_with_moments += usize::from(kept(&readers).contains(&true));
                }
            }
            is_over.store(true, Ordering::SeqCst);
            reads.into_iter().for_each(|thread| thread.join().unwrap());
        });
        assert_eq!(gaps_with_moments, 40);
    }

    /// Ends the other threads, however the test ends.
    struct End<'a>(&'a AtomicBool);

    impl Drop for End<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
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
