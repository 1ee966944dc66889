//! Which messages this server has in hand, where no other server works on the same data: in memory, so that taking a
//! message writes nothing. A server that dies forgets them with everything else, and the next one takes them again.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use domain::Message;
use store::{Store, Stored};
use tokio::time::Instant;
use wire::Timestamp;

/// How long what is due may be looked for from where the last look ended.
const FROM_THERE: Duration = Duration::from_secs(1);

/// Messages in hand.
#[derive(Default)]
pub(super) struct Holds {
    /// By their ids, with when they may be taken again if nobody has let them go.
    until: Mutex<HashMap<String, Timestamp>>,
    /// Where the next look begins; whoever has it is the one who takes some.
    last: tokio::sync::Mutex<Last>,
}

/// Where the last look ended.
struct Last {
    /// When the last message that it took was due, if there may be more behind it.
    due_at: Option<Timestamp>,
    /// The last look from the beginning.
    whole: Instant,
}

impl Default for Last {
    fn default() -> Self {
        Self { due_at: None, whole: Instant::now() }
    }
}

impl Holds {
    /// Takes at most `limit` messages that are due and that nobody holds, until then.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn take(
        &self,
        store: &Store,
        (now, until): (Timestamp, Timestamp),
        limit: usize,
    ) -> Result<Vec<Stored<Message>>, store::Error> {
        let mut last = self.last.lock().await;
        // What is in hand before the rows are read: a message that is let go afterwards is still read as it was.
        let held = self.held(now);
        // A long queue begins with those in hand, which are passed over; but not for long, because one that is written
        // late may have been due before them.
        let from = last.due_at.take().filter(|_| last.whole.elapsed() < FROM_THERE);
        let mut due = match from {
            Some(from) => store.due_messages_but(&held, (from, now), limit).await?,
            None => Vec::new(),
        };
        if due.is_empty() {
            last.whole = Instant::now();
            due = store.due_messages_but(&held, (Timestamp(i64::MIN), now), limit).await?;
        }
        last.due_at = due.last().filter(|_| due.len() == limit).map(|message| message.due_at);
        self.until().extend(due.iter().map(|message| (message.id.clone(), until)));
        Ok(due)
    }

    /// Lets a message go: what has become of it is written.
    pub fn release(&self, id: &str) {
        self.until().remove(id);
    }

    /// Those in hand; those whose time is up no longer are.
    fn held(&self, now: Timestamp) -> HashSet<String> {
        let mut until = self.until();
        until.retain(|_, until| *until > now);
        until.keys().cloned().collect()
    }

    fn until(&self) -> MutexGuard<'_, HashMap<String, Timestamp>> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
