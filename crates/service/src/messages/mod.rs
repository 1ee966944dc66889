//! Messages to users: what they say, how they leave, and the inbox that shows them (accounts.md §4.2, §5.7, §15).
//!
//! A message is written in the changeset that makes it necessary ([`write`]), so that it is on its way exactly when
//! what it tells about has happened. With the inbox as sender it has arrived with that commit. With an SMTP server the
//! worker ([`run`]) takes it under a lease, hands it over, and tries again until that succeeds, the server refuses it
//! for good, or a day has passed. Every message is handed over at least once; a second copy, after a crash at the
//! worst moment, has the same `Message-ID`.

mod backoff;
mod html;
mod inbox;
mod mail;
mod outbox;
mod render;
mod smtp;
#[cfg(test)]
pub(crate) mod testing;
mod worker;
mod write;

pub use inbox::{InboxMessage, InboxQuery, clear, inbox};
pub use outbox::{Outbox, Sender};
pub use render::invitation_is_suppressed;
pub use smtp::{Encryption, SmtpError, SmtpSender, SmtpSettings};
pub use worker::run;
pub use write::write;
