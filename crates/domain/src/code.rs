//! One-time codes (accounts.md §4.1): stored as keyed hashes, bound to user and purpose, spent once.

use serde::{Deserialize, Serialize};
use wire::Timestamp;

use crate::Medium;

/// What a code may be used for. A code of one purpose is worthless for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum CodePurpose {
    /// Confirms a sign-up; 24 hours.
    SignUp = 1,
    /// Resets a forgotten password; one hour.
    Reset = 2,
}

impl CodePurpose {
    /// The stored number, never reused.
    #[must_use]
    pub const fn number(self) -> i64 {
        self as i64
    }

    /// The name that enters the keyed hash.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignUp => "sign-up",
            Self::Reset => "reset",
        }
    }
}

/// The one outstanding code of a user for a purpose; a new one replaces it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Code {
    /// The pool.
    pub pool_id: String,
    /// The user, or the stand-in for a user that does not exist.
    pub sub: String,
    /// What it is for.
    pub purpose: CodePurpose,
    /// Keyed hash of the code, base64.
    pub hash: String,
    /// Where it went.
    pub medium: Medium,
    /// The address that it went to, so that only that address becomes verified by it.
    pub destination: String,
    /// When it was made.
    pub issued_at: Timestamp,
    /// From this moment on it is refused.
    pub expires_at: Timestamp,
}
