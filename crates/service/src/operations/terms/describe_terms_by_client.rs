//! DescribeTermsByClient (oauth-federation.md §13).

use wire::{DescribeTermsByClientRequest, DescribeTermsByClientResponse};

use super::{answer, find, of_client};
use crate::{ApiError, Ctx, lookup};

/// Shows a client's terms document of a name.
///
/// # Errors
/// `ResourceNotFoundException`.
pub async fn run(ctx: &Ctx, input: DescribeTermsByClientRequest) -> Result<DescribeTermsByClientResponse, ApiError> {
    let (client, pool) = lookup::current_client_of_pool(ctx, &input.user_pool_id, &input.client_id).await?;
    let found = of_client(ctx, &pool.id, &client.id, &input.terms_name).await?;
    // Decision: the service's words are not recorded.
    let none = || ApiError::not_found(format!("The client has no terms of the name {}.", input.terms_name));
    let terms = find(ctx, &pool.id, &found.ok_or_else(none)?.terms_id).await?;
    Ok(DescribeTermsByClientResponse { terms: Some(answer(&terms)) })
}
