//! A database that is read as it is: without the lock on the data directory, without bringing the schema up to date,
//! beside a server that may be at work.

use deadpool_postgres::Object;
use rusqlite::Connection;

use super::{
    ArchiveError, MARK,
    tables::{self, Table, Values},
};
use crate::{
    Error, Location, Options, PostgresOptions, PostgresStore,
    compile::Param,
    migrations,
    postgres::{failure, sqltypes},
    read::{self, Found, Query},
    sqlite,
};

/// Rows read at once.
const PAGE: i64 = 1_000;

/// Number and checksum of what was applied.
const BOOK: Query<(i64, String)> = Query {
    table: "migrations",
    sql: migrations::READ_BOOK,
    decode: |row| Some((row.integer(0)?, row.text(1)?.to_owned())),
};

/// An open database.
pub(super) struct Source {
    engine: Engine,
    /// The last migration that it has applied.
    schema: i64,
}

enum Engine {
    Sqlite(Connection),
    Postgres(Object),
}

/// Where a walk over all rows stands.
pub(super) struct Position {
    tables: Vec<&'static Table>,
    /// Place of the table among `tables`.
    place: usize,
    /// The primary key of the last row, if there was one.
    after: Option<Values>,
}

impl Source {
    /// Opens a database. Each read sees the moment at which it is made.
    pub(super) async fn open(options: &Options) -> Result<Self, ArchiveError> {
        let missing = |reason| ArchiveError::NoDatabase { location: options.location.to_string(), reason };
        let (engine, applied) = match &options.location {
            Location::Memory => return Err(ArchiveError::Memory),
            Location::File(path) => {
                if !path.exists() {
                    return Err(missing("there is no such file".to_owned()));
                }
                let connection = sqlite::reader(path, options)?;
                let applied = sqlite::all(&connection, &BOOK, &[]);
                (Engine::Sqlite(connection), applied)
            }
            Location::Postgres(postgres) => {
                let alone = PostgresOptions { replica: None, max_connections: 1, ..(**postgres).clone() };
                let store = PostgresStore::connected(&alone)?;
                // Asked through the store, which waits for a database that is just starting.
                let applied = store.all(&BOOK, &[]).await;
                let client = store.pool().get().await.map_err(|error| Error::Unavailable(error.to_string()))?;
                (Engine::Postgres(client), applied)
            }
        };
        let applied = applied.map_err(|error| match error {
            Error::Engine(reason) => missing(reason),
            other => other.into(),
        })?;
        migrations::pending(migrations::ALL, &applied)?;
        Ok(Self { engine, schema: applied.last().map_or(0, |(number, _)| *number) })
    }

    /// Opens a database and holds the present moment: all reads see it, whatever is written meanwhile.
    pub(super) async fn snapshot(options: &Options) -> Result<Self, ArchiveError> {
        let source = Self::open(options).await?;
        match &source.engine {
            Engine::Sqlite(connection) => sqlite::command(connection, "BEGIN DEFERRED")?,
            Engine::Postgres(client) => {
                // Whoever takes what is read may be slow. An engine without this limit has none to lift.
                let _unknown = client.batch_execute("SET idle_in_transaction_session_timeout = 0").await;
                client
                    .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                    .await
                    .map_err(|error| engine(&error))?;
            }
        }
        // The moment is that of the first read.
        source.mark().await?;
        Ok(source)
    }

    /// The last migration that the database has applied.
    pub(super) const fn schema(&self) -> i64 {
        self.schema
    }

    /// Who began a restore and has not finished it.
    pub(super) async fn mark(&self) -> Result<Option<String>, Error> {
        Ok(self.all(&read::META, &[MARK.into()]).await?.pop())
    }

    /// The number of all rows, counted.
    pub(super) async fn rows(&self) -> Result<u64, Error> {
        let mut rows = 0;
        for table in tables::at(self.schema) {
            let count = Query { table: table.name, sql: &table.count, decode: |row| row.integer(0) };
            rows += self.all(&count, &[]).await?.into_iter().sum::<i64>();
        }
        // The mark of a restore under way is no row of the data.
        Ok(u64::try_from(rows).unwrap_or_default().saturating_sub(u64::from(self.mark().await?.is_some())))
    }

    /// The beginning of a walk over all rows.
    pub(super) fn start(&self) -> Position {
        Position { tables: tables::at(self.schema).collect(), place: 0, after: None }
    }

    /// The next rows of a walk, in the order of an archive: at least one of one table, none at the end. The mark of a
    /// restore is left out.
    pub(super) async fn next(&self, position: &mut Position) -> Result<Option<(&'static Table, Vec<Values>)>, Error> {
        while let Some(table) = position.tables.get(position.place).copied() {
            let mut params = position.after.clone().unwrap_or_default();
            params.push(PAGE.into());
            let sql = if position.after.is_some() { &table.next_page } else { &table.first_page };
            let page = Query { table: table.name, sql, decode: tables::values };
            let rows = self.all(&page, &params).await?.into_iter().map(|row| table.checked(row));
            let mut rows = rows.collect::<Result<Vec<_>, _>>()?;
            position.after = rows.last().map(|row| table.key_of(row).to_vec());
            if position.after.is_none() {
                position.place += 1;
            }
            if table.name == "meta" {
                rows.retain(|row| row.first() != Some(&Param::from(MARK)));
            }
            if !rows.is_empty() {
                return Ok(Some((table, rows)));
            }
        }
        Ok(None)
    }

    async fn all<T>(&self, query: &Query<T>, params: &[Param<'_>]) -> Result<Vec<T>, Error> {
        match &self.engine {
            Engine::Sqlite(connection) => sqlite::all(connection, query, params),
            Engine::Postgres(client) => {
                // Not prepared: poolers need not know, and a page costs more than its plan.
                let rows = sqltypes::query(client, query.sql, &sqltypes::typed(params), false)
                    .await
                    .map_err(|error| engine(&error))?;
                rows.iter().map(|row| query.read(&Found::Postgres(row), params)).collect()
            }
        }
    }
}

/// What PostgreSQL says no to, or that it is gone: a snapshot cannot be continued on another connection.
fn engine(error: &tokio_postgres::Error) -> Error {
    let reason = failure::told(error);
    if error.as_db_error().is_some() { Error::Engine(reason) } else { Error::Unavailable(reason) }
}
