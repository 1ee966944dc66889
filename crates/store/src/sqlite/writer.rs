//! The one thread that writes: it takes what is waiting, up to a group's worth, applies it in one transaction and
//! answers when all of it is durable.
//!
//! A group is tried without savepoints first: they cost a copy of every page that is touched, and most groups have
//! no loser. A changeset that loses before it wrote anything leaves no trace. One that loses later makes the whole
//! group start over, this time each changeset under a savepoint. Nothing but statements runs in between, so the
//! second try decides from the same rows.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::{
    readers::Readers,
    run::{self, Outcome},
};
use crate::{CommitError, Error, compile::Step, statistics::Counters};

/// Longest that the writer waits for a group to form where each waits for the disk. Each such wait costs a processor about as
/// much as it takes to make a changeset; and after each, readers have to look at their pages anew.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_millis(2);

/// Longest that readers keep a moment where nothing is written: a backup or an operator's shell, which have connections of
/// their own, hardly find the log in use for longer.
const LONGEST_MOMENT: Duration = Duration::from_secs(1);

/// A changeset on its way.
pub(super) struct Job {
    /// What to do.
    pub steps: Vec<Step>,
    /// Where the answer goes.
    pub answer: oneshot::Sender<Result<u64, CommitError>>,
    /// Its place among those that may wait, given back with the answer.
    pub _place: OwnedSemaphorePermit,
}

type Answer = Result<u64, CommitError>;

/// What the thread owns.
pub(super) struct Writer {
    /// Dropped before the connection, which must be the last one to close.
    readers: Readers,
    connection: Arc<Mutex<Connection>>,
    counters: Arc<Counters>,
    group: usize,
    longest_pause: Duration,
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.readers.keep_no_more();
    }
}

/// How changesets of a group are kept apart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Apart {
    /// Not at all, in the hope that none loses after it wrote something.
    Trusting,
    /// By a savepoint each.
    Savepoints,
}

/// Why a group was not applied.
enum Abandoned {
    /// A changeset that lost has left traces: try again with savepoints.
    Traces,
    /// The engine gave up on the transaction.
    Failed(Error),
}

impl Writer {
    /// A writer of groups of so many changesets at most, for which it waits no longer than that.
    pub(super) const fn new(
        readers: Readers,
        connection: Arc<Mutex<Connection>>,
        counters: Arc<Counters>,
        group: usize,
        longest_pause: Duration,
    ) -> Self {
        Self { readers, connection, counters, group, longest_pause }
    }

    /// Works until the store is dropped, or until its connection is stuck in a transaction that cannot be rolled back.
    /// No change would ever be applied on that connection again, so that it is better to say so: changes are refused
    /// as by a closed store, the server is no longer ready, and a new start recovers the file.
    pub(super) fn run(self, jobs: &mpsc::Receiver<Job>) {
        let mut formed = now();
        let mut pace = Duration::ZERO;
        while let Some(first) = self.next(jobs) {
            let group = self.gather(first, jobs, pace);
            let before = std::mem::replace(&mut formed, now());
            pace = formed.saturating_duration_since(before) / u32::try_from(group.len()).unwrap_or(u32::MAX);
            if !self.serve(group) {
                tracing::error!("nothing can be written any more; restart the server");
                for job in jobs.try_iter() {
                    let _unwanted = job.answer.send(Err(CommitError::Store(Error::Closed)));
                }
                return;
            }
        }
    }

    /// The next changeset; none once the store is dropped.
    fn next(&self, jobs: &mpsc::Receiver<Job>) -> Option<Job> {
        while self.readers.may_keep() {
            match jobs.recv_timeout(LONGEST_MOMENT) {
                Ok(first) => return Some(first),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => self.readers.begin_anew(),
            }
        }
        jobs.recv().ok()
    }

    /// Takes what is waiting, after a pause if more is likely to come.
    fn gather(&self, first: Job, jobs: &mpsc::Receiver<Job>, pace: Duration) -> Vec<Job> {
        let mut group = Vec::with_capacity(self.group);
        group.push(first);
        group.extend(jobs.try_iter().take(self.group - 1));
        let pause = pause(group.len(), self.counters.under_way().min(self.group), pace, self.longest_pause);
        if !pause.is_zero() {
            sleep(pause);
            group.extend(jobs.try_iter().take(self.group - group.len()));
        }
        group
    }

