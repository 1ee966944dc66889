//! Changesets that wait at the same time share a transaction.
//!
//! To begin a transaction, to stamp it and to bring it to the disk costs the database more than the few rows of most
//! changesets. So whoever comes while other groups are under way waits for one of them to end, and then goes with all
//! who have come meanwhile; who comes alone goes at once. Every statement names the versions that its changeset was
//! decided on, so the outcome is the same as if they had gone one after another. Changesets that only write rows form
//! groups of their own, whose steps are run together (see `batch`).
//!
//! When one of a group does not find what it expects, nothing of the group is kept: that one goes alone, and the others
//! go again without it. Whatever else happens to a group, its changesets go on alone, each with its own patience and its
//! own retries. While the database is away there are no groups at all, so that nobody waits for somebody else's retries.

use std::{
    collections::{BTreeMap, VecDeque, btree_map::Entry},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::oneshot;

use super::{
    Patience, PostgresStore, batch,
    failure::{Cause, Failure},
    queue::Queue,
    sqltypes,
    transact::{Outcome, Run},
    unique,
};
use crate::{
    CommitError, Error, Taken,
    compile::{Expect, Param, Step},
};

/// Groups under way at once: one is on its way to the disk while the next one is being run.
const AT_ONCE: usize = 2;
/// Changesets in one group at most.
const LARGEST: usize = 64;

type Answer = Result<u64, CommitError>;

/// A changeset on its way.
pub(super) struct Job {
    steps: Vec<Step>,
    /// Its steps may be run together with others'.
    is_plain: bool,
    patience: Patience,
    answer: oneshot::Sender<Answer>,
}

/// The changesets that wait for a group.
#[derive(Debug, Default)]
pub(super) struct Changesets {
    queue: Queue<Job>,
    /// The database was away when it was last asked to commit.
    is_away: AtomicBool,
}

/// Takes those that go next out of the queue.
///
/// They are of the kind that the first one has. They go in the order of the rows that they lock, and no two of them lock
/// the same ones: groups of this server or others that meet at two users would otherwise wait for one another in a circle.
fn choose(waiting: &mut VecDeque<Job>) -> Vec<Job> {
    let (mut group, mut later) = (BTreeMap::new(), VecDeque::new());
    let is_plain = waiting.front().is_some_and(|job| job.is_plain);
    while group.len() < LARGEST
        && let Some(job) = waiting.pop_front()
    {
        if job.is_plain != is_plain {
            later.push_back(job);
            continue;
        }
        match group.entry(place(&job.steps)) {
            Entry::Vacant(free) => drop(free.insert(job)),
            Entry::Occupied(_) => later.push_back(job),
        }
    }
    later.append(waiting);
    *waiting = later;
    group.into_values().collect()
}

/// What tells users apart in the order of rows: the texts of the first step that are no documents, which are its key.
fn place(steps: &[Step]) -> String {
    let texts = steps.first().into_iter().flat_map(|step| &step.params).filter_map(|param| match param {
        Param::Text(text) if !text.starts_with('{') => Some(text.as_ref()),
        Param::Text(_) | Param::Integer(_) => None,
    });
    texts.collect::<Vec<_>>().join("\n")
}

impl PostgresStore {
    /// Applies steps, all or nothing, and says how many rows changed in steps that may change any number.
    ///
    /// It goes on in a task of its own: a caller who goes away must not leave a transaction half done.
    pub(crate) async fn apply(self: &Arc<Self>, steps: Vec<Step>) -> Answer {
        let (answer, answered) = oneshot::channel();
        let joins = self.may_join(&steps);
        let is_plain = batch::is_plain(&steps);
        let job = Job { steps, is_plain, patience: Patience::new(self.options.patience), answer };
        if !joins {
            tokio::spawn(self.clone().apply_alone(job, None));
        } else if self.changesets.queue.push(job, AT_ONCE.min(self.options.max_connections / 2).max(1)) {
            tokio::spawn(self.clone().apply_groups());
        }
        answered.await.unwrap_or(Err(CommitError::Store(Error::Unanswered)))
    }

    /// Whether a changeset may go with others. What may change any number of rows may take long, and changes counts that
    /// everybody shares. A stricter isolation lets transactions fail the more often the more they do.
    fn may_join(&self, steps: &[Step]) -> bool {
        self.takes_arrays()
            && !self.changesets.is_away.load(Ordering::Relaxed)
            && steps.iter().all(|step| step.expect != Expect::Any && sqltypes::can_be_stored(&step.params))
    }

    /// Forms groups as long as anybody waits.
    async fn apply_groups(self: Arc<Self>) {
        while let Some(group) = self.changesets.queue.next(choose) {
            if self.changesets.is_away.load(Ordering::Relaxed) {
                self.scatter(group, None);
            } else {
                // In a task of its own, so that a panic, which nothing should cause, does not end this one, too.
                let _panicked = tokio::spawn(self.clone().apply_group(group)).await;
            }
        }
    }

    /// Tries a group, and then once more without those that have lost.
    async fn apply_group(self: Arc<Self>, mut group: Vec<Job>) {
        self.counters.count_group(group.len());
        let mut run =
            if group.len() > 1 && group.iter().all(|job| job.is_plain) { Run::Together } else { Run::OneByOne };
        let mut is_first = true;
        while let Some(until) = group.iter().map(|job| job.patience.until).min() {
            let (stamp, patience) = (unique(), Patience::until(until));
            let changesets: Vec<_> = group.iter().map(|job| job.steps.as_slice()).collect();
            match self.attempt(&changesets, run, &stamp, &patience).await {
                Outcome::Applied(changed) => return self.answer(group, &Ok(changed)),
                Outcome::Lost(..) if run == Run::Together => run = Run::OneByOne,
                Outcome::Lost(taken, _) if group.len() == 1 => return self.answer(group, &lost(taken)),
                Outcome::Lost(_, losers) if is_first => {
                    is_first = false;
                    let mut others = Vec::new();
                    for (index, job) in group.into_iter().enumerate() {
                        if losers.contains(&index) { self.scatter(vec![job], None) } else { others.push(job) }
                    }
                    group = others;
                }
                Outcome::Lost(..) => return self.scatter(group, None),
                // What is not known to be undone must not be done again.
                Outcome::Failed(Failure::Final(error)) if group.len() == 1 || error.is_ambiguous() => {
                    return self.answer(group, &Err(CommitError::Store(error)));
                }
                // One of them has caused it, or each will hear of it again.
                Outcome::Failed(Failure::Final(_)) => return self.scatter(group, None),
                Outcome::Failed(failure) => return self.scatter(group, Some(failure)),
                Outcome::Unanswered(reason, changed) => {
                    drop(tokio::spawn(self.settle_group(group, stamp, reason, changed)));
                    return;
                }
            }
        }
    }

    /// Finds out what became of a group, while others go on.
    async fn settle_group(self: Arc<Self>, group: Vec<Job>, stamp: String, reason: String, changed: u64) {
        match self.settle(&stamp, reason).await {
            Ok(true) => self.answer(group, &Ok(changed)),
            Ok(false) => self.scatter(group, Some(commit_was_lost())),
            Err(error) => self.answer(group, &Err(CommitError::Store(error))),
        }
    }

    /// Lets each go on alone. What has happened to all of them is counted once.
    fn scatter(self: &Arc<Self>, group: Vec<Job>, mut failure: Option<Failure>) {
        for job in group {
            tokio::spawn(self.clone().apply_alone(job, failure.take()));
        }
    }

    /// Applies one changeset in a transaction of its own, as often as its patience allows, after it has `failed`.
    async fn apply_alone(self: Arc<Self>, mut job: Job, failed: Option<Failure>) {
        let answer = self.try_alone(&job.steps, &mut job.patience, failed).await;
        self.answer(vec![job], &answer);
    }

    async fn try_alone(&self, steps: &[Step], patience: &mut Patience, mut failed: Option<Failure>) -> Answer {
        loop {
            if let Some(failure) = failed.take() {
                self.try_again(failure, patience).await?;
            }
            let stamp = unique();
            failed = match self.attempt(&[steps], Run::OneByOne, &stamp, patience).await {
                Outcome::Applied(changed) => return Ok(changed),
                Outcome::Lost(taken, _) => return lost(taken),
                Outcome::Failed(failure) => Some(failure),
                Outcome::Unanswered(reason, changed) => match self.settle(&stamp, reason).await? {
                    true => return Ok(changed),
                    false => Some(commit_was_lost()),
                },
            };
        }
    }

    /// Tells each what became of it.
    fn answer(&self, group: Vec<Job>, answer: &Answer) {
        for job in group {
            self.counters.count_answer(answer);
            // Whoever stopped waiting does not want to know.
            let _unwanted = job.answer.send(answer.clone());
        }
    }

    /// Tries changesets once, and takes down whether the database is there.
    async fn attempt(&self, changesets: &[&[Step]], run: Run, stamp: &str, patience: &Patience) -> Outcome {
        let outcome = self.transact(changesets, run, stamp, patience).await;
        match &outcome {
            Outcome::Applied(_) => self.changesets.is_away.store(false, Ordering::Relaxed),
            Outcome::Failed(Failure::Again(Cause::Connection | Cause::ReadOnly | Cause::Exhausted, _))
            | Outcome::Unanswered(..) => self.changesets.is_away.store(true, Ordering::Relaxed),
            Outcome::Lost(..) | Outcome::Failed(_) => {}
        }
        outcome
    }
}

/// A COMMIT never arrived, so that everything may be tried again.
fn commit_was_lost() -> Failure {
    Failure::Again(Cause::Connection, "a COMMIT was lost".to_owned())
}

/// The answer to a changeset that did not find what it expected.
fn lost(taken: Option<Taken>) -> Answer {
    Err(taken.map_or(CommitError::Conflict, CommitError::Taken))
}
