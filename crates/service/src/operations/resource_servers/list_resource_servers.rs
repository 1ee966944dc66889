//! ListResourceServers (accounts.md §12.2): a pool's resource servers by identifier.

use domain::ResourceServer;
use wire::{ListResourceServersRequest, ListResourceServersResponse};

use super::answer;
use crate::{ApiError, Ctx, lookup, paging};

/// One page of resource servers.
///
/// # Errors
/// `ResourceNotFoundException`; `InvalidParameterException` for a bad token.
pub async fn run(ctx: &Ctx, input: ListResourceServersRequest) -> Result<ListResourceServersResponse, ApiError> {
    let pool = lookup::current_pool(ctx, &input.user_pool_id).await?;
    let (asked, token) = (input.max_results, input.next_token.as_deref());
    let (servers, next_token) =
        paging::parts::<ResourceServer>(ctx, "ListResourceServers", &pool.id, asked, token).await?;
    Ok(ListResourceServersResponse {
        resource_servers: servers.iter().map(|server| answer(server)).collect(),
        next_token,
    })
}
