//! The worker that hands messages over and keeps the outbox from growing (DESIGN: effects are jobs under a lease).
//!
//! Take under a lease → hand over → settle. Every step is a commit that names the version it was decided on, so that
//! any number of nodes can work on one outbox. When a process dies, its lease runs out and another one tries again.

use std::{sync::Arc, time::Duration};

use crypto::seal::Purpose;
use domain::{Message, MessageState, message::MessageContent, time};
use store::{Changes, CommitError, Key, Stored};
use tokio::{task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{Sender, backoff, inbox, outbox::MOST_PENDING, smtp::Failure};
use crate::App;

/// Messages in the sender's hands at the same time.
const AT_ONCE: usize = 8;
/// How long nobody else may take a message that was taken, in milliseconds.
const LEASE: i64 = time::MINUTE;
/// How long a message is tried, in milliseconds from when it was written.
const LIFETIME: i64 = time::DAY;
/// The longest time until due messages are looked for again.
const POLL: Duration = Duration::from_secs(1);
/// From how many messages on their way they are counted again, long before new ones are refused: what other servers
/// hand over of what this one has written is not known here.
const COUNT_FROM: usize = MOST_PENDING / 2;
/// How long such a count holds.
const COUNT_AGAIN: Duration = Duration::from_secs(30);
/// How often the outcome of a try is written again when the store fails.
const SETTLING_TRIES: u32 = 5;

/// Hands messages over until `shutdown`; what is in the sender's hands then is finished first, which takes at most
/// 45 seconds. Run it once per process.
pub async fn run(app: Arc<App>, shutdown: CancellationToken) {
    let mut in_hand = JoinSet::new();
    let mut last_count: Option<Instant> = None;
    while !shutdown.is_cancelled() {
        match take(&app, AT_ONCE.saturating_sub(in_hand.len())).await {
            Ok(taken) => {
                for message in taken {
                    let app = app.clone();
                    in_hand.spawn(async move { deliver(&app, message).await });
                }
            }
            Err(error) => tracing::warn!(%error, "messages cannot be taken from the outbox; trying again"),
        }
        if let Err(error) = look_after(&app, &mut last_count).await {
            tracing::warn!(%error, "the outbox cannot be trimmed; trying again");
            last_count = None;
        }
        tokio::select! {
            () = shutdown.cancelled() => {}
            // One is out of hand, so another one can be taken.
            Some(_) = in_hand.join_next(), if !in_hand.is_empty() => {}
            () = app.outbox.wake.notified(), if in_hand.len() < AT_ONCE => {}
            () = tokio::time::sleep(POLL) => {}
        }
    }
    while in_hand.join_next().await.is_some() {}
}

/// Counts the messages after a start, and again, but not all the time, while many seem to be on their way; trims
/// the outbox when it is full.
async fn look_after(app: &Arc<App>, last_count: &mut Option<Instant>) -> Result<(), store::Error> {
    let is_due = match last_count {
        None => true,
        Some(moment) => app.outbox.book().pending >= COUNT_FROM && moment.elapsed() >= COUNT_AGAIN,
    };
    if is_due {
        inbox::count(app).await?;
        *last_count = Some(Instant::now());
    }
    if inbox::is_full(&app.outbox) { inbox::trim(app).await } else { Ok(()) }
}

/// Takes at most `limit` due messages: nobody else may until the lease ends.
async fn take(app: &App, limit: usize) -> Result<Vec<Stored<Message>>, store::Error> {
    if limit == 0 {
        return Ok(Vec::new());
    }
    let now = app.clock.now();
    let due = app.store.due_messages(now, limit).await?;
    let leased: Vec<(i64, Message)> = due
        .into_iter()
        .map(|Stored { value: message, version }| {
            let tries = message.tries.saturating_add(1);
            (version, Message { due_at: now.plus(LEASE), tries, ..message })
        })
        .collect();
    match lease(app, &leased).await {
        Ok(()) => return Ok(leased.into_iter().map(held).collect()),
        Err(CommitError::Store(error)) => return Err(error),
        // Another node was faster with at least one of them.
        Err(CommitError::Conflict | CommitError::Taken(_)) => {}
    }
    let mut taken = Vec::new();
    for one in leased {
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

async fn deliver(app: &App, message: Stored<Message>) {
    let outcome = hand_over(app, &message).await;
    let (id, tries) = (message.id.clone(), message.tries);
    match &outcome {
        Ok(()) => {
            app.metrics.messages_sent.inc();
            tracing::debug!(%id, tries, "message handed over");
        }
        Err(failure) => {
            app.metrics.messages_failed.inc();
            tracing::warn!(%id, tries, reason = %failure.reason, permanent = failure.is_permanent, "message not handed over");
        }
    }
    settle(app, &message, outcome).await;
}

async fn hand_over(app: &App, message: &Message) -> Result<(), Failure> {
    let sender = match &app.outbox.sender {
        Sender::Smtp(sender) => sender,
        // Left over from a time with another sender: the inbox shows it from now on.
        Sender::Inbox => return Ok(()),
        // Left over as well: it waits for a sender as it would for a mail server that is down.
        Sender::Nobody => return Err(Failure { is_permanent: false, reason: "no sender is configured".to_owned() }),
    };
    if message.medium != domain::Medium::Email {
        return Err(Failure { is_permanent: true, reason: "no sender for text messages is configured".to_owned() });
    }
    let content = open(app, message)
        .map_err(|error| Failure { is_permanent: true, reason: format!("the message cannot be opened: {error}") })?;
    sender.send(message, &content).await
}

/// A message's content.
pub fn open(app: &App, message: &Message) -> Result<MessageContent, Box<dyn std::error::Error + Send + Sync>> {
    let plaintext = app.ring.open(Purpose::Message, &message.id, &message.content)?;
    // The parser's own words could repeat a piece of the content.
    serde_json::from_slice(&plaintext).map_err(|_| "its content is not what this version writes".into())
}

/// Writes down how a try ended. When that fails for good, the lease runs out and the message is handed over again.
async fn settle(app: &App, message: &Stored<Message>, outcome: Result<(), Failure>) {
    let (changes, state) = decide(app, message, outcome);
    for attempt in 1..=SETTLING_TRIES {
        match app.store.commit(changes.clone()).await {
            Ok(()) => return app.outbox.settled(message.created_at, state),
            Err(CommitError::Conflict | CommitError::Taken(_)) => {
                tracing::debug!(id = %message.id, "the message was changed or removed while it was handed over");
                return;
            }
            Err(CommitError::Store(error)) => {
                tracing::warn!(id = %message.id, attempt, %error, "the outcome of a try cannot be written");
                tokio::time::sleep(Duration::from_millis(200) * attempt).await;
            }
        }
    }
}

/// What a try comes to, and the message's state then; `None` when it goes.
fn decide(app: &App, message: &Stored<Message>, outcome: Result<(), Failure>) -> (Changes, Option<MessageState>) {
    let now = app.clock.now();
    let mut changes = Changes::new();
    let mut after = message.value.clone();
    match outcome {
        Ok(()) if !app.settings.keep_sent_messages => {
            changes.delete(Key::Message { id: after.id }, message.version);
            return (changes, None);
        }
        Ok(()) => {
            after.state = MessageState::Sent;
            after.due_at = now;
            after.last_error = None;
        }
        Err(failure) => {
            let is_over = failure.is_permanent || now.since(after.created_at) >= LIFETIME;
            if is_over {
                after.state = MessageState::Dead;
                after.due_at = now;
            } else {
                after.due_at = now.plus(backoff::wait(&*app.entropy, after.tries));
            }
            after.last_error = Some(failure.reason);
        }
    }
    let state = after.state;
    changes.save(after, Some(message.version));
    (changes, Some(state))
}

#[cfg(test)]
mod tests;
