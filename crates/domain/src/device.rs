//! A device that a user has confirmed (auth-flows.md §12). It proves itself by a secret of its own, of which only an SRP
//! verifier is kept.

use serde::{Deserialize, Serialize};
use wire::Timestamp;

use crate::{Sealed, UserPart, UserPartKind, session::SignInSession};

/// A confirmed device of a user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Device {
    /// The pool.
    pub pool_id: String,
    /// The user.
    pub sub: String,
    /// `DeviceKey`: region and UUID.
    pub key: String,
    /// `DeviceGroupKey`: part of every SRP hash, in place of the pool's name.
    pub group_key: String,
    /// `DeviceName`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Salt and SRP verifier, sealed for [`Device::identity`].
    pub verifier: Sealed,
    /// Whether it may stand in for a second factor.
    pub is_remembered: bool,
    /// What the client that confirmed it calls itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub software: Option<String>,
    /// Where its last sign-in came from.
    pub last_address: String,
    /// When it was confirmed.
    pub created_at: Timestamp,
    /// When it was confirmed, or remembered or not, last.
    pub modified_at: Timestamp,
    /// When somebody last signed in with it.
    pub authenticated_at: Timestamp,
    /// The sign-in that waits for this device, for clients that send no `Session` in its two steps. The latest counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<SignInSession>,
}

impl Device {
    /// What the verifier of a device is sealed for.
    #[must_use]
    pub fn identity(pool_id: &str, sub: &str, key: &str) -> String {
        format!("{pool_id}/{sub}/{key}")
    }
}

impl UserPart for Device {
    const KIND: UserPartKind = UserPartKind::Device;

    fn pool_id(&self) -> &str {
        &self.pool_id
    }

    fn sub(&self) -> &str {
        &self.sub
    }

    fn id(&self) -> &str {
        &self.key
    }

    fn expires_at(&self) -> Option<Timestamp> {
        None
    }
}
