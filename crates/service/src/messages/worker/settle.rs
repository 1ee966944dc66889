//! Writing down what became of tries.

use std::time::Duration;

use domain::{Message, MessageState, time};
use store::{Changes, CommitError, Key, Stored};

use crate::{
    App,
    messages::{Failure, backoff},
    records::notifications,
};

/// How long a message is tried, in milliseconds from when it was written.
const LIFETIME: i64 = time::DAY;
/// How often the outcome of a try is written again when the store fails.
const SETTLING_TRIES: u32 = 5;

/// A message that was tried.
pub(super) struct Tried {
    pub message: Stored<Message>,
    pub outcome: Result<(), Failure>,
}

/// Writes down how tries ended: all in one commit, or each for itself when one of the messages was changed meanwhile
/// or the store fails.
pub(super) async fn settle_all(app: &App, tried: Vec<Tried>) {
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
pub(super) async fn settle(app: &App, message: &Stored<Message>, outcome: Result<(), Failure>) {
    let mut changes = Changes::new();
    let state = decide(app, message, outcome, &mut changes);
    for attempt in 1..=SETTLING_TRIES {
        match app.store.commit(changes.clone()).await {
            Ok(()) => return settled(app, message, state).await,
            Err(CommitError::Conflict | CommitError::Taken(_)) => {
                tracing::debug!(id = %message.id, "the message was changed or removed while it was handed over");
                app.outbox.holds.release(&message.id);
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
    app.outbox.settled(message, state);
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
