//! Messages that become mails.

use domain::{Medium, Message, MessagePurpose, MessageState, Sealed, message::MessageContent};
use service::messages::{MailBuilder, Outgoing};
use wire::Timestamp;

/// Most bytes of a body. Work that grows with their square takes more time than tests and libFuzzer have (CONTRIBUTING.md);
/// templates have 20,000 characters at most.
const LONG_BODY: usize = 262_144;
/// Headers that a mail has.
const HEADERS: [&str; 8] = ["message-id", "date", "from", "to", "subject", "reply-to", "mime-version", "content-type"];

/// A message for this content.
pub(crate) fn message() -> Message {
    Message {
        id: "0b6f9a3e-7f0a-4f6c-9a55-4f1f5a9c0d11".to_owned(),
        pool_id: String::new(),
        sub: String::new(),
        username: String::new(),
        purpose: MessagePurpose::SignUp,
        medium: Medium::Email,
        content: Sealed(String::new()),
        created_at: Timestamp(1_767_323_045_000),
        state: MessageState::Pending,
        due_at: Timestamp(0),
        tries: 1,
        last_error: None,
    }
}

/// Receiver, sender, reply address and subject, each in a line, and the body, which is sent once as it is, and once said
/// over and over: that must take no longer than it is long.
pub fn mails(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    // A line end inside any of them is written as `\r` or `\n`.
    let written = |text: &str| text.replace("\\r", "\r").replace("\\n", "\n");
    let mut parts = text.splitn(5, '\n').map(written);
    let mut part = || parts.next().unwrap_or_default();
    let given = |text: String| (!text.is_empty()).then_some(text);
    let (destination, from, reply_to, subject, body) = (part(), given(part()), given(part()), part(), part());
    _ = MailBuilder::new(&destination);
    let content = MessageContent { destination, from, reply_to, subject, body, ..MessageContent::default() };
    let builder = MailBuilder::new("Poolkeeper <no-reply@mail.example>").expect("an address");
    let message = message();
    let outgoing = Outgoing { message: &message, content: &content };
    let Ok(mail) = builder.raw(outgoing) else { return };
    assert_eq!(builder.raw(outgoing).as_ref(), Ok(&mail), "a second try sends other bytes");
    let bytes = String::from_utf8_lossy(&mail.bytes);
    let (head, _) = bytes.split_once("\r\n\r\n").expect("a mail has a head");
    assert!(!head.replace("\r\n", "").contains(['\r', '\n']), "{head:?}");
    let mut seen = Vec::new();
    for line in head.split("\r\n").filter(|line| !line.starts_with([' ', '\t'])) {
        let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
        assert!(HEADERS.contains(&name.as_str()) && !seen.contains(&name), "{name:?} in {head:?}");
        seen.push(name);
    }
    let body = content.body.repeat(LONG_BODY / content.body.len().max(1));
    let content = MessageContent { body, ..content };
    _ = builder.raw(Outgoing { message: &message, content: &content });
}
