//! The software token of a user: the secret that an app makes codes from (auth-flows.md §13). There is at most one
//! that is verified, and at most one that was handed out and waits for its first code.

use serde::{Deserialize, Serialize};
use wire::Timestamp;

use crate::{Sealed, UserPart, UserPartKind};

/// A verified software token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SoftwareToken {
    /// The pool.
    pub pool_id: String,
    /// The user.
    pub sub: String,
    /// The secret's bytes, sealed for [`secret_identity`].
    pub secret: Sealed,
    /// What the user calls the app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub friendly_name: Option<String>,
    /// The step of the code that was used last: neither it nor one of an earlier step is right again.
    pub last_step: Option<i64>,
    /// When it was verified.
    pub created_at: Timestamp,
}

/// A software token that was handed out and not verified yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PendingSoftwareToken {
    /// The pool.
    pub pool_id: String,
    /// The user.
    pub sub: String,
    /// The secret's bytes, sealed for [`secret_identity`].
    pub secret: Sealed,
    /// From this moment on it cannot be verified any more.
    pub expires_at: Timestamp,
}

/// What a secret is sealed for: the user, whether it is verified or not, so that it need not be sealed again when it is.
#[must_use]
pub fn secret_identity(pool_id: &str, sub: &str) -> String {
    format!("{pool_id}/{sub}")
}

impl UserPart for SoftwareToken {
    const KIND: UserPartKind = UserPartKind::SoftwareToken;

    fn pool_id(&self) -> &str {
        &self.pool_id
    }

    fn sub(&self) -> &str {
        &self.sub
    }

    fn id(&self) -> &'static str {
        ""
    }

    fn expires_at(&self) -> Option<Timestamp> {
        None
    }
}

impl UserPart for PendingSoftwareToken {
    const KIND: UserPartKind = UserPartKind::PendingSoftwareToken;

    fn pool_id(&self) -> &str {
        &self.pool_id
    }

    fn sub(&self) -> &str {
        &self.sub
    }

    fn id(&self) -> &'static str {
        ""
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.expires_at)
    }
}
