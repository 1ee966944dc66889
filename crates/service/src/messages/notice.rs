//! The mail that tells a user of a risky sign-in (triggers-security.md §12.1, §15.3): the words of the risk configuration
//! or our own, filled in, or what the pool's function is told in place of it.

use std::collections::BTreeMap;

use domain::{Message, message::MessageContent};
use wire::{AccountTakeoverEventActionType, NotifyConfigurationType, NotifyEmailType};

use super::{
    Letter, html,
    render::{one_line, replace_placeholders, shown_username},
    write::{address_of, for_function, identifiers, of_pool, region_of, sealed},
};
use crate::{ApiError, Ctx, triggers::custom_sender};

/// What is told of a sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What was done about it.
    pub action: AccountTakeoverEventActionType,
    /// `{login-time}`
    pub login_time: String,
    /// `{ip-address}`
    pub ip_address: String,
    /// `{city}`, where it is known.
    pub city: Option<String>,
    /// `{country}`, where it is known.
    pub country: Option<String>,
    /// `{device-name}`
    pub device_name: String,
    /// `{event-id}`
    pub event_id: String,
    /// `{feedback-token}`
    pub feedback_token: String,
    /// `{one-click-link-valid}`
    pub link_valid: String,
    /// `{one-click-link-invalid}`
    pub link_invalid: String,
}

/// The words of a mail; at least one of the bodies is there.
#[derive(Clone, Copy)]
struct Template<'a> {
    subject: &'a str,
    html: Option<&'a str>,
    text: Option<&'a str>,
}

const BLOCKED: Template<'static> = Template {
    subject: "Blocked sign-in attempt",
    html: Some(
        "<p>Somebody tried to sign in to your account {username}. It did not look like you, so we did not let them in.</p>\
         <ul><li>Time: {login-time}</li><li>Device: {device-name}</li><li>Location: {city}, {country}</li></ul>\
         <p>If it was not you, somebody may know your password: change it, and \
         <a href=\"{one-click-link-invalid}\">tell us that it was not you</a>.</p>\
         <p>If it was you, <a href=\"{one-click-link-valid}\">tell us that it was you</a> and sign in again.</p>",
    ),
    text: Some(
        "Somebody tried to sign in to your account {username}. It did not look like you, so we did not let them in.\n\n\
         Time: {login-time}\nDevice: {device-name}\nLocation: {city}, {country}\n\n\
         If it was not you, somebody may know your password: change it, and tell us that it was not you:\n\
         {one-click-link-invalid}\n\nIf it was you, tell us that it was you and sign in again:\n{one-click-link-valid}\n",
    ),
};

const NOT_BLOCKED: Template<'static> = Template {
    subject: "New sign-in attempt",
    html: Some(
        "<p>Somebody signed in to your account {username} in a way that is new to us.</p>\
         <ul><li>Time: {login-time}</li><li>Device: {device-name}</li><li>Location: {city}, {country}</li></ul>\
         <p>If it was not you, change your password, and \
         <a href=\"{one-click-link-invalid}\">tell us that it was not you</a>.</p>\
         <p>If it was you, <a href=\"{one-click-link-valid}\">tell us that it was you</a>.</p>",
    ),
    text: Some(
        "Somebody signed in to your account {username} in a way that is new to us.\n\n\
         Time: {login-time}\nDevice: {device-name}\nLocation: {city}, {country}\n\n\
         If it was not you, change your password, and tell us that it was not you:\n{one-click-link-invalid}\n\n\
         If it was you, tell us that it was you:\n{one-click-link-valid}\n",
    ),
};

/// Stands for a place that is not known.
///
/// Decision: what the service writes there is not recorded.
const UNKNOWN: &str = "unknown";