    /// Applies a group and answers everyone in it. Says whether the connection can take another one.
    fn serve(&self, group: Vec<Job>) -> bool {
        let (answers, is_usable) = {
            let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
            let answers = match self.readers.while_writing(|| apply_group(&connection, &group)) {
                Ok(answers) => answers,
                Err(error) => {
                    tracing::error!(%error, changesets = group.len(), "a group of changes failed");
                    vec![Err(CommitError::Store(error)); group.len()]
                }
            };
            (answers, connection.is_autocommit())
        };
        self.count(&answers);
        for (job, answer) in group.into_iter().zip(answers) {
            // Whoever stopped waiting does not want to know.
            let _unwanted = job.answer.send(answer);
        }
        is_usable
    }

    fn count(&self, answers: &[Answer]) {
        self.counters.count_group(answers.len());
        for answer in answers {
            self.counters.count_answer(answer);
        }
    }
}

/// How long it is worth waiting for others when so many are here, so many operations are under way, and one has come in
/// each `pace` lately: until about half of those under way are here. The other half is likely to be busy with something
/// else, or not to write at all; and whoever is alone, or one of two, never waits. Nor does anybody where not one other is
/// likely to come within the longest pause: operations that wait for functions, say, are under way for seconds.
fn pause(here: usize, under_way: usize, pace: Duration, longest: Duration) -> Duration {
    if pace > longest {
        return Duration::ZERO;
    }
    pace.saturating_mul(u32::try_from((under_way / 2).saturating_sub(here)).unwrap_or(u32::MAX)).min(longest)
}

/// Stands still.
#[expect(clippy::disallowed_methods, reason = "the writer's thread answers no requests")]
fn sleep(time: Duration) {
    std::thread::sleep(time);
}

/// The ambient clock.
#[expect(
    clippy::disallowed_methods,
    reason = "how quickly changesets come decides how large a group may grow, never what is stored"
)]
fn now() -> Instant {
    Instant::now()
}

/// Applies a group: the answer to each changeset, or the error that all of them get.
fn apply_group(connection: &Connection, group: &[Job]) -> Result<Vec<Answer>, Error> {
    match attempt(connection, group, Apart::Trusting) {
        Ok(answers) => Ok(answers),
        Err(Abandoned::Traces) => match attempt(connection, group, Apart::Savepoints) {
            Ok(answers) => Ok(answers),
            Err(Abandoned::Traces) => Err(Error::Engine("a savepoint could not be undone".to_owned())),
            Err(Abandoned::Failed(error)) => Err(error),
        },
        Err(Abandoned::Failed(error)) => Err(error),
    }
}

fn attempt(connection: &Connection, group: &[Job], apart: Apart) -> Result<Vec<Answer>, Abandoned> {
    let result = transact(connection, group, apart);
    if result.is_err() && !connection.is_autocommit() && run::command(connection, "ROLLBACK").is_err() {
        // The writer sees it by the connection, and gives up.
        tracing::error!("a transaction could not be rolled back");
    }
    result
}

fn transact(connection: &Connection, group: &[Job], apart: Apart) -> Result<Vec<Answer>, Abandoned> {
    run::command(connection, "BEGIN IMMEDIATE").map_err(Abandoned::Failed)?;
    let mut answers = Vec::with_capacity(group.len());
    for job in group {
        answers.push(match apart {
            Apart::Trusting => trusting(connection, &job.steps)?,
            Apart::Savepoints => under_savepoint(connection, &job.steps)?,
        });
    }
    if answers.iter().all(Result::is_err) {
        run::command(connection, "ROLLBACK").map_err(Abandoned::Failed)?;
        return Ok(answers);
    }
    match run::command(connection, "COMMIT") {
        Ok(()) => Ok(answers),
        // Without space the mark that ends a transaction was not written, so nothing of it can come back.
        Err(error @ (Error::Full | Error::Busy)) => Err(Abandoned::Failed(error)),
        Err(error) => Err(Abandoned::Failed(Error::Unconfirmed(error.to_string()))),
    }
}

/// Runs the steps of a changeset, and hopes.
fn trusting(connection: &Connection, steps: &[Step]) -> Result<Answer, Abandoned> {
    let (answer, wrote) = run_steps(connection, steps);
    if answer.is_ok() || !wrote { alive(connection, answer) } else { Err(Abandoned::Traces) }
}

/// Runs the steps of a changeset and undoes them when one is lost.
fn under_savepoint(connection: &Connection, steps: &[Step]) -> Result<Answer, Abandoned> {
    run::command(connection, "SAVEPOINT changeset").map_err(Abandoned::Failed)?;
    let (answer, _) = run_steps(connection, steps);
    let answer = alive(connection, answer)?;
    if answer.is_err() {
        run::command(connection, "ROLLBACK TO changeset").map_err(Abandoned::Failed)?;
    }
    run::command(connection, "RELEASE changeset").map_err(Abandoned::Failed)?;
    Ok(answer)
}

