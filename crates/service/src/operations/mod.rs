//! The operations by topic, one file each.

pub mod clients;
pub mod pools;
pub mod recovery;
pub mod sign_in;
pub mod sign_up;
pub mod tokens;
pub mod users;
