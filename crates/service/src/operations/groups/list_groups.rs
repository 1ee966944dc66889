//! ListGroups (accounts.md §12.2, §17): a pool's groups by name.

use domain::Group;
use wire::{ListGroupsRequest, ListGroupsResponse};

use super::group_type;
use crate::{ApiError, Ctx, lookup, paging};

/// One page of groups.
///
/// # Errors
/// `InvalidParameterException` for a bad token.
pub async fn run(ctx: &Ctx, input: ListGroupsRequest) -> Result<ListGroupsResponse, ApiError> {
    let pool = lookup::pool(ctx, &input.user_pool_id).await?;
    let (groups, next_token) =
        paging::parts::<Group>(ctx, "ListGroups", &pool.id, input.limit, input.next_token.as_deref()).await?;
    Ok(ListGroupsResponse { groups: Some(groups.iter().map(|group| group_type(group)).collect()), next_token })
}
