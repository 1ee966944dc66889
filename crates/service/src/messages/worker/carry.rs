//! Handing messages over: carriers take them from the line, one after the other.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use domain::{
    Message, MessagePurpose,
    message::{CustomSender, MessageContent},
};
use store::Stored;
use tokio::{sync::mpsc, time::Instant};

use super::settle::Tried;
use crate::{
    App,
    messages::{Failure, Outgoing, Sender, html, rows::open, transport::LONGEST_TRY},
    triggers::custom_sender,
};

/// How long a message may wait for its turn after it was taken, so that its lease outlasts the try.
const LONGEST_TURN: Duration = Duration::from_secs(60).saturating_sub(LONGEST_TRY);
/// How often a function is called that takes messages, until the message is given up.
const MOST_CALLS: u32 = 3;

/// Messages that were taken and wait for their turn.
#[derive(Default)]
pub(super) struct Line(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    /// The next one first, with when it was taken.
    messages: VecDeque<(Stored<Message>, Instant)>,
    is_closed: bool,
}

impl Line {
    /// Adds messages that were taken now.
    pub fn join(&self, messages: Vec<Stored<Message>>) {
        let now = Instant::now();
        self.waiting().messages.extend(messages.into_iter().map(|message| (message, now)));
    }

    /// How many wait, and how long the first of them has.
    pub fn length(&self) -> (usize, Duration) {
        let waiting = self.waiting();
        (waiting.messages.len(), waiting.messages.front().map_or(Duration::ZERO, |(_, since)| since.elapsed()))
    }

    /// Takes those away that have waited for too long.
    pub fn late(&self) -> Vec<Stored<Message>> {
        let (mut waiting, mut late) = (self.waiting(), Vec::new());
        while let Some((message, _)) = waiting.messages.pop_front_if(|(_, since)| is_late(*since)) {
            late.push(message);
        }
        late
    }

    /// Takes all of them away, and gives out none any more.
    pub fn close(&self) -> Vec<Stored<Message>> {
        let mut waiting = self.waiting();
        waiting.is_closed = true;
        waiting.messages.drain(..).map(|(message, _)| message).collect()
    }

    /// The next one, unless it has waited for too long: then the worker gives it back.
    fn next(&self) -> Option<Stored<Message>> {
        let mut waiting = self.waiting();
        let next = if waiting.is_closed { None } else { waiting.messages.pop_front_if(|(_, since)| !is_late(*since)) };
        next.map(|(message, _)| message)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_late(since: Instant) -> bool {
    since.elapsed() > LONGEST_TURN
}

/// Hands over what is in the line until nothing is, and tells how each try ended.
pub(super) async fn carry(app: Arc<App>, line: Arc<Line>, tried: mpsc::UnboundedSender<Tried>) {
    while let Some(message) = line.next() {
        let outcome = hand_over(&app, &message).await;
        note(&app, &message, &outcome);
        // When the worker has ended, the leases run out.
        _ = tried.send(Tried { message, outcome });
    }
}

/// Counts a try, and says how it ended.
fn note(app: &App, message: &Message, outcome: &Result<(), Failure>) {
    let Message { id, tries, .. } = message;
    match outcome {
        Ok(()) => {
            app.metrics.messages_sent.inc();
            tracing::debug!(%id, tries, "message handed over");
        }
        Err(failure) => {
            app.metrics.messages_failed.inc();
            tracing::warn!(%id, tries, reason = %failure.reason, permanent = failure.is_permanent, "message not handed over");
        }
    }
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
