//! A message as a mail: headers, a plain part and an HTML part.
//!
//! Addresses are parsed into types and headers are encoded from them, so that no text from a template, a pool or a
//! user can begin a header of its own. The same message always gives the same bytes, whoever sends it and however
//! often.

use std::time::{Duration, SystemTime};

use domain::message::MessageContent;
use lettre::message::{Mailbox, MultiPart, SinglePart};
use wire::Timestamp;

use super::html;

/// The last second of the year 9999, after which a `Date` header has no form.
const LAST_SECOND: u64 = 253_402_300_799;

/// Why a message cannot become a mail; trying again would not help. Never shows the content.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
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

/// Builds the mail. `default_from` is used when the pool names no sender. `Date` is the moment at which the message
/// was written, `Message-ID` comes from its id.
pub fn build(
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
    // The boundary is derived from the id instead of drawn at random, so that a second try sends the same bytes.
    let parts = MultiPart::alternative()
        .boundary(format!("poolkeeper-{id}"))
        .singlepart(SinglePart::plain(html::to_text(&content.body)))
        .singlepart(SinglePart::html(content.body.clone()));
    mail.multipart(parts).map_err(|_| MailError::Form)
}

/// `addr` or `Name <addr>`. Control characters are refused before parsing, whatever the parser makes of them.
pub fn parse(text: &str) -> Option<Mailbox> {
    if text.chars().any(char::is_control) {
        return None;
    }
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use domain::message::MessageContent;
    use wire::Timestamp;

    use super::{MailError, build, parse};

    const ID: &str = "0b6f9a3e-7f0a-4f6c-9a55-4f1f5a9c0d11";

    fn content() -> MessageContent {
        MessageContent {
            destination: "alice@example.com".to_owned(),
            subject: "Your verification code".to_owned(),
            body: "Your <b>code</b> is 123456. ".to_owned(),
            code: "123456".to_owned(),
            from: None,
            reply_to: None,
            identifiers: vec!["alice".to_owned()],
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
    fn moments_without_a_date_are_moved_to_the_nearest_one() {
        let from = parse("no-reply@mail.example").unwrap();
        for moment in [i64::MIN, -1, i64::MAX] {
            assert!(build(ID, Timestamp(moment), &content(), &from).is_ok());
        }
    }
}
