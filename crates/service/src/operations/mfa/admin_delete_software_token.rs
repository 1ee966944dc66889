//! AdminDeleteSoftwareToken (auth-flows.md §19): a user who has lost the app can set up another one. What is pending goes
//! too, and the factor is switched off.

use domain::{MfaMethod, PendingSoftwareToken, SoftwareToken};
use store::Changes;
use wire::{AdminDeleteSoftwareTokenRequest, AdminDeleteSoftwareTokenResponse};

use super::check_confirmed;
use crate::{ApiError, Ctx, lookup, retry, users};

/// Removes a user's software token. Decision: that there is none is no error.
///
/// # Errors
/// `ResourceNotFoundException`, `UserNotFoundException` and `UserNotConfirmedException`.
pub async fn run(
    ctx: &Ctx,
    input: AdminDeleteSoftwareTokenRequest,
) -> Result<AdminDeleteSoftwareTokenResponse, ApiError> {
    let pool = lookup::pool(ctx, &input.user_pool_id).await?;
    retry::on_conflict(ctx, || async {
        let before = lookup::user_for_administrator(ctx, &pool, &input.username).await?;
        check_confirmed(&before)?;
        let (token, pending) = tokio::try_join!(
            ctx.app.store.user_part::<SoftwareToken>(&pool.id, &before.sub, ""),
            ctx.app.store.user_part::<PendingSoftwareToken>(&pool.id, &before.sub, ""),
        )?;

        // The user is written in any case: whoever is switching the token on, or verifying one, decides again.
        let mut after = before.value.clone();
        after.mfa.set(MfaMethod::SoftwareToken, false);
        after.modified_at = ctx.now;
        let mut changes = Changes::new();
        users::replace(&mut changes, &pool, &before, after);
        if let Some(token) = &token {
            changes.delete_user_part(token);
        }
        if let Some(pending) = &pending {
            changes.delete_user_part(pending);
        }
        Ok(ctx.app.commit(changes).await?)
    })
    .await?;
    Ok(AdminDeleteSoftwareTokenResponse {})
}
