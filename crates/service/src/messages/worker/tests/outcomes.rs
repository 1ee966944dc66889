//! What becomes of one mail.

use super::*;

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
