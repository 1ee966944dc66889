//! DescribeUserPool (accounts.md §13.2).

use wire::{DescribeUserPoolRequest, DescribeUserPoolResponse};

use super::answer;
use crate::{ApiError, Ctx, lookup};

/// Shows a pool.
///
/// # Errors
/// `ResourceNotFoundException`.
pub async fn run(ctx: &Ctx, input: DescribeUserPoolRequest) -> Result<DescribeUserPoolResponse, ApiError> {
    let pool = lookup::current_pool(ctx, &input.user_pool_id).await?;
    let domains = ctx.app.store.domains(&pool.id).await?;
    let users = ctx.app.store.estimated_users(&pool.id).await?;
    Ok(DescribeUserPoolResponse { user_pool: Some(answer::user_pool(ctx, &pool, users, &domains)) })
}
