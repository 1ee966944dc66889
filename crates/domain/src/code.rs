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
    /// Proves that an email address is the user's; 24 hours.
    VerifyEmail = 3,
    /// Proves that a phone number is the user's; 24 hours.
    VerifyPhoneNumber = 4,
}

impl CodePurpose {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::SignUp, Self::Reset, Self::VerifyEmail, Self::VerifyPhoneNumber];

    /// The purpose of codes that prove who receives what is sent by this medium.
    #[must_use]
    pub const fn verification(medium: Medium) -> Self {
        match medium {
            Medium::Email => Self::VerifyEmail,
            Medium::Sms => Self::VerifyPhoneNumber,
        }
    }

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
            Self::VerifyEmail => "verify-email",
            Self::VerifyPhoneNumber => "verify-phone-number",
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
    /// The address is not the user's yet: the right code makes it so (verification of attributes only).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_pending: bool,
    /// When it was made.
    pub issued_at: Timestamp,
    /// From this moment on it is refused.
    pub expires_at: Timestamp,
}
