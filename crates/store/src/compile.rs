//! Turns a changeset into steps: SQL, values, and the row count that means success. Engines only run steps, so they
//! cannot differ in meaning.
//!
//! Compiling (and with it the writing of JSON) happens on the caller's thread; the one writer only binds values.

use std::borrow::Cow;

use domain::NameKind;
use serde::Serialize;

use crate::{
    Change, Changes, Error, Key, Row, Taken,
    migrations::fingerprint,
    sql::{self, Table},
};

/// A value to bind. Every column of the store is TEXT or BIGINT, and none is nullable.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Param<'a> {
    /// TEXT.
    Text(Cow<'a, str>),
    /// BIGINT.
    Integer(i64),
}

impl Param<'_> {
    /// One that borrows nothing.
    pub(crate) fn to_static(&self) -> Param<'static> {
        match self {
            Self::Text(text) => Param::Text(Cow::Owned(text.to_string())),
            Self::Integer(number) => Param::Integer(*number),
        }
    }
}

impl From<String> for Param<'_> {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl<'a> From<&'a str> for Param<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<i64> for Param<'_> {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

/// What must come of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    /// One row is changed, otherwise a row moved: conflict.
    OneRow,
    /// One row comes back, otherwise a row moved: conflict.
    Found,
    /// No row comes back, otherwise there is one now: conflict.
    Missing,
    /// One row is changed, otherwise another user owns this name.
    Claimed {
        /// The name.
        name: String,
        /// Its kind.
        kind: NameKind,
    },
    /// One row is changed, otherwise the thing was used before.
    Unspent {
        /// Its id.
        id: String,
    },
    /// One row is changed, or it was as wanted before.
    AtMostOne,
    /// Any number of rows is changed; they are counted.
    Any,
}

impl Expect {
    /// Whether one row must be changed or come back, and not none.
    pub(crate) const fn wants_a_row(&self) -> bool {
        !matches!(self, Self::Missing)
    }

    /// Whether the step only reads.
    pub(crate) const fn only_reads(&self) -> bool {
        matches!(self, Self::Found | Self::Missing)
    }
}

/// One statement with its values.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Step {
    /// One of the constants in [`sql`].
    pub sql: &'static str,
    /// Values for `$1`, `$2`, ….
    pub params: Vec<Param<'static>>,
    /// What must come of it.
    pub expect: Expect,
}

impl Step {
    /// A step that may change any number of rows.
    pub(crate) const fn any(sql: &'static str, params: Vec<Param<'static>>) -> Self {
        Self { sql, params, expect: Expect::Any }
    }

    /// What it means that the step did not do what was expected. `owner` is called for a lost claim and looks the
    /// owner of the name up; when there is none any more, the claim was lost to a change that is gone: a conflict.
    pub(crate) fn lost(&self, owner: impl FnOnce() -> Result<Option<String>, Error>) -> Result<Option<Taken>, Error> {
        Ok(match &self.expect {
            Expect::Claimed { name, kind } => owner()?.map(|sub| Taken::Name { name: name.clone(), kind: *kind, sub }),
            Expect::Unspent { id } => Some(Taken::Spent { id: id.clone() }),
            Expect::OneRow | Expect::Found | Expect::Missing | Expect::AtMostOne | Expect::Any => None,
        })
    }
}

/// How many rows share a pool's estimated count, so that nodes rarely meet on one.
pub(crate) const COUNT_SHARDS: u64 = 8;

/// Compiles a changeset. `shard` picks the row of the estimated count, and of the epoch.
pub(crate) fn compile(changes: Changes, shard: u64) -> Result<Vec<Step>, Error> {
    changes.0.into_iter().map(|change| step(change, shard)).collect()
}

/// The step that tells other servers that something changed which they keep in memory.
pub(crate) fn next_epoch(shard: u64) -> Step {
    Step::any(sql::NEXT_EPOCH, vec![within_shards(shard).into()])
}

fn within_shards(shard: u64) -> i64 {
    i64::try_from(shard % COUNT_SHARDS).unwrap_or_default()
}

