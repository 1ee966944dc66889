//! DescribeUserImportJob (accounts.md §18.1).

use wire::{DescribeUserImportJobRequest, DescribeUserImportJobResponse};

use super::job_type;
use crate::{ApiError, Ctx, import, lookup};

/// Shows a job.
///
/// # Errors
/// `ResourceNotFoundException`.
pub async fn run(ctx: &Ctx, input: DescribeUserImportJobRequest) -> Result<DescribeUserImportJobResponse, ApiError> {
    let pool = lookup::current_pool(ctx, &input.user_pool_id).await?;
    let job = import::job(ctx, &pool, &input.job_id).await?;
    Ok(DescribeUserImportJobResponse { user_import_job: Some(job_type(ctx, &job)) })
}
