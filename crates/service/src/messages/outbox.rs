//! Who takes messages, and waking the worker.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicI64, Ordering},
};

use domain::{Medium, MessageState, time};
use tokio::sync::Notify;
use wire::{ErrorKind, Timestamp};

use super::SmtpSender;
use crate::ApiError;

/// Who takes messages.
pub enum Sender {
    /// Nobody: a message has arrived when it is committed, and the inbox shows it. Both media work.
    Inbox,
    /// A mail server. There is nobody to take text messages.
    Smtp(SmtpSender),
    /// Nobody, and no inbox either: whatever would need a message is refused.
    Nobody,
}

/// The most messages that may be on their way: what a mail server that is down can pile up. A message has a few
/// thousand bytes.
pub(super) const MOST_PENDING: usize = 100_000;

/// What is known about the rows without reading them. It is right once the worker has counted them, and then drifts:
/// messages whose commit failed are in it, those that went with their pool, and those that another server has handed
/// over. Counting again corrects it.
#[derive(Debug, Default)]
pub(super) struct Book {
    /// Messages on their way.
    pub pending: usize,
    /// When the messages that are no longer on their way were written, in milliseconds, in no order.
    pub finished: Vec<i64>,
}

/// Messages on their way. The rows themselves are in the store.
pub struct Outbox {
    pub(super) sender: Sender,
    pub(super) wake: Notify,
    book: Mutex<Book>,
    latest: AtomicI64,
}

impl Outbox {
    /// An outbox whose messages go to `sender`.
    #[must_use]
    pub fn new(sender: Sender) -> Self {
        Self { sender, wake: Notify::new(), book: Mutex::default(), latest: AtomicI64::new(i64::MIN) }
    }

    /// The state of a message that is being written.
    #[must_use]
    pub const fn initial_state(&self) -> MessageState {
        match self.sender {
            Sender::Inbox => MessageState::Sent,
            // What nobody takes is refused before it is written; if it were written, it would wait.
            Sender::Smtp(_) | Sender::Nobody => MessageState::Pending,
        }
    }

    /// Whether messages of this medium can be delivered at all. Operations ask before they commit anything.
    ///
    /// # Errors
    /// `CodeDeliveryFailureException` when there is nobody who would take them (accounts.md §5.6), or when 100,000
    /// messages wait already because the mail server takes none.
    pub fn can_deliver(&self, medium: Medium) -> Result<(), ApiError> {
        let is_possible = match (&self.sender, medium) {
            (Sender::Inbox, _) => true,
            (Sender::Smtp(_), Medium::Email) => self.book().pending < MOST_PENDING,
            (Sender::Smtp(_), Medium::Sms) | (Sender::Nobody, _) => false,
        };
        // Decision: the tail of this text is not confirmed of the service.
        let refusal = || ApiError::new(ErrorKind::CodeDeliveryFailure, "Unable to deliver code to user");
        is_possible.then_some(()).ok_or_else(refusal)
    }

    /// What is known about the rows.
    pub(super) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes down that a message which was on its way, and was written at `created_at`, is now in this state; `None`
    /// when it is gone.
    pub(super) fn settled(&self, created_at: Timestamp, state: Option<MessageState>) {
        if state == Some(MessageState::Pending) {
            return;
        }
        let mut book = self.book();
        book.pending = book.pending.saturating_sub(1);
        if state.is_some() {
            book.finished.push(created_at.milliseconds());
        }
    }

    /// Says that messages were committed, so that they leave at once and not at the worker's next look.
    pub fn notify(&self) {
        if matches!(self.sender, Sender::Smtp(_)) {
            self.wake.notify_one();
        }
    }

    /// The moment at which a message counts as written: `now`, or a millisecond after the message before it when
    /// that was written at the same moment or the clock stands still, so that the inbox keeps their order. Runs at
    /// most a minute ahead, and follows a clock that is set back further than that.
    pub(super) fn moment(&self, now: Timestamp) -> Timestamp {
        let moment = self.unused(now.milliseconds());
        let mut book = self.book();
        match self.initial_state() {
            MessageState::Pending => book.pending = book.pending.saturating_add(1),
            MessageState::Sent | MessageState::Dead => book.finished.push(moment),
        }
        Timestamp(moment)
    }

    fn unused(&self, now: i64) -> i64 {
        let next = |latest: i64| {
            let is_close = (now..now.saturating_add(time::MINUTE)).contains(&latest);
            if is_close { latest.saturating_add(1) } else { now }
        };
        let mut latest = self.latest.load(Ordering::Relaxed);
        loop {
            let moment = next(latest);
            match self.latest.compare_exchange_weak(latest, moment, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return moment,
                Err(other) => latest = other,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::{Medium, MessageState};
    use wire::Timestamp;

    use super::{Outbox, Sender};

    #[test]
    fn messages_of_one_moment_keep_their_order() {
        let outbox = Outbox::new(Sender::Inbox);
        let moments: Vec<i64> = [95_000, 95_000, 95_000, 95_001, 95_010, 1_000, 1_000, 9_000]
            .map(|now| outbox.moment(Timestamp(now)).milliseconds())
            .to_vec();
        assert_eq!(moments, [95_000, 95_001, 95_002, 95_003, 95_010, 1_000, 1_001, 9_000]);
    }

    #[test]
    fn the_inbox_takes_everything_at_once() {
        let outbox = Outbox::new(Sender::Inbox);
        assert_eq!(outbox.initial_state(), MessageState::Sent);
        assert!(outbox.can_deliver(Medium::Email).is_ok() && outbox.can_deliver(Medium::Sms).is_ok());
    }

    #[test]
    fn nobody_takes_nothing() {
        let outbox = Outbox::new(Sender::Nobody);
        assert!(outbox.can_deliver(Medium::Email).is_err() && outbox.can_deliver(Medium::Sms).is_err());
    }
}
