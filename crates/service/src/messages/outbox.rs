//! Who takes messages, and waking the worker.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicI64, Ordering},
};

use domain::{Medium, Message, MessageState, Pool, time};
use tokio::sync::Notify;
use wire::{ErrorKind, Timestamp};

use super::{SmtpSender, Transport, holds::Holds, pace::Pace};
use crate::{ApiError, triggers::custom_sender};

/// Who takes the messages of a medium.
pub enum Sender {
    /// Nobody: a message has arrived when it is committed, and the inbox shows it.
    Inbox,
    /// A mail server.
    Smtp(SmtpSender),
    /// Something that the program knows.
    Other(Box<dyn Transport>),
    /// Nobody, and no inbox either: whatever would need a message is refused.
    Nobody,
}

impl Sender {
    /// What messages are handed to, if they are.
    pub(super) fn transport(&self) -> Option<&dyn Transport> {
        match self {
            Self::Smtp(sender) => Some(sender),
            Self::Other(transport) => Some(&**transport),
            Self::Inbox | Self::Nobody => None,
        }
    }
}

/// The sender of one medium, and how much it is given.
pub(super) struct Lane {
    pub sender: Sender,
    pub pace: Mutex<Pace>,
}

impl Lane {
    fn new(sender: Sender) -> Self {
        Self { sender, pace: Mutex::default() }
    }

    pub fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
    /// The same of messages for nobody. They are counted apart: whoever asks for users who do not exist must not push
    /// out what others were sent.
    pub nobodys: Vec<i64>,
}

/// Messages on their way. The rows themselves are in the store.
pub struct Outbox {
    email: Lane,
    sms: Lane,
    pub(super) wake: Notify,
    pub(super) holds: Holds,
    book: Mutex<Book>,
    latest: AtomicI64,
}

impl Outbox {
    /// An outbox whose mails go to `sender`. The inbox takes text messages as well; with any other sender of mails
    /// nobody does until [`Outbox::with_sms`].
    #[must_use]
    pub fn new(sender: Sender) -> Self {
        let sms = if matches!(sender, Sender::Inbox) { Sender::Inbox } else { Sender::Nobody };
        let (email, sms) = (Lane::new(sender), Lane::new(sms));
        let (book, latest) = (Mutex::default(), AtomicI64::new(i64::MIN));
        Self { email, sms, wake: Notify::new(), holds: Holds::default(), book, latest }
    }

    /// The same with this sender of text messages.
    #[must_use]
    pub fn with_sms(self, sender: Sender) -> Self {
        Self { sms: Lane::new(sender), ..self }
    }

    /// The same, handing over at most so many messages of the medium a second; 0 is no limit.
    #[must_use]
    pub fn with_rate(mut self, medium: Medium, per_second: u32) -> Self {
        let lane = match medium {
            Medium::Email => &mut self.email,
            Medium::Sms => &mut self.sms,
        };
        lane.pace = Mutex::new(Pace::new(per_second));
        self
    }

    /// The sender of a medium.
    pub(super) const fn lane(&self, medium: Medium) -> &Lane {
        match medium {
            Medium::Email => &self.email,
            Medium::Sms => &self.sms,
        }
    }

    /// Lets go of what senders have not used for a while.
    pub(super) fn rest(&self) {
        [&self.email, &self.sms].iter().filter_map(|lane| lane.sender.transport()).for_each(Transport::rest);
    }

    /// The state of a message that is being written, and goes to the sender.
    #[must_use]
    pub const fn initial_state(&self, medium: Medium) -> MessageState {
        match self.lane(medium).sender {
            Sender::Inbox => MessageState::Sent,
            // What nobody takes is refused before it is written; if it were written, it would wait.
            Sender::Smtp(_) | Sender::Other(_) | Sender::Nobody => MessageState::Pending,
        }
    }

