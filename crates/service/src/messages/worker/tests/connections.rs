//! Connections that several mails share.

use super::*;

#[tokio::test]
async fn mails_share_connections_up_to_fifty_each() {
    let server = Server::start(&["250 ok"]).await;
    let app = app(sender(server.port), false).await;
    for number in 0..120 {
        message(&app, &number.to_string()).await;
        try_next(&app).await;
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
            try_next(&app).await;
        }
        assert_eq!((server.mails().len(), server.connections.load(Ordering::SeqCst)), (3, 2), "{end}");
        assert_eq!((app.metrics.messages_sent.get(), app.metrics.messages_failed.get()), (3, 0), "{end}");
    }
    // On a new one it is a failure like any other.
    let server = Server::start(&["421 enough for now"]).await;
    let app = app(sender(server.port), false).await;
    let message = message(&app, "1").await;
    try_next(&app).await;
    let row = row(&app, &message.id).await.unwrap();
    assert_eq!((row.state, row.last_error.as_deref()), (MessageState::Pending, Some("the mail server answered 421")));
}

#[tokio::test]
async fn a_refused_mail_does_not_spoil_the_next_one() {
    let server = Server::start(&["250 ok", "550 no such user", "250 ok"]).await;
    let app = app(sender(server.port), false).await;
    for code in ["1", "2", "3"] {
        message(&app, code).await;
        try_next(&app).await;
    }
    assert_eq!((server.mails().len(), known(&app)), (2, (0, 1)));
}

/// Has mails waiting, of which the fourth is announced together with one that the server never answers to.
async fn silent_on_the_third(timeout: Duration) -> (Arc<Server>, Arc<App>, Vec<Message>) {
    let server = Server::start_pipelining().await;
    let app = app(patient_sender(server.port, timeout), false).await;
    let mut messages = Vec::new();
    for code in ["1", "2", "hush", "4"] {
        messages.push(message(&app, code).await);
    }
    (server, app, messages)
}

#[tokio::test]
async fn a_mail_that_was_announced_goes_through_another_connection_when_it_has_to_wait() {
    let (server, app, messages) = silent_on_the_third(Duration::from_secs(3)).await;
    let [_, _, silent, last] = messages.as_slice() else { panic!("four") };
    let running = Running::start(&app);
    until("the last is through", async || row(&app, &last.id).await.is_none()).await;
    // Before anything is known of the one that it was announced with.
    assert_eq!(row(&app, &silent.id).await.unwrap().last_error, None);
    assert_eq!((server.mails().len(), server.connections.load(Ordering::SeqCst)), (4, 2));
    running.stop().await;
    assert_eq!(row(&app, &silent.id).await.unwrap().tries, 1);
    assert_eq!(server.mails().len(), 4);
}

#[tokio::test]
async fn a_mail_that_was_announced_is_given_back_at_the_end() {
    let (server, app, messages) = silent_on_the_third(Duration::from_millis(500)).await;
    let [_, _, silent, last] = messages.as_slice() else { panic!("four") };
    let running = Running::start(&app);
    until("the server is silent", async || server.mails().len() == 3).await;
    running.stop().await;
    let row = async |id: &str| row(&app, id).await.map(|row| (row.tries, row.last_error.is_some()));
    assert_eq!((row(&silent.id).await, row(&last.id).await), (Some((1, true)), Some((0, false))));
    assert_eq!((server.mails().len(), known(&app)), (3, (2, 0)));
    // It may be taken again at once.
    assert_eq!(take(&app, 8).await.unwrap().len(), 1);
}
