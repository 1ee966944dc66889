//! Lines out, lines in: the form of an archive, as the module's header describes it.

use std::io::{self, BufRead, Read, Write};

use aws_lc_rs::digest::{Context, Digest, SHA256};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    ArchiveError,
    tables::{self, Table, Values, compare},
};
use crate::compile::Param;

/// The number of the form that is described in the module's header.
const FORMAT: u64 = 1;
/// Bytes of the longest line that is written or read, 64 MiB: far more than a row can have, and a bound for memory
/// when the file is something else.
const LONGEST_LINE: u64 = 64 * 1_024 * 1_024;

/// The first line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    poolkeeper_archive: u64,
    /// The version that wrote the archive.
    pub version: String,
    /// The last migration of the database that it was made from.
    pub schema: i64,
    /// When it was begun, in milliseconds since 1970.
    pub created_at: i64,
    tables: Vec<TableHeader>,
}

/// A table in the first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TableHeader {
    name: String,
    columns: Vec<(String, String)>,
    key: Vec<String>,
}

/// What of the first line is read first, so that a newer form is told from a foreign file.
#[derive(Deserialize)]
struct Beginning {
    poolkeeper_archive: u64,
    version: String,
}

/// What a database or an archive holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// Rows of each table, in the order of an archive.
    pub tables: Vec<(&'static str, u64)>,
    /// SHA-256 of all rows in lower-case hex: the same for the same rows, whatever the engine.
    pub digest: String,
}

impl Contents {
    /// Rows of all tables.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|(_, rows)| rows).sum()
    }
}

/// Counts and digests rows as they pass.
pub(super) struct Ledger {
    tables: Vec<(&'static Table, u64)>,
    digest: Context,
    /// Place of the last row's table, and its key.
    last: Option<(usize, Values)>,
    line: Vec<u8>,
}

impl Ledger {
    /// For a database that has applied the migrations up to `schema`.
    pub(super) fn new(schema: i64) -> Self {
        let tables = tables::at(schema).map(|table| (table, 0)).collect();
        Self { tables, digest: Context::new(&SHA256), last: None, line: Vec::new() }
    }

    /// Takes the next row and gives it back as the line of an archive.
    pub(super) fn take(&mut self, table: &'static Table, row: &[Param<'static>]) -> Result<&[u8], ArchiveError> {
        let disorder = || ArchiveError::Order { table: table.name };
        let first = self.last.as_ref().map_or(0, |(place, _)| *place);
        let place = (first..self.tables.len())
            .find(|place| self.tables.get(*place).is_some_and(|(known, _)| known.name == table.name))
            .ok_or_else(disorder)?;
        let key = table.key_of(row);
        match &mut self.last {
            Some((last, before)) if *last == place => {
                if compare(before, key).is_ge() {
                    return Err(disorder());
                }
                before.clone_from_slice(key);
            }
            _ => self.last = Some((place, key.to_vec())),
        }
        if let Some((_, count)) = self.tables.get_mut(place) {
            *count += 1;
        }
        write_line(&mut self.line, table.name, row).map_err(ArchiveError::Write)?;
        if self.line.len() as u64 > LONGEST_LINE {
            return Err(ArchiveError::Long { table: table.name, limit: LONGEST_LINE });
        }
        self.digest.update(&self.line);
        Ok(&self.line)
    }

    /// What has passed.
    pub(super) fn contents(&self) -> Contents {
        let tables = self.tables.iter().map(|(table, rows)| (table.name, *rows)).collect();
        Contents { tables, digest: hex(&self.digest.clone().finish()) }
    }
}

