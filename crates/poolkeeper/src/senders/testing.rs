//! A message for tests.

use domain::{Medium, Message, MessagePurpose, MessageState, Sealed, message::MessageContent};
use wire::Timestamp;

/// The row of a message of this medium.
pub fn message(medium: Medium) -> Message {
    let written_at = Timestamp(1_767_323_045_000);
    Message {
        id: "0b6f9a3e-7f0a-4f6c-9a55-4f1f5a9c0d11".to_owned(),
        pool_id: "us-east-1_AbCdEfGh1".to_owned(),
        sub: "34c84488-e0e1-40ae-92ee-991ad1a898c8".to_owned(),
        username: "alice".to_owned(),
        purpose: MessagePurpose::SignUp,
        medium,
        content: Sealed(String::new()),
        created_at: written_at,
        state: MessageState::Pending,
        due_at: written_at,
        tries: 1,
        last_error: None,
    }
}

/// What it says.
pub fn content() -> MessageContent {
    MessageContent {
        destination: "+4915112345678".to_owned(),
        subject: "Your code".to_owned(),
        body: "Your code is 123456. ".to_owned(),
        code: "123456".to_owned(),
        ..MessageContent::default()
    }
}
