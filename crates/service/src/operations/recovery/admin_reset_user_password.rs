//! AdminResetUserPassword (accounts.md §7.1): the password stops working until the user has set a new one with the
//! code that is sent.
//!
//! Order: pool, user, whether it is enabled, its status, the channel; then status, code and message change together.
//! CustomMessage is asked before they do, once.

use domain::{CodePurpose, RecoveryChannel};
use store::Changes;
use wire::{AdminResetUserPasswordRequest, AdminResetUserPasswordResponse, UserStatusType};

use super::{add_code, channel};
use crate::{ApiError, Ctx, lookup, messages::Functions, retry};

/// Makes a user set a new password.
///
/// # Errors
/// See accounts.md §7.1.
pub async fn run(ctx: &Ctx, input: AdminResetUserPasswordRequest) -> Result<AdminResetUserPasswordResponse, ApiError> {
    let pool = lookup::pool(ctx, &input.user_pool_id).await?;
    let functions = Functions::told(input.client_metadata.as_ref(), None);
    retry::on_conflict(ctx, async || {
        let user = lookup::user_for_administrator(ctx, &pool, &input.username).await?;
        if user.enabled && pool.recovery_channel(&user) == RecoveryChannel::AdministratorOnly {
            // Decision: the caller is the administrator, so the answer says what to do instead.
            return Err(ApiError::invalid_parameter(
                "Cannot reset password for the user as the account recovery setting is admin_only. Use AdminSetUserPassword.",
            ));
        }
        if user.status == UserStatusType::Unconfirmed {
            return Err(ApiError::not_authorized("User password cannot be reset in the current state."));
        }
        let medium = channel(&pool, &user)?;
        ctx.app.outbox.can_deliver(&pool, medium)?;

        let before = ctx.app.store.code(&pool.id, &user.sub, CodePurpose::Reset).await?;
        let mut changes = Changes::new();
        add_code(ctx, &mut changes, (&pool, None), &user, medium, before.as_ref(), &functions).await?;
        let mut changed = user.value.clone();
        changed.status = UserStatusType::ResetRequired;
        changed.modified_at = ctx.now;
        changes.save(changed, Some(user.version));
        Ok(ctx.app.commit(changes).await?)
    })
    .await?;
    ctx.app.outbox.notify();
    Ok(AdminResetUserPasswordResponse::default())
}
