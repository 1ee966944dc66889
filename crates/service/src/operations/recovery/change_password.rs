//! ChangePassword (accounts.md §7.3): a signed-in user replaces the password.
//!
//! Order: access token, limit of calls, previous password, policy, history; every call is counted, and a wrong
//! previous password counts in its own commit. Tokens stay valid.

use domain::{AttemptPurpose, CodePurpose};
use store::Changes;
use wire::{ChangePasswordRequest, ChangePasswordResponse, UserStatusType};

use crate::{
    ApiError, Ctx, codes,
    passwords::{self, Wording},
    retry, tokens,
};

/// Replaces the password.
///
/// # Errors
/// See accounts.md §7.3.
pub async fn run(ctx: &Ctx, input: ChangePasswordRequest) -> Result<ChangePasswordResponse, ApiError> {
    let caller = tokens::access::authenticate(ctx, &input.access_token).await?;
    let (pool, sub) = (&caller.pool, caller.user.sub.as_str());
    let _turn = ctx.app.one_at_a_time(&pool.id, sub).await?;
    retry::on_conflict(ctx, async || {
        let store = &ctx.app.store;
        let purpose = AttemptPurpose::ChangePassword;
        let (user, password, attempts, code) = tokio::try_join!(
            store.user(&pool.id, sub),
            store.password(&pool.id, sub),
            store.attempts(&pool.id, sub, purpose),
            store.code(&pool.id, sub, CodePurpose::Reset),
        )?;
        let user = user.ok_or_else(ApiError::no_such_user)?;
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
            passwords::check_history(ctx, pool, &user, before, &input.proposed_password).await
        };
        if let Err(refusal) = allowed.await {
            ctx.app.commit(changes).await?;
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
        Ok(ctx.app.commit(changes).await?)
    })
    .await?;
    Ok(ChangePasswordResponse::default())
}
