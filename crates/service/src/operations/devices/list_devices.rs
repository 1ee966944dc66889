//! ListDevices (auth-flows.md §12): users see their own devices.

use wire::{ListDevicesRequest, ListDevicesResponse};

use super::{for_user, owner, page};
use crate::{ApiError, Ctx};

/// One page of devices by key.
///
/// # Errors
/// Those of the access token (auth-flows.md §8), `InvalidUserPoolConfigurationException`, `InvalidParameterException`
/// for a bad pagination token.
pub async fn run(ctx: &Ctx, input: ListDevicesRequest) -> Result<ListDevicesResponse, ApiError> {
    let caller = owner(ctx, Some(&input.access_token)).await?;
    let token = input.pagination_token.as_deref();
    let (devices, pagination_token) = page(ctx, "ListDevices", &caller.user, input.limit, token).await?;
    let devices = devices.iter().map(|device| for_user(device)).collect();
    Ok(ListDevicesResponse { devices: Some(devices), pagination_token })
}
