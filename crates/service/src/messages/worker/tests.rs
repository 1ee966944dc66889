//! The worker against a mail server of a few lines that answers as it is told.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use domain::{Medium, Message, MessagePurpose, MessageState, time};
use store::{Changes, Stored};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;

use super::{COUNT_AGAIN, COUNT_FROM, Instant, LEASE, MOST_PENDING, deliver, look_after, run, settle, take};
use crate::{
    App,
    messages::{
        Encryption, InboxQuery, Sender, SmtpSender, SmtpSettings, clear, inbox,
        smtp::Failure,
        testing::{START, app, ctx, pool, sibling, user},
        write,
    },
};

/// Answers to RCPT TO, one a try, the last one for ever; and the mails that were taken.
struct Server {
    port: u16,
    answers: Mutex<Vec<&'static str>>,
    mails: Mutex<Vec<String>>,
}

impl Server {
    async fn start(answers: &[&'static str]) -> Arc<Self> {
        Self::start_at(0, answers).await
    }

    /// On this port; 0 takes a free one.
    async fn start_at(port: u16, answers: &[&'static str]) -> Arc<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = Arc::new(Self { port, answers: Mutex::new(answers.to_vec()), mails: Mutex::default() });
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
        let (read, mut write) = stream.into_split();
        let mut lines = BufReader::new(read).lines();
        write.write_all(b"220 test\r\n").await?;
        while let Some(line) = lines.next_line().await? {
            let answer = match line.split_ascii_whitespace().next().unwrap_or_default() {
                "RCPT" => self.next_answer(),
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
    let settings = SmtpSettings {
        host: "127.0.0.1".to_owned(),
        port,
        encryption: Encryption::None,
        username: None,
        password: None,
        from: "no-reply@mail.example".to_owned(),
        ca_file: None,
        timeout: Duration::from_secs(5),
    };
    Sender::Smtp(SmtpSender::new(&settings).unwrap())
}

/// Commits a message to alice.
async fn message(app: &Arc<App>, code: &str) -> Message {
    let alice = user("alice", &[("email", "alice@example.com")]);
    let ctx = ctx(app);
    let purpose = MessagePurpose::ForgotPassword;
    let message = write(&ctx, &pool(), None, &alice, purpose, Medium::Email, "alice@example.com", code).unwrap();
    let mut changes = Changes::new();
    changes.insert(message.clone());
    app.commit(changes).await.unwrap();
    app.outbox.notify();
    message
}

async fn row(app: &App, id: &str) -> Option<Stored<Message>> {
    app.store.message(id).await.unwrap()
}

/// Waits until the condition holds.
async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    for _ in 0..500 {
        if condition().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
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

#[tokio::test]
async fn a_mail_is_handed_over_once_and_then_forgotten() {
    let server = Server::start(&["250 ok"]).await;
    let app = app(sender(server.port), false).await;
    let running = Running::start(&app);
    let message = message(&app, "123456").await;
    until("the row is gone", async || row(&app, &message.id).await.is_none()).await;
    running.stop().await;
    let mails = server.mails();
    assert_eq!(mails.len(), 1);
    assert!(mails.concat().contains(&format!("Message-ID: <{}@mail.example>", message.id)), "{mails:?}");
    assert!(mails.concat().contains("Your password reset code is 123456"), "{mails:?}");
    assert_eq!(app.metrics.messages_sent.get(), 1);
}

#[tokio::test]
async fn a_kept_mail_is_in_the_inbox_after_it_was_handed_over_and_not_before() {
    let server = Server::start(&["451 later", "250 ok"]).await;
    let app = app(sender(server.port), true).await;
    let message = message(&app, "123456").await;
    let query = || InboxQuery { limit: 10, ..InboxQuery::default() };
    assert_eq!(inbox(&app, query()).await.unwrap(), []);
    let running = Running::start(&app);
    until("the first try fails", async || row(&app, &message.id).await.unwrap().last_error.is_some()).await;
    assert_eq!(inbox(&app, query()).await.unwrap(), []);
    app.clock.advance(5 * time::SECOND);
    until("it was sent", async || row(&app, &message.id).await.unwrap().state == MessageState::Sent).await;
    running.stop().await;
    let shown = inbox(&app, query()).await.unwrap();
    assert_eq!(shown.iter().map(|message| message.sent_at.as_str()).collect::<Vec<_>>(), ["2026-01-02T03:04:10Z"]);
    let row = row(&app, &message.id).await.unwrap();
    assert_eq!((row.tries, row.last_error.as_deref()), (2, None));
}

#[tokio::test]
async fn a_passing_failure_is_tried_again_later() {
    let server = Server::start(&["451 <alice@example.com> try later"]).await;
    let app = app(sender(server.port), false).await;
    let message = message(&app, "123456").await;
    let running = Running::start(&app);
    until("the first try fails", async || row(&app, &message.id).await.unwrap().last_error.is_some()).await;
    let first = row(&app, &message.id).await.unwrap();
    assert_eq!((first.state, first.tries), (MessageState::Pending, 1));
    // The address in the server's answer is not kept.
    assert_eq!(first.last_error.as_deref(), Some("the mail server answered 451"));
    let wait = first.due_at.since(START);
    assert!((2_000..=4_000).contains(&wait), "{wait}");
    app.clock.advance(wait);
    until("the second try fails", async || {
        let row = row(&app, &message.id).await.unwrap();
        row.tries == 2 && row.due_at.since(app.clock.now()) < LEASE
    })
    .await;
    app.clock.advance(time::DAY);
    until("a day is enough", async || row(&app, &message.id).await.unwrap().state == MessageState::Dead).await;
    running.stop().await;
    assert_eq!((app.metrics.messages_sent.get(), app.metrics.messages_failed.get()), (0, 3));
}

#[tokio::test]
async fn a_refusal_is_final_and_a_complaint_about_settings_is_not() {
    for (answer, state, reason) in [
        ("550 no such user", MessageState::Dead, "the mail server answered 550"),
        ("535 who?", MessageState::Pending, "the mail server answered 535; check username, password and encryption"),
        ("503 what?", MessageState::Pending, "the mail server answered 503"),
    ] {
        let server = Server::start(&[answer]).await;
        let app = app(sender(server.port), false).await;
        let message = message(&app, "123456").await;
        let running = Running::start(&app);
        until("the try fails", async || row(&app, &message.id).await.unwrap().last_error.is_some()).await;
        running.stop().await;
        let row = row(&app, &message.id).await.unwrap();
        assert_eq!((row.state, row.last_error.as_deref()), (state, Some(reason)));
    }
}

#[tokio::test]
async fn a_server_that_is_down_gets_the_mail_when_it_is_back() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let app = app(sender(port), false).await;
    let message = message(&app, "123456").await;
    let running = Running::start(&app);
    until("the try fails", async || row(&app, &message.id).await.unwrap().last_error.is_some()).await;
    running.stop().await;
    let waiting = row(&app, &message.id).await.unwrap();
    assert_eq!(waiting.state, MessageState::Pending);
    assert!(waiting.last_error.as_deref().unwrap().starts_with("no connection to the mail server: "), "{waiting:?}");
    // The server comes up, and another process takes the outbox over.
    let server = Server::start_at(port, &["250 ok"]).await;
    app.clock.set(waiting.due_at);
    let running = Running::start(&app);
    until("it was sent", async || row(&app, &message.id).await.is_none()).await;
    running.stop().await;
    assert_eq!(server.mails().len(), 1);
}

#[tokio::test]
async fn an_address_that_is_none_is_never_sent_to() {
    let server = Server::start(&["250 ok"]).await;
    let app = app(sender(server.port), false).await;
    let ctx = ctx(&app);
    let hostile = "a@b.example\r\nRCPT TO:<eve@evil.example>";
    let purpose = MessagePurpose::SignUp;
    let message = write(&ctx, &pool(), None, &user("a", &[]), purpose, Medium::Email, hostile, "1").unwrap();
    let mut changes = Changes::new();
    changes.insert(message.clone());
    app.commit(changes).await.unwrap();
    let running = Running::start(&app);
    until("it is dead", async || row(&app, &message.id).await.unwrap().state == MessageState::Dead).await;
    running.stop().await;
    assert_eq!(
        row(&app, &message.id).await.unwrap().last_error.as_deref(),
        Some("the destination is not a mail address")
    );
    assert_eq!(server.mails(), Vec::<String>::new());
}

#[tokio::test]
async fn a_lease_keeps_others_away_until_it_ends_and_then_nothing_is_lost() {
    let app = app(sender(1), false).await;
    message(&app, "1").await;
    message(&app, "2").await;
    let first = take(&app, 1).await.unwrap();
    let second = take(&app, 8).await.unwrap();
    assert_eq!((first.len(), second.len()), (1, 1));
    assert_ne!(first.first().unwrap().id, second.first().unwrap().id);
    assert_eq!(take(&app, 8).await.unwrap().len(), 0);
    // The process died: the lease ends.
    app.clock.advance(LEASE);
    let again = take(&app, 8).await.unwrap();
    assert_eq!(again.iter().map(|message| message.tries).collect::<Vec<_>>(), [2, 2]);
    // The first holder was only slow: what it says no longer counts.
    let late = first.first().unwrap();
    settle(&app, late, Err(Failure { is_permanent: true, reason: "too late".to_owned() })).await;
    let row = row(&app, &late.id).await.unwrap();
    assert_eq!((row.state, row.tries, row.last_error.as_deref()), (MessageState::Pending, 2, None));
}

#[tokio::test]
async fn many_takers_never_hold_one_message_together() {
    let app = app(sender(1), false).await;
    for code in 0..40 {
        message(&app, &code.to_string()).await;
    }
    let mut takers = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let app = app.clone();
        takers.spawn(async move {
            let mut ids = Vec::new();
            loop {
                let taken = take(&app, 8).await.unwrap();
                ids.extend(taken.iter().map(|message| message.id.clone()));
                if taken.is_empty() && app.store.due_messages(START, 1).await.unwrap().is_empty() {
                    return ids;
                }
            }
        });
    }
    let mut ids = takers.join_all().await.concat();
    assert_eq!(ids.len(), 40);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 40);
}

#[tokio::test]
async fn text_messages_are_refused_before_anything_is_committed_when_nobody_takes_them() {
    let app = app(sender(1), false).await;
    assert!(app.outbox.can_deliver(Medium::Email).is_ok());
    let error = app.outbox.can_deliver(Medium::Sms).unwrap_err();
    assert_eq!(error.to_string(), "CodeDeliveryFailureException: Unable to deliver code to user");
}

#[tokio::test]
async fn the_inbox_keeps_the_newest_messages_and_never_overflows() {
    let app = app(Sender::Inbox, true).await;
    let alice = user("alice", &[("email", "alice@example.com")]);
    let written = 10_001;
    for start in (0..written).step_by(500) {
        app.clock.advance(time::SECOND);
        let ctx = ctx(&app);
        let mut changes = Changes::new();
        for code in start..(start + 500).min(written) {
            let purpose = MessagePurpose::SignUp;
            let code = code.to_string();
            changes.insert(write(&ctx, &pool(), None, &alice, purpose, Medium::Sms, "+1", &code).unwrap());
        }
        app.commit(changes).await.unwrap();
    }
    let running = Running::start(&app);
    let query = || InboxQuery { limit: usize::MAX, ..InboxQuery::default() };
    until("trimmed", async || inbox(&app, query()).await.unwrap().len() == 5_000).await;
    running.stop().await;
    let codes: Vec<String> = inbox(&app, query()).await.unwrap().into_iter().map(|message| message.code).collect();
    assert_eq!((codes.first().unwrap().as_str(), codes.last().unwrap().as_str()), ("10000", "5001"));
    clear(&app).await.unwrap();
    assert_eq!(inbox(&app, query()).await.unwrap(), []);
}

#[tokio::test]
async fn a_mail_server_that_is_down_piles_up_only_so_much() {
    let app = app(sender(1), false).await;
    message(&app, "1").await;
    assert_eq!(app.outbox.book().pending, 1);
    // As if many more were waiting.
    app.outbox.book().pending = MOST_PENDING;
    let error = app.outbox.can_deliver(Medium::Email).unwrap_err();
    assert_eq!(error.to_string(), "CodeDeliveryFailureException: Unable to deliver code to user");
    // The worker's count corrects it, but does not count all the time.
    let mut last_count = None;
    look_after(&app, &mut last_count).await.unwrap();
    assert_eq!(app.outbox.book().pending, 1);
    assert!(app.outbox.can_deliver(Medium::Email).is_ok());
    app.outbox.book().pending = MOST_PENDING;
    look_after(&app, &mut last_count).await.unwrap();
    assert!(app.outbox.can_deliver(Medium::Email).is_err());
}

/// What another server hands over stays in the book of the server that wrote it.
#[tokio::test]
async fn a_book_that_has_drifted_is_corrected_before_anything_is_refused() {
    let server = Server::start(&["250 ok"]).await;
    let worker = app(sender(server.port), false).await;
    let writer = sibling(&worker, sender(1));
    let message = message(&writer, "1").await;
    let taken = take(&worker, 1).await.unwrap().pop().unwrap();
    deliver(&worker, taken).await;
    assert_eq!((row(&worker, &message.id).await, known(&writer)), (None, (1, 0)));
    // As after many such messages.
    writer.outbox.book().pending = COUNT_FROM;
    assert!(writer.outbox.can_deliver(Medium::Email).is_ok());
    look_after(&writer, &mut Some(Instant::now() - COUNT_AGAIN)).await.unwrap();
    assert_eq!(known(&writer), (0, 0));
}

/// How many messages the book says are on their way, and how many are not.
fn known(app: &App) -> (usize, usize) {
    let book = app.outbox.book();
    (book.pending, book.finished.len())
}

#[tokio::test]
async fn the_book_follows_what_becomes_of_messages() {
    let server = Server::start(&["250 ok", "550 no such user", "451 later"]).await;
    let app = app(sender(server.port), false).await;
    let mut outcomes = Vec::new();
    for code in ["1", "2", "3"] {
        message(&app, code).await;
        let taken = take(&app, 1).await.unwrap().pop().unwrap();
        deliver(&app, taken).await;
        outcomes.push(known(&app));
    }
    // Handed over and forgotten; dead; on its way still.
    assert_eq!(outcomes, [(0, 0), (0, 1), (1, 1)]);
    inbox::count(&app).await.unwrap();
    assert_eq!(known(&app), (1, 1));
}

#[tokio::test]
async fn trimming_leaves_those_on_their_way_and_the_newest_of_the_others() {
    let app = app(sender(1), true).await;
    let alice = user("alice", &[("email", "alice@example.com")]);
    for start in (0..10_100).step_by(500) {
        let ctx = ctx(&app);
        let mut changes = Changes::new();
        for code in start..(start + 500).min(10_100) {
            let purpose = MessagePurpose::SignUp;
            let to = "alice@example.com";
            let mut message =
                write(&ctx, &pool(), None, &alice, purpose, Medium::Email, to, &code.to_string()).unwrap();
            // Every hundredth waits.
            message.state = if code % 100 == 0 { MessageState::Pending } else { MessageState::Dead };
            changes.insert(message);
        }
        app.commit(changes).await.unwrap();
    }
    // 101 wait and 9,999 are dead: one short of too many.
    look_after(&app, &mut None).await.unwrap();
    assert_eq!(known(&app), (101, 9_999));
    let last = take(&app, 1).await.unwrap().pop().unwrap();
    let failure = Failure { is_permanent: true, reason: "no".to_owned() };
    settle(&app, &last, Err(failure)).await;
    look_after(&app, &mut Some(Instant::now())).await.unwrap();
    assert_eq!(known(&app), (100, 5_000));
    inbox::count(&app).await.unwrap();
    assert_eq!(known(&app), (100, 5_000));
}
