//! What takes messages: a mail server, or what the program adds to it.

use std::{future::Future, pin::Pin};

use domain::{Message, message::MessageContent};

/// The longest that one try may take, in seconds: less than the lease on the message, so that nobody else takes it
/// meanwhile.
pub const LONGEST_TRY: std::time::Duration = std::time::Duration::from_secs(45);

/// A message on its way out.
#[derive(Clone, Copy)]
pub struct Outgoing<'a> {
    /// Its row.
    pub message: &'a Message,
    /// What only the receiver may read.
    pub content: &'a MessageContent,
}

/// Why a try failed. The text is for the operator and holds nothing of the message nor of its receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Whether trying again is useless.
    pub is_permanent: bool,
    /// What happened.
    pub reason: String,
}

/// A try.
pub type Sending<'a> = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send + 'a>>;

/// Takes the messages of one medium.
pub trait Transport: Send + Sync {
    /// Hands a message over. When this answers `Ok`, somebody else has taken responsibility for it. May take at most
    /// [`LONGEST_TRY`]; the outbox tries again, so no transport does.
    fn send<'a>(&'a self, outgoing: Outgoing<'a>) -> Sending<'a>;

    /// Is called about every second, to let go of connections that nobody has used for a while.
    fn rest(&self) {}
}
