//! GetProvisionedLimit (oauth-federation.md §22).

use wire::{GetProvisionedLimitRequest, GetProvisionedLimitResponse};

use super::limit;
use crate::{ApiError, Ctx};

/// Shows the limit of a category: its default.
///
/// # Errors
/// `InvalidParameterException`, `ResourceNotFoundException`.
pub async fn run(_ctx: &Ctx, input: GetProvisionedLimitRequest) -> Result<GetProvisionedLimitResponse, ApiError> {
    Ok(GetProvisionedLimitResponse { limit: limit(&input.limit_definition)? })
}
