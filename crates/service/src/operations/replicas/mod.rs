//! Replicas of pools in other regions (oauth-federation.md §21).
//!
//! Regions are names here: there is nowhere that a pool could be copied to. So every pool has its primary and nothing
//! else, and what would make, change or delete a secondary is refused.

pub mod create_user_pool_replica;
pub mod delete_user_pool_replica;
pub mod list_user_pool_replicas;
pub mod update_user_pool_replica;

use domain::Pool;

use crate::ApiError;

/// The answer for a region in which the pool is not, or is at home.
fn not_a_secondary(pool: &Pool, region: &str) -> ApiError {
    // Decision: the service's words are not recorded.
    if pool.region() == region {
        ApiError::invalid_parameter(format!("{region} is the primary Region of user pool {}.", pool.id))
    } else {
        ApiError::not_found(format!("User pool {} has no replica in {region}.", pool.id))
    }
}
