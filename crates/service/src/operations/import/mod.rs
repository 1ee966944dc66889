//! User import jobs (accounts.md §18). What happens to a job between its start and its end is in [`crate::import`].

pub mod create_user_import_job;
pub mod describe_user_import_job;
pub mod get_csv_header;
pub mod list_user_import_jobs;
pub mod start_user_import_job;
pub mod stop_user_import_job;

use domain::ImportJob;
use wire::{ErrorKind, UserImportJobType};

use crate::{ApiError, Ctx, import::address};

/// A job as answers show it. The address stands in every answer, also when it has expired.
fn job_type(ctx: &Ctx, job: &ImportJob) -> UserImportJobType {
    UserImportJobType {
        job_name: Some(job.name.clone()),
        job_id: Some(job.id.clone()),
        user_pool_id: Some(job.pool_id.clone()),
        pre_signed_url: Some(address::upload(&ctx.app, job)),
        creation_date: Some(job.created_at),
        start_date: job.started_at,
        completion_date: job.completed_at,
        status: Some(job.status_at(ctx.now)),
        cloud_watch_logs_role_arn: Some(job.role_arn.clone()),
        imported_users: Some(job.imported),
        skipped_users: Some(job.skipped),
        failed_users: Some(job.failed),
        completion_message: job.message.clone(),
        password_hashing_algorithm: job.hashing,
    }
}

/// Decision: the service's words for every case of this error are not known.
fn precondition(text: impl Into<String>) -> ApiError {
    ApiError::new(ErrorKind::PreconditionNotMet, text)
}
