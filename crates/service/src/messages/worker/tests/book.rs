//! How much waits, and what is kept of the rest.

use super::*;

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

/// The first requests after a start go before.
#[tokio::test]
async fn counting_begins_a_second_after_the_start() {
    let app = app(sender(1), false).await;
    let alice = user("alice", &[]);
    let mut changes = Changes::new();
    let kept = written(&app, &pool(), &alice, (Medium::Sms, "+1"), "1").await;
    changes.insert(Message { state: MessageState::Dead, ..kept });
    app.commit(changes).await.unwrap();
    let (running, started) = (Running::start(&app), Instant::now());
    until("counted", async || known(&app) == (0, 1)).await;
    assert!(started.elapsed() >= POLL);
    running.stop().await;
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
    try_next(&worker).await;
    assert_eq!((row(&worker, &message.id).await, known(&writer)), (None, (1, 0)));
    // As after many such messages.
    writer.outbox.book().pending = COUNT_FROM;
    assert!(writer.outbox.can_deliver(&pool(), Medium::Email).is_ok());
    look_after(&writer, &mut Some(Instant::now() - COUNT_AGAIN)).await.unwrap();
    assert_eq!(known(&writer), (0, 0));
}

#[tokio::test]
async fn the_book_follows_what_becomes_of_messages() {
    let server = Server::start(&["250 ok", "550 no such user", "451 later"]).await;
    let app = app(sender(server.port), false).await;
    let mut outcomes = Vec::new();
    for code in ["1", "2", "3"] {
        message(&app, code).await;
        try_next(&app).await;
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
