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
