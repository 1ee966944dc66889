//! A line of JSON for each message, for whoever reads standard output or a file and sends them on.

use std::{io::Write, path::PathBuf, sync::Arc};

use domain::Medium;
use serde_json::json;
use service::messages::{Failure, Outgoing, Sending, Transport};
use tokio::sync::Mutex;

use crate::{access_keys::moment, destinations::append};

/// Where lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Standard output.
    Output,
    /// A file that is opened anew for each message: whoever moves it away finds a new one in its place.
    File(PathBuf),
}

/// Writes messages down.
pub struct Lines {
    place: Place,
    /// The sender of mails whose pool names none.
    from: Option<String>,
    /// One write at a time: of a disk that hangs, only one thread waits.
    turn: Arc<Mutex<()>>,
}

impl Lines {
    /// Lines in this place.
    pub fn new(place: Place, from: Option<String>) -> Self {
        Self { place, from, turn: Arc::default() }
    }

    fn line(&self, Outgoing { message, content }: Outgoing<'_>) -> String {
        let is_mail = message.medium == Medium::Email;
        let line = json!({
            "id": message.id,
            "poolId": message.pool_id,
            "username": message.username,
            "purpose": message.purpose,
            "medium": message.medium,
            "writtenAt": moment(message.created_at),
            "from": content.from.as_ref().or(self.from.as_ref()).filter(|_| is_mail),
            "replyTo": content.reply_to,
            "to": content.destination,
            "subject": is_mail.then_some(&content.subject),
            "body": content.body,
        });
        format!("{line}\n")
    }
}

impl Transport for Lines {
    fn send<'a>(&'a self, outgoing: Outgoing<'a>) -> Sending<'a> {
        let (place, line) = (self.place.clone(), self.line(outgoing));
        Box::pin(async move {
            let turn = self.turn.clone().lock_owned().await;
            let written = tokio::task::spawn_blocking(move || {
                let outcome = match &place {
                    Place::Output => print(&line),
                    Place::File(path) => append(path, line.as_bytes()),
                };
                drop(turn);
                outcome.map_err(|error| match place {
                    Place::Output => format!("standard output: {error}"),
                    Place::File(path) => format!("{}: {error}", path.display()),
                })
            });
            let outcome = written.await.unwrap_or_else(|error| Err(error.to_string()));
            outcome.map_err(|reason| Failure { is_permanent: false, reason })
        })
    }
}

fn print(line: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(line.as_bytes())?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use domain::{Medium, message::MessageContent};
    use serde_json::{Value, json};
    use service::messages::{Outgoing, Transport};

    use super::{Lines, Place};
    use crate::senders::testing::{content, message};

    #[tokio::test]
    async fn a_line_says_everything_that_sending_takes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("messages.jsonl");
        let lines = Lines::new(Place::File(path.clone()), Some("no-reply@example.com".to_owned()));
        let (mail, text) = (message(Medium::Email), message(Medium::Sms));
        let hostile = MessageContent { body: "a\nb\"}".to_owned(), ..content() };
        lines.send(Outgoing { message: &mail, content: &content() }).await.unwrap();
        lines.send(Outgoing { message: &text, content: &hostile }).await.unwrap();
        let written = std::fs::read_to_string(&path).unwrap();
        let written: Vec<Value> = written.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let both = json!({
            "id": mail.id, "poolId": "us-east-1_AbCdEfGh1", "username": "alice", "purpose": "SignUp", "medium": "EMAIL",
            "writtenAt": "2026-01-02T03:04:05Z", "to": "+4915112345678", "body": "Your code is 123456. ",
            "from": null, "replyTo": null, "subject": null,
        });
        let mut as_mail = both.clone();
        as_mail["from"] = json!("no-reply@example.com");
        as_mail["subject"] = json!("Your code");
        let mut as_text = both;
        as_text["medium"] = json!("SMS");
        as_text["body"] = json!("a\nb\"}");
        assert_eq!(written, [as_mail, as_text]);
    }

    #[tokio::test]
    async fn a_place_that_cannot_be_written_is_named_and_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let lines = Lines::new(Place::File(folder.path().to_owned()), None);
        let mail = message(Medium::Email);
        let failure = lines.send(Outgoing { message: &mail, content: &content() }).await.unwrap_err();
        assert!(!failure.is_permanent && failure.reason.contains(&*folder.path().to_string_lossy()), "{failure:?}");
        assert!(!failure.reason.contains("123456") && !failure.reason.contains("+49"), "{failure:?}");
    }
}
