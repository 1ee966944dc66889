//! A message as a mail: headers, a plain part and an HTML part.
//!
//! Addresses are parsed into types and headers are encoded from them, so that no text from a template, a pool or a
//! user can begin a header of its own. The same message always gives the same bytes, whoever sends it and however
//! often.

use std::time::{Duration, SystemTime};

use domain::message::MessageContent;
use lettre::message::{Mailbox, MultiPart, SinglePart};
use wire::Timestamp;

use super::{Failure, Outgoing, html};

/// The last second of the year 9999, after which a `Date` header has no form.
const LAST_SECOND: u64 = 253_402_300_799;

/// Why a message cannot become a mail; trying again would not help. Never shows the content.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum MailError {
    /// The receiver's address is none.
    #[error("the destination is not a mail address")]
    Destination,
    /// The pool's `From` is no address.
    #[error("EmailConfiguration.From of the pool is not a mail address")]
    From,
    /// The pool's `ReplyToEmailAddress` is no address.
    #[error("EmailConfiguration.ReplyToEmailAddress of the pool is not a mail address")]
    ReplyTo,
    /// The parts do not make a mail.
    #[error("the message does not make a mail")]
    Form,
}

/// Makes mails of messages.
#[derive(Clone, Debug)]
pub struct MailBuilder {
    from: Mailbox,
}

/// A mail that is ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawMail {
    /// The sender's address, with the name if there is one, as in the header.
    pub from: String,
    /// The receiver's address.
    pub to: String,
    /// The whole mail (RFC 5322).
    pub bytes: Vec<u8>,
}

impl MailBuilder {
    /// `from` (`addr` or `Name <addr>`) sends the mails whose pool names nobody.
    ///
    /// # Errors
    /// [`SenderAddressError`] when it is no mail address.
    pub fn new(from: &str) -> Result<Self, SenderAddressError> {
        parse(from).map(|from| Self { from }).ok_or_else(|| SenderAddressError(from.to_owned()))
    }

    /// The mail. The same message always gives the same bytes.
    ///
    /// # Errors
    /// A permanent failure when the message makes none.
    pub fn raw(&self, outgoing: Outgoing<'_>) -> Result<RawMail, Failure> {
        let mail = self.mail(outgoing)?;
        let to = mail.envelope().to().iter().map(ToString::to_string).collect();
        let bytes = mail.formatted();
        Ok(RawMail { from: from_header(&bytes), to, bytes })
    }

    pub(super) fn mail(&self, Outgoing { message, content }: Outgoing<'_>) -> Result<lettre::Message, Failure> {
        build(&message.id, message.created_at, content, &self.from)
            .map_err(|error| Failure { is_permanent: true, reason: error.to_string() })
    }
}

/// The value of `From` as it stands in the mail: names in other scripts are encoded there.
fn from_header(mail: &[u8]) -> String {
    let text = String::from_utf8_lossy(mail);
    let value = text.split_once("\r\nFrom: ").map(|(_, rest)| rest).unwrap_or_default();
    let mut lines = value.split("\r\n");
    let first = lines.next().unwrap_or_default().to_owned();
    // Lines that begin with a space go on with the one before them.
    lines.take_while(|line| line.starts_with(' ')).fold(first, |value, line| value + line)
}

/// The sender of mails is no address.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the sender {0:?} is not a mail address: write `address` or `Name <address>`")]
pub struct SenderAddressError(String);

