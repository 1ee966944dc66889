//! The schema: brought up to date by one server while the others wait.
//!
//! Statements run one by one outside a transaction, because not every engine of the family has transactional DDL; each
//! may be repeated, so whoever takes over from a server that died begins again with the migration that is not in the
//! book. The lease is one row. Its holder changes it every second; who sees it unchanged for ten seconds takes it. No
//! clock is compared with another.

use std::time::Duration;

use tokio::time::Instant;

use super::{Patience, PostgresStore, failure::Failure, sqltypes, unique};
use crate::{
    Error,
    compile::Param,
    migrations::{self, BYTEWISE, COLLATED, Dialect, Migration, PlannedMigration},
    read::Found,
    sql,
};

/// Name of the lease.
const LEASE: &str = "migrations";
/// How often its holder shows that it lives.
const BEAT: Duration = Duration::from_secs(1);
/// How long a lease may stay unchanged before somebody else takes it.
const SILENCE: Duration = Duration::from_secs(10);
/// How often a server that waits for another one looks again.
const LOOK: Duration = Duration::from_millis(100);
/// How long one statement may take: building an index over a large table does.
const STATEMENT: Duration = Duration::from_secs(6 * 60 * 60);

/// Whether there is a book of migrations.
const HAS_BOOK: &str = "SELECT table_name FROM information_schema.tables \
     WHERE table_schema = CURRENT_SCHEMA AND table_name = 'migrations'";
/// 1 where capitals come before the underscore and that before small letters, as in ASCII.
pub(super) const COMPARES_BYTES: &str =
    "SELECT CAST(CASE WHEN 'B' < 'a' AND 'Z' < '_' AND '_' < 'a' THEN 1 ELSE 0 END AS BIGINT)";

/// Brings the schema up to date, or waits until another server has done so.
pub(super) async fn run(store: &PostgresStore) -> Result<(), Error> {
    let dialect = dialect(store).await?;
    // Reading first: on a database that is up to date nothing is written, so that a user without the right to
    // change the schema can run the server.
    if let Some(applied) = book(store).await?
        && migrations::pending(migrations::ALL, &applied)?.is_empty()
    {
        return Ok(());
    }
    for sql in [migrations::CREATE_BOOK, migrations::CREATE_LEASES] {
        create(store, &migrations::in_dialect(sql, dialect)).await?;
    }
    let holder = unique();
    let mut seen: Option<(i64, Instant)> = None;
    loop {
        if pending(store).await?.is_empty() {
            return Ok(());
        }
        match take(store, &holder, &mut seen).await? {
            Some(version) => {
                let outcome = apply_all(store, &holder, version, dialect).await;
                let _given_back = execute(store, sql::DROP_LEASE, &[LEASE.into(), holder.as_str().into()]).await;
                return outcome;
            }
            None => tokio::time::sleep(LOOK).await,
        }
    }
}

/// What has not been applied yet, in the words of this database, without changing anything.
pub(crate) async fn planned(store: &PostgresStore) -> Result<Vec<PlannedMigration>, Error> {
    let dialect = dialect(store).await?;
    Ok(pending(store).await?.iter().map(|migration| migration.planned(dialect)).collect())
}

/// Takes the lease if it is free, and says which version it has then.
async fn take(store: &PostgresStore, holder: &str, seen: &mut Option<(i64, Instant)>) -> Result<Option<i64>, Error> {
    let rows = read(store, sql::LEASE, &[LEASE.into()]).await?;
    let Some(version) = rows.first().and_then(|row| Found::Postgres(row).integer(1)) else {
        let row = [LEASE.into(), holder.into(), 1.into()];
        return Ok((execute(store, sql::LEASES.insert, &row).await? == 1).then_some(1));
    };
    match seen {
        Some((known, since)) if *known == version => {
            if since.elapsed() < SILENCE {
                return Ok(None);
            }
            let row = [holder.into(), LEASE.into(), version.into()];
            Ok((execute(store, sql::LEASES.update, &row).await? == 1).then_some(version + 1))
        }
        _ => {
            *seen = Some((version, Instant::now()));
            Ok(None)
        }
    }
}

