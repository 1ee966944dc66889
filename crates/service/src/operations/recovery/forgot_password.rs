//! ForgotPassword (accounts.md §5): sends a reset code to the user's verified phone or email.
//!
//! Order: client, secret hash, a user whom UserMigration brings along, user, whether it is enabled, its status, the channel, the limit of requests, the words
//! that CustomMessage has; then the code, its message and the count are committed together. Clients that hide unknown
//! users get the same answer, and cause the same work, for users that do not exist, are disabled or cannot be reached;
//! functions are not called for those.
//!
//! `UserContextData` tells threat protection from where the request comes; what is remembered of it is committed with the
//! code.

use domain::{
    AttemptPurpose, Attempts, Client, CodePurpose, Medium, MessagePurpose, Pool, RecoveryChannel, User,
    auth_event::EventRisk,
};
use store::{Changes, ResetRequestSnapshot, Stored};
use wire::{CodeDeliveryDetailsType, EventResponseType, EventType, ForgotPasswordRequest, ForgotPasswordResponse};

use super::{
    add_code, administrator_only, can_deliver_anything, channel, delivery, message_for_nobody, simulated_address,
    simulated_medium,
};
use crate::{
    ApiError, Ctx, codes, lookup,
    messages::Functions,
    records::analytics::{self, Event},
    retry, secret_hash, stand_in,
    threat::activity::{Activity, Whose},
    user_migration,
};

/// Sends a reset code.
///
/// # Errors
/// See the tables of accounts.md §5.3 and §5.4.
pub async fn run(ctx: &Ctx, input: ForgotPasswordRequest) -> Result<ForgotPasswordResponse, ApiError> {
    let (client, pool) = lookup::client_and_pool(ctx, &input.client_id).await?;
    secret_hash::check(ctx, &client, &input.username, input.secret_hash.as_deref())?;
    let said = input.user_context_data.as_ref();
    let activity = Activity::of_app(ctx, &pool, &client, said, EventType::ForgotPassword)?;
    let (name, stand_in) = (pool.fold(&input.username), lookup::subject(ctx, &pool, &input.username, None));
    let metadata = input.client_metadata.as_ref();
    user_migration::bring_forgetful(ctx, &pool, &client, &input.username, metadata).await?;
    let functions = Functions::told(metadata, metadata);
    let endpoint = analytics::endpoint(input.analytics_metadata.clone());
    let details = retry::on_conflict(ctx, async || {
        // Everything at once, of users and of stand-ins: known and unknown names cost the same.
        let snapshot = ctx.app.store.reset_request_snapshot(&pool.id, &name, &stand_in).await?;
        match recipient(ctx, &client, &pool, snapshot.user.as_deref())? {
            Some((user, medium)) => {
                let sent = send(ctx, (&client, &pool), &snapshot, user, medium, &functions, &activity).await?;
                analytics::tell(ctx, &pool, &client, endpoint.as_deref(), Event::Recovery, None);
                Ok(sent)
            }
            None => {
                ctx.app.stand_in.read_user_unless(snapshot.user.is_some())?;
                pretend_to_send(ctx, &client, &pool, (&input.username, &stand_in), &snapshot, &activity).await
            }
        }
    })
    .await?;
    ctx.app.outbox.notify();
    Ok(ForgotPasswordResponse { code_delivery_details: Some(details) })
}

/// The user who gets a code and how; nobody, where the client must not learn why there is none.
///
/// Decision: a user with a temporary password or from another identity provider is refused in either mode, as has
/// been reported of the service. A pool that leaves recovery to administrators refuses known and unknown names alike.
fn recipient<'a>(
    ctx: &Ctx,
    client: &Client,
    pool: &Pool,
    user: Option<&'a User>,
) -> Result<Option<(&'a User, Medium)>, ApiError> {
    let hides = client.hides_unknown_users();
    if hides && pool.recovery_is_administrators() {
        return Err(administrator_only());
    }
    if hides {
        can_deliver_anything(ctx, pool)?;
    }
    let Some(user) = user else {
        return if hides { Ok(None) } else { Err(ApiError::no_such_username_for_client()) };
    };
    match channel(pool, user) {
        Ok(medium) if hides && ctx.app.outbox.can_deliver(pool, medium).is_err() => {
            tracing::warn!(pool = pool.id, ?medium, "a reset code was asked for, but nobody delivers this medium");
            Ok(None)
        }
        Ok(medium) => Ok(Some((user, medium))),
        Err(_) if hides && (!user.enabled || pool.recovery_channel(user) == RecoveryChannel::Unavailable) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn send(
    ctx: &Ctx,
    (client, pool): (&Client, &Pool),
    snapshot: &ResetRequestSnapshot,
    user: &User,
    medium: Medium,
    functions: &Functions<'_>,
    activity: &Activity<'_>,
) -> Result<CodeDeliveryDetailsType, ApiError> {
    ctx.app.outbox.can_deliver(pool, medium)?;
    let mut changes = count(ctx, pool, &user.sub, snapshot.requests.as_ref())?;
    let (whose, code) = ((pool, Some(client.id.as_str())), snapshot.code.as_ref());
    let details = add_code(ctx, &mut changes, whose, user, medium, code, functions).await?;
    activity.commit(ctx, changes, Whose::user(user), EventResponseType::Pass, EventRisk::NONE).await?;
    Ok(details)
}

/// Counts, writes and commits as [`send`] does, under a stand-in for the user: the message is handed to nobody, and no
/// answer is ever held against the code.
async fn pretend_to_send(
    ctx: &Ctx,
    client: &Client,
    pool: &Pool,
    (username, stand_in): (&str, &str),
    snapshot: &ResetRequestSnapshot,
    activity: &Activity<'_>,
) -> Result<CodeDeliveryDetailsType, ApiError> {
    let mut changes = count(ctx, pool, stand_in, snapshot.stand_in_requests.as_ref())?;
    let (medium, purpose) = (simulated_medium(pool, username), MessagePurpose::ForgotPassword);
    let (code, row) = codes::issue(ctx, &pool.id, stand_in, CodePurpose::Reset, medium, stand_in::EMAIL);
    let message = message_for_nobody(ctx, client, pool, stand_in, purpose, medium, &code)?;
    changes.put(snapshot.stand_in_code.as_ref(), row).insert(message);
    let whose = Whose::nobody(stand_in, username);
    activity.commit(ctx, changes, whose, EventResponseType::Fail, EventRisk::NONE).await?;
    Ok(delivery(medium, &simulated_address(username, stand_in, medium)))
}

/// The change that counts this request.
fn count(ctx: &Ctx, pool: &Pool, sub: &str, requests: Option<&Stored<Attempts>>) -> Result<Changes, ApiError> {
    let limit = ctx.app.settings.limits.reset_requests_per_hour;
    let counted = codes::count_request(ctx, requests, (&pool.id, sub), AttemptPurpose::ResetRequest, limit)?;
    let mut changes = Changes::new();
    changes.put(requests, counted);
    Ok(changes)
}
