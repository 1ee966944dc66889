//! The worker against a mail server of a few lines that answers as it is told.

mod book;
mod connections;
mod functions;
mod leases;
mod outages;
mod outcomes;
mod senders;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use domain::{Medium, Message, MessagePurpose, MessageState, Pool, User, time};
use store::{Changes, Stored};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;

use super::{
    AT_ONCE, COUNT_AGAIN, COUNT_FROM, Instant, LEASE, Line, MOST_PENDING, POLL, Tried, carry, look_after, mpsc, run,
    settle::settle,
    settle_all,
    take::{admitted, let_go, line_up_again, take, take_under_leases},
};
use crate::{
    App,
    messages::{
        Encryption, Failure, Functions, InboxQuery, Letter, Outbox, Sender, SmtpSender, SmtpSettings, clear, inbox,
        testing::{START, app, ctx, pool, sibling, user, with_outbox},
        write,
    },
};

/// Answers to RCPT TO, one a try, the last one for ever; and the mails that were taken.
struct Server {
    port: u16,
    answers: Mutex<Vec<&'static str>>,
    mails: Mutex<Vec<String>>,
    connections: AtomicUsize,
}

impl Server {
    async fn start(answers: &[&'static str]) -> Arc<Self> {
        Self::start_at(0, answers).await
    }

    /// On this port; 0 takes a free one.
    async fn start_at(port: u16, answers: &[&'static str]) -> Arc<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = Arc::new(Self {
            port,
            answers: Mutex::new(answers.to_vec()),
            mails: Mutex::default(),
            connections: AtomicUsize::new(0),
        });
        let shared = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = shared.clone();
                // A client that goes away in the middle is no concern of the test.
                tokio::spawn(async move { shared.talk(stream).await.ok() });
            }
        });
        server
    }

    async fn talk(&self, stream: TcpStream) -> std::io::Result<()> {
        self.connections.fetch_add(1, Ordering::SeqCst);
        let (read, mut write) = stream.into_split();
        let mut lines = BufReader::new(read).lines();
        write.write_all(b"220 test\r\n").await?;
        while let Some(line) = lines.next_line().await? {
            let answer = match line.split_ascii_whitespace().next().unwrap_or_default() {
                "RCPT" => match self.next_answer() {
                    "silence" => std::future::pending().await,
                    "end" => return Ok(()),
                    answer => answer,
                },
                "DATA" => {
                    write.write_all(b"354 go on\r\n").await?;
                    let mut mail = String::new();
                    while let Some(line) = lines.next_line().await?.filter(|line| line != ".") {
                        mail.push_str(&line);
                        mail.push('\n');
                    }
                    self.mails.lock().unwrap().push(mail);
                    "250 taken"
                }
                "QUIT" => "221 bye",
                _ => "250 ok",
            };
            write.write_all(format!("{answer}\r\n").as_bytes()).await?;
        }
        Ok(())
    }

    fn next_answer(&self) -> &'static str {
        let mut answers = self.answers.lock().unwrap();
        if answers.len() > 1 { answers.remove(0) } else { answers.first().copied().unwrap_or("250 ok") }
    }

    fn mails(&self) -> Vec<String> {
        self.mails.lock().unwrap().clone()
    }
}

fn sender(port: u16) -> Sender {
    patient_sender(port, Duration::from_secs(5))
}

fn patient_sender(port: u16, timeout: Duration) -> Sender {
    let settings = SmtpSettings {
        host: "127.0.0.1".to_owned(),
        port,
        encryption: Encryption::None,
        username: None,
        password: None,
        from: "no-reply@mail.example".to_owned(),
        ca_file: None,
        timeout,
    };
    Sender::Smtp(SmtpSender::new(&settings).unwrap())
}

/// A message, not committed.
async fn written(
    app: &Arc<App>,
    pool: &Pool,
    user: &User,
    (medium, destination): (Medium, &str),
    code: &str,
) -> Message {
    let letter =
        Letter { pool, client_id: None, user, purpose: MessagePurpose::ForgotPassword, medium, destination, code };
    write(&ctx(app), &letter, &Functions::default()).await.unwrap()
}

async fn commit(app: &Arc<App>, message: &Message) {
    let mut changes = Changes::new();
    changes.insert(message.clone());
    app.commit(changes).await.unwrap();
    app.outbox.notify();
}

/// Commits a message to alice.
async fn message(app: &Arc<App>, code: &str) -> Message {
    let alice = user("alice", &[("email", "alice@example.com")]);
    let message = written(app, &pool(), &alice, (Medium::Email, "alice@example.com"), code).await;
    commit(app, &message).await;
    message
}

async fn row(app: &App, id: &str) -> Option<Stored<Message>> {
    app.store.message(id).await.unwrap()
}

/// Waits until the condition holds.
async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    for _ in 0..2_000 {
        if condition().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}

/// A port that nobody listens on.
async fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

/// Tries the next message that is due, once.
async fn try_next(app: &Arc<App>) {
    let taken = take(app, 1).await.unwrap();
    assert_eq!(taken.len(), 1);
    settle_all(app, deliver(app, taken).await).await;
}

/// Has one carrier try these messages.
async fn deliver(app: &Arc<App>, taken: Vec<Stored<Message>>) -> Vec<Tried> {
    let (line, (tell, mut told)) = (Arc::<Line>::default(), mpsc::unbounded_channel());
    line.join(taken);
    carry(app.clone(), line, tell).await;
    let mut tried = Vec::new();
    while let Some(one) = told.recv().await {
        tried.push(one);
    }
    tried
}

struct Running(CancellationToken, tokio::task::JoinHandle<()>);

impl Running {
    fn start(app: &Arc<App>) -> Self {
        let token = CancellationToken::new();
        Self(token.clone(), tokio::spawn(run(app.clone(), token)))
    }

    async fn stop(self) {
        self.0.cancel();
        tokio::time::timeout(Duration::from_secs(10), self.1).await.unwrap().unwrap();
    }
}

/// How many messages the book says are on their way, and how many are not.
fn known(app: &App) -> (usize, usize) {
    let book = app.outbox.book();
    (book.pending, book.finished.len())
}
