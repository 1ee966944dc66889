//! What is remembered of users' activity (triggers-security.md §15.4).
//!
//! An event is a part of its user, kept for two years and gone with the user. It is written with what it is about, in the
//! same commit where there is one. What the user can be told from others by is kept once more, where failures of
//! strangers do not push it aside ([`Evidence`]).

use domain::{
    AuthEvent, Client, Pool,
    auth_event::{EventContext, EventFeedback, EventRisk, Evidence, KEPT},
    risk::LOOKED_AT,
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

/// What a sign-in of the user is compared with: the latest events and the latest of those that are evidence, each once,
/// by their ids. Never from a replica.
///
/// # Errors
/// When the store cannot be read.
pub async fn compared_with(ctx: &Ctx, pool_id: &str, sub: &str) -> Result<Vec<AuthEvent>, ApiError> {
    let store = &ctx.app.store;
    let (latest, evidence) = tokio::try_join!(
        store.current_latest_user_parts::<AuthEvent>(pool_id, sub, LOOKED_AT),
        store.current_latest_user_parts::<Evidence>(pool_id, sub, LOOKED_AT),
    )?;
    let latest = latest.into_iter().map(|event| event.value);
    let mut events: Vec<_> = latest.chain(evidence.into_iter().map(|kept| kept.value.0)).collect();
    events.retain(|event| is_remembered(ctx, event));
    events.sort_by(|one, other| one.id.cmp(&other.id));
    events.dedup_by(|one, other| one.id == other.id);
    Ok(events)
}

/// Writes an event over the one that was read, or inserts it where there was none; as evidence, too, if it is.
///
/// # Errors
/// When the store cannot be read.
pub async fn put(
    ctx: &Ctx,
    changes: &mut Changes,
    before: Option<&Stored<AuthEvent>>,
    event: AuthEvent,
) -> Result<(), ApiError> {
    if event.is_evidence() {
        let (pool_id, sub, id) = (&event.pool_id, &event.sub, &event.id);
        let kept = match before {
            Some(_) => ctx.app.store.user_part::<Evidence>(pool_id, sub, id).await?,
            None => None,
        };
        changes.put_user_part(kept.as_ref(), Evidence(event.clone()));
    }
    changes.put_user_part(before, event);
    Ok(())
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
        put(ctx, &mut changes, Some(&before), after.clone()).await?;
        ctx.app.commit(changes).await?;
        Ok(after)
    })
    .await
}