/// Some failures (a full disk, above all) end the whole transaction, and everyone in it has failed.
fn alive(connection: &Connection, answer: Answer) -> Result<Answer, Abandoned> {
    if connection.is_autocommit() {
        return Err(Abandoned::Failed(match answer {
            Err(CommitError::Store(error)) => error,
            Ok(_) | Err(_) => Error::Engine("the transaction ended early".to_owned()),
        }));
    }
    Ok(answer)
}

/// The answer, and whether anything was written before it was known.
fn run_steps(connection: &Connection, steps: &[Step]) -> (Answer, bool) {
    let mut changed = 0;
    let mut wrote = false;
    for step in steps {
        match run::step(connection, step) {
            Ok(Outcome::Done(rows)) => {
                changed += rows;
                wrote |= !step.expect.only_reads();
            }
            Ok(Outcome::Lost(None)) => return (Err(CommitError::Conflict), wrote),
            Ok(Outcome::Lost(Some(taken))) => return (Err(CommitError::Taken(taken)), wrote),
            // A statement that failed half way may have written.
            Err(error) => return (Err(CommitError::Store(error)), true),
        }
    }
    (Ok(changed), wrote)
}

#[cfg(test)]
mod tests {
    use domain::NameKind;
    use tokio::sync::Semaphore;

    use super::{
        Abandoned, Answer, Apart, Arc, Counters, Duration, Job, LONGEST_PAUSE, Mutex, Readers, Writer, apply_group,
        attempt, mpsc, oneshot, pause, run,
    };
    use crate::{Changes, CommitError, Error, Taken, compile::compile, read, sqlite::connect};

    fn job(change: impl FnOnce(&mut Changes)) -> Job {
        let mut changes = Changes::new();
        change(&mut changes);
        let place = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        Job { steps: compile(changes, 0).unwrap(), answer: oneshot::channel().0, _place: place }
    }

    fn claim(changes: &mut Changes, name: &str, sub: &str) {
        changes.claim("r_1", name, NameKind::Username, sub);
    }

    fn owner(connection: &rusqlite::Connection, name: &str) -> Option<String> {
        run::first(connection, &read::NAME_OWNER, &["r_1".into(), name.into(), 0.into()]).unwrap()
    }

    /// So many microseconds are waited when one is here, so many are under way, and one comes in each `pace` microseconds.
    fn waits(under_way: usize, pace: u64) -> u128 {
        pause(1, under_way, Duration::from_micros(pace), LONGEST_PAUSE).as_micros()
    }

    #[test]
    fn nobody_waits_who_is_alone_or_one_of_two() {
        assert_eq!([0, 1, 2, 3].map(|under_way| waits(under_way, 300)), [0; 4]);
        assert_eq!(pause(32, 64, Duration::from_micros(300), LONGEST_PAUSE), Duration::ZERO);
    }

    #[test]
    fn the_more_is_under_way_the_longer_others_are_waited_for() {
        assert_eq!([4, 8, 64].map(|under_way| waits(under_way, 50)), [50, 150, 1_550]);
        assert_eq!([64, usize::MAX].map(|under_way| waits(under_way, 300)), [2_000; 2], "and never longer than that");
        assert_eq!(waits(64, 0), 0, "nobody has been answered so far");
    }

    #[test]
    fn nobody_waits_for_others_who_will_not_come_in_time() {
        assert_eq!([2_000, 2_001, 1_000_000, u64::MAX].map(|pace| waits(64, pace)), [2_000, 0, 0, 0]);
    }

    /// What comes during the pause is in the group, and no more than fits.
    #[test]
    fn a_pause_makes_the_group_larger() {
        let counters = Arc::new(Counters::default());
        let _under_way: Vec<_> = (0..64).map(|_| counters.begin()).collect();
        let connection = Arc::new(Mutex::new(connect::memory().unwrap()));
        let writer = Writer::new(Readers::new(Vec::new()), connection, counters.clone(), 4, Duration::from_secs(60));
        let (jobs, received) = mpsc::channel();
        let others = std::thread::spawn(move || {
            for number in 0..5 {
                jobs.send(job(|changes| claim(changes, &number.to_string(), "a"))).unwrap();
            }
        });
        let group = writer.gather(job(|_| {}), &received, Duration::from_millis(500));
        others.join().unwrap();
        assert_eq!((group.len(), received.try_iter().count()), (4, 2));
    }

