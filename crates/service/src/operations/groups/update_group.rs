//! UpdateGroup (accounts.md §17).

use store::Changes;
use wire::{UpdateGroupRequest, UpdateGroupResponse};

use super::{check_precedence, group_type, named};
use crate::{ApiError, Ctx, lookup, retry};

/// Changes a group; its name stays.
///
/// Decision: what the request leaves out keeps its value.
///
/// # Errors
/// `ResourceNotFoundException`.
pub async fn run(ctx: &Ctx, input: UpdateGroupRequest) -> Result<UpdateGroupResponse, ApiError> {
    check_precedence(input.precedence)?;
    let pool = lookup::pool(ctx, &input.user_pool_id).await?;
    retry::on_conflict(ctx, async || {
        let before = named(ctx, &pool, &input.group_name).await?;
        let mut after = before.value.clone();
        after.description = input.description.clone().or(after.description);
        after.role_arn = input.role_arn.clone().or(after.role_arn);
        after.precedence = input.precedence.or(after.precedence);
        after.modified_at = ctx.now;
        let mut changes = Changes::new();
        changes.replace(&before, &after);
        ctx.app.commit(changes).await?;
        Ok(UpdateGroupResponse { group: Some(group_type(&after)) })
    })
    .await
}
