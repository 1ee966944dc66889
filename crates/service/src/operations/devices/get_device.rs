//! GetDevice (auth-flows.md §12): users look at a device of theirs.

use wire::{GetDeviceRequest, GetDeviceResponse};

use super::{for_user, owner};
use crate::{ApiError, Ctx, devices};

/// Shows the device.
///
/// # Errors
/// Those of the access token (auth-flows.md §8), `InvalidUserPoolConfigurationException`, `ResourceNotFoundException`.
pub async fn run(ctx: &Ctx, input: GetDeviceRequest) -> Result<GetDeviceResponse, ApiError> {
    let caller = owner(ctx, input.access_token.as_deref()).await?;
    let device = devices::existing(ctx, &caller.pool, &caller.user.sub, &input.device_key).await?;
    Ok(GetDeviceResponse { device: for_user(&device) })
}
