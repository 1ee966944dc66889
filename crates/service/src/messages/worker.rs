//! The worker that hands messages over and keeps the outbox from growing.
//!
//! Take under a lease → hand over → settle. Every step is a commit that names the version it was decided on, so that
//! any number of nodes can work on one outbox. When a process dies, its lease runs out and another one tries again.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use domain::{
    Message, MessagePurpose, MessageState,
    message::{CustomSender, MessageContent},
    time,
};
use store::{Changes, CommitError, Key, Stored};
use tokio::{
    task::{JoinError, JoinSet},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{
    Failure, Outgoing, Sender, backoff, html, inbox, outbox::MOST_PENDING, rows::open, transport::LONGEST_TRY,
};
use crate::{App, records::notifications, triggers::custom_sender};

/// Messages in the senders' hands at the same time.
const AT_ONCE: usize = 16;
/// Messages taken at once: one commit takes all of them.
const BATCH: usize = 128;
/// When so few of them are left, the next ones are taken.
const REFILL: usize = BATCH / 2;
/// How often messages are taken together before they are taken one by one, when other nodes are as fast.
const TAKING_TRIES: u32 = 3;
/// How long nobody else may take a message that was taken, in milliseconds.
const LEASE: i64 = time::MINUTE;
/// How long a message may wait for its turn after it was taken, so that its lease outlasts the try.
const LONGEST_TURN: Duration = Duration::from_secs(60).saturating_sub(LONGEST_TRY);
/// The longest that a message is put off because its sender is given no more, in milliseconds.
const LONGEST_REST: i64 = time::MINUTE;
/// How long a message is tried, in milliseconds from when it was written.
const LIFETIME: i64 = time::DAY;
/// How often a function is called that takes messages, until the message is given up.
const MOST_CALLS: u32 = 3;
/// The longest time until due messages are looked for again.
const POLL: Duration = Duration::from_secs(1);
/// From how many messages on their way they are counted again, long before new ones are refused: what other servers
/// hand over of what this one has written is not known here.
const COUNT_FROM: usize = MOST_PENDING / 2;
/// How long such a count holds.
const COUNT_AGAIN: Duration = Duration::from_secs(30);
/// How often the outcome of a try is written again when the store fails.
const SETTLING_TRIES: u32 = 5;

/// A message that was tried.
struct Tried {
    message: Stored<Message>,
    outcome: Result<(), Failure>,
}

/// A batch of due messages that were taken.
#[derive(Default)]
struct Batch {
    /// Those that may go now.
    admitted: Vec<Stored<Message>>,
    /// Whether more may be due.
    may_be_more: bool,
}

/// What the worker holds.
#[derive(Default)]
struct Hands {
    /// Being taken: at most one batch at a time.
    taking: JoinSet<Batch>,
    /// Taken, and waiting for its turn, with when it was taken.
    waiting: VecDeque<(Stored<Message>, Instant)>,
    /// In the senders' hands.
    trying: JoinSet<Tried>,
    /// Tried, and not written down yet.
    tried: Vec<Tried>,
    /// Being written down.
    settling: JoinSet<()>,
}

/// Hands messages over until `shutdown`; what is in the senders' hands then is finished first, which takes at most
/// 45 seconds. Run it once per process.
pub async fn run(app: Arc<App>, shutdown: CancellationToken) {
    // Apart: removing thousands of old messages must not hold up those that are on their way.
    tokio::join!(hand_over_all(&app, &shutdown), tend(&app, &shutdown));
}

/// Keeps the outbox from growing until `shutdown`.
async fn tend(app: &Arc<App>, shutdown: &CancellationToken) {
    let mut last_count = None;
    while !shutdown.is_cancelled() {
        if let Err(error) = look_after(app, &mut last_count).await {
            tracing::warn!(%error, "the outbox cannot be trimmed; trying again");
            last_count = None;
        }
        app.outbox.rest();
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = tokio::time::sleep(POLL) => {}
        }
    }
}