fn step(change: Change, shard: u64) -> Result<Step, Error> {
    Ok(match change {
        Change::Save { row, expected } => save(row, expected)?,
        Change::Delete { key, expected } => {
            let (table, mut params) = locate(key);
            params.push(expected.into());
            Step { sql: table.delete, params, expect: Expect::OneRow }
        }
        Change::Assert { key, version } => {
            let (table, mut params) = locate(key);
            params.push(version.into());
            Step { sql: table.assert, params, expect: Expect::Found }
        }
        Change::AssertNoAttempts { pool_id, sub, purpose } => Step {
            sql: sql::ATTEMPT,
            params: vec![pool_id.into(), sub.into(), purpose.number().into()],
            expect: Expect::Missing,
        },
        Change::Claim { pool_id, name, kind, sub } => Step {
            sql: sql::CLAIM,
            params: vec![pool_id.into(), name.clone().into(), kind.code().into(), sub.into()],
            expect: Expect::Claimed { name, kind },
        },
        Change::Release { pool_id, name, kind, sub } => Step {
            sql: sql::RELEASE,
            params: vec![pool_id.into(), name.into(), kind.code().into(), sub.into()],
            expect: Expect::OneRow,
        },
        Change::Join { pool_id, group_id, group_name, sub } => Step {
            sql: sql::JOIN_GROUP,
            params: vec![pool_id.into(), group_id.into(), sub.into(), group_name.into()],
            expect: Expect::AtMostOne,
        },
        Change::Leave { pool_id, group_id, sub } => Step {
            sql: sql::LEAVE_GROUP,
            params: vec![pool_id.into(), group_id.into(), sub.into()],
            expect: Expect::AtMostOne,
        },
        Change::DropUserParts { pool_id, sub } => Step::any(sql::DROP_USER_PARTS, vec![pool_id.into(), sub.into()]),
        Change::LeaveAll { pool_id, sub } => Step::any(sql::LEAVE_ALL_GROUPS, vec![pool_id.into(), sub.into()]),
        Change::Search { pool_id, kind, value, sub, found } => Step {
            sql: if found { sql::ADD_SEARCH_KEY } else { sql::REMOVE_SEARCH_KEY },
            params: vec![pool_id.into(), kind.number().into(), value.into(), sub.into()],
            expect: Expect::AtMostOne,
        },
        Change::Purge { pool_id, kind, id } => Step {
            sql: sql::ADD_PURGE,
            params: vec![id.into(), pool_id.into(), (kind as i64).into()],
            expect: Expect::AtMostOne,
        },
        Change::CountUsers { pool_id, delta } => {
            Step::any(sql::COUNT_USERS, vec![pool_id.into(), within_shards(shard).into(), delta.into()])
        }
    })
}

/// A row in its columns.
struct Columns {
    table: &'static Table,
    /// Primary key.
    keys: Vec<Param<'static>>,
    /// Everything else but the version.
    others: Vec<Param<'static>>,
    /// The version of a newly inserted row.
    first_version: i64,
    /// What it means when it exists already.
    exists: Expect,
}

fn save(row: Row, expected: Option<i64>) -> Result<Step, Error> {
    let Columns { table, keys, others, first_version, exists } = columns(row)?;
    let (sql, front, back, last, expect) = match expected {
        None => (table.insert, keys, others, first_version, exists),
        Some(version) => (table.update, others, keys, version, Expect::OneRow),
    };
    let mut params = front;
    params.extend(back);
    params.push(last.into());
    Ok(Step { sql, params, expect })
}

/// The table and key columns of a row.
fn locate(key: Key) -> (&'static Table, Vec<Param<'static>>) {
    match key {
        Key::Pool { id } => (&sql::POOLS, vec![id.into()]),
        Key::Client { id } => (&sql::CLIENTS, vec![id.into()]),
        Key::User { pool_id, sub } => (&sql::USERS, vec![pool_id.into(), sub.into()]),
        Key::Password { pool_id, sub } => (&sql::PASSWORDS, vec![pool_id.into(), sub.into()]),
        Key::Code { pool_id, sub, purpose } => (&sql::CODES, vec![pool_id.into(), sub.into(), purpose.number().into()]),
        Key::Attempts { pool_id, sub, purpose } => {
            (&sql::ATTEMPTS, vec![pool_id.into(), sub.into(), purpose.number().into()])
        }
        Key::Message { id } => (&sql::MESSAGES, vec![id.into()]),
        Key::SigningKey { kid } => (&sql::SIGNING_KEYS, vec![kid.into()]),
        Key::AccessKey { id } => (&sql::ACCESS_KEYS, vec![id.into()]),
        Key::Revocation { pool_id, origin_jti } => (&sql::REVOCATIONS, vec![pool_id.into(), origin_jti.into()]),
        Key::Spent { id } => (&sql::SPENT, vec![id.into()]),
        Key::Lease { name } => (&sql::LEASES, vec![name.into()]),
        Key::Part { pool_id, kind, id } => (&sql::PARTS, vec![pool_id.into(), kind.number().into(), id.into()]),
        Key::UserPart { pool_id, sub, kind, id } => {
            (&sql::USER_PARTS, vec![pool_id.into(), sub.into(), kind.number().into(), id.into()])
        }
        Key::Domain { domain } => (&sql::DOMAINS, vec![domain.into()]),
        Key::Chunk { file_id, number } => (&sql::CHUNKS, vec![file_id.into(), number.into()]),
    }
}

