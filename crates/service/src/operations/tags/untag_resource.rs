//! UntagResource (accounts.md §17). Keys that the pool does not have are no error.

use store::Changes;
use wire::{UntagResourceRequest, UntagResourceResponse};

use super::pool;
use crate::{ApiError, Ctx, retry};

/// Takes tags off a pool.
///
/// # Errors
/// `ResourceNotFoundException`; `InvalidParameterException` for another ARN than a pool's.
pub async fn run(ctx: &Ctx, input: UntagResourceRequest) -> Result<UntagResourceResponse, ApiError> {
    retry::on_conflict(ctx, async || {
        let before = pool(ctx, &input.resource_arn).await?;
        let mut after = before.value.clone();
        after.tags.retain(|key, _value| !input.tag_keys.contains(key));
        let mut changes = Changes::new();
        changes.replace(&before, after);
        ctx.app.commit(changes).await?;
        Ok(UntagResourceResponse {})
    })
    .await
}
