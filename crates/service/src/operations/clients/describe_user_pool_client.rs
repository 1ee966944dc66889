//! DescribeUserPoolClient (accounts.md §14.1).

use wire::{DescribeUserPoolClientRequest, DescribeUserPoolClientResponse};

use super::answer;
use crate::{ApiError, Ctx, lookup};

/// Shows a client, its secret included.
///
/// # Errors
/// `ResourceNotFoundException`.
pub async fn run(ctx: &Ctx, input: DescribeUserPoolClientRequest) -> Result<DescribeUserPoolClientResponse, ApiError> {
    let (client, _) = lookup::current_client_of_pool(ctx, &input.user_pool_id, &input.client_id).await?;
    Ok(DescribeUserPoolClientResponse { user_pool_client: Some(answer::user_pool_client(ctx, &client)?) })
}
