//! AdminRemoveUserFromGroup (accounts.md §17).

use store::Changes;
use wire::AdminRemoveUserFromGroupRequest;

use super::named;
use crate::{ApiError, Ctx, lookup};

/// Ends a membership.
///
/// Decision: a user who is not a member is no error.
///
/// # Errors
/// `ResourceNotFoundException` for an unknown group, `UserNotFoundException`.
pub async fn run(ctx: &Ctx, input: AdminRemoveUserFromGroupRequest) -> Result<(), ApiError> {
    let pool = lookup::pool(ctx, &input.user_pool_id).await?;
    let group = named(ctx, &pool, &input.group_name).await?;
    let user = lookup::user_for_administrator(ctx, &pool, &input.username).await?;
    let mut changes = Changes::new();
    changes.leave(&group, &user.sub);
    Ok(ctx.app.commit(changes).await?)
}
