//! Typed queries: which statement, and how a row of it becomes a noun. Engines run them and know nothing of nouns.

use std::ops::Deref;

use domain::{
    AccessKey, Attempts, Client, Code, Domain, Group, Message, Password, Pool, RefreshFamily, Revocation,
    SigningKeyRecord, SoftwareToken, Spent, Timestamp, User,
};
use serde::de::DeserializeOwned;

use crate::{Error, compile::Param, sql};

/// A noun as it was read, with the version of its row. It dereferences to the noun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored<T> {
    /// The noun.
    pub value: T,
    /// The version of its row, to name in [`Changes`](crate::Changes).
    pub version: i64,
}

impl<T> Deref for Stored<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// A row that a query found, of whichever engine.
#[derive(Debug)]
pub(crate) enum Found<'a> {
    /// SQLite's.
    Sqlite(&'a rusqlite::Row<'a>),
    /// PostgreSQL's.
    Postgres(&'a tokio_postgres::Row),
}

impl Found<'_> {
    /// TEXT of the column at `index`, from 0; `None` when there is none.
    pub(crate) fn text(&self, index: usize) -> Option<&str> {
        match self {
            Self::Sqlite(row) => row.get_ref(index).ok()?.as_str().ok(),
            Self::Postgres(row) => row.try_get(index).ok(),
        }
    }

    /// BIGINT of the column at `index`, from 0; `None` when there is none.
    pub(crate) fn integer(&self, index: usize) -> Option<i64> {
        match self {
            Self::Sqlite(row) => row.get_ref(index).ok()?.as_i64().ok(),
            Self::Postgres(row) => row.try_get(index).ok(),
        }
    }
}

/// A statement that reads, and what its rows mean.
pub(crate) struct Query<T> {
    /// The table that the noun is in, for errors.
    pub table: &'static str,
    /// One of the constants in [`sql`].
    pub sql: &'static str,
    /// Reads a row; `None` when it is damaged.
    pub decode: fn(&Found<'_>) -> Option<T>,
}

impl<T> Query<T> {
    /// The noun in a row. A damaged one is named by its key: the third column where there is one, otherwise what was
    /// asked for. Never by its content.
    pub(crate) fn read(&self, row: &Found<'_>, params: &[Param<'_>]) -> Result<T, Error> {
        (self.decode)(row).ok_or_else(|| {
            let asked = || {
                let words = params.iter().map(|param| match param {
                    Param::Text(text) => text.to_string(),
                    Param::Integer(number) => number.to_string(),
                });
                words.collect::<Vec<_>>().join("/")
            };
            Error::Corrupt { table: self.table, key: row.text(2).map_or_else(asked, str::to_owned) }
        })
    }
}

fn document<T: DeserializeOwned>(row: &Found<'_>) -> Option<Stored<T>> {
    let value = serde_json::from_str(row.text(0)?).ok()?;
    Some(Stored { value, version: row.integer(1)? })
}

/// A noun whose document is in the column at `index` and whose version is in the next one; `Some(None)` when there is
/// none, and `None` when it is damaged.
fn joined<T: DeserializeOwned>(row: &Found<'_>, index: usize) -> Option<Option<Stored<T>>> {
    let Some(document) = row.text(index) else { return Some(None) };
    Some(Some(Stored { value: serde_json::from_str(document).ok()?, version: row.integer(index + 1)? }))
}

const fn documents<T: DeserializeOwned>(table: &'static str, sql: &'static str) -> Query<Stored<T>> {
    Query { table, sql, decode: document }
}

pub(crate) const POOL: Query<Stored<Pool>> = documents("pools", sql::POOL);
pub(crate) const POOLS_AFTER: Query<Stored<Pool>> = documents("pools", sql::POOLS_AFTER);
pub(crate) const CLIENT: Query<Stored<Client>> = documents("clients", sql::CLIENT);
pub(crate) const CLIENTS_AFTER: Query<Stored<Client>> = documents("clients", sql::CLIENTS_AFTER);
pub(crate) const USER: Query<Stored<User>> = documents("users", sql::USER);
/// Users whom a name may mean, each with a number: the lowest is meant.
pub(crate) const USERS_BY_NAME: Query<(Stored<User>, i64)> =
    Query { table: "users", sql: sql::USERS_BY_NAME, decode: |row| Some((document(row)?, row.integer(3)?)) };
