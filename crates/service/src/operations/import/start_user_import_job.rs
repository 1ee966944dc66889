//! StartUserImportJob (accounts.md §18.1): from now on users are made, and the pool stays as it is until the job ends.
//!
//! Order: pool, job, its status, its file, what the pool verifies, other jobs.

use domain::{ImportEntry, Part};
use store::Changes;
use wire::{StartUserImportJobRequest, StartUserImportJobResponse, UserImportJobStatusType, UserImportJobType};

use super::{job_type, precondition};
use crate::{ApiError, Ctx, import, lookup, retry};

/// Starts a job.
///
/// # Errors
/// `ResourceNotFoundException`; `PreconditionNotMetException` when the job was started before or has expired, when it
/// has no file, when the pool verifies no attribute, and while another job of the installation is under way.
pub async fn run(ctx: &Ctx, input: StartUserImportJobRequest) -> Result<StartUserImportJobResponse, ApiError> {
    let job = retry::on_conflict(ctx, || start(ctx, &input)).await?;
    Ok(StartUserImportJobResponse { user_import_job: Some(job) })
}

async fn start(ctx: &Ctx, input: &StartUserImportJobRequest) -> Result<UserImportJobType, ApiError> {
    // Load.
    let store = &ctx.app.store;
    let pool = lookup::current_pool(ctx, &input.user_pool_id).await?;
    let before = import::job(ctx, &pool, &input.job_id).await?;
    let expiring = ImportEntry::expiring(&before);
    let expiring = store.part::<ImportEntry>(ImportEntry::POOL, expiring.id()).await?;

    // Decide.
    let status = before.status_at(ctx.now);
    if status != UserImportJobStatusType::Created {
        return Err(precondition(format!(
            "The import job cannot be started. Its current status is {}.",
            status.as_str()
        )));
    }
    if before.file.is_none() {
        return Err(precondition("No file has been uploaded for the import job."));
    }
    if pool.auto_verified_attributes.is_empty() {
        return Err(precondition("The user pool must have auto verified attributes to import users."));
    }
    if import::under_way(ctx).await?.is_some() {
        return Err(precondition("Another import job is in progress. Only one can be at a time."));
    }
    let mut after = before.value.clone();
    after.status = UserImportJobStatusType::Pending;
    after.started_at = Some(ctx.now);

    // Commit.
    let mut changes = Changes::new();
    if let Some(upload) = after.uploading.take() {
        changes.purge(&pool.id, store::PurgeKind::File, &upload);
    }
    if let Some(expiring) = expiring {
        changes.delete_part(&expiring);
    }
    changes.replace(&before, &after).insert(&ImportEntry::under_way(&after));
    // Nothing about the pool changes, but whoever is about to change it has to look again.
    changes.replace(&pool, pool.value.clone());
    ctx.app.commit(changes).await?;
    Ok(job_type(ctx, &after))
}