async fn hand_over_all(app: &Arc<App>, shutdown: &CancellationToken) {
    let mut hands = Hands::default();
    let mut may_be_more = true;
    while !shutdown.is_cancelled() {
        // The next batch is taken while the one before it is handed over.
        if may_be_more && hands.taking.is_empty() && hands.waiting.len() < REFILL {
            may_be_more = false;
            let app = app.clone();
            hands.taking.spawn(async move { take_batch(&app).await });
        }
        hands.go_on(app).await;
        tokio::select! {
            () = shutdown.cancelled() => {}
            Some(taken) = hands.taking.join_next(), if !hands.taking.is_empty() => {
                // Of what a task that panicked has taken, the leases run out.
                let batch = taken.unwrap_or_default();
                may_be_more |= batch.may_be_more;
                hands.put_in_line(batch);
            }
            Some(ended) = hands.trying.join_next(), if !hands.trying.is_empty() => hands.take_back(ended),
            Some(_) = hands.settling.join_next(), if !hands.settling.is_empty() => {}
            () = app.outbox.wake.notified() => may_be_more = true,
            () = tokio::time::sleep(POLL) => may_be_more = true,
        }
    }
    while let Some(taken) = hands.taking.join_next().await {
        hands.put_in_line(taken.unwrap_or_default());
    }
    let waiting = hands.waiting.drain(..).map(|(message, _)| message).collect();
    give_back(app, waiting, |_| 0).await;
    settle_all(app, std::mem::take(&mut hands.tried)).await;
    while let Some(ended) = hands.trying.join_next().await {
        hands.take_back(ended);
        // Each at once: the process may not live until the last one is through.
        settle_all(app, std::mem::take(&mut hands.tried)).await;
    }
    while hands.settling.join_next().await.is_some() {}
}

impl Hands {
    /// Gives senders what they can take, and writes down what they have said: everything since the last time in one
    /// commit.
    async fn go_on(&mut self, app: &Arc<App>) {
        let is_late = |(_, taken): &(Stored<Message>, Instant)| taken.elapsed() > LONGEST_TURN;
        if self.waiting.front().is_some_and(is_late) {
            let late = self.waiting.drain(..).map(|(message, _)| message).collect();
            give_back(app, late, |_| 0).await;
        }
        while self.trying.len() < AT_ONCE
            && let Some((message, _)) = self.waiting.pop_front()
        {
            let app = app.clone();
            self.trying.spawn(async move { deliver(&app, message).await });
        }
        if self.settling.is_empty() && !self.tried.is_empty() {
            let (app, tried) = (app.clone(), std::mem::take(&mut self.tried));
            self.settling.spawn(async move { settle_all(&app, tried).await });
        }
    }

    fn put_in_line(&mut self, batch: Batch) {
        let now = Instant::now();
        self.waiting.extend(batch.admitted.into_iter().map(|message| (message, now)));
    }

    /// Takes back what has been tried, and whatever else has.
    fn take_back(&mut self, ended: Result<Tried, JoinError>) {
        // Of a try that panicked, the lease runs out.
        self.tried.extend(ended);
        while let Some(ended) = self.trying.try_join_next() {
            self.tried.extend(ended);
        }
    }
}

/// Takes a batch of due messages, and puts those off again that may not go now.
async fn take_batch(app: &App) -> Batch {
    match take(app, BATCH).await {
        Ok(taken) => Batch { may_be_more: !taken.is_empty(), admitted: admitted(app, taken).await },
        Err(error) => {
            tracing::warn!(%error, "messages cannot be taken from the outbox; trying again");
            Batch::default()
        }
    }
}

/// Those that may go now. The others are put off, each by another while, so that they come back apart.
async fn admitted(app: &App, taken: Vec<Stored<Message>>) -> Vec<Stored<Message>> {
    let now = Instant::now();
    let is_admitted = |message: &Stored<Message>| app.outbox.lane(message.medium).pace().admit(now).is_ok();
    let (admitted, others) = taken.into_iter().partition(is_admitted);
    let pending = app.outbox.book().pending;
    give_back(app, others, |message| {
        let all = app.outbox.lane(message.medium).pace().time_of(pending).clamp(time::SECOND, LONGEST_REST);
        backoff::below(&*app.entropy, all)
    })
    .await;
    admitted
}

