//! ListUserPools (accounts.md §12.2): the pools of the caller's region, by id.

use wire::{ListUserPoolsRequest, ListUserPoolsResponse, UserPoolDescriptionType};

use crate::{ApiError, Ctx, paging};

/// One page of pools.
///
/// # Errors
/// `InvalidParameterException` for a bad token.
pub async fn run(ctx: &Ctx, input: ListUserPoolsRequest) -> Result<ListUserPoolsResponse, ApiError> {
    // A region's pools stand together, since their ids begin with it.
    let prefix = format!("{}_", ctx.region);
    let scope = format!("ListUserPools\n{prefix}");
    let size = paging::size(Some(input.max_results));
    let after = paging::read(ctx, &scope, input.next_token.as_deref())?.unwrap_or_else(|| prefix.clone());

    let mut pools = ctx.app.store.pools(Some(&after), size.saturating_add(1)).await?;
    pools.retain(|pool| pool.id.starts_with(&prefix));
    let next_token = paging::cut(ctx, &scope, &mut pools, size, |pool| &pool.id);
    let user_pools = pools
        .into_iter()
        .map(|pool| UserPoolDescriptionType {
            id: Some(pool.value.id),
            name: Some(pool.value.name),
            lambda_config: Some(pool.value.sign_in.triggers.unwrap_or_default()),
            status: None,
            last_modified_date: Some(pool.value.modified_at),
            creation_date: Some(pool.value.created_at),
            replica_regions: None,
        })
        .collect();
    Ok(ListUserPoolsResponse { user_pools: Some(user_pools), next_token })
}
