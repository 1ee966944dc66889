//! Golden cases: requests through the whole stack in process, whole answers out. The source of randomness is seeded
//! and the clock stands still, so that ids, codes and dates are the same at every run.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod clients;
mod controls;
mod every_operation;
mod health;
mod messages;
mod pool_settings;
mod pools;
mod recovery;
mod schema;
mod sign_in;
mod sign_up;
mod sign_up_codes;
mod signatures;
mod tokens;
mod user_attributes;
mod users;
mod wire;
