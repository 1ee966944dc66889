//! UpdateUserPoolReplica (oauth-federation.md §21): always refused, see [the module](super).

use wire::{UpdateUserPoolReplicaRequest, UpdateUserPoolReplicaResponse};

use super::not_a_secondary;
use crate::{ApiError, Ctx, lookup};

/// Refuses to switch a replica on or off, since there is none.
///
/// # Errors
/// `ResourceNotFoundException`; `InvalidParameterException` for the pool's own region.
pub async fn run(ctx: &Ctx, input: UpdateUserPoolReplicaRequest) -> Result<UpdateUserPoolReplicaResponse, ApiError> {
    let pool = lookup::current_pool(ctx, &input.user_pool_id).await?;
    Err(not_a_secondary(&pool, &input.region_name))
}
