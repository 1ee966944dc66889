//! What can go wrong with archives, in words that say what to do next.

use crate::Error;

/// Why an archive could not be made, read or loaded, or a database not be copied.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// A database failed.
    #[error(transparent)]
    Store(#[from] Error),
    /// There is no database to read from.
    #[error("there is no Poolkeeper database at {location} ({reason}). Name the one that the server uses")]
    NoDatabase {
        /// The database, without a password.
        location: String,
        /// What was found instead.
        reason: String,
    },
    /// A database in memory exists inside its server only.
    #[error("a database in memory belongs to its process alone: it can be neither read nor filled from outside")]
    Memory,
    /// The source is itself half restored.
    #[error(
        "{location} holds an unfinished restore ({mark}), so it is not complete. Restore or copy into it again with --replace first"
    )]
    Unfinished {
        /// The source, without a password.
        location: String,
        /// Who was at it.
        mark: String,
    },
    /// The source or the archive has rows in an order that is not by bytes.
    #[error(
        "the rows of table {table} do not come in the order of their bytes: the database compares texts by the rules of a language. Make a database with the collation C and let Poolkeeper make the tables"
    )]
    Order {
        /// Table of the rows.
        table: &'static str,
    },
    /// A row too long to be read again.
    #[error("a row of table {table} is longer than {limit} bytes, more than an archive can hold")]
    Long {
        /// Table of the row.
        table: &'static str,
        /// Longest line of an archive in bytes.
        limit: u64,
    },
    /// The archive could not be written.
    #[error("cannot write the archive: {0}")]
    Write(std::io::Error),
    /// The archive could not be read.
    #[error("cannot read the archive: {0}")]
    Read(std::io::Error),
    /// The archive is damaged, altered, cut off, or something else altogether.
    #[error("line {line} of the archive: {reason}. Nothing of it can be trusted: use another copy")]
    Damaged {
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The archive was made by a newer version.
    #[error(
        "the archive was written by Poolkeeper {version} in a form that this version does not know: {what}. Use that version, or a newer one"
    )]
    Newer {
        /// The version that wrote it.
        version: String,
        /// What is not known.
        what: String,
    },
    /// The archive was another one when it was read for the second time.
    #[error("the archive changed while it was read: let nothing write to the file")]
    Changed,
    /// A server is at work on the target.
    #[error("a server is at work on {location}. Stop all servers on it, and try again")]
    InUse {
        /// The target, without a password.
        location: String,
    },
    /// The target has data already.
    #[error(
        "{location} is not empty: table {table} has rows. Name an empty database, or say --replace to remove everything that it holds (a server that was once started has written its first rows)"
    )]
    NotEmpty {
        /// The target, without a password.
        location: String,
        /// A table with rows.
        table: &'static str,
    },
    /// The target holds what an interrupted restore has left.
    #[error(
        "{location} holds an unfinished restore ({mark}). If that is not running any more, say --replace to remove what it left and to begin anew"
    )]
    Interrupted {
        /// The target, without a password.
        location: String,
        /// Who was at it.
        mark: String,
    },
    /// Source and target are one database.
    #[error("source and target are the same database")]
    Same,
    /// Somebody else wrote to the target.
    #[error("somebody else writes to the database: stop all servers on it, and other restores")]
    Disturbed,
    /// What the target gives back is not what was put into it.
    #[error(
        "the database holds other rows than were put into it (digest {found} instead of {expected}): stop everything else that writes to it"
    )]
    Mismatch {
        /// The digest of what was put in.
        expected: String,
        /// The digest of what was read back.
        found: String,
    },
    /// Something went wrong after the first change of the target.
    #[error(
        "{reason}. {location} is not complete, and no server starts on it until this has been done again with --replace"
    )]
    Incomplete {
        /// The target, without a password.
        location: String,
        /// What went wrong.
        reason: Box<ArchiveError>,
    },
}
