//! ConfirmForgotPassword (accounts.md §6): a reset code is exchanged for a new password.
//!
//! Order: client, secret hash, user, limit of wrong codes, code, password policy, history, whether the password is
//! stolen; then code, password, status and counters change together. A password that is refused does not use up the code. Tokens stay valid, as
//! the service keeps them; a sign-in that was under way with the old password fails. PostConfirmation is told afterwards.
//!
//! `UserContextData` tells threat protection from where the request comes; what is remembered of it is committed with the
//! password, and by itself when the code is wrong.

use domain::{Client, CodePurpose, Pool, User, auth_event::EventRisk};
use store::{Changes, RecoverySnapshot, Stored};
use wire::{ConfirmForgotPasswordRequest, ConfirmForgotPasswordResponse, EventResponseType, EventType, UserStatusType};

use super::{check_status, wrong_codes};
use crate::{
    ApiError, Ctx,
    codes::{self, Checked},
    lookup,
    passwords::{self, Wording},
    records::analytics::{self, Event},
    retry, secret_hash,
    threat::{
        activity::{Activity, Whose},
        compromised,
    },
    triggers::post_confirmation::{self, Confirmed},
};

/// Sets a new password.
///
/// # Errors
/// See accounts.md §6.2, and [`crate::triggers::call`]; the password is the new one when that fails.
pub async fn run(ctx: &Ctx, input: ConfirmForgotPasswordRequest) -> Result<ConfirmForgotPasswordResponse, ApiError> {
    let (client, pool) = lookup::client_and_pool(ctx, &input.client_id).await?;
    secret_hash::check(ctx, &client, &input.username, input.secret_hash.as_deref())?;
    let said = input.user_context_data.as_ref();
    let activity = Activity::of_app(ctx, &pool, &client, said, EventType::PasswordChange)?;
    // Made up for everybody, so that it takes as long.
    let stand_in = lookup::subject(ctx, &pool, &input.username, None);
    let turn = lookup::turn(ctx, &pool, &input.username).await?;
    let user = retry::on_conflict(ctx, async || {
        let user = lookup::user(ctx, &pool, &input.username).await?;
        match known(&client, user.as_ref())? {
            Some(user) => confirm(ctx, &pool, user, &input, &activity).await,
            None => Err(refuse_stranger(ctx, &pool, &stand_in, &input, &activity).await?),
        }
    })
    .await?;
    // Nobody else need wait for the function.
    drop(turn);
    let endpoint = analytics::endpoint(input.analytics_metadata);
    analytics::tell(ctx, &pool, &client, endpoint.as_deref(), Event::RecoveryConfirmed, Some(&user));
    let (client_id, metadata) = (Some(client.id.as_str()), input.client_metadata.as_ref());
    post_confirmation::tell(ctx, &pool, Confirmed::ForgotPassword, &user, client_id, metadata).await?;
    Ok(ConfirmForgotPasswordResponse::default())
}

/// The user, unless the client must not learn whether there is one.
fn known<'a>(client: &Client, user: Option<&'a Stored<User>>) -> Result<Option<&'a Stored<User>>, ApiError> {
    match user {
        Some(user) if user.enabled => Ok(Some(user)),
        _ if client.hides_unknown_users() => Ok(None),
        Some(_) => Err(ApiError::user_disabled()),
        None => Err(ApiError::no_such_username_for_client()),
    }
}

async fn confirm(
    ctx: &Ctx,
    pool: &Pool,
    user: &Stored<User>,
    input: &ConfirmForgotPasswordRequest,
    activity: &Activity<'_>,
) -> Result<User, ApiError> {
    let sub = user.sub.as_str();
    let RecoverySnapshot { password, failures, code, wrong_codes: attempts, .. } =
        ctx.app.store.recovery_snapshot(&pool.id, sub).await?;
    // Decision: a code proves that somebody reads the address that it went to. When that address has been changed
    // since, or is not verified any more, it proves nothing about this user.
    let code = code.filter(|code| {
        user.address(code.medium) == Some(code.destination.as_str()) && user.has_verified(code.medium.attribute())
    });
    let limits = wrong_codes(&ctx.app.settings);
    let checked =
        codes::check(ctx, code.as_ref(), attempts.as_ref(), (&pool.id, sub), limits, &input.confirmation_code).await?;
    let (whose, failed) = (Whose::user(user), EventResponseType::Fail);
    let Checked::Right { spend: mut changes, keep } = checked else {
        activity.commit(ctx, Changes::new(), whose, failed, EventRisk::NONE).await?;
        return Err(ApiError::code_mismatch());
    };

    let before = password.as_deref();
    let mut risk = EventRisk::NONE;
    let allowed = async {
        check_status(user)?;
        passwords::check_policy(pool, &input.password, Wording::DoesNotConform)?;
        passwords::check_history(ctx, pool, user, before, &input.password).await?;
        risk = activity.judge_password(ctx, &input.password).await?;
        compromised::refuse(&risk)
    };
    if let Err(refusal) = allowed.await {
        activity.commit(ctx, keep, whose, failed, risk).await?;
        return Err(refusal);
    }
    let row = passwords::row(ctx, pool, user, before, &input.password, false).await?;
    changes.save(row, password.as_ref().map(|password| password.version));

    let mut changed = user.value.clone();
    changed.modified_at = ctx.now;
    // Decision: a sign-up that nobody has confirmed stays unconfirmed. Pools in which administrators approve
    // sign-ups would otherwise be entered by way of a forgotten password.
    if user.status == UserStatusType::ResetRequired {
        changed.status = UserStatusType::Confirmed;
    }
    changes.save(changed.clone(), Some(user.version));
    // Decision: whoever proves to own the address need not wait for a lock that somebody's guesses have caused.
    if let Some(failures) = failures {
        codes::forget(&mut changes, &failures);
    }
    activity.commit(ctx, changes, whose, EventResponseType::Pass, risk).await?;
    Ok(changed)
}

/// The answer for a user that must not be known to exist or not: the code is wrong, and counted as such, until the
/// limit is reached. The same rows are read and written as for a user with a wrong code.
async fn refuse_stranger(
    ctx: &Ctx,
    pool: &Pool,
    sub: &str,
    input: &ConfirmForgotPasswordRequest,
    activity: &Activity<'_>,
) -> Result<ApiError, ApiError> {
    let RecoverySnapshot { password, wrong_codes: attempts, .. } =
        ctx.app.store.recovery_snapshot(&pool.id, sub).await?;
    ctx.app.stand_in.read_password_unless(password.is_some())?;
    let limits = wrong_codes(&ctx.app.settings);
    let never = codes::never_right(ctx, &pool.id, sub, CodePurpose::Reset);
    codes::check(ctx, Some(&never), attempts.as_ref(), (&pool.id, sub), limits, &input.confirmation_code).await?;
    let whose = Whose::nobody(sub, &input.username);
    activity.commit(ctx, Changes::new(), whose, EventResponseType::Fail, EventRisk::NONE).await?;
    Ok(ApiError::code_mismatch())
}
