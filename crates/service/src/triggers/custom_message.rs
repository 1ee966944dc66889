//! CustomMessage (triggers-security.md §7): how a message reads.

use domain::{MessagePurpose, Pool, User};
use serde::Deserialize;
use serde_json::json;

use super::{Event, Metadata, NO_CLIENT, Trigger, call, function, request, user_attributes};
use crate::{ApiError, Ctx};

/// What CustomMessage answers. The pool's template holds for what is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Words {
    /// The whole text message.
    pub sms_message: Option<String>,
    /// The whole mail, HTML.
    pub email_message: Option<String>,
    /// The mail's subject.
    pub email_subject: Option<String>,
}

/// Asks the pool's function how a message to `user` reads; nothing where there is none.
///
/// # Errors
/// See [`call`].
pub async fn ask(
    ctx: &Ctx,
    pool: &Pool,
    user: &User,
    purpose: MessagePurpose,
    client_id: Option<&str>,
    metadata: Option<&Metadata>,
) -> Result<Words, ApiError> {
    let Some(arn) = function(pool, Trigger::CustomMessage) else { return Ok(Words::default()) };
    let names_user = purpose == MessagePurpose::AdminCreateUser;
    let members = [
        ("userAttributes", json!(user_attributes(pool, user))),
        ("codeParameter", json!("{####}")),
        ("linkParameter", json!("{##Click Here##}")),
        ("usernameParameter", json!(names_user.then_some("{username}"))),
    ];
    let event = Event {
        trigger: Trigger::CustomMessage,
        source: purpose.as_str(),
        user_name: &user.username,
        // Decision: what an administrator does has no client in any of these events.
        client_id: Some(client_id.unwrap_or(NO_CLIENT)),
        request: request(members, metadata),
        response: json!({"smsMessage": null, "emailMessage": null, "emailSubject": null}),
    };
    call(ctx, pool, arn, event).await
}
