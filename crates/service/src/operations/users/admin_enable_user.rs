//! AdminEnableUser (accounts.md §10.2): the user may sign in again; tokens from before stay worthless.

use store::Changes;
use wire::{AdminEnableUserRequest, AdminEnableUserResponse};

use crate::{ApiError, Ctx, lookup, retry, users};

/// Enables a user; an enabled one stays as it is.
///
/// # Errors
/// `UserNotFoundException`.
pub async fn run(ctx: &Ctx, input: AdminEnableUserRequest) -> Result<AdminEnableUserResponse, ApiError> {
    let pool = lookup::pool(ctx, &input.user_pool_id).await?;
    retry::on_conflict(ctx, || async {
        let before = lookup::user_for_administrator(ctx, &pool, &input.username).await?;
        if before.enabled {
            return Ok(());
        }
        let mut after = before.value.clone();
        after.enabled = true;
        after.modified_at = ctx.now;
        let mut changes = Changes::new();
        users::replace(&mut changes, &pool, &before, after);
        Ok(ctx.app.commit(changes).await?)
    })
    .await?;
    Ok(AdminEnableUserResponse {})
}
