//! Messages to users: what they say, how they leave, and the inbox that shows them (accounts.md §4.2, §5.7, §15).
//!
//! A message is written in the changeset that makes it necessary ([`write`]), so that it is on its way exactly when
//! what it tells about has happened. With the inbox as sender it has arrived with that commit. With another sender the
//! worker ([`run`]) takes it under a lease, hands it over, and tries again until that succeeds, the sender refuses it
//! for good, or a day has passed. What goes to a function of the pool's owner in place of a sender goes there by the
//! worker as well, whatever the sender is. Every message is handed over at least once; a second copy, after a crash at
//! the worst moment, has the same `Message-ID`.

mod backoff;
mod holds;
mod html;
mod inbox;
mod mail;
mod notice;
mod outbox;
mod pace;
mod render;
mod rows;
mod smtp;
#[cfg(test)]
pub(crate) mod testing;
mod transport;
mod worker;
mod write;

pub use inbox::{InboxMessage, InboxQuery, clear, inbox};
pub use mail::{MailBuilder, RawMail, SenderAddressError};
pub use notice::{Notice, write_notice};
pub use outbox::{Outbox, Sender};
pub use render::invitation_is_suppressed;
pub use rows::{Pages, open};
pub use smtp::{Encryption, SmtpError, SmtpSender, SmtpSettings};
pub use transport::{Failure, Outgoing, Sending, Transport};
pub use worker::run;
pub use write::{Functions, Letter, write, write_for_nobody};
