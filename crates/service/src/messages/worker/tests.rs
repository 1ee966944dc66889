//! The worker against a mail server of a few lines that answers as it is told.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use domain::{Entropy, Medium, Message, MessagePurpose, MessageState, Pool, User, time};
use serde_json::{Value, json};
use store::{Changes, Stored};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;

use super::{
    COUNT_AGAIN, COUNT_FROM, Instant, LEASE, MOST_PENDING, admitted, deliver, look_after, run, settle, settle_all, take,
};
use crate::{
    App,
    messages::{
        Encryption, Failure, Functions, InboxQuery, Letter, Outbox, Outgoing, Sender, Sending, SmtpSender,
        SmtpSettings, Transport, clear, inbox,
        testing::{START, app, ctx, pool, sibling, user, with_outbox},
        write,
    },
    triggers::{self, CodeKeys, Encrypting, Failure as Failed, Invocation, RunFunctions},
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
    let hostile = "a@b.example\r\nRCPT TO:<eve@evil.example>";
    let message = written(&app, &pool(), &user("a", &[]), (Medium::Email, hostile), "1").await;
    commit(&app, &message).await;
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
    assert!(app.outbox.can_deliver(&pool(), Medium::Email).is_ok());
    let error = app.outbox.can_deliver(&pool(), Medium::Sms).unwrap_err();
    assert_eq!(error.to_string(), "CodeDeliveryFailureException: Unable to deliver code to user");
}

