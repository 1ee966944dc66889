//! Messages that a pool's own function sends.

use std::sync::atomic::AtomicBool;

use domain::Entropy;
use serde_json::{Value, json};

use super::*;
use crate::triggers::{self, CodeKeys, Encrypting, Failure as Failed, Invocation, RunFunctions};

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
    fn knows(&self, _: &str) -> bool {
        !self.has_no_keys.load(Ordering::SeqCst)
    }

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
        // Much less than a lease: what is being tried must not look as if it had been left behind.
        app.clock.advance(2 * time::SECOND);
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
        // What it says may be anything, and is kept.
        (
            vec![Failed::Threw("no 123456 for a@example.com".to_owned()); 3],
            false,
            3,
            MessageState::Dead,
            Some("arn:function failed with error no [...] for [...]"),
        ),
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