/// Ends the leases on messages that were not tried; they are due again after so many milliseconds. When that fails,
/// the leases run out.
async fn give_back(app: &App, messages: Vec<Stored<Message>>, wait: impl Fn(&Message) -> i64) {
    if messages.is_empty() {
        return;
    }
    let mut changes = Changes::new();
    for Stored { value, version } in messages {
        let due_at = app.clock.now().plus(wait(&value));
        let tries = value.tries.saturating_sub(1);
        changes.save(Message { due_at, tries, ..value }, Some(version));
    }
    if let Err(error) = app.store.commit(changes).await {
        tracing::debug!(%error, "messages that were not tried keep their lease");
    }
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

/// Takes at most `limit` due messages: nobody else may until the lease ends. Takes fewer where other nodes are as fast.
async fn take(app: &App, limit: usize) -> Result<Vec<Stored<Message>>, store::Error> {
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

/// Tries a message.
async fn deliver(app: &App, message: Stored<Message>) -> Tried {
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
    Tried { message, outcome }
}

async fn hand_over(app: &App, message: &Message) -> Result<(), Failure> {
    let content = open(&app.ring, message)
        .map_err(|error| Failure { is_permanent: true, reason: format!("the message cannot be opened: {error}") })?;
    if let Some(function) = &content.custom_sender {
        return call(app, message, &content, function).await;
    }
    let sender = &app.outbox.lane(message.medium).sender;
    if let Some(transport) = sender.transport() {
        return transport.send(Outgoing { message, content: &content }).await;
    }
    match sender {
        // Left over from a time with another sender: the inbox shows it from now on.
        Sender::Inbox => Ok(()),
        // Left over as well: it waits for a sender as it would for a mail server that is down.
        _ => Err(Failure { is_permanent: false, reason: "no sender is configured".to_owned() }),
    }
}

/// Calls the function that takes a message in place of a sender. What is told there as the code of an invitation is
/// HTML, as the service has it.
async fn call(app: &App, message: &Message, content: &MessageContent, function: &CustomSender) -> Result<(), Failure> {
    let is_password = message.purpose == MessagePurpose::AdminCreateUser;
    let code = if is_password { html::escape(&content.code) } else { content.code.clone() };
    let called = custom_sender::deliver(app, message, content, function, code).await;
    called.map_err(|reason| Failure {
        is_permanent: message.tries >= MOST_CALLS,
        reason: without_secrets(reason, content),
    })
}

/// What a function says of its failure, without the code and the address that it may have repeated: operators read it.
fn without_secrets(mut reason: String, content: &MessageContent) -> String {
    for secret in [&content.code, &html::escape(&content.code), &content.destination] {
        if !secret.is_empty() {
            reason = reason.replace(secret, "[...]");
        }
    }
    reason
}

/// Writes down how tries ended: all in one commit, or each for itself when one of the messages was changed meanwhile
/// or the store fails.
async fn settle_all(app: &App, tried: Vec<Tried>) {
    if tried.len() > 1 {
        let mut changes = Changes::new();
        let decided: Vec<_> =
            tried.iter().map(|one| decide(app, &one.message, one.outcome.clone(), &mut changes)).collect();
        if app.store.commit(changes).await.is_ok() {
            for (one, state) in tried.iter().zip(decided) {
                settled(app, &one.message, state).await;
            }
            return;
        }
    }
    for Tried { message, outcome } in tried {
        settle(app, &message, outcome).await;
    }
}

/// Writes down how a try ended. When that fails for good, the lease runs out and the message is handed over again.
async fn settle(app: &App, message: &Stored<Message>, outcome: Result<(), Failure>) {
    let mut changes = Changes::new();
    let state = decide(app, message, outcome, &mut changes);
    for attempt in 1..=SETTLING_TRIES {
        match app.store.commit(changes.clone()).await {
            Ok(()) => return settled(app, message, state).await,
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

/// The outcome of a try is written: whoever reads the pool's log is told of a message that was given up.
async fn settled(app: &App, message: &Message, state: Option<MessageState>) {
    app.outbox.settled(message.created_at, state);
    if state == Some(MessageState::Dead) {
        notifications::tell_undelivered(app, message, app.clock.now()).await;
    }
}

/// What a try comes to, as a change, and the message's state then; `None` when it goes.
fn decide(
    app: &App,
    message: &Stored<Message>,
    outcome: Result<(), Failure>,
    changes: &mut Changes,
) -> Option<MessageState> {
    let now = app.clock.now();
    let mut after = message.value.clone();
    match outcome {
        Ok(()) if !app.settings.keep_sent_messages => {
            changes.delete(Key::Message { id: after.id }, message.version);
            return None;
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
    Some(state)
}

#[cfg(test)]
mod tests;
