//! Clients that never rest and remember every answer, and the audit of what the database holds in the end.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use poolkeeper_store::{Changes, CommitError, Lease, Store};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

use crate::support::{register, sign_up, subs, wait_for};

/// The pool that they sign up in.
const POOL: &str = "load";
/// The row that they count in: its holder is the number.
const COUNTER: &str = "counter";
/// How long a client rests after it was refused.
const REST: Duration = Duration::from_millis(50);

/// What the clients remember.
#[derive(Debug, Default)]
struct Memory {
    /// Sign-ups that were acknowledged.
    kept: BTreeSet<String>,
    /// Sign-ups of which they were told that nothing was kept.
    refused: BTreeSet<String>,
    /// Sign-ups of which nobody knows.
    unknown: BTreeSet<String>,
    /// Numbers that were acknowledged as written, by whichever client.
    counted: BTreeSet<i64>,
    /// When something succeeded last, and the longest time without.
    last: Option<Instant>,
    longest: Duration,
}

/// Clients at work.
pub struct Load {
    memory: Arc<Mutex<Memory>>,
    highest: Arc<AtomicI64>,
    is_over: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
}

/// What they have to tell.
pub struct Report {
    /// Changesets acknowledged.
    pub kept: usize,
    /// Changesets refused with nothing kept, before somebody succeeded again.
    pub refused: usize,
    /// Changesets of which nobody knows.
    pub unknown: usize,
    /// Steps of the counter.
    pub steps: usize,
    /// The longest time in which nobody succeeded.
    pub longest: Duration,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kept, refused, unknown, steps, longest } = self;
        write!(f, "{kept} kept, {refused} refused, {unknown} unknown, {steps} counted; {longest:.1?} without success")
    }
}

impl Load {
    /// Starts clients that sign people up, and one that counts, at each of the servers.
    pub async fn start(stores: &[Store]) -> Self {
        let mut changes = Changes::new();
        changes.insert(step(0));
        stores[0].commit(changes).await.unwrap();
        let mut load =
            Self { memory: Arc::default(), highest: Arc::default(), is_over: Arc::default(), tasks: Vec::new() };
        for (number, store) in stores.iter().enumerate() {
            for client in 0..6 {
                let (memory, is_over) = (load.memory.clone(), load.is_over.clone());
                load.tasks.push(tokio::spawn(sign_people_up(store.clone(), number * 10 + client, memory, is_over)));
            }
            let (memory, is_over) = (load.memory.clone(), load.is_over.clone());
            load.tasks.push(tokio::spawn(count(store.clone(), load.highest.clone(), memory, is_over)));
        }
        load
    }

    /// How much has succeeded so far.
    pub fn successes(&self) -> usize {
        let memory = self.memory.lock().unwrap();
        memory.kept.len() + memory.counted.len()
    }

    /// Waits until so much more has succeeded, and says how long that took.
    pub async fn progress(&self, more: usize) -> Duration {
        let (started, enough) = (Instant::now(), self.successes() + more);
        wait_for("requests succeed", async || (self.successes() >= enough).then_some(())).await;
        started.elapsed()
    }

    /// Stops, and compares what a server reads with what the clients were told.
    pub async fn audit(self, store: &Store) -> Report {
        self.is_over.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        let memory = std::mem::take(&mut *self.memory.lock().unwrap());
        let found: BTreeSet<String> = subs(store, POOL).await.into_iter().collect();
        let lost: Vec<_> = memory.kept.difference(&found).collect();
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
        let ghosts: Vec<_> = found.intersection(&memory.refused).collect();
        assert!(ghosts.is_empty(), "refused and kept: {ghosts:?}");
        assert!(found.difference(&memory.kept).all(|sub| memory.unknown.contains(sub)), "nobody signed them up");
        let counted = found.iter().filter(|sub| is_counted(sub)).count();
        assert_eq!(store.estimated_users(POOL).await.unwrap(), i64::try_from(counted).unwrap(), "done twice");
        let number = number(&store.lease(COUNTER).await.unwrap().unwrap().value);
        let highest = self.highest.load(Ordering::Relaxed);
        assert!(number >= highest, "the counter went back from {highest} to {number}");
        Report {
            kept: memory.kept.len(),
            refused: memory.refused.len(),
            unknown: memory.unknown.len(),
            steps: memory.counted.len(),
            longest: memory.longest,
        }
    }
}

impl Memory {
    fn succeeded(&mut self) {
        let now = Instant::now();
        if let Some(last) = self.last.replace(now) {
            self.longest = self.longest.max(now - last);
        }
    }
}

/// Whether the sign-up was counted. Those that were not may have shared a transaction with others.
fn is_counted(sub: &str) -> bool {
    sub.ends_with('0')
}

fn step(number: i64) -> Lease {
    Lease { name: COUNTER.to_owned(), holder: number.to_string() }
}

fn number(lease: &Lease) -> i64 {
    lease.holder.parse().unwrap()
}

async fn sign_people_up(store: Store, client: usize, memory: Arc<Mutex<Memory>>, is_over: Arc<AtomicBool>) {
    for number in 0.. {
        if is_over.load(Ordering::Relaxed) {
            return;
        }
        let sub = format!("{client}-{number}");
        let changes = if is_counted(&sub) { sign_up(POOL, &sub) } else { register(POOL, &sub) };
        let answer = store.commit(changes).await;
        let was_kept = {
            let mut memory = memory.lock().unwrap();
            match &answer {
                Ok(()) => {
                    memory.succeeded();
                    memory.kept.insert(sub)
                }
                Err(CommitError::Store(error)) if error.is_ambiguous() => !memory.unknown.insert(sub),
                Err(CommitError::Store(_)) => !memory.refused.insert(sub),
                Err(other) => unreachable!("{sub}: {other:?}"),
            }
        };
        if !was_kept {
            sleep(REST).await;
        }
    }
}

/// Counts on from whatever the number is. Whoever reads after a number was acknowledged finds it or a higher one.
async fn count(store: Store, highest: Arc<AtomicI64>, memory: Arc<Mutex<Memory>>, is_over: Arc<AtomicBool>) {
    while !is_over.load(Ordering::Relaxed) {
        let known = highest.load(Ordering::SeqCst);
        let Ok(found) = store.lease(COUNTER).await else {
            sleep(REST).await;
            continue;
        };
        let found = found.unwrap();
        assert!(number(&found) >= known, "{known} was acknowledged, and then {} read", number(&found));
        let next = number(&found) + 1;
        let mut changes = Changes::new();
        changes.replace(&found, step(next));
        match store.commit(changes).await {
            Ok(()) => {
                highest.fetch_max(next, Ordering::SeqCst);
                let mut memory = memory.lock().unwrap();
                memory.succeeded();
                assert!(memory.counted.insert(next), "{next} was acknowledged twice");
            }
            Err(CommitError::Conflict) => {}
            Err(CommitError::Store(_)) => sleep(REST).await,
            Err(other) => unreachable!("{next}: {other:?}"),
        }
    }
}
