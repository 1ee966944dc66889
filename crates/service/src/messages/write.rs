//! A message into the outbox.

use crypto::seal::Purpose;
use domain::message::{CustomSender, MessageContent};
use domain::{Medium, Message, MessagePurpose, MessageState, Pool, User};
use wire::EmailSendingAccountType;

use super::render::render;
use crate::{
    ApiError, Ctx,
    triggers::{
        Metadata, Once,
        custom_message::{self, Words},
        custom_sender,
    },
};

/// A message that is to be written.
#[derive(Clone, Copy)]
pub struct Letter<'a> {
    /// The pool whose templates and functions have a part in it.
    pub pool: &'a Pool,
    /// The client that asked. Confirmation by link needs one; without one the message carries the code.
    pub client_id: Option<&'a str>,
    /// The receiver.
    pub user: &'a User,
    /// Why it is sent.
    pub purpose: MessagePurpose,
    /// How it is sent.
    pub medium: Medium,
    /// The full address.
    pub destination: &'a str,
    /// The code or temporary password; empty in invitations of users who have no password.
    pub code: &'a str,
}

/// The part that functions have in the messages of one request: what of its `ClientMetadata` they are told
/// (triggers-security.md §4.2), and what CustomMessage has said, kept over the tries of the operation.
#[derive(Debug, Default)]
pub struct Functions<'a> {
    to_custom_message: Option<&'a Metadata>,
    to_sender: Option<&'a Metadata>,
    mail: Once<Words>,
    text: Once<Words>,
}

impl<'a> Functions<'a> {
    /// Those that are told this: CustomMessage, and the function that takes a message in place of a sender.
    #[must_use]
    pub fn told(to_custom_message: Option<&'a Metadata>, to_sender: Option<&'a Metadata>) -> Self {
        Self { to_custom_message, to_sender, ..Self::default() }
    }

    /// What CustomMessage says of this message.
    async fn words(&self, ctx: &Ctx, letter: &Letter<'_>) -> Result<&Words, ApiError> {
        let said = match letter.medium {
            Medium::Email => &self.mail,
            Medium::Sms => &self.text,
        };
        let Letter { pool, client_id, user, purpose, .. } = *letter;
        said.ask(|| custom_message::ask(ctx, pool, user, purpose, client_id, self.to_custom_message)).await
    }
}

/// The message that tells a user a code or temporary password. The caller commits it together with what it tells about,
/// and calls [`Outbox::notify`](super::Outbox::notify) afterwards; whether anybody can deliver it is asked first, by
/// [`Outbox::can_deliver`](super::Outbox::can_deliver).
///
/// A function of the pool's may say how it reads, or take it in place of a sender. Decision: the first is not called for
/// what goes to the second, which sends words of its own.
///
/// # Errors
/// Those of CustomMessage ([`crate::triggers::call`]), `InvalidLambdaResponseException` also for words that cannot be
/// sent; `InternalErrorException` when the content cannot be sealed.
pub async fn write(ctx: &Ctx, letter: &Letter<'_>, functions: &Functions<'_>) -> Result<Message, ApiError> {
    let Some(custom_sender) = custom_sender::of(ctx, letter, functions.to_sender) else {
        let words = functions.words(ctx, letter).await?;
        let state = ctx.app.outbox.initial_state(letter.medium);
        return sealed(ctx, letter, &content(ctx, letter, words)?, state);
    };
    for_function(ctx, letter, custom_sender)
}

/// The message that goes to this function.
pub(super) fn for_function(ctx: &Ctx, letter: &Letter<'_>, custom_sender: CustomSender) -> Result<Message, ApiError> {
    let content = MessageContent {
        destination: letter.destination.to_owned(),
        code: letter.code.to_owned(),
        identifiers: identifiers(letter.user),
        custom_sender: Some(custom_sender),
        ..MessageContent::default()
    };
    // A function has to be called, also where the inbox takes everything else.
    sealed(ctx, letter, &content, MessageState::Pending)
}

/// The message that takes the place of that of [`write`] where there is no such user: kept like one, and never handed
/// over. No function is called.
///
/// # Errors
/// `InternalErrorException` when the content cannot be sealed.
pub fn write_for_nobody(ctx: &Ctx, letter: &Letter<'_>) -> Result<Message, ApiError> {
    sealed(ctx, letter, &content(ctx, letter, &Words::default())?, MessageState::Nobodys)
}

fn content(ctx: &Ctx, letter: &Letter<'_>, words: &Words) -> Result<MessageContent, ApiError> {
    let Letter { pool, user, medium, .. } = *letter;
    let rendered = render(ctx.app.settings.base_url.trim_end_matches('/'), letter, words)?;
    let content = MessageContent {
        destination: letter.destination.to_owned(),
        subject: rendered.subject,
        body: rendered.body,
        code: letter.code.to_owned(),
        identifiers: identifiers(user),
        ..MessageContent::default()
    };
    Ok(match medium {
        Medium::Email => of_pool(pool, content),
        // Decision: `SnsCallerArn` and `ExternalId` are not used. The server sends with credentials of its own.
        Medium::Sms => MessageContent { region: pool.sms.as_ref().and_then(|sms| sms.sns_region.clone()), ..content },
    })
}

/// A mail with what the pool says about its sending. Only a DEVELOPER configuration says anything about SES.
pub(super) fn of_pool(pool: &Pool, content: MessageContent) -> MessageContent {
    let email = &pool.email;
    let is_developer = email.email_sending_account == Some(EmailSendingAccountType::Developer);
    let source_arn = email.source_arn.clone().filter(|_| is_developer);
    MessageContent {
        from: sender_address(pool),
        reply_to: email.reply_to_email_address.clone(),
        region: source_arn.as_deref().and_then(region_of),
        source_arn,
        configuration_set: email.configuration_set.clone().filter(|_| is_developer),
        ..content
    }
}

pub(super) fn sealed(
    ctx: &Ctx,
    letter: &Letter<'_>,
    content: &MessageContent,
    state: MessageState,
) -> Result<Message, ApiError> {
    let Letter { pool, user, purpose, medium, .. } = *letter;
    let id = crypto::random::uuid_v7(ctx.entropy(), ctx.now.milliseconds());
    let plaintext = serde_json::to_vec(content)?;
    Ok(Message {
        content: ctx.app.ring.seal(ctx.entropy(), Purpose::Message, &id, &plaintext),
        id,
        pool_id: pool.id.clone(),
        sub: user.sub.clone(),
        username: user.username.clone(),
        purpose,
        medium,
        created_at: ctx.app.outbox.moment(ctx.now, state),
        state,
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
    from.or_else(|| email.source_arn.as_deref().and_then(address_of)).map(str::to_owned)
}

/// The address that the ARN of an identity of SES names, where it is not that of a domain:
/// `arn:aws:ses:REGION:ACCOUNT:identity/…`.
pub(super) fn address_of(source_arn: &str) -> Option<&str> {
    let (_, identity) = source_arn.split_once(":identity/")?;
    identity.contains('@').then_some(identity)
}

/// The region in it.
pub(super) fn region_of(source_arn: &str) -> Option<String> {
    source_arn.split(':').nth(3).map(str::to_owned)
}

/// Every name under which the inbox finds messages to this user.
pub(super) fn identifiers(user: &User) -> Vec<String> {
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
