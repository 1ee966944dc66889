//! AdminListDevices (auth-flows.md §12): an administrator sees the devices of a user.

use wire::{AdminListDevicesRequest, AdminListDevicesResponse};

use super::{for_administrator, named_user, page};
use crate::{ApiError, Ctx, lookup};

/// One page of devices by key.
///
/// # Errors
/// `InvalidUserPoolConfigurationException`, `ResourceNotFoundException`, `InvalidParameterException` for a bad
/// pagination token.
pub async fn run(ctx: &Ctx, input: AdminListDevicesRequest) -> Result<AdminListDevicesResponse, ApiError> {
    let pool = lookup::pool(ctx, &input.user_pool_id).await?;
    let user = named_user(ctx, &pool, &input.username).await?;
    let token = input.pagination_token.as_deref();
    let (devices, pagination_token) = page(ctx, "AdminListDevices", &user, input.limit, token).await?;
    let devices = devices.iter().map(|device| for_administrator(ctx, &pool, &user, device)).collect();
    Ok(AdminListDevicesResponse { devices: Some(devices), pagination_token })
}
