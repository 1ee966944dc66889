//! DeleteUserPoolReplica (oauth-federation.md §21): always refused, see [the module](super).

use wire::{DeleteUserPoolReplicaRequest, DeleteUserPoolReplicaResponse};

use super::not_a_secondary;
use crate::{ApiError, Ctx, lookup};

/// Refuses to delete a replica, since there is none.
///
/// # Errors
/// `ResourceNotFoundException`; `InvalidParameterException` for the pool's own region.
pub async fn run(ctx: &Ctx, input: DeleteUserPoolReplicaRequest) -> Result<DeleteUserPoolReplicaResponse, ApiError> {
    let pool = lookup::current_pool(ctx, &input.user_pool_id).await?;
    Err(not_a_secondary(&pool, &input.region_name))
}
