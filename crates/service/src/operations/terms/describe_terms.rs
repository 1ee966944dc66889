//! DescribeTerms (oauth-federation.md §13).

use wire::{DescribeTermsRequest, DescribeTermsResponse};

use super::{answer, find};
use crate::{ApiError, Ctx, lookup};

/// Shows a terms document.
///
/// # Errors
/// `ResourceNotFoundException`.
pub async fn run(ctx: &Ctx, input: DescribeTermsRequest) -> Result<DescribeTermsResponse, ApiError> {
    let pool = lookup::current_pool(ctx, &input.user_pool_id).await?;
    let terms = find(ctx, &pool.id, &input.terms_id).await?;
    Ok(DescribeTermsResponse { terms: Some(answer(&terms)) })
}
