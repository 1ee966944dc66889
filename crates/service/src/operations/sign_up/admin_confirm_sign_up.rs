//! AdminConfirmSignUp (accounts.md §10.2): an administrator's word makes a user CONFIRMED; no attribute becomes
//! verified by it. PostConfirmation is told afterwards.

use store::Changes;
use wire::{AdminConfirmSignUpRequest, AdminConfirmSignUpResponse, UserStatusType};

use crate::{
    ApiError, Ctx, lookup, retry,
    triggers::post_confirmation::{self, Confirmed},
    users,
};

/// Confirms a user without a code.
///
/// # Errors
/// `UserNotFoundException`; `NotAuthorizedException` for any status but UNCONFIRMED; those of PostConfirmation.
pub async fn run(ctx: &Ctx, input: AdminConfirmSignUpRequest) -> Result<AdminConfirmSignUpResponse, ApiError> {
    let pool = lookup::pool(ctx, &input.user_pool_id).await?;
    let user = retry::on_conflict(ctx, || async {
        let before = lookup::user_for_administrator(ctx, &pool, &input.username).await?;
        if before.status != UserStatusType::Unconfirmed {
            return Err(ApiError::cannot_be_confirmed(before.status));
        }
        let mut after = before.value.clone();
        after.status = UserStatusType::Confirmed;
        after.modified_at = ctx.now;
        let mut changes = Changes::new();
        users::replace(&mut changes, &pool, &before, after.clone());
        ctx.app.commit(changes).await?;
        Ok(after)
    })
    .await?;
    post_confirmation::tell(ctx, &pool, Confirmed::SignUp, &user, None, input.client_metadata.as_ref()).await?;
    Ok(AdminConfirmSignUpResponse {})
}
