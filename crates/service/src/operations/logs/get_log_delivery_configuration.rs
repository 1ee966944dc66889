//! GetLogDeliveryConfiguration (triggers-security.md §18).

use wire::{GetLogDeliveryConfigurationRequest, GetLogDeliveryConfigurationResponse, LogDeliveryConfigurationType};

use crate::{ApiError, Ctx, lookup};

/// Where the logs of a pool go.
///
/// Decision: `LogDeliveryConfiguration` is left out where it was never set, or was cleared; both are the same here.
///
/// # Errors
/// `ResourceNotFoundException`.
pub async fn run(
    ctx: &Ctx,
    input: GetLogDeliveryConfigurationRequest,
) -> Result<GetLogDeliveryConfigurationResponse, ApiError> {
    let pool = lookup::current_pool(ctx, &input.user_pool_id).await?.value;
    let configuration = (!pool.log_delivery.is_empty())
        .then_some(LogDeliveryConfigurationType { user_pool_id: pool.id, log_configurations: pool.log_delivery });
    Ok(GetLogDeliveryConfigurationResponse { log_delivery_configuration: configuration })
}
