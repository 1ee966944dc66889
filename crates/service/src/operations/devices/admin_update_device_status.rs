//! AdminUpdateDeviceStatus (auth-flows.md §12): an administrator has a user's device remembered, or no longer.

use wire::{AdminUpdateDeviceStatusRequest, AdminUpdateDeviceStatusResponse};

use super::set_status;
use crate::{ApiError, Ctx, devices, lookup};

/// Changes whether the device may stand in for a second factor.
///
/// # Errors
/// `InvalidUserPoolConfigurationException`, `UserNotFoundException`, `ResourceNotFoundException`,
/// `InvalidParameterException` without a status.
pub async fn run(
    ctx: &Ctx,
    input: AdminUpdateDeviceStatusRequest,
) -> Result<AdminUpdateDeviceStatusResponse, ApiError> {
    let pool = lookup::pool(ctx, &input.user_pool_id).await?;
    devices::configuration(&pool)?;
    let user = lookup::user_for_administrator(ctx, &pool, &input.username).await?;
    set_status(ctx, &pool, &user.sub, &input.device_key, input.device_remembered_status).await?;
    Ok(AdminUpdateDeviceStatusResponse {})
}
