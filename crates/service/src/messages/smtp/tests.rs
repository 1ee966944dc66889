//! Settings, and mail servers that end connections, refuse and dawdle.

mod server;
mod settings;

use std::time::Duration;

use domain::{Medium, Message, MessagePurpose, MessageState, Sealed, message::MessageContent};
use wire::Timestamp;

use self::server::{Rules, Server};
use super::{Encryption, FRESH, IDLE, SmtpSender};
use crate::messages::{Failure, Outgoing, Transport};

/// Sends a mail to this address; what it says has a line that looks like its end.
async fn send(sender: &SmtpSender, to: &str) -> Result<(), Failure> {
    let message = Message {
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
    };
    let content = MessageContent {
        destination: format!("{to}@example.com"),
        subject: "Your code".to_owned(),
        body: "Your code is\n.\n123456.".to_owned(),
        ..MessageContent::default()
    };
    sender.send(Outgoing { message: &message, content: &content }).await
}

/// Makes connections that wait look as if they had done so for this long.
fn age(sender: &SmtpSender, by: Duration) {
    sender.0.idle().iter_mut().for_each(|idle| idle.since = idle.since.checked_sub(by).unwrap());
}

fn passing(reason: &str) -> Failure {
    Failure { is_permanent: false, reason: reason.to_owned() }
}

/// What a server is told of one mail.
const MAIL: [&str; 3] = ["MAIL", "RCPT", "DATA"];

#[tokio::test]
async fn many_mails_share_a_connection() {
    let mut taken = Vec::new();
    for pipelining in [false, true] {
        let server = Server::start(Rules { pipelining, ..Rules::default() }).await;
        let sender = server.sender();
        let began = tokio::time::Instant::now();
        for _ in 0..100 {
            send(&sender, "alice").await.unwrap();
        }
        // Waiting for an acknowledgement that the other side holds back would be 40 ms for each mail.
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
        let connections =
            server.until_commands(|connections| connections.iter().all(|one| one.contains(&"QUIT".into())));
        let connections = connections.await;
        let expected: Vec<&str> = ["EHLO", "EHLO"].into_iter().chain(MAIL.repeat(50)).chain(["QUIT"]).collect();
        assert_eq!(connections, [expected.clone(), expected]);
        taken.push(server.mails());
    }
    // Whichever way it goes, the same mail arrives.
    let [one_by_one, at_once] = taken.as_slice() else { panic!("two servers") };
    assert_eq!((one_by_one.len(), one_by_one), (100, at_once));
    let text = one_by_one.first().unwrap();
    assert!(text.contains("\r\nYour code is\r\n.\r\n123456."), "{text}");
}

#[tokio::test]
async fn a_server_that_ends_connections_after_some_mails_gets_each_mail_once() {
    for pipelining in [false, true] {
        let server = Server::start(Rules { pipelining, most_mails: 3, ..Rules::default() }).await;
        let sender = server.sender();
        for _ in 0..10 {
            send(&sender, "alice").await.unwrap();
        }
        assert_eq!((server.mails().len(), server.commands().len()), (10, 4));
    }
}

#[tokio::test]
async fn a_connection_that_the_server_has_ended_meanwhile_is_replaced() {
    for by in [Duration::ZERO, FRESH] {
        let server = Server::start(Rules { most_mails: 1, ..Rules::default() }).await;
        let sender = server.sender();
        send(&sender, "alice").await.unwrap();
        server.until_ended(1).await;
        age(&sender, by);
        send(&sender, "alice").await.unwrap();
        assert_eq!((server.mails().len(), server.commands().len()), (2, 2));
    }
}

#[tokio::test]
async fn connections_are_asked_after_a_while_and_left_after_a_longer_one() {
    let server = Server::start(Rules::default()).await;
    let sender = server.sender();
    send(&sender, "alice").await.unwrap();
    age(&sender, FRESH);
    sender.rest();
    send(&sender, "alice").await.unwrap();
    let expected = [&["EHLO", "EHLO"], &MAIL[..], &["NOOP"], &MAIL[..]].concat();
    assert_eq!(server.commands(), std::slice::from_ref(&expected));
    age(&sender, IDLE);
    sender.rest();
    let commands = server.until_commands(|connections| connections.concat().contains(&"QUIT".to_owned())).await;
    assert_eq!(commands, [[&expected[..], &["QUIT"]].concat()]);
    assert!(sender.0.idle().is_empty());
}

