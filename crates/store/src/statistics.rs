//! Counters for the metrics page. They say how well groups form and how often work is done twice.

use std::sync::atomic::{AtomicU64, Ordering};

/// What the store has done since it was opened. All counters only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
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
    /// Changesets in the largest group so far.
    pub largest_group: u64,
}

/// The same, as the writer counts it.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub commits: AtomicU64,
    pub conflicts: AtomicU64,
    pub taken: AtomicU64,
    pub failures: AtomicU64,
    pub groups: AtomicU64,
    pub largest_group: AtomicU64,
}

impl Counters {
    /// Adds one.
    pub(crate) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Where the counters stand.
    pub(crate) fn snapshot(&self) -> Statistics {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Statistics {
            commits: read(&self.commits),
            conflicts: read(&self.conflicts),
            taken: read(&self.taken),
            failures: read(&self.failures),
            groups: read(&self.groups),
            largest_group: read(&self.largest_group),
        }
    }
}
