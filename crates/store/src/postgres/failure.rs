//! What an error of the database means: try the same again, or give up.

use std::{error::Error as _, io};

use deadpool_postgres::{PoolError, TimeoutType};
use tokio_postgres::error::SqlState;

use crate::Error;

/// Why something is tried again; one counter each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// 40001: transactions got into each other's way.
    Serialization,
    /// 40P01: they waited for one another.
    Deadlock,
    /// The connection was lost, refused, or silent for too long.
    Connection,
    /// The server takes no writes, or none any more: another one is the leader now.
    ReadOnly,
    /// The server, or this one's own share of connections, is used up.
    Exhausted,
}

/// What to do about an error.
#[derive(Debug)]
pub(super) enum Failure {
    /// Try the same again; nothing of it was kept.
    Again(Cause, String),
    /// Give up.
    Final(Error),
}

impl Failure {
    /// The connection did not answer in time.
    pub(super) fn silent() -> Self {
        Self::Again(Cause::Connection, "no answer in time".to_owned())
    }
}

/// An error in words, with its causes and without details, which may quote rows.
pub(crate) fn told(error: &tokio_postgres::Error) -> String {
    if let Some(refusal) = error.as_db_error() {
        return format!("{} ({})", refusal.message(), refusal.code().code());
    }
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let words = inner.to_string();
        if !text.ends_with(&words) {
            text = format!("{text}: {words}");
        }
        cause = inner.source();
    }
    text
}

/// What an error means that came before COMMIT was sent.
pub(super) fn of(error: &tokio_postgres::Error) -> Failure {
    let text = told(error);
    let Some(code) = error.code() else {
        if is_about_the_certificate(error) {
            return Failure::Final(Error::Refused(format!(
                "{text}. The server's certificate must be for the host that the URL names, be in force, and come from an \
                 authority in the file that sslrootcert names in the URL, or from a public one where it names none"
            )));
        }
        return Failure::Again(Cause::Connection, text);
    };
    match *code {
        SqlState::T_R_SERIALIZATION_FAILURE => Failure::Again(Cause::Serialization, text),
        SqlState::T_R_DEADLOCK_DETECTED | SqlState::LOCK_NOT_AVAILABLE => Failure::Again(Cause::Deadlock, text),
        SqlState::READ_ONLY_SQL_TRANSACTION => Failure::Again(Cause::ReadOnly, text),
        SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT => Failure::Again(Cause::Connection, text),
        SqlState::DISK_FULL => Failure::Final(Error::Full),
        SqlState::INVALID_PASSWORD
        | SqlState::INVALID_AUTHORIZATION_SPECIFICATION
        | SqlState::INVALID_CATALOG_NAME
        | SqlState::INSUFFICIENT_PRIVILEGE => Failure::Final(Error::Refused(text)),
        SqlState::INVALID_SQL_STATEMENT_NAME | SqlState::DUPLICATE_PSTATEMENT => {
            Failure::Final(Error::Refused(format!(
                "{text}. A pooler in front of the database mixes up prepared statements: set \
                 store.postgres.prepared_statements = false"
            )))
        }
        // The schema has changed under a prepared statement, whose rows would not be what they were.
        SqlState::FEATURE_NOT_SUPPORTED if routine(error) == Some("RevalidateCachedQuery") => {
            Failure::Again(Cause::Connection, text)
        }
        _ => match code.code().get(..2) {
            // Lost connections; operators and their limits: shutdown, start, cancelled statements, idle sessions.
            Some("08" | "57") => Failure::Again(Cause::Connection, text),
            // Connections, memory, locks.
            Some("53") => Failure::Again(Cause::Exhausted, text),
            _ => Failure::Final(Error::Engine(text)),
        },
    }
}

/// Where in the server an error comes from, which, unlike its text, is the same in every language.
fn routine(error: &tokio_postgres::Error) -> Option<&str> {
    error.as_db_error().and_then(tokio_postgres::error::DbError::routine)
}

/// Whether a server takes no writes.
pub(super) fn is_read_only(error: &tokio_postgres::Error) -> bool {
    error.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION)
}

/// Whether TLS failed because of what the server showed, which it will show again.
fn is_about_the_certificate(error: &tokio_postgres::Error) -> bool {
    let mut cause = error.source();
    while let Some(inner) = cause {
        // What is inside an `io::Error` is not its source.
        let tls = inner.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if matches!(tls.and_then(|tls| tls.downcast_ref()), Some(rustls::Error::InvalidCertificate(_))) {
            return true;
        }
        cause = inner.source();
    }
    false
}

/// Whether an error of COMMIT itself says for certain that nothing was kept. Everything else must be settled.
pub(super) fn is_definite(error: &tokio_postgres::Error) -> bool {
    // Class 40 is "transaction rollback", but for 40003: completion unknown.
    error.code().is_some_and(|code| code.code().starts_with("40") && code.code() != "40003")
}

/// What it means that no connection could be had.
pub(super) fn of_pool(error: &PoolError) -> Failure {
    match error {
        PoolError::Backend(error) => of(error),
        PoolError::Timeout(TimeoutType::Wait) => {
            Failure::Again(Cause::Exhausted, "all connections of this server are in use".to_owned())
        }
        PoolError::Timeout(TimeoutType::Create | TimeoutType::Recycle) => Failure::silent(),
        PoolError::Closed => Failure::Final(Error::Closed),
        PoolError::PostCreateHook(refusal) => Failure::Again(Cause::ReadOnly, refusal.to_string()),
        PoolError::NoRuntimeSpecified => Failure::Final(Error::Engine(error.to_string())),
    }
}