/// Applies what is pending while showing that we live; stops when the lease is lost.
async fn apply_all(
    store: &PostgresStore,
    holder: &str,
    mut version: i64,
    dialect: &'static Dialect,
) -> Result<(), Error> {
    let work = async {
        for migration in pending(store).await? {
            tracing::info!(number = migration.number, name = migration.name, "migrating the schema");
            for statement in migration.statements(dialect) {
                create(store, &statement).await?;
            }
            let entry = [migration.number.into(), migration.name.into(), migration.checksum().into()];
            execute(store, migrations::WRITE_BOOK, &entry).await?;
        }
        Ok(())
    };
    let beating = async {
        loop {
            tokio::time::sleep(BEAT).await;
            let row = [holder.into(), LEASE.into(), version.into()];
            match execute(store, sql::LEASES.update, &row).await {
                Ok(1) => version += 1,
                Ok(_) => return Error::Unavailable("another server migrates the schema".to_owned()),
                Err(error) => return error,
            }
        }
    };
    tokio::select! {
        outcome = work => outcome,
        error = beating => Err(error),
    }
}

async fn pending(store: &PostgresStore) -> Result<&'static [Migration], Error> {
    migrations::pending(migrations::ALL, &book(store).await?.unwrap_or_default())
}

/// What was applied; `None` when there is no book.
async fn book(store: &PostgresStore) -> Result<Option<Vec<(i64, String)>>, Error> {
    if read(store, HAS_BOOK, &[]).await?.is_empty() {
        return Ok(None);
    }
    let rows = read(store, migrations::READ_BOOK, &[]).await?;
    let entries = rows.iter().map(|row| {
        let row = Found::Postgres(row);
        Some((row.integer(0)?, row.text(1)?.to_owned()))
    });
    let damaged = || Error::Corrupt { table: "migrations", key: "all".to_owned() };
    entries.collect::<Option<Vec<_>>>().map(Some).ok_or_else(damaged)
}

/// In which words this database takes the schema: whether it compares texts byte by byte by itself.
async fn dialect(store: &PostgresStore) -> Result<&'static Dialect, Error> {
    let rows = read(store, COMPARES_BYTES, &[]).await?;
    let is_bytewise = rows.first().and_then(|row| Found::Postgres(row).integer(0)) == Some(1);
    Ok(if is_bytewise { &BYTEWISE } else { &COLLATED })
}

/// Makes a table or an index that somebody else may be making at this moment: another server, or what the server that
/// held the lease before left behind in the database when it died.
async fn create(store: &PostgresStore, sql: &str) -> Result<(), Error> {
    let mut patience = Patience::new(store.options().patience);
    loop {
        match change_schema(store, sql).await {
            // IF NOT EXISTS does not look at what others have not committed yet: their row of the catalogue shows
            // only when ours is written, as a violated key.
            Err(Error::Engine(_)) if patience.pause().await => {}
            outcome => return outcome,
        }
    }
}

/// Runs a statement that changes the schema. It is not prepared: it runs once, and may take long.
async fn change_schema(store: &PostgresStore, sql: &str) -> Result<(), Error> {
    let mut patience = Patience::new(store.options().patience);
    loop {
        let failure = match store.pool().get().await {
            Err(error) => super::failure::of_pool(&error),
            Ok(object) => {
                let mut session = super::Session::writing(object);
                match tokio::time::timeout(STATEMENT, session.client()?.batch_execute(sql)).await {
                    Ok(Ok(())) => {
                        session.in_order();
                        return Ok(());
                    }
                    Ok(Err(error)) => super::failure::of(&error),
                    Err(_elapsed) => Failure::silent(),
                }
            }
        };
        store.try_again(failure, &mut patience).await?;
    }
}

async fn read(store: &PostgresStore, sql: &str, params: &[Param<'_>]) -> Result<Vec<tokio_postgres::Row>, Error> {
    store.read_alone(sql, params).await
}

async fn execute(store: &PostgresStore, sql: &str, params: &[Param<'_>]) -> Result<u64, Error> {
    debug_assert!(sqltypes::can_be_stored(params), "names of our own");
    let mut patience = Patience::new(store.options().patience);
    loop {
        match store.execute_alone(sql, params, &patience).await {
            Ok(rows) => return Ok(rows),
            Err(failure) => store.try_again(failure, &mut patience).await?,
        }
    }
}
