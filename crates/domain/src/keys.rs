//! Signing keys, and the marks that make something usable only once.

use serde::{Deserialize, Serialize};
use wire::Timestamp;

use crate::Sealed;

/// What a signing key signs. ID and access tokens of a pool are signed by different keys (auth-flows.md §17).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SigningKeyUse {
    /// ID tokens.
    Id,
    /// Access tokens.
    Access,
}

/// Where a signing key is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SigningKeyState {
    /// Made ahead of time, belongs to no pool yet.
    Stock,
    /// Signs.
    Active,
    /// Another one signs in its place; the tokens that it has signed still count.
    Retired {
        /// From this moment on nothing that it has signed counts: the last of its tokens have expired.
        until: Timestamp,
    },
}

impl SigningKeyState {
    /// Whether tokens of a pool's key count at `now`.
    #[must_use]
    pub fn verifies(self, now: Timestamp) -> bool {
        match self {
            Self::Stock => false,
            Self::Active => true,
            Self::Retired { until } => now < until,
        }
    }
}

/// An RSA-2048 key, its private half sealed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SigningKeyRecord {
    /// Key id: standard base64 of 32 random bytes.
    pub kid: String,
    /// The pool; empty while in stock.
    pub pool_id: String,
    /// What it signs; `None` while in stock.
    pub usage: Option<SigningKeyUse>,
    /// Its state.
    pub state: SigningKeyState,
    /// PKCS#8, sealed with the kid as identity.
    pub private: Sealed,
    /// Public modulus, base64url.
    pub modulus: String,
    /// Public exponent, base64url.
    pub exponent: String,
    /// When it was made.
    pub created_at: Timestamp,
}

impl SigningKeyRecord {
    /// The key as one that signs for a pool from now on.
    #[must_use]
    pub fn given(mut self, pool_id: &str, usage: SigningKeyUse) -> Self {
        pool_id.clone_into(&mut self.pool_id);
        self.usage = Some(usage);
        self.state = SigningKeyState::Active;
        self
    }
}

/// All tokens of one sign-in are refused (RevokeToken).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Revocation {
    /// The pool.
    pub pool_id: String,
    /// The sign-in.
    pub origin_jti: String,
    /// When the last of its tokens has expired anyway and this row may go.
    pub expires_at: Timestamp,
}

/// Something that was used and must not be used again: a sign-in session, an SRP secret block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spent {
    /// Random id of the used thing.
    pub id: String,
    /// When it would be refused for its age anyway and this row may go.
    pub expires_at: Timestamp,
}
