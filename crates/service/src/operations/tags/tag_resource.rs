//! TagResource (accounts.md §17): tags of the keys that the request names are replaced, others stay.
//!
//! Decision: tags are about the pool, not in it: its `LastModifiedDate` stays.

use store::Changes;
use wire::{TagResourceRequest, TagResourceResponse};

use super::{fault, pool};
use crate::{ApiError, Ctx, retry};

/// Puts tags on a pool.
///
/// # Errors
/// `ResourceNotFoundException`; `InvalidParameterException` for another ARN than a pool's, for reserved keys and for
/// more than 50 tags.
pub async fn run(ctx: &Ctx, input: TagResourceRequest) -> Result<TagResourceResponse, ApiError> {
    retry::on_conflict(ctx, async || {
        let before = pool(ctx, &input.resource_arn).await?;
        let mut after = before.value.clone();
        after.tags.extend(input.tags.clone());
        if let Some(message) = fault(&after.tags) {
            return Err(ApiError::invalid_parameter(message));
        }
        let mut changes = Changes::new();
        changes.replace(&before, after);
        ctx.app.commit(changes).await?;
        Ok(TagResourceResponse {})
    })
    .await
}
