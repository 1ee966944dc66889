//! Handing messages over: carriers take them from the line, one after the other.
//!
//! A carrier that hands mails to a mail server keeps its connection, and announces the next mail together with the one
//! before it.

use std::{
    collections::VecDeque,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use domain::{
    Medium, Message, MessagePurpose,
    message::{CustomSender, MessageContent},
};
use store::Stored;
use tokio::{sync::mpsc, time::Instant};

use super::settle::Tried;
use crate::{
    App,
    messages::{
        Failure, Outgoing, Sender, html,
        rows::open,
        smtp::{Mail, Run},
        transport::LONGEST_TRY,
    },
    triggers::custom_sender,
};

/// How long a message may wait for its turn after it was taken, so that its lease outlasts the try.
const LONGEST_TURN: Duration = Duration::from_secs(60).saturating_sub(LONGEST_TRY);
/// How often a function is called that takes messages, until the message is given up.
const MOST_CALLS: u32 = 3;
/// How long the mail that was announced waits for the one before it; then another carrier may have it.
const PATIENCE: Duration = Duration::from_secs(1);

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
    fn next(&self, app: &App) -> Option<Ready> {
        let (message, since) = {
            let mut waiting = self.waiting();
            if waiting.is_closed { None } else { waiting.messages.pop_front_if(|(_, since)| !is_late(*since)) }
        }?;
        Some(Ready { what: What::of(app, &message), message, since })
    }

    /// One that was taken before its turn; nothing when its turn will not come: then it is put back.
    fn confirm(&self, ready: Ready) -> Option<Ready> {
        if self.waiting().is_closed || is_late(ready.since) {
            self.put_back(ready);
            return None;
        }
        Some(ready)
    }

    fn put_back(&self, Ready { message, since, .. }: Ready) {
        self.waiting().messages.push_front((message, since));
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_late(since: Instant) -> bool {
    since.elapsed() > LONGEST_TURN
}

/// A message whose turn it is.
struct Ready {
    message: Stored<Message>,
    since: Instant,
    what: What,
}

/// What is handed over.
enum What {
    /// To a mail server.
    Mail(Mail),
    /// To another sender, or to a function.
    Content(Box<MessageContent>),
    /// Nothing comes of it.
    Nothing(Failure),
}

impl What {
    fn of(app: &App, message: &Message) -> Self {
        let content = match open(&app.ring, message) {
            Ok(content) => content,
            Err(error) => {
                let reason = format!("the message cannot be opened: {error}");
                return Self::Nothing(Failure { is_permanent: true, reason });
            }
        };
        match &app.outbox.lane(message.medium).sender {
            Sender::Smtp(sender) if content.custom_sender.is_none() && message.medium == Medium::Email => {
                sender.mail(Outgoing { message, content: &content }).map_or_else(Self::Nothing, Self::Mail)
            }
            _ => Self::Content(Box::new(content)),
        }
    }
}

/// Hands over what is in the line until nothing is, and tells how each try ended.
pub(super) async fn carry(app: Arc<App>, line: Arc<Line>, tried: mpsc::UnboundedSender<Tried>) {
    let mut run = match &app.outbox.lane(Medium::Email).sender {
        Sender::Smtp(sender) => Some(sender.run()),
        _ => None,
    };
    let mut next = line.next(&app);
    while let Some(Ready { message, what, .. }) = next {
        let outcome;
        (outcome, next) = match (&what, &mut run) {
            (What::Mail(mail), Some(run)) => send(&app, &line, run, mail).await,
            (What::Mail(_), None) => (Err(no_sender()), None),
            (What::Content(content), _) => (hand_over(&app, &message, content).await, None),
            (What::Nothing(failure), _) => (Err(failure.clone()), None),
        };
        note(&app, &message, &outcome);
        // When the worker has ended, the leases run out.
        _ = tried.send(Tried { message, outcome });
        next = next.or_else(|| line.next(&app));
    }
}

/// Sends a mail, and announces the next one where the server takes that, which is the carrier's then.
async fn send(app: &App, line: &Line, run: &mut Run, mail: &Mail) -> (Result<(), Failure>, Option<Ready>) {
    let next = if run.announces() { line.next(app) } else { None };
    let announcement = next.as_ref().and_then(|next| match &next.what {
        What::Mail(mail) => run.announcement(mail),
        What::Content(_) | What::Nothing(_) => None,
    });
    let (outcome, next) = {
        let mut sending = pin!(run.send(mail, announcement));
        match tokio::time::timeout(PATIENCE, &mut sending).await {
            Ok(outcome) => (outcome, next.and_then(|next| line.confirm(next))),
            Err(_elapsed) => {
                next.into_iter().for_each(|next| line.put_back(next));
                (sending.await, None)
            }
        }
    };
    if next.is_none() {
        run.hang_up();
    }
    (outcome, next)
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

async fn hand_over(app: &App, message: &Message, content: &MessageContent) -> Result<(), Failure> {
    if let Some(function) = &content.custom_sender {
        return call(app, message, content, function).await;
    }
    let sender = &app.outbox.lane(message.medium).sender;
    if let Some(transport) = sender.transport() {
        return transport.send(Outgoing { message, content }).await;
    }
    match sender {
        // Left over from a time with another sender: the inbox shows it from now on.
        Sender::Inbox => Ok(()),
        // Left over as well: it waits for a sender as it would for a mail server that is down.
        _ => Err(no_sender()),
    }
}

fn no_sender() -> Failure {
    Failure { is_permanent: false, reason: "no sender is configured".to_owned() }
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