/// A row as a line: a JSON array without spaces, the table's name first.
fn write_line(line: &mut Vec<u8>, table: &str, row: &[Param<'_>]) -> io::Result<()> {
    line.clear();
    line.push(b'[');
    serde_json::to_writer(&mut *line, table)?;
    for value in row {
        line.push(b',');
        match value {
            Param::Text(text) => serde_json::to_writer(&mut *line, text)?,
            Param::Integer(number) => serde_json::to_writer(&mut *line, number)?,
        }
    }
    line.extend_from_slice(b"]\n");
    Ok(())
}

fn hex(digest: &Digest) -> String {
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn digest_of(line: &[u8]) -> String {
    hex(&aws_lc_rs::digest::digest(&SHA256, line))
}

/// The line that ends an archive.
fn trailer(header_digest: &str, contents: &Contents) -> Vec<u8> {
    let rows: serde_json::Map<String, Value> =
        contents.tables.iter().map(|(name, rows)| ((*name).to_owned(), Value::from(*rows))).collect();
    let document = serde_json::json!({"rows": rows, "header_sha256": header_digest, "content_sha256": contents.digest});
    format!("{document}\n").into_bytes()
}

impl Header {
    fn new(schema: i64, created_at: i64) -> Self {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Self { poolkeeper_archive: FORMAT, version, schema, created_at, tables: described(schema) }
    }
}

fn described(schema: i64) -> Vec<TableHeader> {
    let table = |table: &Table| {
        let columns: Vec<_> =
            table.columns.iter().map(|(name, kind)| ((*name).to_owned(), kind.name().to_owned())).collect();
        let key = columns.iter().take(table.key).map(|(name, _)| name.clone()).collect();
        TableHeader { name: table.name.to_owned(), columns, key }
    };
    tables::at(schema).map(table).collect()
}

/// Writes an archive.
pub(super) struct Writer<W> {
    output: W,
    ledger: Ledger,
    header_digest: String,
    bytes: u64,
}

impl<W: Write> Writer<W> {
    /// Writes the first line.
    pub(super) fn new(mut output: W, schema: i64, created_at: i64) -> Result<Self, ArchiveError> {
        let header = serde_json::to_string(&Header::new(schema, created_at)).map_err(io::Error::from);
        let line = format!("{}\n", header.map_err(ArchiveError::Write)?).into_bytes();
        output.write_all(&line).map_err(ArchiveError::Write)?;
        let bytes = line.len() as u64;
        Ok(Self { output, ledger: Ledger::new(schema), header_digest: digest_of(&line), bytes })
    }

    /// Writes the next row.
    pub(super) fn row(&mut self, table: &'static Table, row: &[Param<'static>]) -> Result<(), ArchiveError> {
        let line = self.ledger.take(table, row)?;
        self.bytes += line.len() as u64;
        self.output.write_all(line).map_err(ArchiveError::Write)
    }

    /// Bytes written so far.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Writes the last line, and says what the archive holds and how many bytes it has.
    pub(super) fn finish(mut self) -> Result<(Contents, u64), ArchiveError> {
        let contents = self.ledger.contents();
        let line = trailer(&self.header_digest, &contents);
        self.output.write_all(&line).and_then(|()| self.output.flush()).map_err(ArchiveError::Write)?;
        Ok((contents, self.bytes + line.len() as u64))
    }
}

/// Reads an archive and refuses what a [`Writer`] would not have written.
pub(super) struct Reader<R> {
    lines: Lines<R>,
    header: Header,
    header_digest: String,
    ledger: Ledger,
}

impl<R: BufRead> Reader<R> {
    /// Reads the first line. `known` is the last migration that this program knows.
    pub(super) fn new(input: R, known: i64) -> Result<Self, ArchiveError> {
        let mut lines = Lines { input, number: 0, bytes: 0, line: Vec::new() };
        lines.advance()?;
        let foreign = |_| lines.damaged("this is not a Poolkeeper archive");
        let beginning: Beginning = serde_json::from_slice(&lines.line).map_err(foreign)?;
        let newer = |what| ArchiveError::Newer { version: beginning.version.clone(), what };
        if beginning.poolkeeper_archive > FORMAT {
            return Err(newer(format!("format {} (this version knows {FORMAT})", beginning.poolkeeper_archive)));
        }
        let header: Header = serde_json::from_slice(&lines.line).map_err(foreign)?;
        if header.schema > known {
            return Err(newer(format!("schema {} (this version knows {known})", header.schema)));
        }
        if header.poolkeeper_archive != FORMAT || header.tables != described(header.schema) {
            return Err(lines.damaged("this does not describe the tables of its schema"));
        }
        let header_digest = digest_of(&lines.line);
        let ledger = Ledger::new(header.schema);
        Ok(Self { lines, header, header_digest, ledger })
    }

    /// The first line.
    pub(super) const fn header(&self) -> &Header {
        &self.header
    }

    /// Bytes read so far.
    pub(super) const fn bytes(&self) -> u64 {
        self.lines.bytes
    }

    /// What has been read so far.
    pub(super) fn contents(&self) -> Contents {
        self.ledger.contents()
    }

    /// Reads the next row. There is none at the end, once that has been found to fit everything before it.
    pub(super) fn next(&mut self) -> Result<Option<(&'static Table, Values)>, ArchiveError> {
        let lines = &mut self.lines;
        lines.advance()?;
        if lines.line.first() == Some(&b'{') {
            if lines.line != trailer(&self.header_digest, &self.ledger.contents()) {
                return Err(lines.damaged(
                    "this end does not fit what stands before it: lines are missing, or something was altered",
                ));
            }
            lines.expect_end()?;
            return Ok(None);
        }
        let (table, row) = parse(&lines.line).ok_or_else(|| lines.damaged("this is neither a row nor the end"))?;
        match self.ledger.take(table, &row) {
            Ok(line) if line == lines.line => Ok(Some((table, row))),
            Ok(_) => Err(lines.damaged("this row is not written as Poolkeeper writes it")),
            Err(ArchiveError::Order { .. }) => Err(lines.damaged("this row is not where it belongs")),
            Err(other) => Err(other),
        }
    }
}

/// A row, if the line is one.
fn parse(line: &[u8]) -> Option<(&'static Table, Values)> {
    let mut values = serde_json::from_slice::<Vec<Value>>(line).ok()?.into_iter();
    let name = values.next()?;
    let table = tables::all().iter().find(|table| Some(table.name) == name.as_str())?;
    let value = |value| match value {
        Value::String(text) => Some(Param::from(text)),
        Value::Number(number) => number.as_i64().map(Param::from),
        _ => None,
    };
    let row: Values = values.map(value).collect::<Option<_>>()?;
    table.fits(&row).then_some((table, row))
}

/// The lines of a file, one at a time.
struct Lines<R> {
    input: R,
    /// The line at hand, from 1.
    number: u64,
    bytes: u64,
    /// The line, with its end.
    line: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    fn damaged(&self, reason: &str) -> ArchiveError {
        ArchiveError::Damaged { line: self.number, reason: reason.to_owned() }
    }

    /// Reads the next line; there has to be one.
    fn advance(&mut self) -> Result<(), ArchiveError> {
        self.line.clear();
        self.number += 1;
        let mut limited = (&mut self.input).take(LONGEST_LINE + 1);
        let read = limited.read_until(b'\n', &mut self.line).map_err(ArchiveError::Read)? as u64;
        self.bytes += read;
        if self.line.last() == Some(&b'\n') {
            return Ok(());
        }
        Err(self.damaged(match read {
            0 => "the archive is cut off before this line",
            _ if read > LONGEST_LINE => "this line is too long for an archive",
            _ => "the archive is cut off in this line",
        }))
    }

    /// Demands that nothing follows.
    fn expect_end(&mut self) -> Result<(), ArchiveError> {
        let rest = self.input.fill_buf().map_err(ArchiveError::Read)?;
        if rest.is_empty() {
            return Ok(());
        }
        self.number += 1;
        Err(self.damaged("something follows the end of the archive"))
    }
}
