//! What tests need: a server in process with a seeded source of randomness and a stopped clock, shorthands for the
//! accounts that most tests start from, and an SRP client.
//!
//! Everything that a test sees is the same at every run: ids, codes, keys, dates. That is what makes whole answers
//! fit into snapshots.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a test that cannot go on stops with what it saw"
)]

mod answer;
pub mod authenticator;
mod coverage;
mod documents;
mod entropy;
mod functions;
mod gate;
mod keys;
mod records;
mod server;
mod smtp;
pub mod srp;
pub mod totp;
pub mod triggers;

pub use answer::Answer;
pub use documents::{Asked, Document, Documents};
pub use entropy::SeededEntropy;
pub use functions::{Function, Functions, ReadableKeys};
pub use keys::stock;
pub use records::Collector;
pub use server::{Builder, Server};
pub use smtp::smtp;

/// Runs a case on SQLite in memory and on SQLite in a file; where the environment names an engine, on that one alone.
pub async fn both_engines(case: impl AsyncFn(Server)) {
    case(Server::memory().await).await;
    if !server::is_one_engine_under_test() {
        case(Server::file().await).await;
    }
}
