//! ResendConfirmationCode (accounts.md §9.3): another code for a sign-up; the earlier one is worthless from then on.
//!
//! Clients that hide unknown users get the same answer, and cause the same reads and rows, for users that do not
//! exist, are disabled, or have no address that the pool verifies.

use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{AttemptPurpose, Client, CodePurpose, Medium, MessagePurpose, Pool, User, auth_event::EventRisk};
use store::Changes;
use wire::{
    CodeDeliveryDetailsType, EventResponseType, EventType, ResendConfirmationCodeRequest,
    ResendConfirmationCodeResponse, UserStatusType,
};

use super::verification_medium;
use crate::{
    ApiError, Ctx, codes, lookup,
    messages::{self, Functions, Letter},
    operations::recovery::{can_deliver_anything, delivery, message_for_nobody, simulated_address, simulated_medium},
    retry, secret_hash, stand_in,
    threat::activity::{Activity, Whose},
};

/// Sends another code.
///
/// # Errors
/// Those of ResendConfirmationCode in accounts.md §9.3 and §21.
pub async fn run(ctx: &Ctx, input: ResendConfirmationCodeRequest) -> Result<ResendConfirmationCodeResponse, ApiError> {
    let (client, pool) = lookup::client_and_pool(ctx, &input.client_id).await?;
    secret_hash::check(ctx, &client, &input.username, input.secret_hash.as_deref())?;
    let said = input.user_context_data.as_ref();
    let activity = Activity::of_app(ctx, &pool, &client, said, EventType::ResendCode)?;
    if pool.auto_verified_attributes.is_empty() {
        return Err(nothing_to_verify());
    }
    let functions = Functions::told(input.client_metadata.as_ref(), None);
    // Made up for everybody, so that it takes as long.
    let stand_in = lookup::subject(ctx, &pool, &input.username, None);
    let details = retry::on_conflict(ctx, || async {
        let user = lookup::user(ctx, &pool, &input.username).await?;
        match receiver(ctx, &client, &pool, user.as_deref())? {
            Some((user, medium, address)) => {
                send(ctx, &client, &pool, user, (medium, address), &functions, &activity).await
            }
            None => {
                let names = (input.username.as_str(), stand_in.as_str());
                pretend_to_send(ctx, &client, &pool, names, user.as_deref(), &activity).await
            }
        }
    })
    .await?;
    ctx.app.outbox.notify();
    Ok(ResendConfirmationCodeResponse { code_delivery_details: Some(details) })
}

/// The user who gets a code and where; nobody, where the client must not learn why there is none.
fn receiver<'a>(
    ctx: &Ctx,
    client: &Client,
    pool: &Pool,
    user: Option<&'a User>,
) -> Result<Option<(&'a User, Medium, &'a str)>, ApiError> {
    let hides = client.hides_unknown_users();
    let hidden = |error: ApiError| if hides { Ok(None) } else { Err(error) };
    if hides {
        can_deliver_anything(ctx, pool)?;
    }
    let Some(user) = user else { return hidden(ApiError::no_such_username_for_client()) };
    if !user.enabled {
        return hidden(ApiError::user_disabled());
    }
    if user.status != UserStatusType::Unconfirmed {
        return Err(ApiError::invalid_parameter("User is already confirmed."));
    }
    // Decision: a user who gave no address that the pool verifies is answered as if the pool verified none.
    match verification_medium(pool, user) {
        Some((medium, _)) if hides && ctx.app.outbox.can_deliver(pool, medium).is_err() => {
            tracing::warn!(pool = pool.id, ?medium, "a code was asked for again, but nobody delivers this medium");
            Ok(None)
        }
        Some((medium, address)) => Ok(Some((user, medium, address))),
        None => hidden(nothing_to_verify()),
    }
}

fn nothing_to_verify() -> ApiError {
    ApiError::invalid_parameter("Cannot resend codes. Auto verification not turned on.")
}

async fn send(
    ctx: &Ctx,
    client: &Client,
    pool: &Pool,
    user: &User,
    (medium, destination): (Medium, &str),
    functions: &Functions<'_>,
    activity: &Activity<'_>,
) -> Result<CodeDeliveryDetailsType, ApiError> {
    ctx.app.outbox.can_deliver(pool, medium)?;
    let mut changes = count(ctx, pool, &user.sub).await?;
    let outstanding = ctx.app.store.code(&pool.id, &user.sub, CodePurpose::SignUp).await?;
    let (code, row) = codes::issue(ctx, &pool.id, &user.sub, CodePurpose::SignUp, medium, destination);
    let (client_id, purpose) = (Some(client.id.as_str()), MessagePurpose::ResendCode);
    let letter = Letter { pool, client_id, user, purpose, medium, destination, code: &code };
    let message = messages::write(ctx, &letter, functions).await?;
    changes.put(outstanding.as_ref(), row).insert(message);
    activity.commit(ctx, changes, Whose::user(user), EventResponseType::Pass, EventRisk::NONE).await?;
    Ok(delivery(medium, destination))
}

/// Counts, reads, writes and commits as [`send`] does, under a stand-in if there is no such user; the message is handed
/// to nobody. The code that is kept makes ConfirmSignUp answer as for a user with a code that was not guessed; no code
/// matches it.
async fn pretend_to_send(
    ctx: &Ctx,
    client: &Client,
    pool: &Pool,
    (username, stand_in): (&str, &str),
    user: Option<&User>,
    activity: &Activity<'_>,
) -> Result<CodeDeliveryDetailsType, ApiError> {
    let subject = user.map_or(stand_in, |user| &user.sub);
    let mut changes = count(ctx, pool, subject).await?;
    let (purpose, medium) = (CodePurpose::SignUp, simulated_medium(pool, username));
    let outstanding = ctx.app.store.code(&pool.id, subject, purpose).await?;
    let (code, mut row) = codes::issue(ctx, &pool.id, subject, purpose, medium, stand_in::EMAIL);
    row.hash = STANDARD.encode(crypto::random::bytes::<32>(ctx.entropy()));
    let message = message_for_nobody(ctx, client, pool, subject, MessagePurpose::ResendCode, medium, &code)?;
    changes.put(outstanding.as_ref(), row).insert(message);
    let whose = user.map_or(Whose::nobody(stand_in, username), Whose::user);
    activity.commit(ctx, changes, whose, EventResponseType::Fail, EventRisk::NONE).await?;
    Ok(delivery(medium, &simulated_address(username, stand_in, medium)))
}

/// The change that counts this request.
async fn count(ctx: &Ctx, pool: &Pool, sub: &str) -> Result<Changes, ApiError> {
    let purpose = AttemptPurpose::ResendCode;
    let attempts = ctx.app.store.attempts(&pool.id, sub, purpose).await?;
    let limit = ctx.app.settings.limits.resends_per_hour;
    let counted = codes::count_request(ctx, attempts.as_ref(), (&pool.id, sub), purpose, limit)?;
    let mut changes = Changes::new();
    changes.put(attempts.as_ref(), counted);
    Ok(changes)
}
