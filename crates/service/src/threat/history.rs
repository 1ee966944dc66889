//! What is remembered of users' activity (triggers-security.md §15.4).
//!
//! An event is a part of its user, kept for two years and gone with the user. It is written with what it is about, in the
//! same commit where there is one.

use domain::{
    AuthEvent, Client, Pool,
    auth_event::{EventContext, EventFeedback, EventRisk, KEPT},
};
use store::{Changes, Stored};
use wire::{EventResponseType, EventType, FeedbackValueType};

use crate::{ApiError, Ctx, retry};

/// An event that begins now, in which nothing has happened yet.
#[must_use]
pub fn begin(
    ctx: &Ctx,
    pool: &Pool,
    client: Option<&Client>,
    sub: &str,
    what: EventType,
    context: EventContext,
) -> AuthEvent {
    AuthEvent {
        pool_id: pool.id.clone(),
        sub: sub.to_owned(),
        id: crypto::random::uuid_v7(ctx.entropy(), ctx.now.milliseconds()),
        event_type: what,
        client_id: client.map(|client| client.id.clone()),
        created_at: ctx.now,
        response: EventResponseType::InProgress,
        risk: EventRisk::NONE,
        challenges: Vec::new(),
        context,
        feedback: None,
        expires_at: ctx.now.plus(KEPT),
    }
}

/// The user's latest events, newest first, never from a replica.
///
/// # Errors
/// When the store cannot be read.
pub async fn latest(ctx: &Ctx, pool_id: &str, sub: &str, limit: usize) -> Result<Vec<Stored<AuthEvent>>, ApiError> {
    let mut events = ctx.app.store.current_latest_user_parts::<AuthEvent>(pool_id, sub, limit).await?;
    events.retain(|event| is_remembered(ctx, event));
    Ok(events)
}

/// An event of the user, unless there is none, or it is forgotten.
///
/// # Errors
/// When the store cannot be read.
pub async fn find(ctx: &Ctx, pool_id: &str, sub: &str, id: &str) -> Result<Option<Stored<AuthEvent>>, ApiError> {
    let event = ctx.app.store.user_part::<AuthEvent>(pool_id, sub, id).await?;
    Ok(event.filter(|event| is_remembered(ctx, event)))
}

/// Whether an event is not due to be cleared away.
#[must_use]
pub fn is_remembered(ctx: &Ctx, event: &AuthEvent) -> bool {
    ctx.now < event.expires_at
}

/// Keeps what `provider` says about an event of the user, in place of what was said before, and answers the event.
///
/// # Errors
/// `ResourceNotFoundException` when the user has no such event.
pub async fn judge(
    ctx: &Ctx,
    (pool_id, sub, id): (&str, &str, &str),
    value: FeedbackValueType,
    provider: &str,
) -> Result<AuthEvent, ApiError> {
    retry::on_conflict(ctx, || async {
        // Decision: the service's words are not recorded.
        let before = find(ctx, pool_id, sub, id).await?.ok_or_else(|| ApiError::not_found("Event does not exist."))?;
        let feedback = EventFeedback { value, provider: provider.to_owned(), given_at: ctx.now };
        let after = AuthEvent { feedback: Some(feedback), ..before.value.clone() };
        let mut changes = Changes::new();
        changes.put_user_part(Some(&before), after.clone());
        ctx.app.commit(changes).await?;
        Ok(after)
    })
    .await
}