pub(crate) const USERS_AFTER: Query<Stored<User>> = documents("users", sql::USERS_AFTER);
pub(crate) const DOMAIN: Query<Stored<Domain>> = documents("domains", sql::DOMAIN);
pub(crate) const DOMAINS_OF_POOL: Query<Stored<Domain>> = documents("domains", sql::DOMAINS_OF_POOL);
/// Parts of every kind as they are stored.
pub(crate) const PART_DOCUMENTS: Query<PartDocument> = Query {
    table: "parts",
    sql: sql::PART_DOCUMENTS,
    decode: |row| {
        Some(PartDocument { kind: row.integer(3)?, id: row.text(2)?.to_owned(), doc: row.text(0)?.to_owned() })
    },
};
/// The groups of a user, each with the id of the group that the membership is of.
pub(crate) const GROUPS_OF_USER: Query<(Stored<Group>, String)> =
    Query { table: "parts", sql: sql::GROUPS_OF_USER, decode: |row| Some((document(row)?, row.text(3)?.to_owned())) };
pub(crate) const MEMBERS_AFTER: Query<Stored<User>> = documents("users", sql::MEMBERS_AFTER);
/// Users, each with the value that it was found by.
pub(crate) const USERS_WITH: Query<(Stored<User>, String)> = found_by(sql::USERS_WITH);
pub(crate) const USERS_WITHIN: Query<(Stored<User>, String)> = found_by(sql::USERS_WITHIN);
pub(crate) const USERS_NAMED_WITHIN: Query<(Stored<User>, String)> = found_by(sql::USERS_NAMED_WITHIN);
pub(crate) const USERS_BETWEEN: Query<Stored<User>> = documents("users", sql::USERS_BETWEEN);
/// The text of a chunk.
pub(crate) const CHUNK: Query<Stored<String>> = Query {
    table: "chunks",
    sql: sql::CHUNK,
    decode: |row| Some(Stored { value: text(row)?, version: row.integer(1)? }),
};
/// Id, pool and kind of what has to be cleared away.
pub(crate) const NEXT_PURGE: Query<(String, String, i64)> = Query {
    table: "purges",
    sql: sql::NEXT_PURGE,
    decode: |row| Some((text(row)?, row.text(1)?.to_owned(), row.integer(2)?)),
};

const fn found_by(sql: &'static str) -> Query<(Stored<User>, String)> {
    Query { table: "users", sql, decode: |row| Some((document(row)?, row.text(3)?.to_owned())) }
}

/// The part of a pool that a statement finds.
pub(crate) const fn parts_of<T: DeserializeOwned>(sql: &'static str) -> Query<Stored<T>> {
    documents("parts", sql)
}

/// The part of a user that a statement finds.
pub(crate) const fn user_parts_of<T: DeserializeOwned>(sql: &'static str) -> Query<Stored<T>> {
    documents("user_parts", sql)
}

pub(crate) const USER_PART_DOCUMENTS: Query<UserPartDocument> = Query {
    table: "user_parts",
    sql: sql::USER_PART_DOCUMENTS,
    decode: |row| {
        let (kind, id, doc) = (row.integer(3)?, row.text(2)?.to_owned(), row.text(0)?.to_owned());
        Some(UserPartDocument { kind, id, expires_at: row.integer(4)?, doc })
    },
};

pub(crate) const PASSWORD: Query<Stored<Password>> = documents("passwords", sql::PASSWORD);
pub(crate) const CODE: Query<Stored<Code>> = documents("codes", sql::CODE);
pub(crate) const ATTEMPT: Query<Stored<Attempts>> = documents("attempts", sql::ATTEMPT);
pub(crate) const MESSAGE: Query<Stored<Message>> = documents("messages", sql::MESSAGE);
pub(crate) const DUE_MESSAGES: Query<Stored<Message>> = documents("messages", sql::DUE_MESSAGES);
/// Ids, documents and versions.
pub(crate) const DUE_MESSAGES_FROM: Query<(String, String, i64)> = Query {
    table: "messages",
    sql: sql::DUE_MESSAGES_FROM,
    decode: |row| Some((row.text(2)?.to_owned(), row.text(0)?.to_owned(), row.integer(1)?)),
};
pub(crate) const RECENT_MESSAGES: Query<Stored<Message>> = documents("messages", sql::RECENT_MESSAGES);
pub(crate) const SIGNING_KEYS_OF_POOL: Query<Stored<SigningKeyRecord>> =
    documents("signing_keys", sql::SIGNING_KEYS_OF_POOL);
