//! Records that leave the server: events for analytics ([`analytics`]) and the logs of pools ([`notifications`];
//! triggers-security.md §17, §18).
//!
//! They are told on a best-effort basis, and nobody waits for them. Every destination has a queue in memory and a task
//! of its own ([`run`]). What does not fit into the queue is dropped; what a destination refuses, or does not take after
//! three tries, is dropped, too; both are counted. A destination that hangs therefore costs neither a request nor another
//! destination anything.

pub mod activity;
pub mod analytics;
pub mod notifications;
mod worker;

use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::Value;
use tokio::sync::mpsc;
use wire::{LogLevel, Timestamp};

pub use self::worker::run;
use crate::{App, metrics::RecordLabels};

/// Records that may wait for one destination: some ten or twenty megabytes.
pub const LONGEST_QUEUE: usize = 10_000;

/// What is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// What it is about, such as `_userauth.sign_in`.
    pub name: &'static str,
    /// The pool that it is about.
    pub pool_id: String,
    /// Where the pool wants it: the ARN of a log group, a stream or a bucket. None for events.
    pub arn: Option<String>,
    /// When it happened.
    pub moment: Timestamp,
    /// How bad it is.
    pub level: LogLevel,
    /// What is told: an object.
    pub body: Value,
}

/// Where records go.
pub trait Destination: fmt::Debug + Send + Sync {
    /// Hands these records over. Dropping the future gives it up.
    ///
    /// # Errors
    /// Which of them were not taken.
    fn take(&self, records: Arc<[Record]>) -> Taking;
}

/// Records on their way to a destination.
pub type Taking = Pin<Box<dyn Future<Output = Result<(), NotTaken>> + Send>>;

/// What a destination has not taken.
#[derive(Clone, Debug, PartialEq)]
pub struct NotTaken {
    /// Why, for the log, without anything secret.
    pub reason: String,
    /// Those that may be taken at another time.
    pub again: Arc<[Record]>,
    /// How many others were refused for good.
    pub refused: usize,
}

impl NotTaken {
    /// None of these was taken, and all of them may be at another time.
    #[must_use]
    pub const fn all(records: Arc<[Record]>, reason: String) -> Self {
        Self { reason, again: records, refused: 0 }
    }
}

/// Which ARNs of log groups, streams and buckets a destination stands for.
pub type Matches = Box<dyn Fn(&str) -> bool + Send + Sync>;

/// All destinations, and what waits for them.
#[derive(Default)]
pub struct Records {
    analytics: Option<Lane>,
    logs: Vec<(Matches, Lane)>,
    analytics_warned: AtomicBool,
    log_warned: AtomicBool,
}

/// A destination and its queue.
pub(crate) struct Lane {
    /// Value of the metric's label `kind`.
    kind: &'static str,
    destination: Arc<dyn Destination>,
    queue: mpsc::Sender<Record>,
    /// The queue's other end, until somebody works on it.
    waiting: Mutex<Option<mpsc::Receiver<Record>>>,
}

impl Lane {
    fn new(kind: &'static str, destination: Arc<dyn Destination>) -> Self {
        let (queue, waiting) = mpsc::channel(LONGEST_QUEUE);
        Self { kind, destination, queue, waiting: Mutex::new(Some(waiting)) }
    }
}

/// Label of events for analytics.
const ANALYTICS: &str = "analytics";
/// Label of the logs of pools.
const LOG: &str = "log";

impl Records {
    /// Events for analytics go to `analytics`; the logs of pools to the first of `logs` that stands for the ARN which
    /// the pool names.
    #[must_use]
    pub fn new(analytics: Option<Arc<dyn Destination>>, logs: Vec<(Matches, Arc<dyn Destination>)>) -> Self {
        let lane = |(matches, destination)| (matches, Lane::new(LOG, destination));
        Self {
            analytics: analytics.map(|destination| Lane::new(ANALYTICS, destination)),
            logs: logs.into_iter().map(lane).collect(),
            ..Self::default()
        }
    }

    /// Whether events for analytics go anywhere.
    #[must_use]
    pub const fn has_analytics(&self) -> bool {
        self.analytics.is_some()
    }

    /// Whether what a pool logs to this ARN goes anywhere.
    #[must_use]
    pub fn knows(&self, arn: &str) -> bool {
        self.log(arn).is_some()
    }

    fn log(&self, arn: &str) -> Option<&Lane> {
        self.logs.iter().find(|(matches, _)| matches(arn)).map(|(_, lane)| lane)
    }

    fn lanes(&self) -> impl Iterator<Item = &Lane> {
        self.analytics.iter().chain(self.logs.iter().map(|(_, lane)| lane))
    }
}

/// Tells `record` to whoever is told of events.
fn tell_analytics(app: &App, record: Record) {
    let nowhere =
        "clients have an AnalyticsConfiguration, but the configuration has no [analytics]: their events are dropped";
    tell(app, app.records.analytics.as_ref(), ANALYTICS, record, (nowhere, &app.records.analytics_warned));
}

/// Tells `record` to whoever stands for the ARN.
fn tell_log(app: &App, arn: &str, record: Record) {
    let nowhere = "pools deliver logs to ARNs that no [[log_destinations]] stands for: these logs are dropped";
    let record = Record { arn: Some(arn.to_owned()), ..record };
    tell(app, app.records.log(arn), LOG, record, (nowhere, &app.records.log_warned));
}

fn tell(
    app: &App,
    lane: Option<&Lane>,
    kind: &'static str,
    record: Record,
    (nowhere, has_warned): (&'static str, &AtomicBool),
) {
    let Some(lane) = lane else {
        // Once: it would be said at every sign-in.
        if !has_warned.swap(true, Ordering::Relaxed) {
            tracing::warn!("{nowhere}. docs/analytics-and-logs.md says how to set it up");
        }
        return count(app, kind, "no_destination", 1);
    };
    if let Err(refused) = lane.queue.try_send(record) {
        let outcome = match refused {
            mpsc::error::TrySendError::Full(_) => "full",
            // The server ends.
            mpsc::error::TrySendError::Closed(_) => "failed",
        };
        count(app, kind, outcome, 1);
    }
}

/// Counts records by what has come of them.
fn count(app: &App, kind: &'static str, outcome: &'static str, number: usize) {
    let number = u64::try_from(number).unwrap_or(u64::MAX);
    app.metrics.records.get_or_create(&RecordLabels { kind, outcome }).inc_by(number);
}

impl Lane {
    /// The queue's other end, the first time.
    fn waiting(&self) -> Option<mpsc::Receiver<Record>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.lanes().map(|lane| &lane.destination)).finish()
    }
}

#[cfg(test)]
mod tests;
