//! The task of each destination: takes what waits for it and hands it over.

use std::{sync::Arc, time::Duration};

use tokio::{sync::mpsc, task::JoinSet, time};
use tokio_util::sync::CancellationToken;

use super::{Destination, NotTaken, Record, count};
use crate::App;

/// Records that are handed over together.
const BATCH: usize = 200;
/// How long a destination may take for them.
const LONGEST: Duration = Duration::from_secs(10);
/// How often the same ones are handed over.
const TRIES: u32 = 3;
/// How long is waited after a failure, and twice as long after the next one.
const PAUSE: Duration = Duration::from_secs(1);
/// How long what waits at the end of the server may take.
const LAST: Duration = Duration::from_secs(5);
/// Why what waits at the end is not tried again.
const ENDS: &str = "the server ends";

/// Hands records over until `shutdown`; what waits then is handed over once more, which takes at most five seconds.
/// Whatever has run before it for the same [`App`] goes on, so run it once per process.
pub async fn run(app: Arc<App>, shutdown: CancellationToken) {
    let mut lanes = JoinSet::new();
    for lane in app.records.lanes() {
        if let Some(waiting) = lane.waiting() {
            let task = Task { app: app.clone(), kind: lane.kind, destination: lane.destination.clone() };
            lanes.spawn(task.work(waiting, shutdown.clone()));
        }
    }
    while lanes.join_next().await.is_some() {}
}

struct Task {
    app: Arc<App>,
    kind: &'static str,
    destination: Arc<dyn Destination>,
}

impl Task {
    async fn work(self, mut waiting: mpsc::Receiver<Record>, shutdown: CancellationToken) {
        let mut records = Vec::new();
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                _ = waiting.recv_many(&mut records, BATCH) => {}
            }
            let batch: Arc<[Record]> = std::mem::take(&mut records).into();
            self.hand_over(&batch, &shutdown).await;
        }
        waiting.close();
        let end = time::Instant::now() + LAST;
        while waiting.recv_many(&mut records, BATCH).await > 0 {
            let batch: Arc<[Record]> = std::mem::take(&mut records).into();
            let outcome = time::timeout_at(end, self.destination.take(batch.clone())).await;
            let outcome = outcome.unwrap_or_else(|_elapsed| Err(NotTaken::all(batch.clone(), ENDS.to_owned())));
            if let Some(left) = self.noted(batch.len(), outcome) {
                self.dropped(left.again.len(), &left.reason);
            }
        }
    }

    /// Tries until these are taken or refused, or have been tried often enough.
    async fn hand_over(&self, batch: &Arc<[Record]>, shutdown: &CancellationToken) {
        let mut batch = batch.clone();
        let mut pause = PAUSE;
        for attempt in 1..=TRIES {
            let taking = time::timeout(LONGEST, self.destination.take(batch.clone()));
            let not_taken = |reason| Err(NotTaken::all(batch.clone(), reason));
            let outcome = tokio::select! {
                outcome = taking => outcome.unwrap_or_else(|_elapsed| not_taken(format!("no answer in {LONGEST:?}"))),
                // At the end of the server there is less time.
                () = ends(shutdown) => not_taken(ENDS.to_owned()),
            };
            let Some(left) = self.noted(batch.len(), outcome) else { return };
            let reason = left.reason;
            batch = left.again;
            if attempt == TRIES || shutdown.is_cancelled() {
                return self.dropped(batch.len(), &reason);
            }
            tracing::debug!(kind = self.kind, attempt, reason, "records not taken; trying again");
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = time::sleep(pause) => {}
            }
            pause *= 2;
        }
    }

    /// Counts what has come of so many records, and answers what may be tried again.
    fn noted(&self, number: usize, outcome: Result<(), NotTaken>) -> Option<NotTaken> {
        let Err(left) = outcome else {
            count(&self.app, self.kind, "delivered", number);
            return None;
        };
        let delivered = number.saturating_sub(left.again.len() + left.refused);
        if delivered > 0 {
            count(&self.app, self.kind, "delivered", delivered);
        }
        if left.refused > 0 {
            self.dropped(left.refused, &left.reason);
        }
        (!left.again.is_empty()).then_some(left)
    }

    fn dropped(&self, records: usize, reason: &str) {
        tracing::warn!(kind = self.kind, records, reason, "records not taken and dropped");
        count(&self.app, self.kind, "failed", records);
    }
}

/// The time that is left when the server ends.
async fn ends(shutdown: &CancellationToken) {
    shutdown.cancelled().await;
    time::sleep(LAST / 2).await;
}