pub(crate) const SIGNING_KEYS_AFTER: Query<Stored<SigningKeyRecord>> =
    documents("signing_keys", sql::SIGNING_KEYS_AFTER);
pub(crate) const ACCESS_KEY: Query<Stored<AccessKey>> = documents("access_keys", sql::ACCESS_KEY);
pub(crate) const ALL_ACCESS_KEYS: Query<Stored<AccessKey>> = documents("access_keys", sql::ALL_ACCESS_KEYS);

/// When a mark without a document may go, and its version. The key is what was asked for.
pub(crate) const REVOCATION: Query<Stored<Timestamp>> =
    Query { table: "revocations", sql: sql::REVOCATION, decode: mark };
/// The same of something used once.
pub(crate) const SPENT_MARK: Query<Stored<Timestamp>> = Query { table: "spent", sql: sql::SPENT_MARK, decode: mark };

fn mark(row: &Found<'_>) -> Option<Stored<Timestamp>> {
    Some(Stored { value: Timestamp(row.integer(0)?), version: row.integer(1)? })
}

pub(crate) const NAME_OWNER: Query<String> = Query { table: "names", sql: sql::NAME_OWNER, decode: text };
pub(crate) const META: Query<String> = Query { table: "meta", sql: sql::META, decode: text };
pub(crate) const DELETED_POOL: Query<String> = Query { table: "pools", sql: sql::DELETED_POOL, decode: text };
pub(crate) const ESTIMATED_USERS: Query<i64> =
    Query { table: "user_counts", sql: sql::ESTIMATED_USERS, decode: |row| row.integer(0) };

pub(crate) const COUNT_POOLS: Query<i64> =
    Query { table: "pools", sql: sql::COUNT_POOLS, decode: |row| row.integer(0) };
pub(crate) const COUNT_CLIENTS: Query<i64> =
    Query { table: "clients", sql: sql::COUNT_CLIENTS, decode: |row| row.integer(0) };
pub(crate) const COUNT_PARTS: Query<i64> =
    Query { table: "parts", sql: sql::COUNT_PARTS, decode: |row| row.integer(0) };

pub(crate) const QUEUE: Query<(i64, Timestamp)> =
    Query { table: "messages", sql: sql::QUEUE, decode: |row| Some((row.integer(0)?, Timestamp(row.integer(1)?))) };

pub(crate) const EPOCH: Query<i64> = Query { table: "epochs", sql: sql::EPOCH, decode: |row| row.integer(0) };
pub(crate) const LEASE: Query<(String, i64)> =
    Query { table: "leases", sql: sql::LEASE, decode: |row| Some((text(row)?, row.integer(1)?)) };

fn text(row: &Found<'_>) -> Option<String> {
    row.text(0).map(str::to_owned)
}

/// Key (as many texts and numbers as the table's primary key has) and expiry of a row that can expire.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Expiring {
    /// Primary key.
    pub key: Vec<Param<'static>>,
    /// When the row may go.
    pub expires_at: Timestamp,
}

pub(crate) const CODES_SLICE: Query<Expiring> = Query { table: "codes", sql: sql::CODES_SLICE, decode: by_purpose };
pub(crate) const ATTEMPTS_SLICE: Query<Expiring> =
    Query { table: "attempts", sql: sql::ATTEMPTS_SLICE, decode: by_purpose };
