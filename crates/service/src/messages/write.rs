//! A message into the outbox.

use crypto::seal::Purpose;
use domain::message::MessageContent;
use domain::{Medium, Message, MessagePurpose, Pool, User};
use wire::EmailSendingAccountType;

use super::render::{About, render};
use crate::{ApiError, Ctx};

/// The message that tells `user` the code or temporary password by way of `destination`, the full address. The caller
/// commits it together with what it tells about, and calls [`Outbox::notify`](super::Outbox::notify) afterwards;
/// whether anybody can deliver it is asked first, by [`Outbox::can_deliver`](super::Outbox::can_deliver).
///
/// `client_id` is needed for confirmation by link; without one the message carries the code.
///
/// # Errors
/// `InternalErrorException` when the content cannot be sealed.
#[expect(clippy::too_many_arguments, reason = "each of them says something of its own")]
pub fn write(
    ctx: &Ctx,
    pool: &Pool,
    client_id: Option<&str>,
    user: &User,
    purpose: MessagePurpose,
    medium: Medium,
    destination: &str,
    code: &str,
) -> Result<Message, ApiError> {
    let base_url = ctx.app.settings.base_url.trim_end_matches('/');
    let words = render(&About { base_url, pool, client_id, user, purpose, medium, code });
    let content = MessageContent {
        destination: destination.to_owned(),
        subject: words.subject,
        body: words.body,
        code: code.to_owned(),
        from: if medium == Medium::Email { sender_address(pool) } else { None },
        reply_to: if medium == Medium::Email { pool.email.reply_to_email_address.clone() } else { None },
        identifiers: identifiers(user),
    };
    let id = ctx.uuid();
    let plaintext = serde_json::to_vec(&content)?;
    Ok(Message {
        content: ctx.app.ring.seal(ctx.entropy(), Purpose::Message, &id, &plaintext),
        id,
        pool_id: pool.id.clone(),
        sub: user.sub.clone(),
        username: user.username.clone(),
        purpose,
        medium,
        created_at: ctx.app.outbox.moment(ctx.now),
        state: ctx.app.outbox.initial_state(),
        due_at: ctx.now,
        tries: 0,
        last_error: None,
    })
}

/// Whom the mail comes from when the pool says so (accounts.md §15): `From` of a DEVELOPER configuration, or else the
/// address that `SourceArn` names. A `SourceArn` that names a whole domain says nothing.
fn sender_address(pool: &Pool) -> Option<String> {
    let email = &pool.email;
    let is_developer = email.email_sending_account == Some(EmailSendingAccountType::Developer);
    let from = email.from.as_deref().filter(|from| is_developer && !from.trim().is_empty());
    let identity =
        email.source_arn.as_deref().and_then(|arn| arn.split_once(":identity/")).map(|(_, identity)| identity);
    from.or_else(|| identity.filter(|identity| identity.contains('@'))).map(str::to_owned)
}

/// Every name under which the inbox finds messages to this user.
fn identifiers(user: &User) -> Vec<String> {
    let attributes =
        ["email", "phone_number", "preferred_username"].into_iter().filter_map(|name| user.attribute(name));
    let mut names: Vec<String> = Vec::new();
    for name in [user.username.as_str(), user.sub.as_str()].into_iter().chain(attributes) {
        if !name.is_empty() && !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}