/// Builds the mail. `default_from` is used when the pool names no sender. `Date` is the moment at which the message
/// was written, `Message-ID` comes from its id.
fn build(
    id: &str,
    written_at: Timestamp,
    content: &MessageContent,
    default_from: &Mailbox,
) -> Result<lettre::Message, MailError> {
    let from = match &content.from {
        Some(text) => parse(text).ok_or(MailError::From)?,
        None => default_from.clone(),
    };
    let to = parse(&content.destination).ok_or(MailError::Destination)?;
    let domain = from.email.domain();
    let domain = if domain.is_ascii() { domain.to_owned() } else { "poolkeeper.invalid".to_owned() };
    let seconds = u64::try_from(written_at.seconds()).unwrap_or_default().min(LAST_SECOND);
    let mut mail = lettre::Message::builder()
        .message_id(Some(format!("<{id}@{domain}>")))
        .date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
        .from(from)
        .to(to)
        .subject(content.subject.as_str());
    if let Some(text) = &content.reply_to {
        mail = mail.reply_to(parse(text).ok_or(MailError::ReplyTo)?);
    }
    let text = content.text.clone().unwrap_or_else(|| html::to_text(&content.body));
    // The boundary is derived from the id instead of drawn at random, so that a second try sends the same bytes.
    let parts = MultiPart::alternative()
        .boundary(format!("poolkeeper-{id}"))
        .singlepart(SinglePart::plain(text))
        .singlepart(SinglePart::html(content.body.clone()));
    mail.multipart(parts).map_err(|_| MailError::Form)
}

