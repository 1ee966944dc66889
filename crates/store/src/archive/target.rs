//! A database that is filled. From the first change to the last it is marked, so that no server starts on it half
//! full, and every change demands that the mark is still this restore's.

use std::time::Duration;

use super::{
    ArchiveError, Contents, MARK, Progress, Report, Stage,
    format::Ledger,
    source::Source,
    tables::{Table, Values},
};
use crate::{
    CommitError, Error, Options, Store,
    compile::{Expect, Param, Step},
    read::Query,
};

/// Rows written in one transaction at most.
const BATCH: usize = 1_000;
/// Bytes of texts after which a transaction is not made larger: 4 MiB, for memory's sake, and because the strictest of
/// the engines (Aurora DSQL) takes 10 MiB at most.
const BATCH_BYTES: usize = 4 * 1_024 * 1_024;

const SET_MARK: &str = "INSERT INTO meta (name, value) VALUES ($1, $2) \
     ON CONFLICT (name) DO UPDATE SET value = excluded.value";
const HOLD_MARK: &str = "UPDATE meta SET value = value WHERE name = $1 AND value = $2";
const REMOVE_MARK: &str = "DELETE FROM meta WHERE name = $1 AND value = $2";

/// How long a lease has to stand still before its holder counts as gone: servers move theirs on every two seconds.
const PULSE: Duration = Duration::from_secs(5);
/// Leases and their versions.
const LEASES: Query<(String, i64)> = Query {
    table: "leases",
    sql: "SELECT name, version FROM leases ORDER BY name",
    decode: |row| Some((row.text(0)?.to_owned(), row.integer(1)?)),
};

/// A database that is being filled.
pub(super) struct Target<'a> {
    store: Store,
    options: &'a Options,
    mark: &'a str,
    batch: Vec<Step>,
    /// Bytes of the texts in `batch`.
    bytes: usize,
}

impl<'a> Target<'a> {
    /// Opens a database, makes its tables and marks it, unless it holds data that must not be replaced.
    pub(super) async fn open(options: &'a Options, replace: bool, mark: &'a str) -> Result<Self, ArchiveError> {
        let store = Store::open(options).await?;
        if has_pulse(&store).await? {
            return Err(ArchiveError::InUse { location: options.location.to_string() });
        }
        let target = Self { store, options, mark, batch: Vec::new(), bytes: 0 };
        let source = Source::open(options).await?;
        if !replace {
            if let Some(mark) = source.mark().await? {
                return Err(ArchiveError::Interrupted { location: options.location.to_string(), mark });
            }
            if let Some((table, _)) = source.next(&mut source.start()).await? {
                return Err(ArchiveError::NotEmpty { location: options.location.to_string(), table: table.name });
            }
        }
        target.apply(vec![target.step(SET_MARK, Expect::OneRow)]).await?;
        Ok(target)
    }

    /// Removes every row.
    pub(super) async fn empty(&mut self, report: &mut Report<'_>) -> Result<(), ArchiveError> {
        let source = Source::open(self.options).await?;
        let mut progress = Progress::new(Stage::Emptying, source.rows().await?);
        let mut position = source.start();
        while let Some((table, rows)) = source.next(&mut position).await? {
            progress.rows += rows.len() as u64;
            self.write(rows.into_iter().map(|row| table.delete(row)).collect()).await?;
            report(&progress);
        }
        Ok(())
    }

    /// Adds a row; it is there at the latest when the target is finished. Says whether rows were written just now.
    pub(super) async fn add(&mut self, table: &'static Table, row: Values) -> Result<bool, ArchiveError> {
        self.bytes += row.iter().map(text_length).sum::<usize>();
        self.batch.push(table.insert(row));
        if self.batch.len() < BATCH && self.bytes < BATCH_BYTES {
            return Ok(false);
        }
        self.write_batch().await?;
        Ok(true)
    }

    /// Writes what is still to be written, compares everything with what should be there, and removes the mark.
    pub(super) async fn finish(
        mut self,
        expected: &Contents,
        report: &mut Report<'_>,
    ) -> Result<Contents, ArchiveError> {
        self.write_batch().await?;
        let found = self.read_back(expected, report).await?;
        if found.digest != expected.digest {
            return Err(ArchiveError::Mismatch { expected: expected.digest.clone(), found: found.digest });
        }
        self.remove_mark().await?;
        Ok(found)
    }

    /// Ends the work without having done any.
    pub(super) async fn remove_mark(&self) -> Result<(), ArchiveError> {
        self.apply(vec![self.step(REMOVE_MARK, Expect::OneRow)]).await
    }

    async fn read_back(&self, expected: &Contents, report: &mut Report<'_>) -> Result<Contents, ArchiveError> {
        let source = Source::snapshot(self.options).await?;
        let mut ledger = Ledger::new(source.schema());
        let mut progress = Progress::new(Stage::Comparing, expected.rows());
        let mut position = source.start();
        while let Some((table, rows)) = source.next(&mut position).await? {
            for row in &rows {
                progress.bytes += ledger.take(table, row)?.len() as u64;
            }
            progress.rows += rows.len() as u64;
            report(&progress);
        }
        Ok(ledger.contents())
    }

    fn step(&self, sql: &'static str, expect: Expect) -> Step {
        Step { sql, params: vec![MARK.into(), self.mark.to_owned().into()], expect }
    }

    async fn write_batch(&mut self) -> Result<(), ArchiveError> {
        self.bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        self.write(batch).await
    }

    /// Applies steps while the mark is this restore's.
    async fn write(&self, mut steps: Vec<Step>) -> Result<(), ArchiveError> {
        steps.insert(0, self.step(HOLD_MARK, Expect::OneRow));
        self.apply(steps).await
    }

    async fn apply(&self, steps: Vec<Step>) -> Result<(), ArchiveError> {
        match self.store.apply(steps).await {
            Ok(_changed) => Ok(()),
            Err(CommitError::Store(error)) => Err(error.into()),
            Err(CommitError::Conflict | CommitError::Taken(_)) => Err(ArchiveError::Disturbed),
        }
    }
}

fn text_length(value: &Param<'_>) -> usize {
    match value {
        Param::Text(text) => text.len(),
        Param::Integer(_) => 0,
    }
}

/// Whether a server is at work on a database that servers share: it moves a lease on, takes one, or gives one back.
async fn has_pulse(store: &Store) -> Result<bool, Error> {
    let before = store.all(&LEASES, &[]).await?;
    if !store.is_shared() || before.is_empty() {
        return Ok(false);
    }
    tokio::time::sleep(PULSE).await;
    Ok(store.all(&LEASES, &[]).await? != before)
}

impl Store {
    /// Who began to restore or copy into this database and has not finished, if anybody: it holds a part of the data
    /// only, and no server may start on it.
    ///
    /// # Errors
    /// When the engine fails.
    pub async fn unfinished_restore(&self) -> Result<Option<String>, Error> {
        self.get_meta(MARK).await
    }
}
