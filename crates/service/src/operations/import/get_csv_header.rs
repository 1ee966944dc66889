//! GetCSVHeader (accounts.md §18.1): the columns that an import file for the pool has.
//!
//! Decision: the column for password hashes is not among them, because only files of some jobs have it.

use domain::csv;
use wire::{GetCSVHeaderRequest, GetCSVHeaderResponse};

use crate::{ApiError, Ctx, lookup};

/// Lists the columns.
///
/// # Errors
/// `ResourceNotFoundException`.
pub async fn run(ctx: &Ctx, input: GetCSVHeaderRequest) -> Result<GetCSVHeaderResponse, ApiError> {
    let pool = lookup::current_pool(ctx, &input.user_pool_id).await?;
    let header = csv::header(&pool).into_iter().map(str::to_owned).collect();
    Ok(GetCSVHeaderResponse { user_pool_id: Some(input.user_pool_id), csv_header: Some(header) })
}