fn columns(row: Row) -> Result<Columns, Error> {
    Ok(match row {
        Row::Pool(row) => plain(&sql::POOLS, vec![document(&sql::POOLS, &row)?], vec![row.id.into()]),
        Row::Client(row) => {
            let doc = document(&sql::CLIENTS, &row)?;
            plain(&sql::CLIENTS, vec![row.pool_id.into(), doc], vec![row.id.into()])
        }
        Row::User(row) => {
            let doc = document(&sql::USERS, &row)?;
            plain(&sql::USERS, vec![doc], vec![row.pool_id.into(), row.sub.into()])
        }
        Row::Password(row) => {
            let doc = document(&sql::PASSWORDS, &row)?;
            plain(&sql::PASSWORDS, vec![doc], vec![row.pool_id.into(), row.sub.into()])
        }
        Row::Code(row) => {
            let doc = document(&sql::CODES, &row)?;
            let keys = vec![row.pool_id.into(), row.sub.into(), row.purpose.number().into()];
            recurring(&sql::CODES, vec![row.expires_at.milliseconds().into(), doc], keys)
        }
        Row::Attempts(row) => {
            let doc = document(&sql::ATTEMPTS, &row)?;
            let keys = vec![row.pool_id.into(), row.sub.into(), row.purpose.number().into()];
            recurring(&sql::ATTEMPTS, vec![row.expires_at.milliseconds().into(), doc], keys)
        }
        Row::Message(row) => {
            let doc = document(&sql::MESSAGES, &row)?;
            let others = vec![
                row.state.number().into(),
                row.due_at.milliseconds().into(),
                doc,
                row.pool_id.into(),
                row.created_at.milliseconds().into(),
            ];
            plain(&sql::MESSAGES, others, vec![row.id.into()])
        }
        Row::SigningKey(row) => {
            let doc = document(&sql::SIGNING_KEYS, &row)?;
            plain(&sql::SIGNING_KEYS, vec![row.pool_id.into(), doc], vec![row.kid.into()])
        }
        Row::AccessKey(row) => {
            let doc = document(&sql::ACCESS_KEYS, &row)?;
            plain(&sql::ACCESS_KEYS, vec![doc], vec![row.id.into()])
        }
        Row::Revocation(row) => {
            let keys = vec![row.pool_id.into(), row.origin_jti.into()];
            plain(&sql::REVOCATIONS, vec![row.expires_at.milliseconds().into()], keys)
        }
        Row::Spent(row) => {
            let exists = Expect::Unspent { id: row.id.clone() };
            let others = vec![row.expires_at.milliseconds().into()];
            Columns { exists, ..plain(&sql::SPENT, others, vec![row.id.into()]) }
        }
        Row::Lease(row) => plain(&sql::LEASES, vec![row.holder.into()], vec![row.name.into()]),
        Row::Part(row) => {
            let doc = row.doc.map_err(|reason| Error::Encode { table: sql::PARTS.name, reason })?;
            let keys = vec![row.pool_id.into(), row.kind.number().into(), row.id.into()];
            recurring(&sql::PARTS, vec![doc.into()], keys)
        }
        Row::UserPart(row) => {
            let doc = row.doc.map_err(|reason| Error::Encode { table: sql::USER_PARTS.name, reason })?;
            let keys = vec![row.pool_id.into(), row.sub.into(), row.kind.number().into(), row.id.into()];
            recurring(&sql::USER_PARTS, vec![row.expires_at.into(), doc.into()], keys)
        }
        Row::Domain(row) => {
            let doc = document(&sql::DOMAINS, &row)?;
            recurring(&sql::DOMAINS, vec![row.pool_id.into(), doc], vec![row.domain.into()])
        }
        Row::Chunk(row) => {
            let keys = vec![row.file_id.into(), row.number.into()];
            plain(&sql::CHUNKS, vec![row.pool_id.into(), row.text.into()], keys)
        }
    })
}

/// A row whose versions count from 1.
const fn plain(table: &'static Table, others: Vec<Param<'static>>, keys: Vec<Param<'static>>) -> Columns {
    Columns { table, keys, others, first_version: 1, exists: Expect::OneRow }
}

/// A row that comes and goes under the same key. Its versions start at a number drawn from its content, so that
/// whoever read the row before it was deleted cannot mistake its successor for it: a code is spent once, even when
/// the next one was issued in between.
fn recurring(table: &'static Table, others: Vec<Param<'static>>, keys: Vec<Param<'static>>) -> Columns {
    let content = match others.last() {
        Some(Param::Text(doc)) => fingerprint(doc.as_bytes()),
        Some(Param::Integer(_)) | None => 0,
    };
    // Two bits less than would fit, so that counting up never overflows.
    let first_version = i64::try_from(content >> 2).unwrap_or_default().saturating_add(1);
    Columns { first_version, ..plain(table, others, keys) }
}

/// The JSON document of a row.
fn document(table: &'static Table, row: &impl Serialize) -> Result<Param<'static>, Error> {
    match serde_json::to_string(row) {
        Ok(text) => Ok(text.into()),
        Err(error) => Err(Error::Encode { table: table.name, reason: error.to_string() }),
    }
}
