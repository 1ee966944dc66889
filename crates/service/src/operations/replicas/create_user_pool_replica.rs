//! CreateUserPoolReplica (oauth-federation.md §21): always refused, see [the module](super).

use wire::{CreateUserPoolReplicaRequest, CreateUserPoolReplicaResponse, ErrorKind};

use super::not_a_secondary;
use crate::{
    ApiError, Ctx, lookup,
    operations::tags,
    tiers::{self, Feature},
};

/// Refuses a replica.
///
/// # Errors
/// `ResourceNotFoundException`, `UserPoolTaggingException`, `FeatureUnavailableInTierException`, or else
/// `InvalidParameterException`.
pub async fn run(ctx: &Ctx, input: CreateUserPoolReplicaRequest) -> Result<CreateUserPoolReplicaResponse, ApiError> {
    let pool = lookup::current_pool(ctx, &input.user_pool_id).await?;
    if let Some(message) = input.user_pool_tags.as_ref().and_then(tags::fault) {
        return Err(ApiError::new(ErrorKind::UserPoolTagging, message));
    }
    tiers::check(ctx, pool.tier, &[Feature::Replication])?;
    if pool.region() == input.region_name {
        return Err(not_a_secondary(&pool, &input.region_name));
    }
    Err(ApiError::not_supported("Replication to another Region"))
}
