//! Who takes messages, and waking the worker.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

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

/// Messages on their way. The rows themselves are in the store.
pub struct Outbox {
    pub(super) sender: Sender,
    pub(super) wake: Notify,
    /// How many messages there may be; never too low once the worker has counted them.
    pub(super) written: AtomicU64,
    latest: AtomicI64,
}

impl Outbox {
    /// An outbox whose messages go to `sender`.
    #[must_use]
    pub fn new(sender: Sender) -> Self {
        Self { sender, wake: Notify::new(), written: AtomicU64::new(0), latest: AtomicI64::new(i64::MIN) }
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
    /// `CodeDeliveryFailureException` when there is nobody who would take them (accounts.md §5.6).
    pub fn can_deliver(&self, medium: Medium) -> Result<(), ApiError> {
        match (&self.sender, medium) {
            (Sender::Inbox, _) | (Sender::Smtp(_), Medium::Email) => Ok(()),
            // Decision: the tail of this text is not confirmed of the service.
            (Sender::Smtp(_), Medium::Sms) | (Sender::Nobody, _) => {
                Err(ApiError::new(ErrorKind::CodeDeliveryFailure, "Unable to deliver code to user"))
            }
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
        self.written.fetch_add(1, Ordering::Relaxed);
        let now = now.milliseconds();
        let next = |latest: i64| {
            let is_close = (now..now.saturating_add(time::MINUTE)).contains(&latest);
            if is_close { latest.saturating_add(1) } else { now }
        };
        let mut latest = self.latest.load(Ordering::Relaxed);
        loop {
            let moment = next(latest);
            match self.latest.compare_exchange_weak(latest, moment, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Timestamp(moment),
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
