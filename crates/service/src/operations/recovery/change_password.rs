//! ChangePassword (accounts.md §7.3): a signed-in user replaces the password.
//!
//! Order: access token, limit of calls, previous password, policy, history, whether the new one is stolen; every call is
//! counted, and a wrong previous password counts in its own commit. The new password is committed against the user whom the token was held
//! against. Tokens stay valid.

use domain::{AttemptPurpose, CodePurpose, auth_event::EventRisk};
use store::Changes;
use wire::{ChangePasswordRequest, ChangePasswordResponse, EventResponseType, EventType, UserStatusType};

use crate::{
    ApiError, Ctx, codes,
    passwords::{self, Wording},
    retry,
    threat::{
        activity::{Activity, Whose},
        compromised,
    },
    tokens::access::{self, Authenticated},
};

/// Replaces the password.
///
/// # Errors
/// See accounts.md §7.3.
pub async fn run(ctx: &Ctx, input: ChangePasswordRequest) -> Result<ChangePasswordResponse, ApiError> {
    let Authenticated { pool, user, .. } = access::authenticate(ctx, &input.access_token).await?;
    let _turn = ctx.app.one_at_a_time(&pool.id, &user.sub).await?;
    retry::on_conflict(ctx, || attempt(ctx, &input)).await?;
    Ok(ChangePasswordResponse::default())
}

async fn attempt(ctx: &Ctx, input: &ChangePasswordRequest) -> Result<(), ApiError> {
    // Whoever was disabled or signed out since, while the turn was waited for or another change was quicker, may not.
    let Authenticated { pool, client, user, .. } = access::authenticate(ctx, &input.access_token).await?;
    let activity = Activity::of_user(ctx, &pool, &client, EventType::PasswordChange)?;
    let (pool, sub) = (&pool, user.sub.as_str());
    let store = &ctx.app.store;
    let purpose = AttemptPurpose::ChangePassword;
    let (password, attempts, code) = tokio::try_join!(
        store.password(&pool.id, sub),
        store.attempts(&pool.id, sub, purpose),
        store.code(&pool.id, sub, CodePurpose::Reset),
    )?;
    // Who signs in elsewhere, tokens in hand or not, must not make up a password: AdminDisableProviderForUser has
    // taken it away.
    if user.status == UserStatusType::ExternalProvider {
        return Err(ApiError::not_authorized("User password cannot be changed in the current state."));
    }
    let limit = ctx.app.settings.limits.password_changes_per_hour;
    let counted = codes::count_request(ctx, attempts.as_ref(), (&pool.id, sub), purpose, limit)?;
    let mut changes = Changes::new();
    changes.save(counted, attempts.map(|attempts| attempts.version));

    let before = password.as_deref();
    let mut risk = EventRisk::NONE;
    let allowed = async {
        match (before, &input.previous_password) {
            (None, _) => {}
            (Some(_), None) => {
                return Err(ApiError::invalid_parameter("Missing required parameter PreviousPassword"));
            }
            (Some(before), Some(previous)) => {
                if !passwords::matches(ctx, pool, &user, &before.current, previous).await? {
                    return Err(ApiError::wrong_credentials());
                }
            }
        }
        passwords::check_policy(pool, &input.proposed_password, Wording::DoesNotConform)?;
        passwords::check_history(ctx, pool, &user, before, &input.proposed_password).await?;
        risk = activity.judge_password(ctx, &input.proposed_password).await?;
        compromised::refuse(&risk)
    };
    if let Err(refusal) = allowed.await {
        activity.commit(ctx, changes, Whose::user(&user), EventResponseType::Fail, risk).await?;
        return Err(refusal);
    }
    let row = passwords::row(ctx, pool, &user, before, &input.proposed_password, false).await?;
    changes.save(row, password.as_ref().map(|password| password.version));
    // Whoever has asked for a reset code meanwhile must not undo the change with it.
    if let Some(code) = code {
        codes::discard(&mut changes, &code);
    }
    let mut changed = user.value.clone();
    changed.modified_at = ctx.now;
    changes.save(changed, Some(user.version));
    Ok(activity.commit(ctx, changes, Whose::user(&user), EventResponseType::Pass, risk).await?)
}
