//! ListUserImportJobs (accounts.md §12.2): a pool's jobs, newest first.

use wire::{ListUserImportJobsRequest, ListUserImportJobsResponse};

use super::job_type;
use crate::{ApiError, Ctx, lookup, paging};

/// One page of jobs.
///
/// # Errors
/// `ResourceNotFoundException`; `InvalidParameterException` for a bad token.
pub async fn run(ctx: &Ctx, input: ListUserImportJobsRequest) -> Result<ListUserImportJobsResponse, ApiError> {
    let pool = lookup::current_pool(ctx, &input.user_pool_id).await?;
    let scope = format!("ListUserImportJobs\n{}", pool.id);
    let size = paging::size(Some(input.max_results));
    let after = paging::read(ctx, &scope, input.pagination_token.as_deref())?;

    let mut jobs = ctx.app.store.parts(&pool.id, after.as_deref(), size.saturating_add(1)).await?;
    let pagination_token = paging::cut(ctx, &scope, &mut jobs, size, |job: &store::Stored<domain::ImportJob>| &job.id);
    let user_import_jobs = jobs.iter().map(|job| job_type(ctx, job)).collect();
    Ok(ListUserImportJobsResponse { user_import_jobs: Some(user_import_jobs), pagination_token })
}