    /// Whether this pool's messages of this medium can be delivered at all. Operations ask before they commit anything.
    ///
    /// # Errors
    /// `CodeDeliveryFailureException` when there is nobody who would take them (accounts.md §5.6), or when 100,000
    /// messages wait already because the senders, or the pools' functions, take none.
    pub fn can_deliver(&self, pool: &Pool, medium: Medium) -> Result<(), ApiError> {
        let is_possible = match self.lane(medium).sender {
            _ if custom_sender::takes(pool, medium) => self.book().pending < MOST_PENDING,
            Sender::Inbox => true,
            Sender::Smtp(_) | Sender::Other(_) => self.book().pending < MOST_PENDING,
            Sender::Nobody => false,
        };
        // Decision: the tail of this text is not confirmed of the service.
        let refusal = || ApiError::new(ErrorKind::CodeDeliveryFailure, "Unable to deliver code to user");
        is_possible.then_some(()).ok_or_else(refusal)
    }

    /// What is known about the rows.
    pub(super) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a message go that was in hand, and takes down its state, which is written; `None` when it is gone.
    pub(super) fn settled(&self, message: &Message, state: Option<MessageState>) {
        self.holds.release(&message.id);
        if state == Some(MessageState::Pending) {
            return;
        }
        let mut book = self.book();
        book.pending = book.pending.saturating_sub(1);
        if state.is_some() {
            book.finished.push(message.created_at.milliseconds());
        }
    }

    /// Says that messages were committed, so that they leave at once and not at the worker's next look.
    pub fn notify(&self) {
        // With the inbox as the sender only what goes to functions is ever on its way.
        let is_sent = [&self.email, &self.sms].iter().any(|lane| lane.sender.transport().is_some());
        if is_sent || self.book().pending > 0 {
            self.wake.notify_one();
        }
    }

    /// The moment at which a message of this state counts as written: `now`, or a millisecond after the message before it when
    /// that was written at the same moment or the clock stands still, so that the inbox keeps their order. Runs at
    /// most a minute ahead, and follows a clock that is set back further than that.
    pub(super) fn moment(&self, now: Timestamp, state: MessageState) -> Timestamp {
        let moment = self.unused(now.milliseconds());
        let mut book = self.book();
        match state {
            MessageState::Pending => book.pending = book.pending.saturating_add(1),
            MessageState::Sent | MessageState::Dead => book.finished.push(moment),
            MessageState::Nobodys => book.nobodys.push(moment),
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
    use serde_json::json;
    use wire::Timestamp;

    use super::{MOST_PENDING, Outbox, Sender};
    use crate::messages::testing::pool;

    #[test]
    fn messages_of_one_moment_keep_their_order() {
        let outbox = Outbox::new(Sender::Inbox);
        let moments: Vec<i64> = [95_000, 95_000, 95_000, 95_001, 95_010, 1_000, 1_000, 9_000]
            .map(|now| outbox.moment(Timestamp(now), MessageState::Sent).milliseconds())
            .to_vec();
        assert_eq!(moments, [95_000, 95_001, 95_002, 95_003, 95_010, 1_000, 1_001, 9_000]);
    }

    #[test]
    fn the_inbox_takes_everything_at_once() {
        let outbox = Outbox::new(Sender::Inbox);
        assert_eq!(outbox.initial_state(Medium::Email), MessageState::Sent);
        assert_eq!(outbox.initial_state(Medium::Sms), MessageState::Sent);
        assert!(outbox.can_deliver(&pool(), Medium::Email).is_ok() && outbox.can_deliver(&pool(), Medium::Sms).is_ok());
    }

    #[test]
    fn nobody_takes_nothing() {
        let outbox = Outbox::new(Sender::Nobody);
        assert!(
            outbox.can_deliver(&pool(), Medium::Email).is_err() && outbox.can_deliver(&pool(), Medium::Sms).is_err()
        );
        // But a pool's function does, of its own medium.
        let mut pool = pool();
        let sender = json!({"LambdaVersion": "V1_0", "LambdaArn": "arn:aws:lambda:us-east-1:123456789012:function:f"});
        pool.sign_in.triggers = serde_json::from_value(json!({"CustomSMSSender": sender})).unwrap();
        assert!(outbox.can_deliver(&pool, Medium::Email).is_err() && outbox.can_deliver(&pool, Medium::Sms).is_ok());
        outbox.book().pending = MOST_PENDING;
        assert!(outbox.can_deliver(&pool, Medium::Sms).is_err());
    }
}
