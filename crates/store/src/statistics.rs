//! Counters for the metrics page: they say how well groups form and how often work is done twice. Beside them, how much is
//! under way, by which SQLite's writer decides how long it waits for a group.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::{CommitError, postgres::failure::Cause};

/// What the store has done since it was opened. All counters only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Queries answered, however many rows they found.
    pub reads: u64,
    /// Statements that changesets consisted of, whatever became of them.
    pub statements: u64,
    /// Changesets applied.
    pub commits: u64,
    /// Changesets refused with [`CommitError::Conflict`](crate::CommitError::Conflict).
    pub conflicts: u64,
    /// Changesets refused with [`CommitError::Taken`](crate::CommitError::Taken).
    pub taken: u64,
    /// Changesets that failed for a reason of the engine's.
    pub failures: u64,
    /// Groups made durable together.
    pub groups: u64,
    /// Changesets in all groups, however they ended: with the number of groups, the average size.
    pub grouped: u64,
    /// Changesets in the largest group so far.
    pub largest_group: u64,
    /// Statements that were sent for several reads at once.
    pub read_groups: u64,
    /// Reads in all of them.
    pub grouped_reads: u64,
    /// What was tried again, by cause.
    pub retries: Retries,
    /// COMMITs without an answer that had been kept.
    pub settled_kept: u64,
    /// COMMITs without an answer that had not been kept.
    pub settled_lost: u64,
    /// COMMITs without an answer of which nobody knows.
    pub unsettled: u64,
    /// Connections to a database across a network.
    pub pool: Option<PoolUse>,
}

/// What was tried again because the database turned it down for a reason of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retries {
    /// Transactions got into each other's way (40001).
    pub serialization: u64,
    /// Transactions waited for one another (40P01), or for too long.
    pub deadlock: u64,
    /// A connection was lost, refused or silent.
    pub connection: u64,
    /// The server takes no writes any more.
    pub read_only: u64,
    /// Connections were used up, there or here.
    pub exhausted: u64,
}

/// Connections of this server at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolUse {
    /// How many there may be.
    pub most: usize,
    /// How many there are.
    pub open: usize,
    /// How many of them are idle.
    pub idle: usize,
    /// How many requests wait for one.
    pub waiting: usize,
}

/// The same, as the writer counts it.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub reads: AtomicU64,
    statements: AtomicU64,
    pub commits: AtomicU64,
    pub conflicts: AtomicU64,
    pub taken: AtomicU64,
    pub failures: AtomicU64,
    groups: AtomicU64,
    grouped: AtomicU64,
    largest_group: AtomicU64,
    read_groups: AtomicU64,
    grouped_reads: AtomicU64,
    serialization: AtomicU64,
    deadlock: AtomicU64,
    connection: AtomicU64,
    read_only: AtomicU64,
    exhausted: AtomicU64,
    settled_kept: AtomicU64,
    settled_lost: AtomicU64,
    unsettled: AtomicU64,
    under_way: AtomicUsize,
}

/// Work that may come to a commit, from its beginning until this is dropped.
#[derive(Debug)]
pub struct UnderWay<'a>(&'a Counters);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Counters {
    /// Work begins that may come to a commit.
    pub(crate) fn begin(&self) -> UnderWay<'_> {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay(self)
    }

    /// How much of it there is.
    pub(crate) fn under_way(&self) -> usize {
        self.under_way.load(Ordering::Relaxed)
    }

    /// Adds one.
    pub(crate) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a changeset of so many statements.
    pub(crate) fn count_statements(&self, statements: usize) {
        self.statements.fetch_add(u64::try_from(statements).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Counts what became of a changeset.
    pub(crate) fn count_answer(&self, answer: &Result<u64, CommitError>) {
        Self::count(match answer {
            Ok(_) => &self.commits,
            Err(CommitError::Conflict) => &self.conflicts,
            Err(CommitError::Taken(_)) => &self.taken,
            Err(CommitError::Store(_)) => &self.failures,
        });
    }

    /// Counts a group of so many changesets.
    pub(crate) fn count_group(&self, size: usize) {
        let size = u64::try_from(size).unwrap_or(u64::MAX);
        Self::count(&self.groups);
        self.grouped.fetch_add(size, Ordering::Relaxed);
        self.largest_group.fetch_max(size, Ordering::Relaxed);
    }

    /// Counts a statement for so many reads.
    pub(crate) fn count_read_group(&self, size: usize) {
        Self::count(&self.read_groups);
        self.grouped_reads.fetch_add(u64::try_from(size).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Counts that something is tried again.
    pub(crate) fn count_retry(&self, cause: Cause) {
        Self::count(match cause {
            Cause::Serialization => &self.serialization,
            Cause::Deadlock => &self.deadlock,
            Cause::Connection => &self.connection,
            Cause::ReadOnly => &self.read_only,
            Cause::Exhausted => &self.exhausted,
        });
    }

    /// Counts a COMMIT without an answer that was settled.
    pub(crate) fn count_settled(&self, was_kept: bool) {
        Self::count(if was_kept { &self.settled_kept } else { &self.settled_lost });
    }

    /// Counts a COMMIT without an answer that could not be settled.
    pub(crate) fn count_unsettled(&self) {
        Self::count(&self.unsettled);
    }

    /// Where the counters stand.
    pub(crate) fn snapshot(&self) -> Statistics {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Statistics {
            reads: read(&self.reads),
            statements: read(&self.statements),
            commits: read(&self.commits),
            conflicts: read(&self.conflicts),
            taken: read(&self.taken),
            failures: read(&self.failures),
            groups: read(&self.groups),
            grouped: read(&self.grouped),
            largest_group: read(&self.largest_group),
            read_groups: read(&self.read_groups),
            grouped_reads: read(&self.grouped_reads),
            retries: Retries {
                serialization: read(&self.serialization),
                deadlock: read(&self.deadlock),
                connection: read(&self.connection),
                read_only: read(&self.read_only),
                exhausted: read(&self.exhausted),
            },
            settled_kept: read(&self.settled_kept),
            settled_lost: read(&self.settled_lost),
            unsettled: read(&self.unsettled),
            pool: None,
        }
    }
}
