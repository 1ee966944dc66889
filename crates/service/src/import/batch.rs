//! From a piece of a file to a changeset: its users, what the log says, and how far the job has come.

use std::{collections::HashSet, sync::Arc};

use domain::{ImportJob, NameKind};
use store::{Changes, CommitError, Stored};
use wire::UserImportJobStatusType;

use super::{
    log::{self, Verdict},
    rows::{Plan, Row},
};
use crate::{ApiError, App, Ctx, attributes, users};

/// Lines after which a thread that answers requests looks after those: on SQLite nothing else would make it pause.
const AT_A_STRETCH: i64 = 32;
/// How many bytes the ids of a piece's users have in common; thirteen others are random for each.
const COMMON_BYTES: usize = 3;

/// What a piece comes to.
pub(super) struct Batch {
    /// Lines in it, blank ones and the header included.
    lines: i64,
    /// Users to be.
    rows: Vec<Row>,
    /// Other lines that are not blank, in order.
    others: Vec<(i64, Verdict)>,
}

/// What came of a changeset.
pub(super) enum Committed {
    /// It was applied; the job as it is now.
    Done(Box<Stored<ImportJob>>),
    /// A user has got one of the names meanwhile: look at the piece again.
    Clash,
    /// The job has changed: somebody stops it, or another server is at work.
    Moved,
}

/// Makes users of the lines of a piece, and finds those that are there already; `None` when there is no such piece.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn prepare(app: Arc<App>, plan: Arc<Plan>, number: i64) -> Result<Option<Batch>, ApiError> {
    let mut ctx = Ctx::of_the_server(&app);
    let neighbourhood: [u8; COMMON_BYTES] = crypto::random::bytes(ctx.entropy());
    let Some(piece) = app.store.chunk(&plan.file_id, number).await? else { return Ok(None) };
    let header = i64::from(number == 0);
    let mut batch = Batch { lines: 0, rows: Vec::new(), others: Vec::new() };
    let mut names = HashSet::new();
    for text in piece.value.lines() {
        let line = batch.lines;
        batch.lines += 1;
        if batch.lines % AT_A_STRETCH == 0 {
            tokio::task::yield_now().await;
        }
        if line < header || text.trim().is_empty() {
            continue;
        }
        ctx.own.sub = Some(neighbour(&ctx, neighbourhood));
        let outcome = match plan.row(&ctx, text) {
            Ok(row) => match other_owner(&ctx, &plan, &row, &names).await? {
                Some(kind) => Err(taken(&row, kind)),
                None => Ok(row),
            },
            Err(reason) => Err(Verdict::Failed(reason)),
        };
        match outcome {
            Ok(row) => {
                names.extend(row.names.iter().map(|(_, name)| name.clone()));
                batch.rows.push(row);
            }
            Err(verdict) => batch.others.push((line, verdict)),
        }
    }
    Ok(Some(batch))
}

/// An id near those of the other users of its piece.
///
/// Rows and search keys are kept by id. Those of a piece then share a few pages of the file; at random places each user
/// would touch several alone, and an import takes most of its time for moving pages. Pieces lie at random places.
fn neighbour(ctx: &Ctx, neighbourhood: [u8; COMMON_BYTES]) -> String {
    let own: [u8; 16 - COMMON_BYTES] = crypto::random::bytes(ctx.entropy());
    crypto::random::uuid_from(&[neighbourhood.as_slice(), &own].concat())
}

/// The kind of the first name of a user to be that is somebody's already, among these names or in the store.
async fn other_owner(ctx: &Ctx, plan: &Plan, row: &Row, names: &HashSet<String>) -> Result<Option<NameKind>, ApiError> {
    if let Some((kind, _)) = row.names.iter().find(|(_, name)| names.contains(name)) {
        return Ok(Some(*kind));
    }
    let owner = attributes::other_owner(ctx, &plan.pool, &row.user.sub, &row.names).await?;
    Ok(owner.map(|(kind, _)| kind))
}

/// What it means that a name is taken: the user exists, or another one has the same alias.
fn taken(row: &Row, kind: NameKind) -> Verdict {
    // Where users sign in by email or phone number, their own username is their id, and that is nobody's.
    let is_username = kind == NameKind::Username || row.user.username == row.user.sub;
    match kind.attribute() {
        Some(attribute) if !is_username => {
            Verdict::Failed(format!("An account with the given {attribute} already exists."))
        }
        _ => Verdict::Skipped,
    }
}

/// Commits a batch together with how far the job has come then.
///
/// # Errors
/// When the store fails; the batch may have been applied if the error is ambiguous.
pub(super) async fn commit(
    app: &Arc<App>,
    plan: &Plan,
    job: &Stored<ImportJob>,
    batch: Batch,
) -> Result<Committed, ApiError> {
    let mut after = job.value.clone();
    let lines = batch.others.iter().map(|(line, verdict)| log::about(after.done_lines + line + 1, verdict));
    let lines: Vec<String> = lines.collect();
    let imported = count(batch.rows.len());
    let skipped = count(batch.others.iter().filter(|(_, verdict)| *verdict == Verdict::Skipped).count());
    after.status = UserImportJobStatusType::InProgress;
    after.imported += imported;
    after.skipped += skipped;
    after.failed += count(batch.others.len()) - skipped;
    after.done_pieces += 1;
    after.done_lines += batch.lines;

    let mut logged = Changes::new();
    log::append(&mut logged, &mut after, lines.into_iter());
    let mut changes = Changes::new();
    // First, so that a job that has changed costs nothing.
    changes.replace(job, &after).append(logged);
    for row in batch.rows {
        if let Some(password) = row.password {
            changes.insert(password);
        }
        users::add(&mut changes, &plan.pool, row.user);
    }
    if imported > 0 {
        // Last, because others wait for this row.
        changes.count_users(&plan.pool.id, imported);
    }
    match app.commit(changes).await {
        Ok(()) => Ok(Committed::Done(Box::new(Stored { value: after, version: job.version + 1 }))),
        Err(CommitError::Taken(_)) => Ok(Committed::Clash),
        Err(CommitError::Conflict) => Ok(Committed::Moved),
        Err(CommitError::Store(error)) => Err(error.into()),
    }
}

fn count(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}
