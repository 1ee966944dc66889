//! CreateUserImportJob (accounts.md §18.1): a job, and the address that its file is sent to.
//!
//! The role is checked for its form and shown again; nothing is done with it, since the log is kept on this server.

use domain::{
    ImportEntry, ImportJob,
    import::{self, MOST_JOBS},
};
use store::{Changes, PurgeKind, Stored};
use wire::{CreateUserImportJobRequest, CreateUserImportJobResponse, ErrorKind, UserImportJobStatusType};

use super::job_type;
use crate::{ApiError, Ctx, lookup, retry};

/// Characters of the random part of ids.
const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Makes a job.
///
/// # Errors
/// `ResourceNotFoundException`; `LimitExceededException` when the pool has 1,000 jobs and none of them has ended.
pub async fn run(ctx: &Ctx, input: CreateUserImportJobRequest) -> Result<CreateUserImportJobResponse, ApiError> {
    let job = retry::on_conflict(ctx, || create(ctx, &input)).await?;
    Ok(CreateUserImportJobResponse { user_import_job: Some(job_type(ctx, &job)) })
}

async fn create(ctx: &Ctx, input: &CreateUserImportJobRequest) -> Result<ImportJob, ApiError> {
    let pool = lookup::current_pool(ctx, &input.user_pool_id).await?;
    let present = ctx.app.store.parts::<ImportJob>(&pool.id, None, MOST_JOBS).await?;
    let mut changes = Changes::new();
    if present.len() >= MOST_JOBS {
        // Decision: jobs cannot be deleted, so that the oldest one that has ended makes room.
        let last = present.iter().rev().find(|job| job.is_over(ctx.now)).ok_or_else(|| {
            let text = format!("The user pool has {MOST_JOBS} import jobs that have not ended.");
            ApiError::new(ErrorKind::LimitExceeded, text)
        })?;
        forget(ctx, &mut changes, last).await?;
    }
    let random = crypto::random::alphanumeric(ctx.entropy(), 10, ALPHABET);
    let job = ImportJob {
        pool_id: pool.id.clone(),
        id: import::id(ctx.now, &random),
        name: input.job_name.clone(),
        role_arn: input.cloud_watch_logs_role_arn.clone(),
        hashing: input.password_hashing_algorithm,
        status: UserImportJobStatusType::Created,
        created_at: ctx.now,
        started_at: None,
        completed_at: None,
        message: None,
        imported: 0,
        skipped: 0,
        failed: 0,
        uploading: None,
        file: None,
        done_pieces: 0,
        done_lines: 0,
        log_id: ctx.uuid(),
        log_pieces: 0,
    };
    changes.insert(&job).insert(&ImportEntry::expiring(&job));
    ctx.app.commit(changes).await?;
    Ok(job)
}

/// Removes a job and all that belongs to it.
async fn forget(ctx: &Ctx, changes: &mut Changes, job: &Stored<ImportJob>) -> Result<(), ApiError> {
    let expiring = ImportEntry::expiring(job);
    if let Some(entry) = ctx.app.store.part::<ImportEntry>(ImportEntry::POOL, domain::Part::id(&expiring)).await? {
        changes.delete_part(&entry);
    }
    crate::import::drop_files(changes, &mut job.value.clone());
    changes.purge(&job.pool_id, PurgeKind::File, &job.log_id).delete_part(job);
    Ok(())
}
