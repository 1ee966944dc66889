//! AdminConfirmSignUp (accounts.md §10.2): an administrator's word makes a user CONFIRMED; no attribute becomes
//! verified by it.

use store::Changes;
use wire::{AdminConfirmSignUpRequest, AdminConfirmSignUpResponse, UserStatusType};

use crate::{ApiError, Ctx, lookup, retry, users};

/// Confirms a user without a code.
///
/// # Errors
/// `UserNotFoundException`; `NotAuthorizedException` for any status but UNCONFIRMED.
pub async fn run(ctx: &Ctx, input: AdminConfirmSignUpRequest) -> Result<AdminConfirmSignUpResponse, ApiError> {
    let pool = lookup::pool(ctx, &input.user_pool_id).await?;
    retry::on_conflict(ctx, || async {
        let before = lookup::user_for_administrator(ctx, &pool, &input.username).await?;
        if before.status != UserStatusType::Unconfirmed {
            return Err(ApiError::cannot_be_confirmed(before.status));
        }
        let mut after = before.value.clone();
        after.status = UserStatusType::Confirmed;
        after.modified_at = ctx.now;
        let mut changes = Changes::new();
        users::replace(&mut changes, &pool, &before, after);
        Ok(ctx.app.commit(changes).await?)
    })
    .await?;
    Ok(AdminConfirmSignUpResponse {})
}