pub(crate) const USER_PARTS_SLICE: Query<Expiring> = Query {
    table: "user_parts",
    sql: sql::USER_PARTS_SLICE,
    decode: |row| {
        let (pool_id, sub) = (row.text(0)?.to_owned(), row.text(1)?.to_owned());
        let key = vec![pool_id.into(), sub.into(), row.integer(2)?.into(), row.text(3)?.to_owned().into()];
        Some(Expiring { key, expires_at: Timestamp(row.integer(4)?) })
    },
};
pub(crate) const REVOCATIONS_SLICE: Query<Expiring> = Query {
    table: "revocations",
    sql: sql::REVOCATIONS_SLICE,
    decode: |row| {
        let key = vec![text(row)?.into(), row.text(1)?.to_owned().into()];
        Some(Expiring { key, expires_at: Timestamp(row.integer(2)?) })
    },
};
pub(crate) const SPENT_SLICE: Query<Expiring> = Query {
    table: "spent",
    sql: sql::SPENT_SLICE,
    decode: |row| Some(Expiring { key: vec![text(row)?.into()], expires_at: Timestamp(row.integer(1)?) }),
};
pub(crate) const STAMPS_SLICE: Query<Expiring> = Query {
    table: "stamps",
    sql: sql::STAMPS_SLICE,
    decode: |row| Some(Expiring { key: vec![text(row)?.into()], expires_at: Timestamp(row.integer(1)?) }),
};
/// Id and pool of messages.
pub(crate) const MESSAGES_SLICE: Query<(String, String)> =
    Query { table: "messages", sql: sql::MESSAGES_SLICE, decode: |row| Some((text(row)?, row.text(1)?.to_owned())) };

fn by_purpose(row: &Found<'_>) -> Option<Expiring> {
    let key = vec![text(row)?.into(), row.text(1)?.to_owned().into(), row.integer(2)?.into()];
    Some(Expiring { key, expires_at: Timestamp(row.integer(3)?) })
}

/// One of several rows that were read at one moment.
pub(crate) struct Part {
    /// Which one of them.
    number: i64,
    document: String,
    version: i64,
}

fn part(row: &Found<'_>) -> Option<Part> {
    Some(Part { number: row.integer(0)?, document: row.text(1)?.to_owned(), version: row.integer(2)? })
}

const fn parts(table: &'static str, sql: &'static str) -> Query<Part> {
    Query { table, sql, decode: part }
}

pub(crate) const SIGN_IN_PARTS: Query<Part> = parts("users", sql::SIGN_IN_PARTS);
pub(crate) const SIGN_IN_PARTS_BY_NAME: Query<Part> = parts("users", sql::SIGN_IN_PARTS_BY_NAME);
pub(crate) const TOKEN_PARTS: Query<Part> = parts("users", sql::TOKEN_PARTS);
pub(crate) const REFRESH_PARTS: Query<Part> = parts("users", sql::REFRESH_PARTS);
pub(crate) const FACTOR_PARTS: Query<Part> = parts("user_parts", sql::FACTOR_PARTS);
pub(crate) const STEP_PARTS: Query<Part> = parts("users", sql::STEP_PARTS);
pub(crate) const RECOVERY_PARTS: Query<Part> = parts("passwords", sql::RECOVERY_PARTS);

/// One whom a name may mean, or the stand-in.
pub(crate) struct ResetRequest {
    /// The user, if there is one.
    pub user: Option<Stored<User>>,
    /// Of those whom a name may mean the lowest number is meant; [`STAND_IN`] stands for nobody's.
    pub order: i64,
    /// The outstanding reset code.
    pub code: Option<Stored<Code>>,
    /// Requests for reset codes.
    pub requests: Option<Stored<Attempts>>,
}

/// The number of the stand-in.
pub(crate) const STAND_IN: i64 = 100;

pub(crate) const RESET_REQUESTS: Query<ResetRequest> = Query {
    table: "users",
    sql: sql::RESET_REQUESTS,
    decode: |row| {
        let order = row.integer(3)?;
        if row.text(2).is_some_and(|sub| row.text(8) != Some(sub)) {
            // Read in nobody's place.
            return Some(ResetRequest { user: None, order, code: None, requests: None });
        }
        let (user, code) = (joined(row, 0)?, joined(row, 4)?);
        Some(ResetRequest { user, order, code, requests: joined(row, 6)? })
    },
};

/// Rows that were read at one moment, and whose they are.
pub(crate) struct Parts<'a> {
    /// The pool.
    pub pool_id: &'a str,
    /// The user.
    pub sub: &'a str,
    /// What was found.
    pub found: Vec<Part>,
}

