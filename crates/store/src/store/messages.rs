//! The outbox: messages that wait, and what became of others.
//!
//! Every read here fails when the engine does, or when a row is damaged.

use std::collections::HashSet;

use domain::{Message, MessageState, Timestamp};

use super::{Store, bound};
use crate::{Error, Queue, Stored, compile::Step, read, sql};

impl Store {
    /// A message by id.
    pub async fn message(&self, id: &str) -> Result<Option<Stored<Message>>, Error> {
        self.first(&read::MESSAGE, &[id.into()]).await
    }

    /// At most `limit` pending messages that may be tried at `now`, the longest due first. Whoever wants to send
    /// one leases it first: a save with its version that moves `due_at` to the end of the lease.
    pub async fn due_messages(&self, now: Timestamp, limit: usize) -> Result<Vec<Stored<Message>>, Error> {
        let params = [MessageState::Pending.number().into(), now.milliseconds().into(), bound(limit)];
        self.all(&read::DUE_MESSAGES, &params).await
    }

    /// At most `limit` pending messages that may be tried at `now` and were due at `from` or later, the longest due first,
    /// without those that are `held`, by their ids: their documents are not read.
    pub async fn due_messages_but(
        &self,
        held: &HashSet<String>,
        (from, now): (Timestamp, Timestamp),
        limit: usize,
    ) -> Result<Vec<Stored<Message>>, Error> {
        let most = bound(limit.saturating_add(held.len()));
        let (from, now) = (from.milliseconds().into(), now.milliseconds().into());
        let params = [MessageState::Pending.number().into(), from, now, most];
        let due = self.all(&read::DUE_MESSAGES_FROM, &params).await?;
        let free = due.into_iter().filter(|(id, _, _)| !held.contains(id)).take(limit);
        let decoded = free.map(|(key, doc, version)| match serde_json::from_str(&doc) {
            Ok(value) => Ok(Stored { value, version }),
            Err(_) => Err(Error::Corrupt { table: read::DUE_MESSAGES_FROM.table, key }),
        });
        decoded.collect()
    }

    /// At most `limit` messages of any state, newest first; `before` names the creation time and id of the last one
    /// of the page before.
    pub async fn recent_messages(
        &self,
        before: Option<(Timestamp, &str)>,
        limit: usize,
    ) -> Result<Vec<Stored<Message>>, Error> {
        let (created_at, id) = before.unwrap_or((Timestamp(i64::MAX), ""));
        self.all(&read::RECENT_MESSAGES, &[created_at.milliseconds().into(), id.into(), bound(limit)]).await
    }

    /// How many messages are in a state, and when the oldest of them was written. When there are more than `limit`, it
    /// tells of the `limit` that are due first.
    pub async fn queue(&self, state: MessageState, limit: usize) -> Result<Queue, Error> {
        let found = self.first(&read::QUEUE, &[state.number().into(), bound(limit)]).await?;
        let (messages, oldest) = found.unwrap_or_default();
        let oldest = (messages > 0).then_some(oldest);
        Ok(Queue { messages: u64::try_from(messages).unwrap_or_default(), oldest })
    }

    /// Removes all messages and says how many.
    pub async fn delete_all_messages(&self) -> Result<usize, Error> {
        self.change_any(vec![Step::any(sql::DELETE_ALL_MESSAGES, Vec::new())]).await
    }
}
