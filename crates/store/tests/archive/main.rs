//! Archives: what goes in comes out, on every pair of engines, and nothing else is let in.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod damage;
mod databases;
mod moments;
mod refusals;
#[path = "../conformance/rows.rs"]
mod rows;
mod trips;
