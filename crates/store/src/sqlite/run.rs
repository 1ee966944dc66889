//! Runs steps and queries on a connection.

use rusqlite::{
    CachedStatement, Connection, Statement, ToSql,
    types::{ToSqlOutput, ValueRef},
};

use crate::{
    Error, Taken,
    compile::{Expect, Param, Step},
    first_reads::FIRST_READS,
    read::{self, Found, Query},
};

/// Begins several reads of one moment.
pub(super) const BEGIN: &str = "BEGIN DEFERRED";
/// Ends them.
pub(super) const END: &str = "ROLLBACK";

/// What is made ready before the first sign-in.
pub(super) fn first_statements() -> impl Iterator<Item = &'static str> {
    FIRST_READS.iter().map(|(sql, _)| *sql).chain([BEGIN, END])
}

impl ToSql for Param<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Integer(number) => ValueRef::Integer(*number),
        }))
    }
}

/// A statement, prepared once per connection, with its values bound.
fn prepare<'a>(connection: &'a Connection, sql: &str, params: &[Param<'_>]) -> Result<CachedStatement<'a>, Error> {
    let mut statement = connection.prepare_cached(sql)?;
    bind(&mut statement, params)?;
    Ok(statement)
}

fn bind(statement: &mut Statement<'_>, params: &[Param<'_>]) -> Result<(), Error> {
    if statement.parameter_count() != params.len() {
        return Err(Error::Engine(format!(
            "a statement takes {} values and was given {}",
            statement.parameter_count(),
            params.len()
        )));
    }
    for (index, param) in params.iter().enumerate() {
        statement.raw_bind_parameter(index + 1, param)?;
    }
    Ok(())
}

/// The first row of a query.
pub(crate) fn first<T>(connection: &Connection, query: &Query<T>, params: &[Param<'_>]) -> Result<Option<T>, Error> {
    let mut statement = prepare(connection, query.sql, params)?;
    let mut rows = statement.raw_query();
    match rows.next()? {
        Some(row) => query.read(&Found::Sqlite(row), params).map(Some),
        None => Ok(None),
    }
}

/// All rows of a query.
pub(crate) fn all<T>(connection: &Connection, query: &Query<T>, params: &[Param<'_>]) -> Result<Vec<T>, Error> {
    let mut statement = prepare(connection, query.sql, params)?;
    let mut rows = statement.raw_query();
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(query.read(&Found::Sqlite(row), params)?);
    }
    Ok(found)
}

/// Runs a statement that takes no values and returns no rows.
pub(crate) fn command(connection: &Connection, sql: &str) -> Result<(), Error> {
    connection.prepare_cached(sql)?.raw_execute()?;
    Ok(())
}

/// Several reads that see the same moment. In memory the caller holds the only connection, so they do anyway.
pub(crate) fn snapshot<T>(
    connection: &Connection,
    read: impl FnOnce(&Connection) -> Result<T, Error>,
) -> Result<T, Error> {
    command(connection, BEGIN)?;
    let result = read(connection);
    let ended = command(connection, END);
    let value = result?;
    ended.map(|()| value)
}

/// What became of one step.
pub(crate) enum Outcome {
    /// It did what was expected, and changed this many rows if that was left open.
    Done(u64),
    /// It did not: conflict, or taken.
    Lost(Option<Taken>),
}

/// Whether every one of these steps, which only read, does what is expected.
pub(crate) fn all_hold(connection: &Connection, steps: &[Step]) -> Result<bool, Error> {
    for one in steps {
        if matches!(step(connection, one)?, Outcome::Lost(_)) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Runs one step inside a transaction.
pub(crate) fn step(connection: &Connection, step: &Step) -> Result<Outcome, Error> {
    let mut statement = prepare(connection, step.sql, &step.params)?;
    let done = match step.expect {
        Expect::Found | Expect::Missing => statement.raw_query().next()?.is_some() == step.expect.wants_a_row(),
        Expect::AtMostOne => statement.raw_execute()? <= 1,
        Expect::Any => return Ok(Outcome::Done(u64::try_from(statement.raw_execute()?).unwrap_or(u64::MAX))),
        Expect::OneRow | Expect::Claimed { .. } | Expect::Unspent { .. } => statement.raw_execute()? == 1,
    };
    if done {
        return Ok(Outcome::Done(0));
    }
    // A lost claim bound pool, name and kind first, which are what finds the owner.
    let owner = || first(connection, &read::NAME_OWNER, step.params.get(..3).unwrap_or_default());
    step.lost(owner).map(Outcome::Lost)
}
