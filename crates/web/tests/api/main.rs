//! Golden cases: requests through the whole stack in process, whole answers out. The source of randomness is seeded
//! and the clock stands still, so that ids, codes and dates are the same at every run.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod clients;
mod wire;
mod signatures;
mod messages;
mod controls;
mod pools;
mod recovery;
mod sign_up;
mod users;