impl Parts<'_> {
    /// The noun with this number, from this table.
    pub(crate) fn take<T: DeserializeOwned>(
        &self,
        number: i64,
        table: &'static str,
    ) -> Result<Option<Stored<T>>, Error> {
        let Some(part) = self.found.iter().find(|part| part.number == number) else { return Ok(None) };
        match serde_json::from_str(&part.document) {
            Ok(value) => Ok(Some(Stored { value, version: part.version })),
            Err(_) => Err(Error::Corrupt { table, key: format!("{}/{}", self.pool_id, self.sub) }),
        }
    }

    /// Whether there is a row with this number.
    pub(crate) fn has(&self, number: i64) -> bool {
        self.found.iter().any(|part| part.number == number)
    }
}

/// A part of a pool as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartDocument {
    /// The stored number of its kind.
    pub kind: i64,
    /// Its id.
    pub id: String,
    /// Its document.
    pub doc: String,
}

/// A part of a user as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserPartDocument {
    /// What it is: the number of a [`UserPartKind`](domain::UserPartKind).
    pub kind: i64,
    /// Its id.
    pub id: String,
    /// When it may go, in milliseconds.
    pub expires_at: i64,
    /// Its document.
    pub doc: String,
}

/// Messages that wait, or that were given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue {
    /// How many.
    pub messages: u64,
    /// When the oldest of them was written; `None` when there is none.
    pub oldest: Option<Timestamp>,
}

/// What a request with an access token has to know, read at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenSnapshot {
    /// The user.
    pub user: Option<Stored<User>>,
    /// Whether the sign-in that the token comes from was revoked.
    pub is_revoked: bool,
}

/// What the exchange of a refresh token has to know, read at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct RefreshSnapshot {
    /// What every token's request has to know.
    pub token: TokenSnapshot,
    /// Which of the sign-in's refresh tokens counts, if one was replaced already.
    pub family: Option<Stored<RefreshFamily>>,
}

/// What a password reset has to know beside the user, read at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct RecoverySnapshot {
    /// The password in force and the earlier ones.
    pub password: Option<Stored<Password>>,
    /// Failed passwords.
    pub failures: Option<Stored<Attempts>>,
    /// The outstanding reset code.
    pub code: Option<Stored<Code>>,
    /// Wrong reset codes.
    pub wrong_codes: Option<Stored<Attempts>>,
}

/// What a request for a reset code has to know, read at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct ResetRequestSnapshot {
    /// Whoever has the name.
    pub user: Option<Stored<User>>,
    /// The user's outstanding reset code.
    pub code: Option<Stored<Code>>,
    /// The user's requests for reset codes.
    pub requests: Option<Stored<Attempts>>,
    /// The stand-in's outstanding reset code.
    pub stand_in_code: Option<Stored<Code>>,
    /// The stand-in's requests for reset codes.
    pub stand_in_requests: Option<Stored<Attempts>>,
}

/// What a sign-in has to know about a user, read at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct SignInSnapshot {
    /// The user.
    pub user: Option<Stored<User>>,
    /// The password in force.
    pub password: Option<Stored<Password>>,
    /// Failed passwords.
    pub attempts: Option<Stored<Attempts>>,
}

/// What decides about a user's second factor, read at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct FactorSnapshot {
    /// Wrong answers of second factors.
    pub wrong: Option<Stored<Attempts>>,
    /// The verified software token.
    pub token: Option<Stored<SoftwareToken>>,
}

/// What a later step of a sign-in has to know about a user, read at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct StepSnapshot {
    /// The user.
    pub user: Option<Stored<User>>,
    /// The password in force.
    pub password: Option<Stored<Password>>,
    /// What decides about the second factor.
    pub factors: FactorSnapshot,
    /// Whether the step's session was used.
    pub is_spent: bool,
}

/// Puts the key that was asked for beside what was found.
pub(crate) fn revocation(pool_id: &str, origin_jti: &str, found: Stored<Timestamp>) -> Stored<Revocation> {
    let value = Revocation { pool_id: pool_id.to_owned(), origin_jti: origin_jti.to_owned(), expires_at: found.value };
    Stored { value, version: found.version }
}

/// Puts the id that was asked for beside what was found.
pub(crate) fn spent(id: &str, found: Stored<Timestamp>) -> Stored<Spent> {
    Stored { value: Spent { id: id.to_owned(), expires_at: found.value }, version: found.version }
}
