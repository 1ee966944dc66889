//! The job from start to end. Everything that it knows is in the store, and is read again after every surprise.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use domain::{ImportEntry, ImportFile, ImportJob, csv::Columns, import::MOST_ROWS};
use store::{Changes, CommitError, Stored};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use wire::UserImportJobStatusType as Status;

use super::{
    batch::{self, Batch, Committed},
    drop_files, log,
    rows::Plan,
};
use crate::{ApiError, App, lease};

/// How often a server looks for a job that was started.
const POLL: Duration = Duration::from_secs(1);
/// Pieces that are prepared while another one is being committed.
const AHEAD: usize = 3;
/// How often a piece is looked at again at once because somebody else gets its names.
const MOST_CLASHES: usize = 8;

/// What a job says that was stopped.
pub const STOPPED: &str = "The Import Job was stopped by the developer.";
/// Decision: the service's threshold is not known; here it is that not a single user could be imported.
const TOO_MANY: &str = "Too many users have failed or been skipped during the import.";
/// Decision: the service's words are not known.
const COMPLETED: &str = "The Import Job has completed.";
const INCOMPLETE: &str = "A piece of the uploaded file is missing. Create a new import job.";

/// Works on import jobs until `shutdown`; of several servers, one does it for all. Run it once per process.
pub async fn run(app: Arc<App>, shutdown: CancellationToken) {
    lease::hold(app.clone(), "imports", shutdown, |ours| look(&app, ours)).await;
}

async fn look(app: &Arc<App>, ours: CancellationToken) {
    while !ours.is_cancelled() {
        if let Err(error) = work_off(app, &ours).await {
            let cause = error.cause.as_deref();
            tracing::warn!(cause, "an import job cannot go on for now; trying again");
        }
        _ = ours.run_until_cancelled(tokio::time::sleep(POLL)).await;
    }
}

/// Works until no job is under way, or until `ours` is cancelled; and notes which jobs have expired.
///
/// # Errors
/// When the store fails. Calling again goes on with what was committed.
pub async fn work_off(app: &Arc<App>, ours: &CancellationToken) -> Result<(), ApiError> {
    while !ours.is_cancelled() && expire(app).await? {}
    while !ours.is_cancelled() && go_on(app, ours).await? {}
    Ok(())
}

/// Takes the job that is under way a good deal further; false when there is none.
async fn go_on(app: &Arc<App>, ours: &CancellationToken) -> Result<bool, ApiError> {
    let Some(entry) = app.store.part::<ImportEntry>(ImportEntry::POOL, ImportEntry::UNDER_WAY).await? else {
        return Ok(false);
    };
    let job = app.store.part::<ImportJob>(&entry.job_pool_id, &entry.job_id).await?;
    let pool = app.store.pool(&entry.job_pool_id).await?;
    let (Some(job), Some(pool)) = (job, pool) else {
        // The pool is gone, and the job with it.
        let mut changes = Changes::new();
        changes.delete_part(&entry);
        return attempt(app, changes).await;
    };
    match (job.status, job.file.clone()) {
        (Status::Stopping, _) => end(app, &entry, &job, Status::Stopped, STOPPED).await,
        (_, Some(file)) => match plan(app, &job, pool.value, &file).await? {
            Ok(plan) => import(app, &entry, job, &file, Arc::new(plan), ours).await,
            Err(reason) => end(app, &entry, &job, Status::Failed, &reason).await,
        },
        // Cannot be, since a job with no file is not started.
        (_, None) => end(app, &entry, &job, Status::Failed, INCOMPLETE).await,
    }
}

/// What the lines of the file have in common; or why nothing can be imported from it.
async fn plan(
    app: &Arc<App>,
    job: &ImportJob,
    pool: domain::Pool,
    file: &ImportFile,
) -> Result<Result<Plan, String>, ApiError> {
    if file.rows > MOST_ROWS {
        return Ok(Err(format!("The file has {} rows; more than {MOST_ROWS} cannot be imported at once.", file.rows)));
    }
    let first = app.store.chunk(&file.id, 0).await?;
    let header = first.as_ref().and_then(|piece| piece.value.lines().next()).unwrap_or_default();
    let columns = Columns::parse(&pool, job.hashing.is_some(), header).map_err(|fault| fault.to_string());
    Ok(columns.map(|columns| Plan { pool, file_id: file.id.clone(), columns, hashing: job.hashing }))
}