/// The message that tells of a sign-in, in the words and from the sender of the risk configuration; the caller commits it
/// as that of [`write`](super::write()). `letter` says to whom it goes; it has no code.
///
/// # Errors
/// `InternalErrorException` when the content cannot be sealed.
pub fn write_notice(
    ctx: &Ctx,
    letter: &Letter<'_>,
    configuration: &NotifyConfigurationType,
    notice: &Notice,
) -> Result<Message, ApiError> {
    let attributes = || attributes(letter, notice);
    if let Some(custom_sender) = custom_sender::with_attributes(ctx, letter, None, attributes) {
        return for_function(ctx, letter, custom_sender);
    }
    let (subject, body, text) = words(letter, configuration, notice);
    let usual = of_pool(letter.pool, MessageContent::default());
    let is_there = |text: &&str| !text.trim().is_empty();
    let from = configuration.from.as_deref().filter(is_there).or_else(|| address_of(&configuration.source_arn));
    let content = MessageContent {
        destination: letter.destination.to_owned(),
        subject,
        body,
        text,
        from: from.map(str::to_owned).or(usual.from),
        reply_to: configuration.reply_to.clone().filter(|text| is_there(&text.as_str())).or(usual.reply_to),
        region: region_of(&configuration.source_arn),
        source_arn: Some(configuration.source_arn.clone()),
        identifiers: identifiers(letter.user),
        ..usual
    };
    sealed(ctx, letter, &content, ctx.app.outbox.initial_state(letter.medium))
}

/// Subject, HTML, and the plain text where there is one.
fn words(
    letter: &Letter<'_>,
    configuration: &NotifyConfigurationType,
    notice: &Notice,
) -> (String, String, Option<String>) {
    let values = values(letter, notice);
    let plain = |template: &str| fill_in(template, &values, str::to_owned);
    let Template { subject, html, text } = template(configuration, notice.action);
    let text = text.map(plain);
    let body = match html {
        Some(html) => fill_in(html, &values, html::escape),
        None => html::from_text(text.as_deref().unwrap_or_default()),
    };
    (one_line(&plain(subject)), body, text)
}

/// Those of the configuration, where it has any for what was done.
fn template(configuration: &NotifyConfigurationType, action: AccountTakeoverEventActionType) -> Template<'_> {
    let (own, default) = match action {
        AccountTakeoverEventActionType::Block => (&configuration.block_email, BLOCKED),
        AccountTakeoverEventActionType::NoAction => (&configuration.no_action_email, NOT_BLOCKED),
        AccountTakeoverEventActionType::MfaIfConfigured | AccountTakeoverEventActionType::MfaRequired => {
            (&configuration.mfa_email, NOT_BLOCKED)
        }
    };
    let Some(NotifyEmailType { subject, html_body, text_body }) = own else { return default };
    match (html_body.as_deref(), text_body.as_deref()) {
        (None, None) => Template { subject, ..default },
        (html, text) => Template { subject, html, text },
    }
}

/// What placeholders stand for.
fn values<'a>(letter: &'a Letter<'_>, notice: &'a Notice) -> [(&'static str, &'a str); 10] {
    [
        ("username}", shown_username(letter.pool, letter.user)),
        ("ip-address}", &notice.ip_address),
        ("city}", notice.city.as_deref().unwrap_or(UNKNOWN)),
        ("country}", notice.country.as_deref().unwrap_or(UNKNOWN)),
        ("login-time}", &notice.login_time),
        ("device-name}", &notice.device_name),
        ("one-click-link-valid}", &notice.link_valid),
        ("one-click-link-invalid}", &notice.link_invalid),
        ("event-id}", &notice.event_id),
        ("feedback-token}", &notice.feedback_token),
    ]
}

fn fill_in(template: &str, values: &[(&str, &str)], write: impl Fn(&str) -> String) -> String {
    replace_placeholders(template, |out, text| {
        let (value, after) = values.iter().find_map(|(name, value)| Some((value, text.strip_prefix(name)?)))?;
        out.push_str(&write(value));
        Some(after)
    })
}

/// What functions see as the user's attributes.
fn attributes(letter: &Letter<'_>, notice: &Notice) -> BTreeMap<String, String> {
    let known = [
        ("EVENT_ID", Some(&notice.event_id)),
        ("USER_NAME", Some(&letter.user.username)),
        ("IP_ADDRESS", Some(&notice.ip_address)),
        ("ONE_CLICK_LINK_VALID", Some(&notice.link_valid)),
        ("ONE_CLICK_LINK_INVALID", Some(&notice.link_invalid)),
        ("LOGIN_TIME", Some(&notice.login_time)),
        ("FEEDBACK_TOKEN", Some(&notice.feedback_token)),
        ("DEVICE_NAME", Some(&notice.device_name)),
        ("CITY", notice.city.as_ref()),
        ("COUNTRY", notice.country.as_ref()),
    ];
    let known = known.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.clone())));
    let action = ("ACCOUNT_TAKE_OVER_ACTION".to_owned(), notice.action.as_str().to_owned());
    known.chain([action]).collect()
}

#[cfg(test)]
mod tests;
