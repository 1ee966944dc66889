//! Import jobs (accounts.md §18): what was uploaded, how far a job has come, and how it ended.
//!
//! A job goes from Created through Pending and InProgress to Succeeded or Failed; on demand through Stopping to
//! Stopped; and to Expired when nobody starts it. Only one job of the installation is between Pending and its end.

use serde::{Deserialize, Serialize};
use wire::{PasswordHashingAlgorithmType, Timestamp, UserImportJobStatusType as Status};

use crate::{Part, PartKind, time};

/// How long the address for uploading works, in milliseconds.
pub const UPLOAD_TIME: i64 = 15 * time::MINUTE;
/// How long a job waits to be started, in milliseconds.
///
/// Decision: the service says between 24 and 48 hours.
pub const STARTING_TIME: i64 = 24 * time::HOUR;
/// Most bytes in a file.
pub const MOST_BYTES: usize = 100_000_000;
/// Most rows in a file, the header apart.
pub const MOST_ROWS: i64 = 500_000;
/// Most jobs that a pool keeps.
pub const MOST_JOBS: usize = 1_000;

/// An import job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImportJob {
    /// The pool.
    pub pool_id: String,
    /// `JobId`. Ids count down ([`id`]), so that the newest job comes first.
    pub id: String,
    /// `JobName`.
    pub name: String,
    /// `CloudWatchLogsRoleArn`, as given; nothing is done with it.
    pub role_arn: String,
    /// How the password hashes in the file were made; `None` when there are none.
    pub hashing: Option<PasswordHashingAlgorithmType>,
    /// Where the job stands; see also [`ImportJob::status_at`].
    pub status: Status,
    /// When it came to be.
    pub created_at: Timestamp,
    /// When it was started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub completed_at: Option<Timestamp>,
    /// `CompletionMessage`, at most 128 characters.
    pub message: Option<String>,
    /// Users that were created.
    pub imported: i64,
    /// Rows whose user was there already.
    pub skipped: i64,
    /// Rows that no user could be made of.
    pub failed: i64,
    /// Id of the file that is being uploaded, if one is.
    pub uploading: Option<String>,
    /// The uploaded file.
    pub file: Option<ImportFile>,
    /// How many pieces of the file have been worked off.
    pub done_pieces: i64,
    /// How many lines that is.
    pub done_lines: i64,
    /// Id of the file that says what became of rows that are not users.
    pub log_id: String,
    /// How many pieces the log has.
    pub log_pieces: i64,
}

/// An uploaded file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportFile {
    /// Its id.
    pub id: String,
    /// How many pieces it has.
    pub pieces: i64,
    /// Lines that are not blank, the header apart.
    pub rows: i64,
}

impl ImportJob {
    /// Where the job stands at `now`: what nobody has started in time has expired, even before that is written down.
    #[must_use]
    pub fn status_at(&self, now: Timestamp) -> Status {
        if self.status == Status::Created && now >= self.expires_at() { Status::Expired } else { self.status }
    }

    /// When the job can no longer be started.
    #[must_use]
    pub const fn expires_at(&self) -> Timestamp {
        self.created_at.plus(STARTING_TIME)
    }

    /// Whether files can be uploaded for it at `now`.
    #[must_use]
    pub fn takes_files(&self, now: Timestamp) -> bool {
        self.status == Status::Created && now < self.created_at.plus(UPLOAD_TIME)
    }

    /// Whether nothing will happen to it any more.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        matches!(self.status_at(now), Status::Succeeded | Status::Failed | Status::Stopped | Status::Expired)
    }
}

impl Part for ImportJob {
    const KIND: PartKind = PartKind::ImportJob;

    fn pool_id(&self) -> &str {
        &self.pool_id
    }

    fn id(&self) -> &str {
        &self.id
    }
}

/// The id of a job made at `now`: parts of a pool are listed by id, and jobs from the newest. `random` is letters and
/// digits.
#[must_use]
pub fn id(now: Timestamp, random: &str) -> String {
    // Eleven digits last until the year 2527.
    let left = ((1_i64 << 44) - 1).saturating_sub(now.milliseconds().max(0)).max(0);
    format!("import-{left:011x}{random}")
}

