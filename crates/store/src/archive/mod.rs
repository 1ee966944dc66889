//! Everything that a database holds, as a file or in another database.
//!
//! [`backup`] writes an archive, [`restore`] loads one, [`copy`] does both at once without a file. All read a snapshot,
//! one moment of the database, while servers go on working on it. What is loaded is read back, and the digest of the
//! rows has to be the same, whatever the engines.
//!
//! # The form of an archive
//!
//! UTF-8 text in lines that end in `\n`. Every line is JSON without spaces: texts with the escapes `\"`, `\\`, `\b`,
//! `\f`, `\n`, `\r`, `\t`, and `\u` with four lower-case digits for other control characters; everything else stands
//! for itself; numbers are decimal.
//!
//! - The first line is an object: `poolkeeper_archive` is the number of this form, 1; `version` is that of the program;
//!   `schema` is the last migration of the database; `created_at` is the time in milliseconds since 1970; `tables`
//!   lists, in order, each table's `name`, its `columns` as pairs of name and type (`TEXT` or `BIGINT`), and the columns
//!   of its primary `key`.
//! - A line for each row: an array of the table's name and the values in the order of its columns. Tables follow one
//!   another in the order of the first line, rows in the order of their primary keys, texts byte by byte.
//! - The last line is an object: `rows` has the number of rows of each table, `header_sha256` is the SHA-256 of the
//!   first line, and `content_sha256` that of all lines between the first and the last, ends of lines included.
//!
//! There is one way to write an archive, and whatever deviates from it is refused: a flipped bit, a missing line, a
//! space. The digest of the content does not depend on the engine, so databases are compared by it.
//!
//! An archive of an older schema is loaded into the tables of its time; those that came later stay empty. That is right
//! as long as migrations only add tables, which a test of `tables` watches.
//!
//! What was sealed stays sealed: an archive needs no master key to be made or loaded, and is of no use to a server
//! without it. Names, addresses and attributes of users stand in it as they do in the database.

mod error;
mod format;
mod source;
mod tables;
mod target;

use std::io::{BufRead, Seek, SeekFrom, Write};

use domain::Timestamp;

pub use self::{error::ArchiveError, format::Contents};
use self::{
    format::{Header, Ledger, Reader, Writer},
    source::Source,
    target::Target,
};
use crate::{Options, migrations};

/// Name of the row in `meta` that marks a database which is being filled.
const MARK: &str = "restore-in-progress";

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The source is read, and written to an archive or to the target.
    Reading,
    /// The archive is checked before anything is changed.
    Checking,
    /// What the target holds is removed.
    Emptying,
    /// The archive is loaded.
    Loading,
    /// The target is read back and compared.
    Comparing,
}

/// How far a stage has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The stage.
    pub stage: Stage,
    /// Rows done.
    pub rows: u64,
    /// Rows to do; 0 while an archive is checked, whose rows are not known yet.
    pub of_rows: u64,
    /// Bytes done, in the form of an archive; 0 while a target is emptied.
    pub bytes: u64,
    /// Bytes of the archive that is read; 0 where there is none.
    pub of_bytes: u64,
}

impl Progress {
    const fn new(stage: Stage, of_rows: u64) -> Self {
        Self { stage, rows: 0, of_rows, bytes: 0, of_bytes: 0 }
    }
}

/// Is told about progress, every thousand rows or so.
pub type Report<'a> = dyn FnMut(&Progress) + 'a;

/// What [`backup`] has written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    /// What the archive holds.
    pub contents: Contents,
    /// Bytes of the archive.
    pub bytes: u64,
}

/// What [`restore`] has loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// What the archive holds, and now the database.
    pub contents: Contents,
    /// The version of Poolkeeper that wrote the archive.
    pub version: String,
    /// When the archive was begun.
    pub created_at: Timestamp,
}

/// What [`copy`] has moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// What the source held at the moment of the copy.
    pub source: Contents,
    /// What was read back from the target: rows with the same digest.
    pub target: Contents,
}

/// Writes all rows of `from` to `output` as an archive. Servers may be at work on the database; what they change after
/// the beginning is not in the archive. A SQLite database keeps its log until the end, so the log grows meanwhile.
///
/// Blocks the thread on SQLite and on `output`: for commands, not for servers.
///
/// # Errors
/// When the source cannot be read, holds an unfinished restore, or the archive cannot be written.
pub async fn backup(
    from: &Options,
    output: impl Write,
    created_at: Timestamp,
    report: &mut Report<'_>,
) -> Result<Backup, ArchiveError> {
    let source = complete_source(from).await?;
    let mut writer = Writer::new(output, source.schema(), created_at.milliseconds())?;
    let mut progress = Progress::new(Stage::Reading, source.rows().await?);
    let mut position = source.start();
    report(&progress);
    while let Some((table, rows)) = source.next(&mut position).await? {
        for row in &rows {
            writer.row(table, row)?;
        }
        progress.rows += rows.len() as u64;
        progress.bytes = writer.bytes();
        report(&progress);
    }
    let (contents, bytes) = writer.finish()?;
    Ok(Backup { contents, bytes })
}

