//! A sender for each medium, and its rate.

use super::*;
use crate::messages::{Outgoing, Sending, Transport};

#[tokio::test]
async fn text_messages_are_refused_before_anything_is_committed_when_nobody_takes_them() {
    let app = app(sender(1), false).await;
    assert!(app.outbox.can_deliver(&pool(), Medium::Email).is_ok());
    let error = app.outbox.can_deliver(&pool(), Medium::Sms).unwrap_err();
    assert_eq!(error.to_string(), "CodeDeliveryFailureException: Unable to deliver code to user");
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
    let held = admitted.into_iter().map(|message| message.value.id).collect();
    let later = app.store.due_messages_but(&held, (START, START.plus(4 * time::SECOND)), 100).await.unwrap();
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
