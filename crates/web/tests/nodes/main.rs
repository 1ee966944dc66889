//! Several servers on one database of PostgreSQL, at the level of requests: any server answers any request, what
//! decides access is seen at once, everything else within a second, guesses are counted wherever they arrive, names
//! have one owner, jobs have one holder, and a database that is away is a failure that clients retry.
//!
//! The tests do nothing, and say so, where the environment names no server ([`cluster::scratch::VARIABLE`]).

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod access;
mod guesses;
mod imports;
mod jobs;
mod mail;
mod memory;
mod names;
mod outages;
mod requests;
mod rotation;
mod sign_ins;
mod support;
mod warm_up;
