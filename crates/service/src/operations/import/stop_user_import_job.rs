//! StopUserImportJob (accounts.md §18.1): the job ends where it is. Users that were imported stay.

use store::Changes;
use wire::{StopUserImportJobRequest, StopUserImportJobResponse, UserImportJobStatusType, UserImportJobType};

use super::{job_type, precondition};
use crate::{ApiError, Ctx, import, lookup, retry};

/// Stops a job.
///
/// # Errors
/// `ResourceNotFoundException`; `PreconditionNotMetException` for a job that is not under way.
pub async fn run(ctx: &Ctx, input: StopUserImportJobRequest) -> Result<StopUserImportJobResponse, ApiError> {
    let job = retry::on_conflict(ctx, || stop(ctx, &input)).await?;
    Ok(StopUserImportJobResponse { user_import_job: Some(job) })
}

async fn stop(ctx: &Ctx, input: &StopUserImportJobRequest) -> Result<UserImportJobType, ApiError> {
    let pool = lookup::current_pool(ctx, &input.user_pool_id).await?;
    let before = import::job(ctx, &pool, &input.job_id).await?;
    let status = before.status_at(ctx.now);
    if !matches!(status, UserImportJobStatusType::Pending | UserImportJobStatusType::InProgress) {
        return Err(precondition(format!(
            "The import job cannot be stopped. Its current status is {}.",
            status.as_str()
        )));
    }
    let mut after = before.value.clone();
    after.status = UserImportJobStatusType::Stopping;
    after.message = Some(import::STOPPED.to_owned());
    let mut changes = Changes::new();
    changes.replace(&before, &after);
    ctx.app.commit(changes).await?;
    Ok(job_type(ctx, &after))
}