/// Loads an archive into `to`, which is made when it does not exist. The whole archive is checked first; then the
/// database is marked, emptied if `replace` says so, filled, read back and compared, and the mark is removed. Nothing
/// else may write to the database meanwhile. When this fails or is interrupted after the check, the mark stays, and
/// doing it again with `replace` repairs. `mark` says in words who does this and since when; two restores must not use
/// the same words.
///
/// Blocks the thread on `input` and on SQLite: for commands, not for servers.
///
/// # Errors
/// Damaged and foreign archives, archives of newer versions, targets that hold data (unless `replace`), and what the
/// database refuses.
pub async fn restore(
    input: &mut (impl BufRead + Seek),
    to: &Options,
    replace: bool,
    mark: &str,
    report: &mut Report<'_>,
) -> Result<Restored, ArchiveError> {
    let of_bytes = input.seek(SeekFrom::End(0)).map_err(ArchiveError::Read)?;
    let (header, contents) = check(input, of_bytes, report)?;
    let mut target = Target::open(to, replace, mark).await?;
    let filling = async {
        if replace {
            target.empty(report).await?;
        }
        let mut reader = reader(input)?;
        let mut progress = Progress { of_bytes, ..Progress::new(Stage::Loading, contents.rows()) };
        while let Some((table, row)) = reader.next()? {
            progress.rows += 1;
            progress.bytes = reader.bytes();
            if target.add(table, row).await? {
                report(&progress);
            }
        }
        if reader.contents() != contents {
            return Err(ArchiveError::Changed);
        }
        target.finish(&contents, report).await.map(|_found| ())
    };
    filling.await.map_err(|error| incomplete(to, error))?;
    Ok(Restored { contents, version: header.version, created_at: Timestamp(header.created_at) })
}

/// Reads an archive to its end.
fn check(
    input: &mut (impl BufRead + Seek),
    of_bytes: u64,
    report: &mut Report<'_>,
) -> Result<(Header, Contents), ArchiveError> {
    let mut reader = reader(input)?;
    let mut progress = Progress { of_bytes, ..Progress::new(Stage::Checking, 0) };
    while reader.next()?.is_some() {
        progress.rows += 1;
        if progress.rows.is_multiple_of(1_000) {
            progress.bytes = reader.bytes();
            report(&progress);
        }
    }
    Ok((reader.header().clone(), reader.contents()))
}

/// Fills `to` with all rows of `from`, as [`backup`] and [`restore`] would, without a file between them.
///
/// # Errors
/// As theirs; also when both are the same database.
pub async fn copy(
    from: &Options,
    to: &Options,
    replace: bool,
    mark: &str,
    report: &mut Report<'_>,
) -> Result<Copied, ArchiveError> {
    let source = complete_source(from).await?;
    let mut target = Target::open(to, replace, mark).await?;
    // Two URLs may name one database, which shows by the mark that was just set.
    if Source::open(from).await?.mark().await?.as_deref() == Some(mark) {
        target.remove_mark().await?;
        return Err(ArchiveError::Same);
    }
    let filling = async {
        if replace {
            target.empty(report).await?;
        }
        let mut ledger = Ledger::new(source.schema());
        let mut progress = Progress::new(Stage::Reading, source.rows().await?);
        let mut position = source.start();
        while let Some((table, rows)) = source.next(&mut position).await? {
            for row in rows {
                progress.rows += 1;
                progress.bytes += ledger.take(table, &row)?.len() as u64;
                target.add(table, row).await?;
            }
            report(&progress);
        }
        let read = ledger.contents();
        let found = target.finish(&read, report).await?;
        Ok(Copied { source: read, target: found })
    };
    filling.await.map_err(|error| incomplete(to, error))
}

/// What it means that something went wrong after the target was marked.
fn incomplete(to: &Options, error: ArchiveError) -> ArchiveError {
    ArchiveError::Incomplete { location: to.location.to_string(), reason: Box::new(error) }
}

/// A snapshot of a database that was not left half filled.
async fn complete_source(from: &Options) -> Result<Source, ArchiveError> {
    let source = Source::snapshot(from).await?;
    match source.mark().await? {
        None => Ok(source),
        Some(mark) => Err(ArchiveError::Unfinished { location: from.location.to_string(), mark }),
    }
}

/// Reads the archive from its beginning.
fn reader<R: BufRead + Seek>(input: &mut R) -> Result<Reader<&mut R>, ArchiveError> {
    input.rewind().map_err(ArchiveError::Read)?;
    let known = migrations::ALL.last().map_or(0, |migration| migration.number);
    Reader::new(input, known)
}
