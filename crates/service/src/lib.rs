//! The verbs of Poolkeeper: one file an operation below [`operations`], and what they share.
//!
//! Every operation reads top to bottom as load, decide, commit, effects: it loads a snapshot, decides from it, the
//! input, the moment and randomness what is to change, commits that as one changeset, and leaves what must happen
//! outside to the outbox.

pub mod access_keys;
mod app;
pub mod attributes;
pub mod capacity;
mod clock;
pub mod codes;
mod ctx;
mod date_version;
pub mod devices;
pub mod dispatch;
mod error;
pub mod hosted;
pub mod import;
pub mod issuers;
pub mod lease;
pub mod lookup;
pub mod memory;
pub mod messages;
mod metrics;
pub mod operations;
pub mod paging;
pub mod passwords;
pub mod quotas;
pub mod records;
pub mod reshape;
pub mod retry;
pub(crate) mod saml_provider;
pub mod scopes;
pub mod search_index;
pub mod secret_hash;
pub mod settings;
pub mod sign_in;
pub(crate) mod stand_in;
pub mod threat;
pub mod tiers;
pub mod tokens;
pub mod tracking;
pub mod transfer;
pub mod triggers;
pub mod user_migration;
pub mod users;
pub mod warm_up;
pub mod web_authn;

pub use app::{App, BeforeCommit};
pub use clock::{Clock, Reading};
pub use ctx::{Caller, Ctx, OwnWishes};
pub use error::ApiError;
pub use metrics::{LeaseLabels, Metrics, OperationLabels, RequestLabels, scrape};
pub use settings::Settings;
