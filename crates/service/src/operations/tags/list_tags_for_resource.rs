//! ListTagsForResource (accounts.md §17).

use wire::{ListTagsForResourceRequest, ListTagsForResourceResponse};

use super::pool;
use crate::{ApiError, Ctx};

/// Shows the tags of a pool.
///
/// # Errors
/// `ResourceNotFoundException`; `InvalidParameterException` for another ARN than a pool's.
pub async fn run(ctx: &Ctx, input: ListTagsForResourceRequest) -> Result<ListTagsForResourceResponse, ApiError> {
    let pool = pool(ctx, &input.resource_arn).await?;
    Ok(ListTagsForResourceResponse { tags: Some(pool.value.tags) })
}
