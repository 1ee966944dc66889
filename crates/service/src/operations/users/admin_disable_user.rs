//! AdminDisableUser (accounts.md §10.2): no sign-in, and every token given out so far is worthless for good.

use store::Changes;
use wire::{AdminDisableUserRequest, AdminDisableUserResponse};

use crate::{ApiError, Ctx, lookup, retry, users};

/// Disables a user; a disabled one stays as it is.
///
/// # Errors
/// `UserNotFoundException`.
pub async fn run(ctx: &Ctx, input: AdminDisableUserRequest) -> Result<AdminDisableUserResponse, ApiError> {
    let pool = lookup::pool(ctx, &input.user_pool_id).await?;
    retry::on_conflict(ctx, || async {
        let before = lookup::user_for_administrator(ctx, &pool, &input.username).await?;
        if !before.enabled {
            return Ok(());
        }
        let mut after = before.value.clone();
        after.enabled = false;
        // Those from a server whose clock is ahead of this one's, too.
        after.refuse_tokens_so_far(ctx.latest_now());
        after.modified_at = ctx.now;
        let mut changes = Changes::new();
        users::replace(&mut changes, &pool, &before, after);
        Ok(ctx.app.commit(changes).await?)
    })
    .await?;
    Ok(AdminDisableUserResponse {})
}
