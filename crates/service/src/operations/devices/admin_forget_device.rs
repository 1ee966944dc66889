//! AdminForgetDevice (auth-flows.md §12): an administrator deletes a user's device.

use wire::AdminForgetDeviceRequest;

use super::forget;
use crate::{ApiError, Ctx, devices, lookup};

/// Deletes the device.
///
/// # Errors
/// `InvalidUserPoolConfigurationException`, `UserNotFoundException`, `ResourceNotFoundException`.
pub async fn run(ctx: &Ctx, input: AdminForgetDeviceRequest) -> Result<(), ApiError> {
    let pool = lookup::pool(ctx, &input.user_pool_id).await?;
    devices::configuration(&pool)?;
    let user = lookup::user_for_administrator(ctx, &pool, &input.username).await?;
    forget(ctx, &pool, &user.sub, &input.device_key).await
}
