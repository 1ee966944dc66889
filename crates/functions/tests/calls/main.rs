//! Functions as the service calls them, in real processes and behind real sockets, and everything that can go wrong with
//! them.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod documents;
mod processes;
mod sources;
mod support;
mod urls;
