//! The mail server that the nodes hand their messages to: as much of RFC 5321 as a client needs that speaks it
//! properly. It takes everything and remembers, for every address, which messages came and how often.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::Notify,
    time::{Instant, timeout_at},
};

/// A message that came; its copies are counted, not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// `Message-ID`, the same for every copy.
    pub id: String,
    /// The six digits in it, if there are any.
    pub code: Option<String>,
    /// How often it came.
    pub copies: usize,
}

/// What came, by address.
#[derive(Default)]
pub struct Mailbox {
    mails: Mutex<HashMap<String, Vec<Mail>>>,
    arrived: Notify,
}

impl Mailbox {
    /// A mail server on a free port of 127.0.0.1, which works until the runtime ends.
    pub async fn start() -> anyhow::Result<(Arc<Self>, SocketAddr)> {
        let mailbox = Arc::new(Self::default());
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = mailbox.clone();
        tokio::spawn(async move {
            loop {
                match listener.accept().await {
                    // A connection that breaks concerns the node that opened it: it will try again.
                    Ok((stream, _)) => drop(tokio::spawn(serve(stream, shared.clone()))),
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            }
        });
        Ok((mailbox, address))
    }

    /// The different messages that came to an address, in order of their first copies.
    pub fn mails(&self, address: &str) -> Vec<Mail> {
        self.locked().get(address).cloned().unwrap_or_default()
    }

    /// Messages, and copies beyond the first of each.
    pub fn count(&self) -> (usize, usize) {
        let mails = self.locked();
        let all = || mails.values().flatten();
        (all().count(), all().map(|mail| mail.copies - 1).sum())
    }

    /// Every address that something came to, with the number of different messages.
    pub fn addresses(&self) -> Vec<(String, usize)> {
        self.locked().iter().map(|(address, mails)| (address.clone(), mails.len())).collect()
    }

    /// Waits until so many different messages have come to an address; false when that takes too long.
    pub async fn wait(&self, address: &str, count: usize, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        loop {
            let next = self.arrived.notified();
            tokio::pin!(next);
            next.as_mut().enable();
            if self.locked().get(address).is_some_and(|mails| mails.len() >= count) {
                return true;
            }
            if timeout_at(deadline, next).await.is_err() {
                return false;
            }
        }
    }

    fn take(&self, envelope: &Envelope) {
        let (id, code) = (header(&envelope.text, "message-id").unwrap_or_default(), code(&envelope.text));
        let mut mails = self.locked();
        for address in &envelope.to {
            let mails = mails.entry(address.clone()).or_default();
            match mails.iter_mut().find(|mail| mail.id == id) {
                Some(mail) => mail.copies += 1,
                None => mails.push(Mail { id: id.clone(), code: code.clone(), copies: 1 }),
            }
        }
        drop(mails);
        self.arrived.notify_waiters();
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, HashMap<String, Vec<Mail>>> {
        self.mails.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Speaks with one client until it says QUIT or goes away.
async fn serve(stream: TcpStream, mailbox: Arc<Mailbox>) -> std::io::Result<()> {
    let (input, mut output) = stream.into_split();
    let mut input = BufReader::new(input);
    output.write_all(b"220 torture ESMTP\r\n").await?;
    let (mut dialogue, mut line) = (Dialogue::default(), Vec::new());
    loop {
        line.clear();
        if input.read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&line);
        let answer = dialogue.line(text.trim_end_matches(['\r', '\n']));
        // Kept before it is acknowledged: the node deletes its own copy when it has read the answer.
        if let Some(envelope) = answer.taken {
            mailbox.take(&envelope);
        }
        output.write_all(answer.text.as_bytes()).await?;
        if answer.is_last {
            return Ok(());
        }
    }
}

/// A message with its receivers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Envelope {
    to: Vec<String>,
    text: String,
}

/// What is said to a line.
#[derive(Debug, Default, PartialEq, Eq)]
struct Answer {
    text: &'static str,
    taken: Option<Envelope>,
    is_last: bool,
}

/// One client's side of the protocol.
#[derive(Default)]
struct Dialogue {
    has_sender: bool,
    envelope: Envelope,
    is_data: bool,
}

impl Dialogue {
    /// Takes a line without its end.
    fn line(&mut self, line: &str) -> Answer {
        if self.is_data {
            return self.data(line);
        }
        let say = |text| Answer { text, ..Answer::default() };
        let verb = line.get(..4).unwrap_or(line).to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" => say("250-torture\r\n250 8BITMIME\r\n"),
            "HELO" | "NOOP" => say("250 torture\r\n"),
            "MAIL" => {
                (self.has_sender, self.envelope) = (true, Envelope::default());
                say("250 sender ok\r\n")
            }
            "RCPT" if !self.has_sender => say("503 MAIL first\r\n"),
            "RCPT" => match line.split_once('<').and_then(|(_, rest)| rest.split_once('>')) {
                Some((address, _)) => {
                    self.envelope.to.push(address.to_owned());
                    say("250 receiver ok\r\n")
                }
                None => say("501 no address\r\n"),
            },
            "DATA" if self.envelope.to.is_empty() => say("503 RCPT first\r\n"),
            "DATA" => {
                self.is_data = true;
                say("354 go on\r\n")
            }
            "RSET" => {
                *self = Self::default();
                say("250 forgotten\r\n")
            }
            "QUIT" => Answer { is_last: true, ..say("221 bye\r\n") },
            _ => say("502 unknown\r\n"),
        }
    }

    fn data(&mut self, line: &str) -> Answer {
        if line == "." {
            let taken = Some(std::mem::take(self).envelope);
            return Answer { text: "250 taken\r\n", taken, is_last: false };
        }
        // A dot at the beginning of a line is doubled on the way (RFC 5321, 4.5.2).
        self.envelope.text.push_str(line.strip_prefix('.').unwrap_or(line));
        self.envelope.text.push('\n');
        Answer::default()
    }
}

/// The value of a header that stands on one line.
fn header(text: &str, name: &str) -> Option<String> {
    let head = text.split("\n\n").next()?;
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
}

/// The first six digits behind the head that stand alone.
fn code(text: &str) -> Option<String> {
    let (_, body) = text.split_once("\n\n")?;
    // What separates the parts is an id, which may look like a code.
    let lines = body.lines().filter(|line| !line.starts_with("--"));
    let mut words = lines.flat_map(|line| line.split(|letter: char| !letter.is_ascii_alphanumeric()));
    words.find(|word| word.len() == 6 && word.bytes().all(|byte| byte.is_ascii_digit())).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the server says to these lines, and what it takes.
    fn speak(lines: &[&str]) -> (Vec<&'static str>, Vec<Envelope>) {
        let mut dialogue = Dialogue::default();
        let (mut said, mut taken) = (Vec::new(), Vec::new());
        for line in lines {
            let answer = dialogue.line(line);
            said.push(answer.text.get(..3).unwrap_or_default());
            taken.extend(answer.taken);
        }
        (said, taken)
    }

    #[test]
    fn two_messages_on_one_connection() {
        let (said, taken) = speak(&[
            "EHLO me",
            "MAIL FROM:<a@b.c> BODY=8BITMIME",
            "rcpt to:<Some@example.com>",
            "DATA",
            "Message-ID: <1@b.c>",
            "",
            "..begins with a dot",
            ".",
            "MAIL FROM:<a@b.c>",
            "RCPT TO:<x@example.com>",
            "RCPT TO:<y@example.com>",
            "DATA",
            "two",
            ".",
            "QUIT",
        ]);
        assert_eq!(said, ["250", "250", "250", "354", "", "", "", "250", "250", "250", "250", "354", "", "250", "221"]);
        let first = Envelope {
            to: vec!["Some@example.com".into()],
            text: "Message-ID: <1@b.c>\n\n.begins with a dot\n".into(),
        };
        let second = Envelope { to: vec!["x@example.com".into(), "y@example.com".into()], text: "two\n".into() };
        assert_eq!(taken, [first, second]);
    }

    #[test]
    fn what_comes_out_of_turn_is_refused() {
        let (said, taken) = speak(&["RCPT TO:<a@b.c>", "DATA", "MAIL FROM:<a@b.c>", "DATA", "RCPT TO:a", "RSET", "é"]);
        assert_eq!((said, taken), (vec!["503", "503", "250", "503", "501", "250", "502"], vec![]));
    }

    #[test]
    fn codes_are_found_in_the_body_alone() {
        let mail =
            "Message-ID: <0b6f@mail>\nSubject: 111111\n\n--poolkeeper-222222\nContent: x\n\nYour code is 345678. \n";
        assert_eq!(header(mail, "message-id").as_deref(), Some("<0b6f@mail>"));
        assert_eq!(code(mail).as_deref(), Some("345678"));
        assert_eq!(code("a: b\n\n1234567 x123456 12345"), None);
        assert_eq!(code("no body"), None);
    }

    #[tokio::test]
    async fn copies_are_told_from_messages() {
        let (mailbox, address) = Mailbox::start().await.unwrap();
        for id in ["1", "2", "1"] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let text = format!(
                "EHLO x\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<u@b.c>\r\nDATA\r\nMessage-ID: {id}\r\n\r\ncode 12345{id}\r\n.\r\nQUIT\r\n"
            );
            stream.write_all(text.as_bytes()).await.unwrap();
            let mut answers = String::new();
            tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut answers).await.unwrap();
            assert!(answers.contains("250 taken"), "{answers}");
        }
        assert!(mailbox.wait("u@b.c", 2, Duration::from_secs(5)).await);
        assert!(!mailbox.wait("u@b.c", 3, Duration::from_millis(20)).await);
        assert_eq!(mailbox.count(), (2, 1));
        let mails = mailbox.mails("u@b.c");
        assert_eq!(
            mails.iter().map(|mail| (mail.code.as_deref(), mail.copies)).collect::<Vec<_>>(),
            [(Some("123451"), 2), (Some("123452"), 1)]
        );
    }
}