/// Imports piece after piece until the file is at its end, the job has changed or `ours` is cancelled. While a piece is
/// being committed, the next ones are prepared; they may miss users that this commit makes, and are looked at again then.
async fn import(
    app: &Arc<App>,
    entry: &Stored<ImportEntry>,
    mut job: Stored<ImportJob>,
    file: &ImportFile,
    plan: Arc<Plan>,
    ours: &CancellationToken,
) -> Result<bool, ApiError> {
    let mut ahead = VecDeque::new();
    let mut next = job.done_pieces;
    let mut clashes = 0;
    while !ours.is_cancelled() && job.done_pieces < file.pieces {
        while ahead.len() <= AHEAD && next < file.pieces {
            ahead.push_back(preparation(app, &plan, next));
            next += 1;
        }
        let Some(batch) = ahead.pop_front() else { break };
        let Some(batch) = batch.await.map_err(ApiError::internal)?? else {
            return end(app, entry, &job, Status::Failed, INCOMPLETE).await;
        };
        match batch::commit(app, &plan, &job, batch).await? {
            Committed::Done(after) => {
                job = *after;
                clashes = 0;
            }
            Committed::Clash if clashes < MOST_CLASHES => {
                clashes += 1;
                ahead.push_front(preparation(app, &plan, job.done_pieces));
            }
            // Comes back to it later, or sees what has changed.
            Committed::Clash => return Ok(false),
            Committed::Moved => return Ok(true),
        }
    }
    if job.done_pieces < file.pieces {
        return Ok(true);
    }
    let is_vain = job.imported == 0 && job.skipped + job.failed > 0;
    let (status, message) = if is_vain { (Status::Failed, TOO_MANY) } else { (Status::Succeeded, COMPLETED) };
    end(app, entry, &job, status, message).await
}

/// Prepares a piece on whichever thread has time.
fn preparation(app: &Arc<App>, plan: &Arc<Plan>, number: i64) -> AbortOnDropHandle<Result<Option<Batch>, ApiError>> {
    AbortOnDropHandle::new(tokio::spawn(batch::prepare(app.clone(), plan.clone(), number)))
}

/// Ends a job.
async fn end(
    app: &Arc<App>,
    entry: &Stored<ImportEntry>,
    job: &Stored<ImportJob>,
    status: Status,
    message: &str,
) -> Result<bool, ApiError> {
    let mut after = job.value.clone();
    after.status = status;
    after.completed_at = Some(app.clock.now());
    after.message = Some(message.to_owned());
    let mut changes = Changes::new();
    drop_files(&mut changes, &mut after);
    let summary = log::summary(&after, &status.as_str().to_uppercase());
    log::append(&mut changes, &mut after, std::iter::once(summary));
    changes.replace(job, &after).delete_part(entry);
    let is_done = attempt(app, changes).await?;
    if is_done {
        let (imported, skipped, failed) = (after.imported, after.skipped, after.failed);
        tracing::info!(job = after.id, status = status.as_str(), imported, skipped, failed, "an import job has ended");
    }
    Ok(true)
}

/// Notes that the next job that nobody has started has expired; false when none has.
async fn expire(app: &Arc<App>) -> Result<bool, ApiError> {
    let Some(entry) = app.store.parts::<ImportEntry>(ImportEntry::POOL, None, 1).await?.pop() else { return Ok(false) };
    if entry.expires_at().is_none_or(|moment| app.clock.now() < moment) {
        return Ok(false);
    }
    let mut changes = Changes::new();
    changes.delete_part(&entry);
    let job = app.store.part::<ImportJob>(&entry.job_pool_id, &entry.job_id).await?;
    if let Some(job) = job.filter(|job| job.status == Status::Created) {
        let mut after = job.value.clone();
        after.status = Status::Expired;
        after.completed_at = after.expires_at().into();
        drop_files(&mut changes, &mut after);
        changes.replace(&job, &after);
    }
    attempt(app, changes).await
}

/// Commits; false when something has changed meanwhile, which the next look takes into account.
async fn attempt(app: &Arc<App>, changes: Changes) -> Result<bool, ApiError> {
    match app.commit(changes).await {
        Ok(()) => Ok(true),
        Err(CommitError::Conflict | CommitError::Taken(_)) => Ok(false),
        Err(CommitError::Store(error)) => Err(error.into()),
    }
}
