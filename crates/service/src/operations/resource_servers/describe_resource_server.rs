//! DescribeResourceServer (oauth-federation.md §19).

use wire::{DescribeResourceServerRequest, DescribeResourceServerResponse};

use super::{answer, find};
use crate::{ApiError, Ctx, lookup};

/// Shows a resource server.
///
/// # Errors
/// `ResourceNotFoundException`.
pub async fn run(ctx: &Ctx, input: DescribeResourceServerRequest) -> Result<DescribeResourceServerResponse, ApiError> {
    let pool = lookup::current_pool(ctx, &input.user_pool_id).await?;
    let server = find(ctx, &pool.id, &input.identifier).await?;
    Ok(DescribeResourceServerResponse { resource_server: answer(&server) })
}
