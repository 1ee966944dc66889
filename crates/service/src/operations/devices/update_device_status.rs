//! UpdateDeviceStatus (auth-flows.md §12): users have a device of theirs remembered, or no longer.

use wire::{UpdateDeviceStatusRequest, UpdateDeviceStatusResponse};

use super::{owner, set_status};
use crate::{ApiError, Ctx};

/// Changes whether the device may stand in for a second factor.
///
/// # Errors
/// Those of the access token (auth-flows.md §8), `InvalidUserPoolConfigurationException`, `ResourceNotFoundException`,
/// `InvalidParameterException` without a status.
pub async fn run(ctx: &Ctx, input: UpdateDeviceStatusRequest) -> Result<UpdateDeviceStatusResponse, ApiError> {
    let caller = owner(ctx, Some(&input.access_token)).await?;
    set_status(ctx, &caller.pool, &caller.user.sub, &input.device_key, input.device_remembered_status).await?;
    Ok(UpdateDeviceStatusResponse {})
}
