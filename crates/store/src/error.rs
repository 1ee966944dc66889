//! What can go wrong, in words that say what is wrong and what to do next.
//!
//! Every variant owns its text, so that one failure can be told to every changeset of a group. No variant carries
//! the content of a row.

use std::{io, path::PathBuf};

use domain::NameKind;

/// Why the store could not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The data directory is missing and cannot be made, or must not be written to.
    #[error(
        "cannot use the data directory {path}: {reason}. Make it writable for the user that runs the server, or choose another one"
    )]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the operating system said.
        reason: String,
    },
    /// Another process has opened the same data directory.
    #[error(
        "the data directory {path} is in use by another server. Stop that server, or choose another data directory"
    )]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The file is something else than a database.
    #[error("{path} is not a database. Move the file away, or name another one")]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// The database was written by a newer version of the server.
    #[error("written by a newer Poolkeeper (schema {found}, this one knows {known}): start the newer version")]
    NewerSchema {
        /// Highest migration in the database.
        found: i64,
        /// Highest migration that this program knows.
        known: i64,
    },
    /// A migration in the database is not the one that this program knows by that number.
    #[error(
        "migration {number} ({name}) was applied in another form than this program knows: the database comes from a modified build. Start that build, or restore a backup"
    )]
    ChangedMigration {
        /// Number of the migration.
        number: i64,
        /// Its name in this program.
        name: &'static str,
    },
    /// A stored document cannot be read.
    #[error("the row {key} of table {table} is damaged. Restore it from a backup, or delete it")]
    Corrupt {
        /// Table of the row.
        table: &'static str,
        /// Key of the row.
        key: String,
    },
    /// The database file itself is damaged.
    #[error("the database is damaged ({0}). Stop the server and restore a backup")]
    Damaged(String),
    /// No space is left for the database.
    #[error("no space left for the database. Free some and try again; nothing of this change was kept")]
    Full,
    /// Others hold the database, or the rows, for too long.
    #[error(
        "the database is busy: others hold what this change needs. Try again; close other programs that use a SQLite file"
    )]
    Busy,
    /// A database across a network cannot be reached, or takes no requests for now.
    #[error(
        "the database cannot be reached ({0}). Nothing of this change was kept; try again, and look after the database if this goes on"
    )]
    Unavailable(String),
    /// A database across a network refuses the server: wrong address, name, password or certificate.
    #[error("the database refuses this server: {0}")]
    Refused(String),
    /// A value could not be written as JSON.
    #[error("a row of table {table} cannot be written as JSON: {reason}. Report this as a defect")]
    Encode {
        /// Table of the row.
        table: &'static str,
        /// What the serializer said.
        reason: String,
    },
    /// A group could not be made durable; whether it was kept shows only when the database is opened again.
    #[error(
        "the database could not confirm a change ({0}). Check the disk, or the way to the database; what was changed may or may not have been kept"
    )]
    Unconfirmed(String),
    /// The store is shutting down, or its writer has ended: nothing was changed.
    #[error("the store is closed. Start the server again")]
    Closed,
    /// The writer ended after it had received the change.
    #[error("the store closed before it answered: the change may or may not have been kept. Start the server again")]
    Unanswered,
    /// Anything else that the engine reports.
    #[error("the database refused: {0}. See the log, and report this as a defect if the disk is healthy")]
    Engine(String),
}

impl Error {
    /// Whether the same call may succeed in a moment without anybody's help.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Busy | Self::Unavailable(_))
    }

    /// Whether the change may have been kept although it was not confirmed.
    #[must_use]
    pub const fn is_ambiguous(&self) -> bool {
        matches!(self, Self::Unconfirmed(_) | Self::Unanswered)
    }

    /// A failure of the data directory.
    pub(crate) fn directory(path: PathBuf, error: &io::Error) -> Self {
        Self::Directory { path, reason: error.to_string() }
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;

        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged(error.to_string()),
            _ => Self::Engine(error.to_string()),
        }
    }
}

/// What stood in the way of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Another user of the pool owns the name.
    Name {
        /// The name, as it was claimed.
        name: String,
        /// Its kind.
        kind: NameKind,
        /// Who owns it.
        sub: String,
    },
    /// The thing was used before.
    Spent {
        /// Its id.
        id: String,
    },
}

/// Why a changeset was not applied. Unless the error is ambiguous, nothing of it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// A row moved since it was read, or a row to insert exists already: reload and decide again.
    #[error("a row changed in the meantime")]
    Conflict,
    /// A name belongs to another user, or something that works once was used before. Deciding again won't help
    /// unless the decision takes this into account.
    #[error("already taken")]
    Taken(Taken),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] Error),
}

#[cfg(test)]
mod tests {
    use super::Error;

    #[test]
    fn only_unconfirmed_changes_are_ambiguous() {
        assert!(Error::Unanswered.is_ambiguous());
        assert!(Error::Unconfirmed("disk I/O error".to_owned()).is_ambiguous());
        assert!(!Error::Closed.is_ambiguous());
        assert!(!Error::Full.is_ambiguous());
        assert!(Error::Busy.is_transient());
        assert!(Error::Unavailable("timeout".to_owned()).is_transient());
        assert!(!Error::Full.is_transient());
    }
}
