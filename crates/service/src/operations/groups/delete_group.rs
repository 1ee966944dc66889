//! DeleteGroup (accounts.md §17).

use store::{Changes, PurgeKind};
use wire::DeleteGroupRequest;

use super::named;
use crate::{ApiError, Ctx, lookup, retry};

/// Deletes a group. Its members stay; that they were members is cleared away in the background, and counts no more from
/// now on.
///
/// # Errors
/// `ResourceNotFoundException`.
pub async fn run(ctx: &Ctx, input: DeleteGroupRequest) -> Result<(), ApiError> {
    let pool = lookup::pool(ctx, &input.user_pool_id).await?;
    retry::on_conflict(ctx, async || {
        let group = named(ctx, &pool, &input.group_name).await?;
        let mut changes = Changes::new();
        changes.delete_part(&group);
        changes.purge(&pool.id, PurgeKind::Group, &group.id);
        Ok(ctx.app.commit(changes).await?)
    })
    .await
}
