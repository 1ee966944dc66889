//! AdminSetUserPassword (accounts.md §7.2): a permanent password makes a user CONFIRMED whatever the status was; a
//! temporary one must be changed at the next sign-in. No message is sent.

use domain::AttemptPurpose;
use store::Changes;
use wire::{AdminSetUserPasswordRequest, AdminSetUserPasswordResponse, UserStatusType};

use crate::{
    ApiError, Ctx, codes, lookup,
    passwords::{self, Wording},
    retry, users,
};

/// Sets a user's password.
///
/// # Errors
/// `UserNotFoundException`, `InvalidPasswordException`, `PasswordHistoryPolicyViolationException`.
pub async fn run(ctx: &Ctx, input: AdminSetUserPasswordRequest) -> Result<AdminSetUserPasswordResponse, ApiError> {
    let pool = lookup::pool(ctx, &input.user_pool_id).await?;
    let permanent = input.permanent.unwrap_or(false);
    retry::on_conflict(ctx, || async {
        let before = lookup::user_for_administrator(ctx, &pool, &input.username).await?;
        passwords::check_policy(&pool, &input.password, Wording::DidNotConformWithPasswordPolicy)?;
        let old = ctx.app.store.password(&pool.id, &before.sub).await?;
        passwords::check_history(ctx, &pool, &before, old.as_deref(), &input.password).await?;
        let row = passwords::row(ctx, &pool, &before, old.as_deref(), &input.password, !permanent).await?;

        let mut after = before.value.clone();
        after.status = if permanent { UserStatusType::Confirmed } else { UserStatusType::ForceChangePassword };
        after.modified_at = ctx.now;
        let mut changes = Changes::new();
        changes.put(old.as_ref(), row);
        passwords::end_reset_code(ctx, &mut changes, &pool, &before.sub).await?;
        // Decision: a new password ends a lock that failures with the old one brought about.
        if let Some(failures) = ctx.app.store.attempts(&pool.id, &before.sub, AttemptPurpose::SignIn).await? {
            codes::forget(&mut changes, &failures);
        }
        users::replace(&mut changes, &pool, &before, after);
        Ok(ctx.app.commit(changes).await?)
    })
    .await?;
    Ok(AdminSetUserPasswordResponse {})
}
