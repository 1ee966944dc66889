//! The nouns of Poolkeeper and their rules, pure: no clock, no input or output, no tokio.
//!
//! Whoever needs the time or randomness passes it in. The store writes these nouns as JSON documents beside
//! the columns that are queried; changing a serialized name is a migration.

pub mod attempts;
pub mod attributes;
pub mod client;
pub mod code;
pub mod keys;
pub mod message;
pub mod names;
pub mod password;
pub mod pool;
pub mod schema;
pub mod session;
pub mod time;
pub mod user;

mod secret;

pub use attempts::{AttemptPurpose, Attempts};
pub use client::{Client, ClientSecret};
pub use code::{Code, CodePurpose};
pub use keys::{AccessKey, Revocation, SigningKeyRecord, SigningKeyState, SigningKeyUse, Spent};
pub use message::{Medium, Message, MessagePurpose, MessageState};
pub use names::NameKind;
pub use password::{Password, PasswordHash, PasswordPolicy};
pub use pool::{Pool, RecoveryChannel};
pub use secret::{Entropy, Sealed, Secret};
pub use user::User;
pub use wire::Timestamp;