/// `addr` or `Name <addr>`. Control characters are refused before parsing, whatever the parser makes of them.
fn parse(text: &str) -> Option<Mailbox> {
    if text.chars().any(char::is_control) {
        return None;
    }
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use domain::{Medium, Message, MessagePurpose, MessageState, Sealed, message::MessageContent};
    use proptest::prelude::*;
    use wire::Timestamp;

    use super::{MailBuilder, MailError, build, parse};
    use crate::messages::Outgoing;

    const ID: &str = "0b6f9a3e-7f0a-4f6c-9a55-4f1f5a9c0d11";

    fn content() -> MessageContent {
        MessageContent {
            destination: "alice@example.com".to_owned(),
            subject: "Your verification code".to_owned(),
            body: "Your <b>code</b> is 123456. ".to_owned(),
            code: "123456".to_owned(),
            identifiers: vec!["alice".to_owned()],
            ..MessageContent::default()
        }
    }

    fn text(content: &MessageContent) -> String {
        let from = parse("Poolkeeper <no-reply@mail.example>").unwrap();
        let mail = build(ID, Timestamp(1_767_323_045_000), content, &from).unwrap();
        String::from_utf8(mail.formatted()).unwrap().replace('\r', "")
    }

    fn failure(content: &MessageContent) -> MailError {
        let from = parse("no-reply@mail.example").unwrap();
        build(ID, Timestamp(0), content, &from).unwrap_err()
    }

    #[test]
    fn a_mail_has_both_parts_and_stable_headers() {
        insta::assert_snapshot!(text(&content()), @r#"
        Message-ID: <0b6f9a3e-7f0a-4f6c-9a55-4f1f5a9c0d11@mail.example>
        Date: Fri, 02 Jan 2026 03:04:05 +0000
        From: Poolkeeper <no-reply@mail.example>
        To: alice@example.com
        Subject: Your verification code
        MIME-Version: 1.0
        Content-Type: multipart/alternative;
         boundary="poolkeeper-0b6f9a3e-7f0a-4f6c-9a55-4f1f5a9c0d11"

        --poolkeeper-0b6f9a3e-7f0a-4f6c-9a55-4f1f5a9c0d11
        Content-Type: text/plain; charset=utf-8
        Content-Transfer-Encoding: 7bit

        Your code is 123456.
        --poolkeeper-0b6f9a3e-7f0a-4f6c-9a55-4f1f5a9c0d11
        Content-Type: text/html; charset=utf-8
        Content-Transfer-Encoding: 7bit

        Your <b>code</b> is 123456. 
        --poolkeeper-0b6f9a3e-7f0a-4f6c-9a55-4f1f5a9c0d11--
        "#);
    }

    #[test]
    fn the_pool_names_sender_and_reply_address_in_any_script() {
        let mut content = content();
        content.from = Some("Zoë's Läden <shop@example.org>".to_owned());
        content.reply_to = Some("help@example.org".to_owned());
        content.subject = "Ihr Bestätigungscode – 確認".to_owned();
        content.body = "Grüße, 123456".to_owned();
        insta::assert_snapshot!(text(&content), @r#"
        Message-ID: <0b6f9a3e-7f0a-4f6c-9a55-4f1f5a9c0d11@example.org>
        Date: Fri, 02 Jan 2026 03:04:05 +0000
        From: =?utf-8?b?Wm/DqydzIEzDpGRlbg==?= <shop@example.org>
        To: alice@example.com
        Subject: Ihr =?utf-8?b?QmVzdMOkdGlndW5nc2NvZGUg4oCTIOeiuuiqjQ==?=
        Reply-To: help@example.org
        MIME-Version: 1.0
        Content-Type: multipart/alternative;
         boundary="poolkeeper-0b6f9a3e-7f0a-4f6c-9a55-4f1f5a9c0d11"

        --poolkeeper-0b6f9a3e-7f0a-4f6c-9a55-4f1f5a9c0d11
        Content-Type: text/plain; charset=utf-8
        Content-Transfer-Encoding: quoted-printable

        Gr=C3=BC=C3=9Fe, 123456
        --poolkeeper-0b6f9a3e-7f0a-4f6c-9a55-4f1f5a9c0d11
        Content-Type: text/html; charset=utf-8
        Content-Transfer-Encoding: quoted-printable

        Gr=C3=BC=C3=9Fe, 123456
        --poolkeeper-0b6f9a3e-7f0a-4f6c-9a55-4f1f5a9c0d11--
        "#);
    }

    #[test]
    fn a_text_of_its_own_takes_the_place_of_that_in_the_html() {
        let mail = text(&MessageContent { text: Some("Only <plain> text.".to_owned()), ..content() });
        assert!(mail.contains("\n\nOnly <plain> text.\n") && mail.contains("Your <b>code</b>"), "{mail}");
        assert!(!mail.contains("Your code"), "{mail}");
    }

    #[test]
    fn a_second_try_sends_the_same_bytes() {
        assert_eq!(text(&content()), text(&content()));
    }

    #[test]
    fn addresses_that_would_start_a_header_are_refused() {
        for bad in [
            "alice@example.com\r\nBcc: eve@evil.example",
            "alice@example.com\nBcc: eve@evil.example",
            "Alice\r\nBcc: eve@evil.example\r\n <alice@example.com>",
            "alice@example.com, eve@evil.example",
            "<alice@example.com>, <eve@evil.example>",
            "alice@example.com> RCPT TO:<eve@evil.example",
            "alice@exam\0ple.com",
            "alice",
            "@example.com",
            "",
        ] {
            let destination = MessageContent { destination: bad.to_owned(), ..content() };
            assert_eq!(failure(&destination), MailError::Destination, "{bad:?}");
            let from = MessageContent { from: Some(bad.to_owned()), ..content() };
            assert_eq!(failure(&from), MailError::From, "{bad:?}");
            let reply_to = MessageContent { reply_to: Some(bad.to_owned()), ..content() };
            assert_eq!(failure(&reply_to), MailError::ReplyTo, "{bad:?}");
        }
    }

    #[test]
    fn a_subject_cannot_start_a_header() {
        // Rendering already takes line ends out; this is the second line of defence.
        for separator in ["\r\n", "\n", "\r"] {
            let subject = format!("Code{separator}Bcc: eve@evil.example{separator}{separator}body");
            let mail = text(&MessageContent { subject, ..content() });
            assert!(!mail.lines().any(|line| line.starts_with("Bcc:")), "{mail}");
        }
    }

    #[test]
    fn what_is_ready_names_sender_and_receiver() {
        let message = Message {
            id: ID.to_owned(),
            pool_id: String::new(),
            sub: String::new(),
            username: String::new(),
            purpose: MessagePurpose::SignUp,
            medium: Medium::Email,
            content: Sealed(String::new()),
            created_at: Timestamp(0),
            state: MessageState::Pending,
            due_at: Timestamp(0),
            tries: 0,
            last_error: None,
        };
        let long = "Łódź ".repeat(20);
        for (from, expected) in [
            (None, "Poolkeeper <no-reply@mail.example>"),
            (Some("shop@example.org".to_owned()), "shop@example.org"),
            (Some(format!("{long}<shop@example.org>")), "=?utf-8?b?"),
        ] {
            let content = MessageContent { from, ..content() };
            let builder = MailBuilder::new("Poolkeeper <no-reply@mail.example>").unwrap();
            let raw = builder.raw(Outgoing { message: &message, content: &content }).unwrap();
            assert!(raw.from.starts_with(expected) && raw.from.contains('@') && !raw.from.contains('\r'), "{raw:?}");
            assert_eq!(raw.to, "alice@example.com");
            assert_eq!(raw.bytes, builder.mail(Outgoing { message: &message, content: &content }).unwrap().formatted());
        }
        assert!(MailBuilder::new("a@b.example\r\nBcc: eve@evil.example").is_err());
    }

    /// Pieces that have broken mails before, and anything else.
    fn hostile() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("\r\n".to_owned()),
            Just("\n".to_owned()),
            Just("\r".to_owned()),
            Just("\r\n\r\n".to_owned()),
            Just("Bcc: eve@evil.example".to_owned()),
            Just("\r\n.\r\n".to_owned()),
            Just("--poolkeeper-".to_owned() + ID),
            Just("=?utf-8?q?=0D=0ABcc:_eve?=".to_owned()),
            Just("<alice@example.com>".to_owned()),
            "\\PC{0,40}",
            ".{0,200}",
            "(?s).{0,10}",
        ];
        prop::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
    }

    /// Names of the headers before the first empty line.
    fn header_names(mail: &str) -> Vec<&str> {
        let head = mail.split("\r\n\r\n").next().unwrap();
        let lines = head.split("\r\n").filter(|line| !line.starts_with([' ', '\t']));
        lines.map(|line| line.split_once(':').unwrap().0).collect()
    }

    proptest! {
        #[test]
        fn nothing_begins_a_header_of_its_own(
            subject in hostile(), body in hostile(), name in hostile(), reply_to in prop::option::of(hostile())
        ) {
            let content = MessageContent {
                subject,
                body,
                from: Some(format!("{name} <shop@example.org>")),
                reply_to: reply_to.map(|name| format!("{name} <help@example.org>")),
                ..content()
            };
            let default = parse("no-reply@mail.example").unwrap();
            // What is no address is refused, which the tests above look at.
            if let Ok(mail) = build(ID, Timestamp(0), &content, &default) {
                prop_assert_eq!(mail.envelope().to().len(), 1);
                let text = String::from_utf8(mail.formatted()).unwrap();
                let expected = ["Message-ID", "Date", "From", "To", "Subject", "Reply-To", "MIME-Version", "Content-Type"];
                let is_there = |name: &&str| *name != "Reply-To" || content.reply_to.is_some();
                prop_assert_eq!(header_names(&text), expected.into_iter().filter(is_there).collect::<Vec<_>>());
                // No line end but the mail's own: servers differ in what they make of others.
                let head = text.split("\r\n\r\n").next().unwrap();
                prop_assert!(!head.replace("\r\n", "").contains(['\r', '\n']));
            }
        }
    }

    #[test]
    fn moments_without_a_date_are_moved_to_the_nearest_one() {
        let from = parse("no-reply@mail.example").unwrap();
        for moment in [i64::MIN, -1, i64::MAX] {
            assert!(build(ID, Timestamp(moment), &content(), &from).is_ok());
        }
    }
}
