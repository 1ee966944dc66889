//! DescribeManagedLoginBranding (oauth-federation.md §12.1).

use wire::{DescribeManagedLoginBrandingRequest, DescribeManagedLoginBrandingResponse};

use super::{answer, find};
use crate::{ApiError, Ctx, lookup};

/// Shows a style.
///
/// # Errors
/// `ResourceNotFoundException`.
pub async fn run(
    ctx: &Ctx,
    input: DescribeManagedLoginBrandingRequest,
) -> Result<DescribeManagedLoginBrandingResponse, ApiError> {
    let pool = lookup::current_pool(ctx, &input.user_pool_id).await?;
    let style = find(ctx, &pool.id, &input.managed_login_branding_id).await?;
    let is_merged = input.return_merged_resources == Some(true);
    Ok(DescribeManagedLoginBrandingResponse { managed_login_branding: Some(answer(&style, is_merged)) })
}
