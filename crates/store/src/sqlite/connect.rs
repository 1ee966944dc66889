//! Opens connections: the lock on the data directory, the pragmas, the schema.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, OpenFlags, config::DbConfig};

use crate::{
    Durability, Error, Options, PlannedMigration,
    migrations::{self, SQLITE},
};

/// Statements kept prepared per connection: more than there are.
const STATEMENTS: usize = 160;
/// Page cache of a reader, in KiB; used only as far as it is filled.
const READER_CACHE: i64 = 2_048;
/// Page cache of the writer, in KiB. Rows arrive at random places, so it pays to keep the inner pages of all tables.
const WRITER_CACHE: i64 = 8_192;
/// Pages in the write-ahead log before it is moved into the file: 16 MiB, as many as one block of its index holds.
/// Four times the usual, because a page that many groups touch is then moved once for all of them.
const LOG_PAGES: i64 = 4_000;
/// Bytes that the log's file keeps when it starts over.
const LOG_SIZE: i64 = 32 * 1_024 * 1_024;
/// Name of the lock file in the data directory.
const LOCK_FILE: &str = "poolkeeper.lock";

/// The directory of a database file.
fn directory(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Makes the data directory and takes its lock, which the operating system gives back however the process ends.
pub(super) fn lock(path: &Path) -> Result<File, Error> {
    let directory = directory(path);
    fs::create_dir_all(&directory).map_err(|error| Error::directory(directory.clone(), &error))?;
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    private(&mut options);
    let file = options.open(directory.join(LOCK_FILE)).map_err(|error| Error::directory(directory.clone(), &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::InUse { path: directory }),
        Err(TryLockError::Error(error)) => Err(Error::directory(directory, &error)),
    }
}

/// Files of the store are for the server's own user alone.
#[cfg(unix)]
fn private(options: &mut OpenOptions) {
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
}

#[cfg(not(unix))]
fn private(_options: &mut OpenOptions) {}

/// The one connection of a database in memory.
pub(super) fn memory() -> Result<Connection, Error> {
    let mut connection = Connection::open_in_memory()?;
    prepare(&connection, WRITER_CACHE, Duration::ZERO)?;
    migrate(&mut connection)?;
    Ok(connection)
}

/// The connection that writes. Makes the file and brings the schema up to date.
pub(super) fn writer(path: &Path, options: &Options) -> Result<Connection, Error> {
    let is_new = fs::metadata(path).map_or(true, |metadata| metadata.len() == 0);
    // SQLite gives its log the permissions of the file, so the file is made first.
    let mut create = OpenOptions::new();
    create.write(true).create(true).truncate(false);
    private(&mut create);
    create.open(path).map_err(|error| Error::directory(directory(path), &error))?;

    let open = || -> Result<Connection, Failure> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags)?;
        prepare(&connection, WRITER_CACHE, options.busy_timeout)?;
        // A new file needs not survive anything before its first change is acknowledged, so making it waits for
        // the disk once, at the end.
        set(&connection, "synchronous", if is_new { "OFF" } else { "FULL" })?;
        set(&connection, "journal_mode", "WAL")?;
        migrate(&mut connection)?;
        set(&connection, "synchronous", "FULL")?;
        if is_new {
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_row| Ok(()))?;
        }
        if options.durability == Durability::Normal {
            set(&connection, "synchronous", "NORMAL")?;
        }
        set(&connection, "wal_autocheckpoint", LOG_PAGES)?;
        set(&connection, "journal_size_limit", LOG_SIZE)?;
        Ok(connection)
    };
    open().map_err(|failure| failure.of(path))
}

/// The connections that read. One for each thread that the machine runs at once, at least two, at most eight (each may fill its cache).
pub(super) fn readers(path: &Path, options: &Options) -> Result<Vec<Connection>, Error> {
    let count = std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 8);
    (0..count).map(|_| reader(path, options)).collect()
}

/// A connection that reads. It needs no lock on the directory and leaves the schema as it is, so it may be opened
/// beside a server.
pub(crate) fn reader(path: &Path, options: &Options) -> Result<Connection, Error> {
    let open = || -> Result<Connection, Failure> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        prepare(&connection, READER_CACHE, options.busy_timeout)?;
        Ok(connection)
    };
    open().map_err(|failure| failure.of(path))
}

/// What every connection is told. No memory map: a failing disk would then kill the process instead of one request.
fn prepare(connection: &Connection, cache: i64, busy_timeout: Duration) -> Result<(), rusqlite::Error> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // Plans must not depend on bound values: otherwise SQLite prepares a statement anew whenever one of them changes,
    // which took a third of the time of a request that reads one user.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.busy_timeout(busy_timeout)?;
    set(connection, "cache_size", -cache)?;
    set(connection, "temp_store", "MEMORY")?;
    set(connection, "trusted_schema", "OFF")
}

/// Sets a pragma; what it answers is of no interest.
fn set(connection: &Connection, name: &str, value: impl rusqlite::ToSql) -> Result<(), rusqlite::Error> {
    connection.pragma_update_and_check(None, name, value, |_row| Ok(())).or_else(|error| match error {
        rusqlite::Error::QueryReturnedNoRows => Ok(()),
        other => Err(other),
    })
}

/// What was applied, in order.
fn book(connection: &Connection) -> Result<Vec<(i64, String)>, rusqlite::Error> {
    let mut statement = connection.prepare(migrations::READ_BOOK)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

/// What the schema of a file still needs.
pub(super) fn planned(path: &Path) -> Result<Vec<PlannedMigration>, Error> {
    let open = || -> Result<Vec<PlannedMigration>, Failure> {
        let applied = if fs::metadata(path).is_ok_and(|metadata| metadata.len() > 0) {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(path, flags)?;
            if connection.table_exists(None, "migrations")? { book(&connection)? } else { Vec::new() }
        } else {
            Vec::new()
        };
        let pending = migrations::pending(migrations::ALL, &applied)?;
        Ok(pending.iter().map(|migration| migration.planned(&SQLITE)).collect())
    };
    open().map_err(|failure| failure.of(path))
}

/// Brings the schema up to date, in one transaction.
pub(crate) fn migrate(connection: &mut Connection) -> Result<(), Error> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    transaction.execute(migrations::CREATE_BOOK, [])?;
    transaction.execute(migrations::CREATE_LEASES, [])?;
    let applied = book(&transaction)?;
    for migration in migrations::pending(migrations::ALL, &applied)? {
        for statement in migration.statements(&SQLITE) {
            transaction.execute(&statement, [])?;
        }
        let entry = (migration.number, migration.name, migration.checksum());
        transaction.execute(migrations::WRITE_BOOK, entry)?;
    }
    transaction.commit()?;
    Ok(())
}

/// A failure while opening, before it is known which file it is about.
enum Failure {
    Ours(Error),
    Sqlite(rusqlite::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Ours(error)
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Failure {
    fn of(self, path: &Path) -> Error {
        match self {
            Self::Ours(error) => error,
            Self::Sqlite(error) => match error.sqlite_error_code() {
                Some(ErrorCode::NotADatabase) => Error::NotADatabase { path: path.to_owned() },
                Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
                    Error::Directory { path: directory(path), reason: error.to_string() }
                }
                _ => error.into(),
            },
        }
    }
}
