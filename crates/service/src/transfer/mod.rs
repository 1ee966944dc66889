//! A pool with everything that belongs to it, users and their passwords included, in a file for another installation.
//! The original has nothing like it; `docs/beyond.md` tells users about it.
//!
//! A file is text. Its first line is a JSON object that says what it is. Every other line is base64 of a sealed
//! [`Record`]: AES-256-GCM under the key that the file was made for, bound to this file and to the line's number, so
//! that lines cannot be read, changed, left out, exchanged or taken from another file. In the last line stands how many
//! there are.
//!
//! Taken along: the pool, its signing keys, clients, domains and parts (groups, resource servers, identity providers and
//! so on; not import jobs), users with names, search keys, passwords, memberships, software tokens, devices and passkeys.
//! Left behind: outstanding codes, messages on their way, counters of attempts, what users have begun to set up, sign-ins
//! that are kept track of, families of refresh tokens, and revocations of single sign-ins. Refresh tokens that are not
//! rotated stay good only where the master keys are the same.

mod export;
mod import;
mod record;
#[cfg(test)]
mod tests;

pub use export::{Keys, export};
pub use import::import;
pub use record::{Header, Record, UserRecord};

use std::io;

use crypto::seal::SealError;

/// Why an export or an import ended early.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// There is no such pool.
    #[error("there is no user pool {0}")]
    NoPool(String),
    /// The pool is there already.
    #[error("the user pool {0} exists here. An import never changes a pool; delete it first if it may go")]
    Exists(String),
    /// Something of the pool clashes with what is here.
    #[error(
        "{0} exists here and belongs to another pool. Nothing of the import is in use; delete what clashes, then import again"
    )]
    Clash(String),
    /// The file cannot be used.
    #[error("line {line} of the file: {reason}")]
    Damaged {
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A secret does not open: the key of the file or of this installation is another one.
    #[error("a secret does not open with the given key: {0}")]
    Sealed(#[from] SealError),
    /// The file cannot be read or written.
    #[error("the file cannot be read or written: {0}")]
    Io(#[from] io::Error),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The database refused what was written.
    #[error("the database refused what was written: {0}")]
    Commit(#[from] store::CommitError),
}

/// How far it has come: users so far, of about how many (0 when that is not known).
pub type Told<'a> = &'a mut dyn FnMut(u64, u64);
