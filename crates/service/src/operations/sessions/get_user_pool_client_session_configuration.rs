//! GetUserPoolClientSessionConfiguration (auth-flows.md §19).

use wire::{GetUserPoolClientSessionConfigurationRequest, GetUserPoolClientSessionConfigurationResponse};

use super::of_client;
use crate::{ApiError, Ctx, lookup};

/// Shows what a client says about sessions: 60 minutes while nobody has set it.
///
/// # Errors
/// `ResourceNotFoundException`.
pub async fn run(
    ctx: &Ctx,
    input: GetUserPoolClientSessionConfigurationRequest,
) -> Result<GetUserPoolClientSessionConfigurationResponse, ApiError> {
    let (client, pool) = lookup::current_client_of_pool(ctx, &input.user_pool_id, &input.client_id).await?;
    Ok(GetUserPoolClientSessionConfigurationResponse {
        user_pool_id: Some(pool.value.id),
        client_id: Some(client.id.clone()),
        sso_session: Some(of_client(&client)),
    })
}
