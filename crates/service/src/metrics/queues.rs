//! How full the outbox is.

use std::time::Duration;

use domain::MessageState;
use store::{Queue, Store};
use tokio::{sync::Mutex, time::Instant};

/// How often the outbox is read at most.
const EVERY: Duration = Duration::from_secs(10);
/// How long reading it may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many messages of a state are looked at.
const MOST: usize = 10_000;

/// What was found in the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Messages on their way.
    pub pending: Queue,
    /// Messages that were given up.
    pub dead: Queue,
}

/// The last look.
#[derive(Default)]
pub struct Queues(Mutex<Option<(Instant, Option<Waiting>)>>);

impl Queues {
    /// What is in the outbox, or was a moment ago. `None` when the database did not answer.
    pub async fn read(&self, store: &Store) -> Option<Waiting> {
        // Who comes while another one reads waits here, and takes what that one has found.
        let mut last = self.0.lock().await;
        if let Some((at, found)) = *last
            && at.elapsed() < EVERY
        {
            return found;
        }
        let reading = async {
            let pending = store.queue(MessageState::Pending, MOST).await?;
            Ok::<_, store::Error>(Waiting { pending, dead: store.queue(MessageState::Dead, MOST).await? })
        };
        let found = match tokio::time::timeout(PATIENCE, reading).await {
            Ok(Ok(found)) => Some(found),
            Ok(Err(error)) => {
                tracing::debug!(%error, "the outbox cannot be read for the metrics");
                None
            }
            Err(_elapsed) => None,
        };
        *last = Some((Instant::now(), found));
        found
    }
}
