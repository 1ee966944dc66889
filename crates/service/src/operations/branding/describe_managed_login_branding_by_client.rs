//! DescribeManagedLoginBrandingByClient (oauth-federation.md §12.1).

use wire::{DescribeManagedLoginBrandingByClientRequest, DescribeManagedLoginBrandingByClientResponse};

use super::{answer, find, of_client};
use crate::{ApiError, Ctx, lookup};

/// Shows the style of a client.
///
/// # Errors
/// `ResourceNotFoundException`.
pub async fn run(
    ctx: &Ctx,
    input: DescribeManagedLoginBrandingByClientRequest,
) -> Result<DescribeManagedLoginBrandingByClientResponse, ApiError> {
    let (client, pool) = lookup::current_client_of_pool(ctx, &input.user_pool_id, &input.client_id).await?;
    // Decision: the service's words are not recorded.
    let none = || ApiError::not_found("The client has no managed login branding.");
    let found = of_client(ctx, &pool.id, &client.id).await?.ok_or_else(none)?;
    let style = find(ctx, &pool.id, &found.branding_id).await?;
    let is_merged = input.return_merged_resources == Some(true);
    Ok(DescribeManagedLoginBrandingByClientResponse { managed_login_branding: Some(answer(&style, is_merged)) })
}