#[tokio::test]
async fn the_inbox_keeps_the_newest_messages_and_never_overflows() {
    let app = app(Sender::Inbox, true).await;
    let alice = user("alice", &[("email", "alice@example.com")]);
    let number = 10_001;
    for start in (0..number).step_by(500) {
        app.clock.advance(time::SECOND);
        let mut changes = Changes::new();
        for code in start..(start + 500).min(number) {
            changes.insert(written(&app, &pool(), &alice, (Medium::Sms, "+1"), &code.to_string()).await);
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
    let error = app.outbox.can_deliver(&pool(), Medium::Email).unwrap_err();
    assert_eq!(error.to_string(), "CodeDeliveryFailureException: Unable to deliver code to user");
    // The worker's count corrects it, but does not count all the time.
    let mut last_count = None;
    look_after(&app, &mut last_count).await.unwrap();
    assert_eq!(app.outbox.book().pending, 1);
    assert!(app.outbox.can_deliver(&pool(), Medium::Email).is_ok());
    app.outbox.book().pending = MOST_PENDING;
    look_after(&app, &mut last_count).await.unwrap();
    assert!(app.outbox.can_deliver(&pool(), Medium::Email).is_err());
}

/// What another server hands over stays in the book of the server that wrote it.
#[tokio::test]
async fn a_book_that_has_drifted_is_corrected_before_anything_is_refused() {
    let server = Server::start(&["250 ok"]).await;
    let worker = app(sender(server.port), false).await;
    let writer = sibling(&worker, sender(1));
    let message = message(&writer, "1").await;
    let taken = take(&worker, 1).await.unwrap().pop().unwrap();
    settle_all(&worker, vec![deliver(&worker, taken).await]).await;
    assert_eq!((row(&worker, &message.id).await, known(&writer)), (None, (1, 0)));
    // As after many such messages.
    writer.outbox.book().pending = COUNT_FROM;
    assert!(writer.outbox.can_deliver(&pool(), Medium::Email).is_ok());
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
        settle_all(&app, vec![deliver(&app, taken).await]).await;
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
        let mut changes = Changes::new();
        for code in start..(start + 500).min(10_100) {
            let to = (Medium::Email, "alice@example.com");
            let mut message = written(&app, &pool(), &alice, to, &code.to_string()).await;
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

/// Functions and keys that note what they are told, and fail as long as they are to.
#[derive(Debug, Default)]
struct Owner {
    told: Mutex<Vec<(String, Value, Invocation)>>,
    failures: Mutex<Vec<Failed>>,
    has_no_keys: AtomicBool,
}

impl RunFunctions for Owner {
    fn knows(&self, _: &str) -> bool {
        true
    }

    fn run(&self, arn: &str, event: Value, invocation: Invocation, _: &str) -> triggers::Running {
        self.told.lock().unwrap().push((arn.to_owned(), event, invocation));
        let outcome = self.failures.lock().unwrap().pop().map_or(Ok(String::new()), Err);
        Box::pin(std::future::ready(outcome))
    }
}

impl CodeKeys for Owner {
    fn encrypt(&self, key_arn: &str, pool_id: &str, plaintext: String, _: Arc<dyn Entropy>) -> Encrypting {
        let has_none = self.has_no_keys.load(Ordering::SeqCst);
        let outcome =
            if has_none { Err("there is none".to_owned()) } else { Ok(format!("{key_arn} {pool_id} {plaintext}")) };
        Box::pin(std::future::ready(outcome))
    }
}

/// An app whose pools' functions are these, and a pool whose mails go to one.
async fn owned(sender: Sender, keep: bool) -> (Arc<App>, Arc<Owner>, Pool) {
    let owner = Arc::new(Owner::default());
    let app = Arc::into_inner(app(sender, keep).await).unwrap();
    let app = Arc::new(app.with_runner(owner.clone()).with_code_keys(owner.clone()));
    let mut pool = pool();
    pool.sign_in.triggers = serde_json::from_value(json!({
        "CustomEmailSender": {"LambdaVersion": "V1_0", "LambdaArn": "arn:function"},
        "KMSKeyID": "arn:key",
    }))
    .unwrap();
    (app, owner, pool)
}

/// Lets the worker's next look be now, until the message is in this state.
async fn until_state(app: &Arc<App>, message: &Message, state: MessageState) {
    until(&format!("{state:?}"), async || {
        app.clock.advance(time::MINUTE);
        app.outbox.notify();
        tokio::time::sleep(Duration::from_millis(5)).await;
        row(app, &message.id).await.unwrap().state == state
    })
    .await;
}

#[tokio::test]
async fn functions_take_messages_whatever_the_sender_is() {
    for sender in [Sender::Inbox, Sender::Nobody, sender(1)] {
        let (app, owner, pool) = owned(sender, true).await;
        let alice = user("alice", &[("email", "old@example.com"), ("phone_number", "+1")]);
        let message = written(&app, &pool, &alice, (Medium::Email, "new@example.com"), "<123>").await;
        assert_eq!((message.state, app.outbox.book().pending), (MessageState::Pending, 1));
        commit(&app, &message).await;
        // Whoever develops sees it at once.
        let shown = inbox(&app, InboxQuery { limit: 10, ..InboxQuery::default() }).await.unwrap().pop().unwrap();
        assert_eq!(
            (shown.code.as_str(), shown.body.as_str(), shown.destination.as_str()),
            ("<123>", "", "new@example.com")
        );
        let running = Running::start(&app);
        until_state(&app, &message, MessageState::Sent).await;
        running.stop().await;
        let told = owner.told.lock().unwrap().clone();
        let [(arn, event, invocation)] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!((arn.as_str(), *invocation), ("arn:function", Invocation::Event));
        assert_eq!(
            event["request"],
            json!({
                "type": "customEmailSenderRequestV1",
                "code": format!("arn:key {} <123>", pool.id),
                "clientMetadata": null,
                "userAttributes": {
                    "sub": alice.sub, "email": "new@example.com", "phone_number": "+1",
                    "cognito:user_status": "CONFIRMED",
                },
            })
        );
    }
}

#[tokio::test]
async fn functions_that_fail_are_called_three_times() {
    let (app, owner, pool) = owned(Sender::Inbox, true).await;
    let alice = user("alice", &[]);
    let throws = || Failed::Threw("no".to_owned());
    for (failures, has_no_keys, calls, state, error) in [
        (vec![], false, 1, MessageState::Sent, None),
        (vec![throws(), Failed::not_found()], false, 3, MessageState::Sent, None),
        (vec![throws(); 3], false, 3, MessageState::Dead, Some("arn:function failed with error no")),
        (
            vec![Failed::not_found(); 3],
            false,
            3,
            MessageState::Dead,
            Some("arn:function cannot be called: ResourceNotFoundException"),
        ),
        (vec![], true, 0, MessageState::Dead, Some("the code cannot be encrypted with arn:key: there is none")),
    ] {
        *owner.failures.lock().unwrap() = failures;
        owner.has_no_keys.store(has_no_keys, Ordering::SeqCst);
        let message = written(&app, &pool, &alice, (Medium::Email, "a@example.com"), "123456").await;
        commit(&app, &message).await;
        // Another process takes it over from this one.
        let running = Running::start(&app);
        until_state(&app, &message, state).await;
        running.stop().await;
        let row = row(&app, &message.id).await.unwrap();
        assert_eq!(row.last_error.as_deref(), error);
        assert_eq!(std::mem::take(&mut *owner.told.lock().unwrap()).len(), calls, "{error:?}");
    }
}

#[tokio::test]
async fn passwords_are_told_as_html_and_nothing_is_told_of_none() {
    let (app, owner, pool) = owned(Sender::Inbox, true).await;
    let alice = user("alice", &[]);
    for (code, told) in
        [("a<b>&\"c'", json!(format!("arn:key {} a&lt;b&gt;&amp;&quot;c&#39;", pool.id))), ("", Value::Null)]
    {
        let letter = Letter {
            pool: &pool,
            client_id: None,
            user: &alice,
            purpose: MessagePurpose::AdminCreateUser,
            medium: Medium::Email,
            destination: "a@example.com",
            code,
        };
        let message = write(&ctx(&app), &letter, &Functions::default()).await.unwrap();
        commit(&app, &message).await;
        let running = Running::start(&app);
        until_state(&app, &message, MessageState::Sent).await;
        running.stop().await;
        let (_, event, _) = owner.told.lock().unwrap().pop().unwrap();
        assert_eq!(event["request"]["code"], told);
        assert_eq!(event["triggerSource"], "CustomEmailSender_AdminCreateUser");
        assert_eq!(event["callerContext"]["clientId"], "CLIENT_ID_NOT_APPLICABLE");
        assert!(event.get("response").is_none());
    }
}

/// What is on its way when a server dies is called for by the next one.
#[tokio::test]
async fn a_function_is_called_after_a_restart() {
    let (app, _, pool) = owned(Sender::Inbox, true).await;
    let message = written(&app, &pool, &user("alice", &[]), (Medium::Email, "a@example.com"), "123456").await;
    commit(&app, &message).await;
    assert_eq!(take(&app, 8).await.unwrap().len(), 1, "and then it dies");
    let owner = Arc::new(Owner::default());
    let other = Arc::into_inner(sibling(&app, Sender::Inbox)).unwrap();
    let other = Arc::new(other.with_runner(owner.clone()).with_code_keys(owner.clone()));
    let running = Running::start(&other);
    until_state(&other, &message, MessageState::Sent).await;
    running.stop().await;
    assert_eq!(owner.told.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn mails_share_connections_up_to_fifty_each() {
    let server = Server::start(&["250 ok"]).await;
    let app = app(sender(server.port), false).await;
    for number in 0..120 {
        message(&app, &number.to_string()).await;
        let taken = take(&app, 1).await.unwrap().pop().unwrap();
        settle_all(&app, vec![deliver(&app, taken).await]).await;
    }
    assert_eq!((server.mails().len(), server.connections.load(Ordering::SeqCst)), (120, 3));
}

#[tokio::test]
async fn a_shared_connection_that_ends_is_replaced_within_the_try() {
    for end in ["end", "421 enough for now"] {
        let server = Server::start(&["250 ok", end, "250 ok"]).await;
        let app = app(sender(server.port), false).await;
        for code in ["1", "2", "3"] {
            message(&app, code).await;
            let taken = take(&app, 1).await.unwrap().pop().unwrap();
            settle_all(&app, vec![deliver(&app, taken).await]).await;
        }
        assert_eq!((server.mails().len(), server.connections.load(Ordering::SeqCst)), (3, 2), "{end}");
        assert_eq!((app.metrics.messages_sent.get(), app.metrics.messages_failed.get()), (3, 0), "{end}");
    }
    // On a new one it is a failure like any other.
    let server = Server::start(&["421 enough for now"]).await;
    let app = app(sender(server.port), false).await;
    let message = message(&app, "1").await;
    let taken = take(&app, 1).await.unwrap().pop().unwrap();
    settle_all(&app, vec![deliver(&app, taken).await]).await;
    let row = row(&app, &message.id).await.unwrap();
    assert_eq!((row.state, row.last_error.as_deref()), (MessageState::Pending, Some("the mail server answered 421")));
}

#[tokio::test]
async fn a_refused_mail_does_not_spoil_the_next_one() {
    let server = Server::start(&["250 ok", "550 no such user", "250 ok"]).await;
    let app = app(sender(server.port), false).await;
    for code in ["1", "2", "3"] {
        message(&app, code).await;
        let taken = take(&app, 1).await.unwrap().pop().unwrap();
        settle_all(&app, vec![deliver(&app, taken).await]).await;
    }
    assert_eq!((server.mails().len(), known(&app)), (2, (0, 1)));
}

#[tokio::test]
async fn a_server_that_falls_silent_holds_up_no_other_mail() {
    let server = Server::start(&["silence", "250 ok"]).await;
    let app = app(patient_sender(server.port, Duration::from_millis(300)), false).await;
    let first = message(&app, "1").await;
    let running = Running::start(&app);
    until("the first is being tried", async || server.connections.load(Ordering::SeqCst) == 1).await;
    let second = message(&app, "2").await;
    until("the second is through", async || row(&app, &second.id).await.is_none()).await;
    until("the first is given up for now", async || row(&app, &first.id).await.unwrap().last_error.is_some()).await;
    running.stop().await;
    let first = row(&app, &first.id).await.unwrap();
    assert_eq!(first.last_error.as_deref(), Some("the mail server did not answer in time"));
    assert_eq!((first.state, first.tries, server.mails().len()), (MessageState::Pending, 1, 1));
}

/// Half an hour without a mail server: tries get rarer, and nothing is lost nor sent twice.
#[tokio::test]
async fn an_outage_of_minutes_loses_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let app = app(sender(port), false).await;
    for code in 0..30 {
        message(&app, &code.to_string()).await;
    }
    let mut tries = 0;
    while app.clock.now().since(START) < 30 * time::MINUTE {
        let taken = take(&app, 100).await.unwrap();
        tries += taken.len();
        let mut tried = Vec::new();
        for message in taken {
            tried.push(deliver(&app, message).await);
        }
        settle_all(&app, tried).await;
        app.clock.advance(time::SECOND);
    }
    // 4 s, 8 s, 16 s … 10 minutes, of which at least half is waited.
    assert!((30 * 8..=30 * 13).contains(&tries), "{tries}");
    assert_eq!(known(&app), (30, 0));
    let server = Server::start_at(port, &["250 ok"]).await;
    app.clock.advance(10 * time::MINUTE);
    let running = Running::start(&app);
    until("all are through", async || known(&app) == (0, 0)).await;
    running.stop().await;
    assert_eq!(server.mails().len(), 30);
}

/// Notes what it is given.
#[derive(Default)]
struct Collector {
    given: Arc<Mutex<Vec<(Medium, String, String)>>>,
    failure: Option<Failure>,
}

impl Transport for Collector {
    fn send<'a>(&'a self, outgoing: Outgoing<'a>) -> Sending<'a> {
        let (message, content) = (outgoing.message, outgoing.content);
        self.given.lock().unwrap().push((message.medium, content.destination.clone(), content.body.clone()));
        Box::pin(std::future::ready(self.failure.clone().map_or(Ok(()), Err)))
    }
}

#[tokio::test]
async fn each_medium_has_its_own_sender() {
    let (mails, texts) = (Collector::default(), Collector::default());
    let (given_mails, given_texts) = (mails.given.clone(), texts.given.clone());
    let outbox = Outbox::new(Sender::Other(Box::new(mails))).with_sms(Sender::Other(Box::new(texts)));
    let app = with_outbox(outbox, false).await;
    assert!(
        app.outbox.can_deliver(&pool(), Medium::Email).is_ok() && app.outbox.can_deliver(&pool(), Medium::Sms).is_ok()
    );
    let running = Running::start(&app);
    let alice = user("alice", &[]);
    for to in [(Medium::Email, "a@example.com"), (Medium::Sms, "+4915112345678")] {
        let message = written(&app, &pool(), &alice, to, "123456").await;
        commit(&app, &message).await;
        until("it is through", async || row(&app, &message.id).await.is_none()).await;
    }
    running.stop().await;
    let one = |given: &Mutex<Vec<_>>| given.lock().unwrap().clone().pop().unwrap();
    assert_eq!(
        one(&given_mails),
        (Medium::Email, "a@example.com".to_owned(), "Your password reset code is 123456".to_owned())
    );
    assert_eq!(
        one(&given_texts),
        (Medium::Sms, "+4915112345678".to_owned(), "Your password reset code is 123456".to_owned())
    );
}

#[tokio::test]
async fn a_sender_of_texts_that_refuses_one_for_good_is_not_asked_again() {
    let failure = Failure { is_permanent: true, reason: "no such number".to_owned() };
    let texts = Collector { failure: Some(failure), ..Collector::default() };
    let given = texts.given.clone();
    let app = with_outbox(Outbox::new(Sender::Inbox).with_sms(Sender::Other(Box::new(texts))), true).await;
    let message = written(&app, &pool(), &user("alice", &[]), (Medium::Sms, "+1"), "1").await;
    commit(&app, &message).await;
    let running = Running::start(&app);
    until("it is dead", async || row(&app, &message.id).await.unwrap().state == MessageState::Dead).await;
    running.stop().await;
    assert_eq!(given.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_sender_is_given_no_more_than_its_rate() {
    let texts = Collector::default();
    let given = texts.given.clone();
    let outbox = Outbox::new(Sender::Other(Box::new(Collector::default())));
    let outbox = outbox.with_sms(Sender::Other(Box::new(texts))).with_rate(Medium::Sms, 5);
    let app = with_outbox(outbox, false).await;
    let alice = user("alice", &[]);
    for _ in 0..10 {
        let text = written(&app, &pool(), &alice, (Medium::Sms, "+1"), "1").await;
        commit(&app, &text).await;
    }
    let mail = message(&app, "1").await;
    let taken = take(&app, 100).await.unwrap();
    let admitted = admitted(&app, taken).await;
    // The mail is not held up by the text messages.
    assert_eq!(admitted.len(), 6);
    assert!(admitted.iter().any(|message| message.id == mail.id));
    // Those that are put off have not been tried, and are due within what the others take.
    let later = app.store.due_messages(START.plus(4 * time::SECOND), 100).await.unwrap();
    assert_eq!(later.iter().map(|message| message.tries).collect::<Vec<_>>(), [0; 5]);
    assert!(later.iter().any(|message| message.due_at > START), "they come back apart");
    // Nothing is left behind, but it takes its time.
    app.clock.advance(LEASE);
    let began = Instant::now();
    let running = Running::start(&app);
    until("all are through", async || {
        app.clock.advance(time::SECOND);
        given.lock().unwrap().len() == 10
    })
    .await;
    running.stop().await;
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
}

#[tokio::test]
async fn what_waits_for_its_turn_at_the_end_is_given_back() {
    let server = Server::start(&["silence"]).await;
    let app = app(patient_sender(server.port, Duration::from_millis(500)), false).await;
    for code in 0..40 {
        message(&app, &code.to_string()).await;
    }
    let running = Running::start(&app);
    until("senders are busy", async || server.connections.load(Ordering::SeqCst) == super::AT_ONCE).await;
    running.stop().await;
    let due = app.store.due_messages(START, 100).await.unwrap();
    assert_eq!(due.len(), 40 - super::AT_ONCE);
    assert!(due.iter().all(|message| message.tries == 0 && message.last_error.is_none()));
}
