//! Mails that tell users of risky sign-ins (triggers-security.md §15.3).

use domain::{AuthEvent, Client, Medium, MessagePurpose, Pool, RiskRules, User};
use store::Changes;
use wire::{AccountTakeoverEventActionType, FeedbackValueType};

use super::feedback;
use crate::{
    ApiError, Ctx,
    messages::{Letter, Notice, write_notice},
    records::activity::date,
};

/// Writes the notice of a sign-in about which this was done, where the risk configuration has one; whoever commits tells
/// the outbox. That the risk's level is one of which users are told, the caller has looked up.
///
/// Decision: it goes to a verified address alone, and without one there is none, whoever sends it. Whoever holds the token
/// in it has a say in who may sign in, and an address that nobody has proven may be anybody's. Where nobody delivers mails,
/// the log says so, and the sign-in goes on.
///
/// # Errors
/// When it cannot be written.
pub fn write(
    ctx: &Ctx,
    changes: &mut Changes,
    (pool, client): (&Pool, &Client),
    user: &User,
    event: &AuthEvent,
    action: AccountTakeoverEventActionType,
) -> Result<(), ApiError> {
    let Some(configuration) = RiskRules::of(pool, client).notify() else { return Ok(()) };
    let medium = Medium::Email;
    let Some(destination) = user.address(medium).filter(|_| user.has_verified(medium.attribute())) else {
        return Ok(());
    };
    if ctx.app.outbox.can_deliver(pool, medium).is_err() {
        tracing::warn!(pool = pool.id, "a user is not told of a risky sign-in, since nobody delivers mails");
        return Ok(());
    }
    let notice = Notice {
        action,
        login_time: date(event.created_at),
        ip_address: event.context.address.to_string(),
        city: event.context.city.clone(),
        country: event.context.country.clone(),
        device_name: event.context.device_name.clone(),
        event_id: event.id.clone(),
        feedback_token: feedback::token(ctx, event)?,
        link_valid: feedback::link(ctx, event, FeedbackValueType::Valid)?,
        link_invalid: feedback::link(ctx, event, FeedbackValueType::Invalid)?,
    };
    let purpose = MessagePurpose::AccountTakeOverNotification;
    let letter = Letter { pool, client_id: Some(&client.id), user, purpose, medium, destination, code: "" };
    changes.insert(write_notice(ctx, &letter, configuration, &notice)?);
    Ok(())
}