    #[test]
    fn a_loser_that_wrote_makes_the_group_start_over_and_leaves_nothing() {
        let connection = connect::memory().unwrap();
        let group = [
            job(|changes| claim(changes, "one", "a")),
            job(|changes| {
                claim(changes, "two", "b");
                claim(changes, "one", "b");
            }),
            job(|changes| claim(changes, "two", "c")),
        ];
        assert!(matches!(attempt(&connection, &group, Apart::Trusting), Err(Abandoned::Traces)));
        assert!(connection.is_autocommit());
        assert_eq!(owner(&connection, "one"), None);

        let answers = apply_group(&connection, &group).unwrap();
        let taken = Taken::Name { name: "one".to_owned(), kind: NameKind::Username, sub: "a".to_owned() };
        assert_eq!(answers, [Ok(0), Err(CommitError::Taken(taken)), Ok(0)]);
        assert_eq!(owner(&connection, "one").unwrap(), "a");
        assert_eq!(owner(&connection, "two").unwrap(), "c");
    }

    #[test]
    fn a_loser_that_wrote_nothing_needs_no_second_try() {
        let connection = connect::memory().unwrap();
        let group = [
            job(|changes| claim(changes, "one", "a")),
            job(|changes| {
                changes.release("r_1", "two", NameKind::Username, "b");
            }),
        ];
        let answers: Vec<Answer> = attempt(&connection, &group, Apart::Trusting).ok().unwrap();
        assert_eq!(answers, [Ok(0), Err(CommitError::Conflict)]);
        assert_eq!(owner(&connection, "one").unwrap(), "a");
    }

    #[test]
    fn when_the_engine_refuses_the_transaction_all_are_told() {
        let connection = connect::memory().unwrap();
        run::command(&connection, "PRAGMA query_only = ON").unwrap();
        let group = [job(|changes| claim(changes, "one", "a")), job(|changes| claim(changes, "two", "b"))];
        let error = apply_group(&connection, &group).unwrap_err();
        assert!(matches!(error, Error::Engine(_)), "{error:?}");
        assert!(connection.is_autocommit());
        run::command(&connection, "PRAGMA query_only = OFF").unwrap();
        assert_eq!(apply_group(&connection, &group).unwrap(), [Ok(0), Ok(0)]);
    }

    #[test]
    fn when_the_engine_refuses_one_statement_only_its_changeset_fails() {
        let connection = connect::memory().unwrap();
        connection.execute("DROP TABLE user_counts", []).unwrap();
        let group = [
            job(|changes| claim(changes, "one", "a")),
            job(|changes| {
                claim(changes, "two", "b");
                changes.count_users("r_1", 1);
            }),
            job(|changes| claim(changes, "three", "c")),
        ];
        let answers = apply_group(&connection, &group).unwrap();
        assert!(matches!(answers.get(1).unwrap(), Err(CommitError::Store(Error::Engine(_)))), "{answers:?}");
        assert_eq!(owner(&connection, "one").unwrap(), "a");
        assert_eq!(owner(&connection, "two"), None);
        assert_eq!(owner(&connection, "three").unwrap(), "c");
    }

    #[test]
    fn a_connection_that_cannot_roll_back_ends_the_writer() {
        let connection = Arc::new(Mutex::new(connect::memory().unwrap()));
        {
            // A transaction is open, and an interrupted statement never ends: then every other statement is
            // interrupted as well, ROLLBACK included.
            let connection = connection.lock().unwrap();
            run::command(&connection, "BEGIN").unwrap();
            let mut endless = connection
                .prepare("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n")
                .unwrap();
            let mut rows = endless.raw_query();
            rows.next().unwrap();
            connection.get_interrupt_handle().interrupt();
            std::mem::forget(rows);
            std::mem::forget(endless);
        }
        // It cannot be closed either.
        std::mem::forget(Arc::clone(&connection));

        let readers = Readers::of_only_writer(vec![connect::memory().unwrap()]);
        let writer = Writer::new(readers.clone(), connection, Arc::new(Counters::default()), 1, Duration::ZERO);
        let (jobs, received) = mpsc::channel();
        let (mut first, mut second) =
            (job(|changes| claim(changes, "1", "a")), job(|changes| claim(changes, "2", "b")));
        let (answer, first_answer) = oneshot::channel();
        first.answer = answer;
        let (answer, second_answer) = oneshot::channel();
        second.answer = answer;
        jobs.send(first).unwrap();
        jobs.send(second).unwrap();
        let thread = std::thread::spawn(move || writer.run(&received));
        assert!(matches!(first_answer.blocking_recv().unwrap(), Err(CommitError::Store(_))));
        assert_eq!(second_answer.blocking_recv().unwrap(), Err(CommitError::Store(Error::Closed)));
        // It ends by itself: the other end of the channel is still open.
        thread.join().unwrap();
        assert!(jobs.send(job(|_| {})).is_err(), "later ones are refused");
        let keeps_moment = || readers.with(|connection| Ok(!connection.is_autocommit())).unwrap();
        assert_eq!([keeps_moment(), keeps_moment(), keeps_moment()], [false; 3], "nobody is left to end one");
    }
}
