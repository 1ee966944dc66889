//! Mail servers that are down or silent, and workers that end.

use super::*;

#[tokio::test]
async fn a_server_that_is_down_gets_the_mail_when_it_is_back() {
    let port = closed_port().await;
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
    let port = closed_port().await;
    let app = app(sender(port), false).await;
    for code in 0..30 {
        message(&app, &code.to_string()).await;
    }
    let mut tries = 0;
    while app.clock.now().since(START) < 30 * time::MINUTE {
        let taken = take(&app, 100).await.unwrap();
        tries += taken.len();
        settle_all(&app, deliver(&app, taken).await).await;
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

#[tokio::test]
async fn what_waits_for_its_turn_at_the_end_is_given_back() {
    let server = Server::start(&["silence"]).await;
    let app = app(patient_sender(server.port, Duration::from_millis(500)), false).await;
    for code in 0..40 {
        message(&app, &code.to_string()).await;
    }
    let running = Running::start(&app);
    until("senders are busy", async || server.connections.load(Ordering::SeqCst) == AT_ONCE).await;
    running.stop().await;
    let due = app.store.due_messages(START, 100).await.unwrap();
    assert_eq!(due.len(), 40 - AT_ONCE);
    assert!(due.iter().all(|message| message.tries == 0 && message.last_error.is_none()));
}
