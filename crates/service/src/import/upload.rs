//! Takes a file for a job, piece by piece: never more than a few pieces are in memory.
//!
//! A job takes files until it is started or its address has expired; each one replaces the one before. Which upload is
//! the latest stands in the job, and every piece is written on the condition that the job has not changed since the
//! upload began: pieces of an upload that was overtaken, or whose job is gone, cannot come after their clearing away.

use domain::{Chunk, ImportFile, ImportJob, import::MOST_BYTES};
use store::{Changes, CommitError, PurgeKind, Stored};

use super::cutter::Cutter;
use crate::{ApiError, Ctx, retry};

/// Pieces that one changeset writes.
const AT_ONCE: usize = 8;

/// Why a file is not taken.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// There is no such job.
    #[error("There is no such import job.")]
    NoJob,
    /// Too late.
    #[error("Request has expired. Create a new import job.")]
    Expired,
    /// Another upload for the job has begun, or the job was started.
    #[error("The import job was started, or another upload for it has begun.")]
    Overtaken,
    /// Too many bytes.
    #[error("Your proposed upload exceeds the maximum allowed size of {MOST_BYTES} bytes.")]
    TooLarge,
    /// The server's fault.
    #[error(transparent)]
    Failed(#[from] ApiError),
}

/// A file on its way.
pub struct Upload<'a> {
    ctx: &'a Ctx,
    job: Stored<ImportJob>,
    file_id: String,
    cutter: Cutter,
    bytes: usize,
    /// Pieces that are not written yet.
    waiting: Vec<Chunk>,
    /// The number of the next piece.
    next: i64,
}

impl<'a> Upload<'a> {
    /// Begins to take a file for a job. Another upload that is under way comes to nothing.
    ///
    /// # Errors
    /// [`UploadError::NoJob`], [`UploadError::Expired`], [`UploadError::Failed`].
    pub async fn begin(ctx: &'a Ctx, pool_id: &str, job_id: &str) -> Result<Self, UploadError> {
        let file_id = ctx.uuid();
        let begun = retry::on_conflict(ctx, || async {
            let Some(before) = ctx.app.store.part::<ImportJob>(pool_id, job_id).await? else {
                return Ok(Err(UploadError::NoJob));
            };
            if !before.takes_files(ctx.now) || ctx.app.store.pool(pool_id).await?.is_none() {
                return Ok(Err(UploadError::Expired));
            }
            let mut changes = Changes::new();
            let mut after = before.value.clone();
            if let Some(other) = after.uploading.replace(file_id.clone()) {
                changes.purge(pool_id, PurgeKind::File, &other);
            }
            changes.replace(&before, &after);
            ctx.app.commit(changes).await?;
            Ok(Ok(Stored { value: after, version: before.version + 1 }))
        });
        let job = begun.await??;
        Ok(Self { ctx, job, file_id, cutter: Cutter::default(), bytes: 0, waiting: Vec::new(), next: 0 })
    }

    /// Takes more of the file.
    ///
    /// # Errors
    /// [`UploadError::TooLarge`], [`UploadError::Overtaken`], [`UploadError::Failed`]. Call [`Self::give_up`] then.
    pub async fn add(&mut self, bytes: &[u8]) -> Result<(), UploadError> {
        self.bytes = self.bytes.saturating_add(bytes.len());
        if self.bytes > MOST_BYTES {
            return Err(UploadError::TooLarge);
        }
        for piece in self.cutter.add(bytes) {
            self.wait(piece);
            if self.waiting.len() >= AT_ONCE {
                let changes = self.changes();
                self.commit(changes).await?;
            }
        }
        Ok(())
    }

    /// The file is complete: it takes the place of an earlier one.
    ///
    /// # Errors
    /// [`UploadError::Overtaken`], [`UploadError::Failed`]. Then the file has not been taken, but for a failure whose
    /// outcome is not known.
    pub async fn finish(mut self) -> Result<(), UploadError> {
        let (last, lines) = std::mem::take(&mut self.cutter).end();
        if let Some(last) = last {
            self.wait(last);
        }
        let mut changes = self.changes();
        let mut after = self.job.value.clone();
        after.uploading = None;
        let rows = lines.saturating_sub(1).max(0);
        let file = ImportFile { id: self.file_id.clone(), pieces: self.next, rows };
        if let Some(other) = after.file.replace(file) {
            changes.purge(&after.pool_id, PurgeKind::File, &other.id);
        }
        changes.replace(&self.job, &after);
        match self.commit(changes).await {
            Err(error @ UploadError::Overtaken) => {
                self.give_up().await;
                Err(error)
            }
            outcome => outcome,
        }
    }

    /// The file will never be complete: has what there is of it cleared away.
    pub async fn give_up(self) {
        let mut changes = Changes::new();
        changes.purge(&self.job.pool_id, PurgeKind::File, &self.file_id);
        // What stays when this fails goes with the next upload, or at the end of the job.
        if let Err(error) = self.ctx.app.commit(changes).await {
            tracing::debug!(%error, "an upload that came to nothing is cleared away later");
        }
    }

    fn wait(&mut self, text: String) {
        let pool_id = self.job.pool_id.clone();
        self.waiting.push(Chunk { file_id: self.file_id.clone(), number: self.next, pool_id, text });
        self.next += 1;
    }

    fn changes(&mut self) -> Changes {
        let mut changes = Changes::new();
        changes.assert_part(&self.job);
        for chunk in self.waiting.drain(..) {
            changes.insert(chunk);
        }
        changes
    }

    async fn commit(&self, changes: Changes) -> Result<(), UploadError> {
        match self.ctx.app.commit(changes).await {
            Ok(()) => Ok(()),
            Err(CommitError::Conflict | CommitError::Taken(_)) => Err(UploadError::Overtaken),
            Err(CommitError::Store(error)) => Err(UploadError::Failed(error.into())),
        }
    }
}
