//! UpdateProvisionedLimit (oauth-federation.md §22): takes nothing but the default, since no other limit would hold.

use std::cmp::Ordering;

use wire::{ErrorKind, UpdateProvisionedLimitRequest, UpdateProvisionedLimitResponse};

use super::limit;
use crate::{ApiError, Ctx};

/// Leaves the limit of a category at its default.
///
/// # Errors
/// `InvalidParameterException` for less, `ServiceQuotaExceededException` for more; `ResourceNotFoundException`.
pub async fn run(_ctx: &Ctx, input: UpdateProvisionedLimitRequest) -> Result<UpdateProvisionedLimitResponse, ApiError> {
    let limit = limit(&input.limit_definition)?;
    let default = limit.free_limit_value;
    // Decision: the service's words are not recorded.
    match input.requested_limit_value.cmp(&default) {
        Ordering::Equal => Ok(UpdateProvisionedLimitResponse { limit }),
        Ordering::Less => Err(ApiError::invalid_parameter(format!(
            "RequestedLimitValue must not be less than the free limit, {default}."
        ))),
        Ordering::Greater => Err(ApiError::new(
            ErrorKind::ServiceQuotaExceeded,
            format!(
                "This Poolkeeper version provisions no limit above the free one, {default}. See docs/compatibility.md."
            ),
        )),
    }
}
