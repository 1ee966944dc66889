//! GetGroup (accounts.md §17).

use wire::{GetGroupRequest, GetGroupResponse};

use super::{group_type, named};
use crate::{ApiError, Ctx, lookup};

/// Shows a group.
///
/// # Errors
/// `ResourceNotFoundException`.
pub async fn run(ctx: &Ctx, input: GetGroupRequest) -> Result<GetGroupResponse, ApiError> {
    let pool = lookup::pool(ctx, &input.user_pool_id).await?;
    let group = named(ctx, &pool, &input.group_name).await?;
    Ok(GetGroupResponse { group: Some(group_type(&group)) })
}
