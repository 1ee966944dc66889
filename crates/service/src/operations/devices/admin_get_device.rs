//! AdminGetDevice (auth-flows.md §12): an administrator looks at a user's device.

use wire::{AdminGetDeviceRequest, AdminGetDeviceResponse};

use super::{for_administrator, named_user};
use crate::{ApiError, Ctx, devices, lookup};

/// Shows the device.
///
/// # Errors
/// `InvalidUserPoolConfigurationException`, `ResourceNotFoundException`.
pub async fn run(ctx: &Ctx, input: AdminGetDeviceRequest) -> Result<AdminGetDeviceResponse, ApiError> {
    let pool = lookup::pool(ctx, &input.user_pool_id).await?;
    let user = named_user(ctx, &pool, &input.username).await?;
    let device = devices::existing(ctx, &pool, &user.sub, &input.device_key).await?;
    Ok(AdminGetDeviceResponse { device: for_administrator(ctx, &pool, &user, &device) })
}
