//! Importing users from files (accounts.md §18): the address that a file is sent to, the pieces in which it is kept, and
//! the job that makes users of its lines.
//!
//! One server at a time works on the one job that is under way, under a lease. What a piece of the file comes to and how
//! far the job has come are one changeset: whoever goes on after a crash finds either both or neither, and two servers at
//! work at once get in each other's way, but make no user twice.
//!
//! | File | What it does |
//! |---|---|
//! | [`address`] | where files are sent to, and who may |
//! | [`cutter`], [`upload`] | from bytes to pieces in the store |
//! | [`rows`] | from a line to a user, or to what is wrong with it |
//! | [`batch`] | from a piece to a changeset |
//! | [`worker`] | the job from start to end, and what happens around it |
//! | [`log`] | what became of lines that are not users |

pub mod address;
mod batch;
mod cutter;
pub mod log;
mod rows;
pub mod upload;
mod worker;

use domain::{ImportEntry, ImportJob, Pool};
use store::{Changes, PurgeKind, Stored};
use wire::ErrorKind;

pub use self::worker::{STOPPED, run, work_off};
use crate::{ApiError, Ctx};

/// The job of that id in a pool.
///
/// # Errors
/// `ResourceNotFoundException`.
pub async fn job(ctx: &Ctx, pool: &Pool, id: &str) -> Result<Stored<ImportJob>, ApiError> {
    let found = ctx.app.store.part::<ImportJob>(&pool.id, id).await?;
    // Decision: the service's words are not known.
    found.ok_or_else(|| ApiError::not_found(format!("User import job {id} does not exist.")))
}

/// The job that is under way on this installation, if one is.
///
/// # Errors
/// When the store cannot be read.
pub async fn under_way(ctx: &Ctx) -> Result<Option<Stored<ImportEntry>>, ApiError> {
    Ok(ctx.app.store.part(ImportEntry::POOL, ImportEntry::UNDER_WAY).await?)
}

/// Refuses to change a pool while users are imported into it. Starting a job moves the pool's version on, so that a
/// change that was decided before meets a conflict.
///
/// # Errors
/// `UserImportInProgressException`.
pub async fn refuse_during_import(ctx: &Ctx, pool: &Pool) -> Result<(), ApiError> {
    let is_under_way = under_way(ctx).await?.is_some_and(|entry| entry.job_pool_id == pool.id);
    // Decision: the service's words are not known.
    let text = "Users are being imported into this user pool. Try again when the import job has ended, or stop it.";
    if is_under_way { Err(ApiError::new(ErrorKind::UserImportInProgress, text)) } else { Ok(()) }
}

/// Has the files of a job cleared away: nobody needs them any more.
pub(crate) fn drop_files(changes: &mut Changes, job: &mut ImportJob) {
    let files = job.uploading.take().into_iter().chain(job.file.take().map(|file| file.id));
    for id in files {
        changes.purge(&job.pool_id, PurgeKind::File, &id);
    }
}
