//! CustomEmailSender and CustomSMSSender (triggers-security.md §12): functions that take messages in place of a sender.
//!
//! The event is made when the message is, and kept in it without the code; the code is encrypted when the function is
//! called, which the worker of the outbox does.

use std::{collections::BTreeMap, time::Duration};

use domain::{
    Medium, Message, Pool,
    message::{CustomSender, MessageContent},
};
use serde_json::{Value, json};

use super::{Counted, Event, Failure, Invocation, Metadata, NO_CLIENT, Trigger, function, user_attributes};
use crate::{App, Ctx, messages::Letter};

/// How long a function may take to send a message. It ends before the lease on the message does.
///
/// Decision: the service waits as long as the function's own settings say.
const LONGEST: Duration = Duration::from_secs(40);

/// The occasion at which a message of this medium goes to a function.
#[must_use]
pub const fn trigger(medium: Medium) -> Trigger {
    match medium {
        Medium::Email => Trigger::CustomEmailSender,
        Medium::Sms => Trigger::CustomSmsSender,
    }
}

/// Whether the pool's messages of this medium go to a function.
#[must_use]
pub fn takes(pool: &Pool, medium: Medium) -> bool {
    function(pool, trigger(medium)).is_some()
}

/// What the pool's function for the medium of this message will be told; none where it has no such function.
///
/// Decision: the address that the message goes to stands in the place of the user's own, which it may be about to
/// replace.
pub(crate) fn of(ctx: &Ctx, letter: &Letter<'_>, metadata: Option<&Metadata>) -> Option<CustomSender> {
    let attributes = || {
        let mut attributes = user_attributes(letter.pool, letter.user);
        attributes.insert(letter.medium.attribute().to_owned(), letter.destination.to_owned());
        attributes
    };
    with_attributes(ctx, letter, metadata, attributes)
}

/// The same with these attributes in the place of the user's.
pub(crate) fn with_attributes(
    ctx: &Ctx,
    letter: &Letter<'_>,
    metadata: Option<&Metadata>,
    attributes: impl FnOnce() -> BTreeMap<String, String>,
) -> Option<CustomSender> {
    let trigger = trigger(letter.medium);
    let arn = function(letter.pool, trigger)?;
    let kind = match letter.medium {
        Medium::Email => "customEmailSenderRequestV1",
        Medium::Sms => "customSMSSenderRequestV1",
    };
    let event = Event {
        trigger,
        source: letter.purpose.as_str(),
        user_name: &letter.user.username,
        // Decision: as in the events of CustomMessage.
        client_id: Some(letter.client_id.unwrap_or(NO_CLIENT)),
        request: json!({"type": kind, "code": null, "clientMetadata": metadata, "userAttributes": attributes()}),
        response: Value::Null,
    };
    let mut event = event.envelope(ctx, letter.pool);
    if let Some(members) = event.as_object_mut() {
        members.remove("response");
    }
    let key = letter.pool.sign_in.triggers.as_ref().and_then(|functions| functions.kms_key_id.clone());
    // No pool has such a function without a key. If one had, the key would not be found.
    Some(CustomSender { function: arn.to_owned(), key: key.unwrap_or_default(), event })
}

/// Hands a message over to its function, with this text as the code.
///
/// # Errors
/// Why that failed, in words that hold nothing secret.
pub(crate) async fn deliver(
    app: &App,
    message: &Message,
    content: &MessageContent,
    sender: &CustomSender,
    code: String,
) -> Result<(), String> {
    let mut event = sender.event.clone();
    // Invitations of users without a password have none.
    if !content.code.is_empty() {
        let encrypting = app.code_keys.encrypt(&sender.key, &message.pool_id, code, app.entropy.clone());
        let encrypted =
            encrypting.await.map_err(|reason| format!("the code cannot be encrypted with {}: {reason}", sender.key))?;
        if let Some(place) = event.pointer_mut("/request/code") {
            *place = Value::from(encrypted);
        }
    }
    let counted = Counted::begin(app, &sender.function);
    let running = app.runner.run(&sender.function, event, Invocation::Event, &message.id);
    let (ended, outcome) = match tokio::time::timeout(LONGEST, running).await {
        Ok(Ok(_)) => ("ok", Ok(())),
        Ok(Err(Failure::Threw(reason))) => ("threw", Err(format!("{} failed with error {reason}", sender.function))),
        Ok(Err(Failure::NotCalled(reason))) => {
            ("not_called", Err(format!("{} cannot be called: {reason}", sender.function)))
        }
        Err(_elapsed) => {
            ("timed_out", Err(format!("{} took longer than {} seconds", sender.function, LONGEST.as_secs())))
        }
    };
    counted.end(ended);
    outcome
}