/// A job that somebody has to look after, wherever it is: the one that is under way, and those that may expire. Entries
/// belong to the installation, not to a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportEntry {
    /// [`ImportEntry::UNDER_WAY`], or a moment in hexadecimal digits and the job.
    id: String,
    /// The job's pool.
    pub job_pool_id: String,
    /// The job.
    pub job_id: String,
}

impl ImportEntry {
    /// The pool of entries: none.
    pub const POOL: &str = "";
    /// Id of the entry of the job that is under way; there is at most one. Comes after all others.
    pub const UNDER_WAY: &str = "under way";

    /// The entry of a job that is under way.
    #[must_use]
    pub fn under_way(job: &ImportJob) -> Self {
        Self::new(Self::UNDER_WAY.to_owned(), job)
    }

    /// The entry of a job that expires unless it is started. The first one expires first.
    #[must_use]
    pub fn expiring(job: &ImportJob) -> Self {
        Self::new(format!("{:016x}-{}", job.expires_at().milliseconds().max(0), job.id), job)
    }

    fn new(id: String, job: &ImportJob) -> Self {
        Self { id, job_pool_id: job.pool_id.clone(), job_id: job.id.clone() }
    }

    /// When the job expires; `None` for the one that is under way.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        let (moment, _) = self.id.split_once('-')?;
        i64::from_str_radix(moment, 16).ok().map(Timestamp)
    }
}

impl Part for ImportEntry {
    const KIND: PartKind = PartKind::ImportJob;

    fn pool_id(&self) -> &str {
        Self::POOL
    }

    fn id(&self) -> &str {
        &self.id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(created_at: Timestamp) -> ImportJob {
        ImportJob {
            pool_id: "r_1".to_owned(),
            id: id(created_at, "0123456789"),
            name: "job".to_owned(),
            role_arn: "arn".to_owned(),
            hashing: None,
            status: Status::Created,
            created_at,
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
            log_id: "log".to_owned(),
            log_pieces: 0,
        }
    }

    #[test]
    fn later_jobs_come_first_and_ids_are_of_the_form_that_the_api_allows() {
        let moments = [0, 1_767_323_045_000, 1_767_323_045_001, 17_592_186_044_416, i64::MAX];
        let ids: Vec<String> = moments.iter().map(|now| id(Timestamp(*now), "aZ09aZ09aZ")).collect();
        assert!(ids.windows(2).all(|pair| matches!(pair, [earlier, later] if later <= earlier)), "{ids:?}");
        assert!(ids.iter().all(|id| id.len() <= 55), "{ids:?}");
    }

    #[test]
    fn what_is_not_started_in_time_expires() {
        let job = job(Timestamp(1_000));
        let end = job.expires_at();
        assert_eq!(job.status_at(end.plus(-1)), Status::Created);
        assert_eq!(job.status_at(end), Status::Expired);
        assert!(job.is_over(end) && !job.is_over(end.plus(-1)));
        assert!(
            job.takes_files(Timestamp(1_000 + UPLOAD_TIME - 1)) && !job.takes_files(Timestamp(1_000 + UPLOAD_TIME))
        );
        let started = ImportJob { status: Status::InProgress, ..job };
        assert_eq!(started.status_at(end), Status::InProgress);
    }

    #[test]
    fn the_entry_that_expires_first_comes_first_and_the_one_under_way_last() {
        let (early, late) = (job(Timestamp(1_000)), job(Timestamp(1_767_323_045_000)));
        let entries = [ImportEntry::expiring(&early), ImportEntry::expiring(&late), ImportEntry::under_way(&early)];
        assert!(entries.windows(2).all(|pair| matches!(pair, [before, after] if before.id < after.id)));
        assert_eq!(entries.map(|entry| entry.expires_at()), [Some(early.expires_at()), Some(late.expires_at()), None]);
    }
}
