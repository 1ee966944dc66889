//! What every engine must do. The suite is the specification: each test runs on every engine, and a new engine is
//! done when it passes.

#![expect(clippy::unwrap_used, reason = "tests")]

mod claims;
mod engines;
mod epochs;
mod files;
mod groups;
mod late;
mod leases;
mod messages;
mod model;
mod pages;
mod parts;
mod rows;
mod searching;
mod sweeping;
mod user_parts;
mod versions;
