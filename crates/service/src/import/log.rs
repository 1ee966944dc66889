//! What became of lines that are not users (accounts.md §18.3): text in pieces beside the job, kept as long as the job.
//! Lines that became users are not listed; the last line counts everything.

use domain::{Chunk, ImportJob};
use store::Changes;

use crate::{ApiError, Ctx};

/// Most bytes in a piece.
const PIECE: usize = 60_000;

/// What a line came to, if not to a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Its user is there already.
    Skipped,
    /// It cannot be a user: what is wrong.
    Failed(String),
}

/// The line of the log about a line of the file, counted from 1.
pub(super) fn about(line: i64, verdict: &Verdict) -> String {
    match verdict {
        Verdict::Skipped => format!("[SKIPPED] Line Number {line} - The user already exists.\n"),
        Verdict::Failed(reason) => format!("[FAILED] Line Number {line} - {reason}\n"),
    }
}

/// The last line.
pub(super) fn summary(job: &ImportJob, outcome: &str) -> String {
    let ImportJob { imported, skipped, failed, .. } = job;
    format!("[{outcome}] {imported} users were imported, {skipped} lines skipped, {failed} lines failed.\n")
}

/// Adds lines to the log of a job.
pub(super) fn append(changes: &mut Changes, job: &mut ImportJob, lines: impl Iterator<Item = String>) {
    let mut text = String::new();
    for line in lines {
        if text.len() + line.len() > PIECE {
            add(changes, job, std::mem::take(&mut text));
        }
        text.push_str(&line);
    }
    if !text.is_empty() {
        add(changes, job, text);
    }
}

fn add(changes: &mut Changes, job: &mut ImportJob, text: String) {
    let (file_id, pool_id) = (job.log_id.clone(), job.pool_id.clone());
    changes.insert(Chunk { file_id, number: job.log_pieces, pool_id, text });
    job.log_pieces = job.log_pieces.saturating_add(1);
}

/// A piece of the log of a job, from 0; `None` after the last one so far.
///
/// # Errors
/// When the store cannot be read.
pub async fn piece(ctx: &Ctx, job: &ImportJob, number: i64) -> Result<Option<String>, ApiError> {
    if number >= job.log_pieces {
        return Ok(None);
    }
    Ok(ctx.app.store.chunk(&job.log_id, number).await?.map(|piece| piece.value))
}
