//! ForgetDevice (auth-flows.md §12): users have a device of theirs deleted.

use wire::ForgetDeviceRequest;

use super::{forget, owner};
use crate::{ApiError, Ctx};

/// Deletes the device.
///
/// # Errors
/// Those of the access token (auth-flows.md §8), `InvalidUserPoolConfigurationException`, `ResourceNotFoundException`.
pub async fn run(ctx: &Ctx, input: ForgetDeviceRequest) -> Result<(), ApiError> {
    let caller = owner(ctx, input.access_token.as_deref()).await?;
    forget(ctx, &caller.pool, &caller.user.sub, &input.device_key).await
}
