//! DescribeRiskConfiguration (triggers-security.md §15.1).

use wire::{DescribeRiskConfigurationRequest, DescribeRiskConfigurationResponse};

use super::{risk_configuration, subject};
use crate::{ApiError, Ctx};

/// Shows what was set for a pool, or for a client.
///
/// # Errors
/// `ResourceNotFoundException`, `UserPoolAddOnNotEnabledException`.
pub async fn run(
    ctx: &Ctx,
    input: DescribeRiskConfigurationRequest,
) -> Result<DescribeRiskConfigurationResponse, ApiError> {
    let (pool, client) = subject(ctx, &input.user_pool_id, input.client_id.as_deref()).await?;
    let settings = client.as_ref().map_or(&pool.risk, |client| &client.risk);
    let risk_configuration = risk_configuration(&pool.id, input.client_id.as_deref(), settings.as_ref());
    Ok(DescribeRiskConfigurationResponse { risk_configuration })
}
