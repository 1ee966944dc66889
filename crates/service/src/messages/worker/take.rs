//! Taking due messages from the outbox, and giving back what was not tried.
//!
//! Where other servers work on the same data, whoever takes a message says so in its row: the lease. Where none does,
//! it is kept in memory (`holds.rs`) and costs no write.

use domain::{Message, time};
use store::{Changes, CommitError, Stored};
use tokio::time::Instant;

use super::LEASE;
use crate::{App, messages::backoff};

/// Messages taken at once: one commit takes all of them.
pub(super) const BATCH: usize = 64;
/// How often messages are taken together before they are taken one by one, when other nodes are as fast.
const TAKING_TRIES: u32 = 3;
/// The longest that a message is put off because its sender is given no more, in milliseconds.
const LONGEST_REST: i64 = time::MINUTE;

/// A batch of due messages that were taken.
#[derive(Default)]
pub(super) struct Batch {
    /// Those that may go now.
    pub admitted: Vec<Stored<Message>>,
    /// Whether more may be due.
    pub may_be_more: bool,
}

/// Takes a batch of due messages, and puts those off again that may not go now.
pub(super) async fn take_batch(app: &App) -> Batch {
    match take(app, BATCH).await {
        Ok(taken) => Batch { may_be_more: !taken.is_empty(), admitted: admitted(app, taken).await },
        Err(error) => {
            tracing::warn!(%error, "messages cannot be taken from the outbox; trying again");
            Batch::default()
        }
    }
}

/// Those that may go now. The others are put off, each by another while, so that they come back apart.
pub(super) async fn admitted(app: &App, taken: Vec<Stored<Message>>) -> Vec<Stored<Message>> {
    let now = Instant::now();
    let is_admitted = |message: &Stored<Message>| app.outbox.lane(message.medium).pace().admit(now).is_ok();
    let (admitted, others) = taken.into_iter().partition(is_admitted);
    let pending = app.outbox.book().pending;
    write_back(app, others, |message| {
        let all = app.outbox.lane(message.medium).pace().time_of(pending).clamp(time::SECOND, LONGEST_REST);
        backoff::below(&*app.entropy, all)
    })
    .await;
    admitted
}

/// Lets messages go that were not tried: they are due again at once. When that cannot be written, the leases run out.
pub(super) async fn let_go(app: &App, messages: Vec<Stored<Message>>) {
    if app.store.is_shared() {
        write_back(app, messages, |_| 0).await;
    } else {
        messages.iter().for_each(|message| app.outbox.holds.release(&message.id));
    }
}

/// The same of those whose turn did not come in time, behind the others that are due: a sender that is stuck must not
/// keep those from being taken that go to another one.
pub(super) async fn line_up_again(app: &App, messages: Vec<Stored<Message>>) {
    write_back(app, messages, |_| 0).await;
}

/// Writes that messages were not tried and are due again after so many milliseconds, and lets them go.
async fn write_back(app: &App, messages: Vec<Stored<Message>>, wait: impl Fn(&Message) -> i64) {
    if messages.is_empty() {
        return;
    }
    let ids: Vec<String> = messages.iter().map(|message| message.id.clone()).collect();
    let mut changes = Changes::new();
    for Stored { value, version } in messages {
        let due_at = app.clock.now().plus(wait(&value));
        let tries = value.tries.saturating_sub(1);
        changes.save(Message { due_at, tries, ..value }, Some(version));
    }
    if let Err(error) = app.store.commit(changes).await {
        tracing::debug!(%error, "messages that were not tried keep their lease");
        return;
    }
    ids.iter().for_each(|id| app.outbox.holds.release(id));
}

/// Takes at most `limit` due messages: nobody else may until the lease ends. Each counts one more try.
pub(super) async fn take(app: &App, limit: usize) -> Result<Vec<Stored<Message>>, store::Error> {
    if app.store.is_shared() {
        return take_under_leases(app, limit).await;
    }
    let now = app.clock.now();
    let mut taken = app.outbox.holds.take(&app.store, (now, now.plus(LEASE)), limit).await?;
    taken.iter_mut().for_each(|message| message.value.tries = message.tries.saturating_add(1));
    Ok(taken)
}

/// The same with the leases in the rows. Takes fewer where other nodes are as fast.
pub(super) async fn take_under_leases(app: &App, limit: usize) -> Result<Vec<Stored<Message>>, store::Error> {
    let mut limit = limit;
    for _ in 0..TAKING_TRIES {
        let leased = due(app, limit).await?;
        match lease(app, &leased).await {
            Ok(()) => return Ok(leased.into_iter().map(held).collect()),
            Err(CommitError::Store(error)) => return Err(error),
            // Another node was faster with at least one of them.
            Err(CommitError::Conflict | CommitError::Taken(_)) => limit = (limit / 4).max(1),
        }
    }
    let mut taken = Vec::new();
    for one in due(app, limit).await? {
        match lease(app, std::slice::from_ref(&one)).await {
            Ok(()) => taken.push(held(one)),
            Err(CommitError::Conflict | CommitError::Taken(_)) => {}
            // Those that were taken are delivered; this one stays due.
            Err(CommitError::Store(error)) if taken.is_empty() => return Err(error),
            Err(CommitError::Store(_)) => break,
        }
    }
    Ok(taken)
}

/// At most `limit` due messages as they are once they are taken.
async fn due(app: &App, limit: usize) -> Result<Vec<(i64, Message)>, store::Error> {
    let now = app.clock.now();
    let due = app.store.due_messages(now, limit).await?;
    let leased = due.into_iter().map(|Stored { value: message, version }| {
        let tries = message.tries.saturating_add(1);
        (version, Message { due_at: now.plus(LEASE), tries, ..message })
    });
    Ok(leased.collect())
}

async fn lease(app: &App, messages: &[(i64, Message)]) -> Result<(), CommitError> {
    if messages.is_empty() {
        return Ok(());
    }
    let mut changes = Changes::new();
    for (version, message) in messages {
        changes.save(message.clone(), Some(*version));
    }
    app.store.commit(changes).await
}

/// The row as it is after a save.
fn held((version, value): (i64, Message)) -> Stored<Message> {
    Stored { value, version: version + 1 }
}
