//! Looking at a database beside servers that are at work: what it tells about itself, what waits in it, whether it
//! takes changes.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "../conformance/engines.rs"]
mod engines;
mod files;
mod probes;
mod queues;
mod servers;