#[tokio::test]
async fn a_refused_receiver_costs_the_others_nothing() {
    let refused = Failure { is_permanent: true, reason: "the mail server answered 550".to_owned() };
    for (pipelining, wants_mail_for_nobody) in [(false, false), (true, false), (true, true)] {
        let server = Server::start(Rules { pipelining, wants_mail_for_nobody, ..Rules::default() }).await;
        let sender = server.sender();
        send(&sender, "alice").await.unwrap();
        assert_eq!(send(&sender, "refused").await.unwrap_err(), refused);
        send(&sender, "bob").await.unwrap();
        let mails = server.mails();
        let [first, second] = mails.as_slice() else { panic!("{mails:?}") };
        assert!(first.contains("alice@example.com") && second.contains("bob@example.com"), "{mails:?}");
        let tried = if pipelining { &MAIL[..] } else { &["MAIL", "RCPT"] };
        let expected = [&["EHLO", "EHLO"], &MAIL[..], tried, &["RSET"], &MAIL[..]].concat();
        assert_eq!(server.commands(), [expected]);
    }
}

#[tokio::test]
async fn a_mail_that_is_refused_after_it_was_read_costs_the_others_nothing() {
    let server = Server::start(Rules::default()).await;
    let sender = server.sender();
    assert!(send(&sender, "unread").await.unwrap_err().is_permanent);
    send(&sender, "alice").await.unwrap();
    assert_eq!((server.mails().len(), server.commands().len()), (1, 1));
}

/// Nobody knows whether it has arrived: the try fails, and gives no second copy by itself.
#[tokio::test]
async fn a_mail_without_an_answer_is_not_sent_again_within_the_try() {
    for pipelining in [false, true] {
        let server = Server::start(Rules { pipelining, ..Rules::default() }).await;
        let sender = server.sender();
        send(&sender, "alice").await.unwrap();
        let unclear = passing("the connection to the mail server ended before it said whether it has the mail");
        assert_eq!(send(&sender, "unanswered").await.unwrap_err(), unclear);
        assert_eq!((server.mails().len(), server.commands().len()), (2, 1));
        send(&sender, "alice").await.unwrap();
        assert_eq!((server.mails().len(), server.commands().len()), (3, 2));
    }
}

#[tokio::test]
async fn a_slow_server_is_waited_for_until_the_time_is_up() {
    let server = Server::start(Rules::default()).await;
    let patient = server.sender();
    // Side by side, each through a connection of its own.
    let both = tokio::join!(send(&patient, "slow"), send(&patient, "slow"));
    assert_eq!(both, (Ok(()), Ok(())));
    assert_eq!((server.mails().len(), server.commands().len()), (2, 2));
    let impatient = server.impatient_sender();
    send(&impatient, "alice").await.unwrap();
    assert_eq!(send(&impatient, "slow").await.unwrap_err(), passing("the mail server did not answer in time"));
    // An answer that comes too late is not taken for that to the next mail.
    assert!(impatient.0.idle().is_empty());
    send(&impatient, "alice").await.unwrap();
    assert_eq!(server.commands().len(), 4);
}

#[tokio::test]
async fn encrypted_connections_are_shared_too() {
    for encryption in [Encryption::StartTls, Encryption::Tls] {
        let server = Server::start(Rules { encryption, pipelining: true, ..Rules::default() }).await;
        let sender = server.sender();
        for _ in 0..5 {
            send(&sender, "alice").await.unwrap();
        }
        let hello = match encryption {
            Encryption::StartTls => &["EHLO", "STARTTLS", "EHLO", "AUTH", "EHLO"][..],
            _ => &["EHLO", "AUTH", "EHLO"],
        };
        assert_eq!(server.commands(), [[hello, &MAIL.repeat(5)].concat()]);
        assert_eq!(server.mails().len(), 5);
    }
}
