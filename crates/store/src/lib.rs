//! Snapshots out, changesets in: one SQL, several engines.
//!
//! An operation reads what it needs as [`Stored`] nouns, decides, and hands [`Changes`] to [`Store::commit`]: data,
//! not closures, so that nothing slow can run inside a transaction and every engine does the same. Every change
//! names the version that it was decided on. A row that moved gives [`CommitError::Conflict`]: reload and decide
//! again. A name or mark that somebody else has gives [`CommitError::Taken`].
//!
//! Inside: `changes` (what may be asked, of which `rows`) → `compile` (steps: SQL, values, expected rows) → an engine
//! that runs steps; `sql` holds every statement; `read` says what rows mean; `migrations` is the schema; `sweep` clears
//! away what has expired or belonged to deleted pools; `archive` moves everything into a file, from one, or into
//! another database; `probe` finds out whether a database takes changes now; `first_reads` is what is made ready before
//! the first sign-in.

pub mod archive;
mod changes;
mod compile;
mod error;
mod first_reads;
mod lease;
mod migrations;
mod options;
mod postgres;
mod probe;
mod read;
mod rows;
mod sql;
mod sqlite;
mod statistics;
mod store;
mod sweep;

pub use changes::{Change, Changes, Key, PurgeKind};
pub use error::{CommitError, Error, Taken};
pub use lease::Lease;
pub use migrations::PlannedMigration;
pub use options::{Durability, Location, Options};
pub use postgres::{Address, Facts, Isolation, PostgresOptions, PostgresStore, Prepared, is_url};
pub use read::{
    FactorSnapshot, PartDocument, Queue, RecoverySnapshot, RefreshSnapshot, ResetRequestSnapshot, SignInSnapshot,
    StepSnapshot, Stored, TokenSnapshot, UserPartDocument,
};
pub use rows::{PartRow, Row, UserPartRow};
pub use sqlite::SqliteStore;
pub use statistics::{PoolUse, Retries, Statistics, UnderWay};
pub use store::Store;
pub use sweep::Swept;
