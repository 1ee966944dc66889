//! User pools (accounts.md §13).

pub mod add_custom_attributes;
pub mod create_user_pool;
pub mod delete_user_pool;
pub mod describe_user_pool;
pub mod get_user_pool_mfa_config;
pub mod list_user_pools;
pub mod set_user_pool_mfa_config;
pub mod update_user_pool;

mod answer;
pub(super) mod email;
mod factors;
mod lambda_config;
mod levels;
mod messages;
mod policies;
mod refused;
mod settings;
mod sms;

use domain::schema;

use crate::ApiError;

impl From<schema::Refusal> for ApiError {
    /// A refused schema is an `InvalidParameterException`.
    fn from(refusal: schema::Refusal) -> Self {
        Self::invalid_parameter(refusal.0)
    }
}
