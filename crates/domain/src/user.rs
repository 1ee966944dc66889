//! Users and their status machine (accounts.md §10.3).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wire::{Timestamp, UserStatusType};

use crate::Medium;

/// A user of a pool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct User {
    /// The pool.
    pub pool_id: String,
    /// The user's id for life: a random UUID, never reused.
    pub sub: String,
    /// The stored (canonical) username; equals `sub` in pools whose users sign in by email or phone.
    pub username: String,
    /// Where the user stands.
    pub status: UserStatusType,
    /// False while an administrator has disabled the user.
    pub enabled: bool,
    /// Attributes by name, `sub` left out. Booleans are the texts `true` and `false`.
    pub attributes: BTreeMap<String, String>,
    /// When the user came to be.
    pub created_at: Timestamp,
    /// When anything about the user last changed.
    pub modified_at: Timestamp,
    /// Tokens from sign-ins before this moment are refused (global sign-out, disabling).
    pub tokens_not_before: Option<Timestamp>,
}

impl User {
    /// An attribute's value; `sub` included.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        if name == "sub" {
            return Some(&self.sub);
        }
        self.attributes.get(name).map(String::as_str)
    }

    /// Whether `email` or `phone_number` is present and verified.
    #[must_use]
    pub fn has_verified(&self, name: &str) -> bool {
        let verified = match name {
            "email" => "email_verified",
            "phone_number" => "phone_number_verified",
            _ => return false,
        };
        self.attribute(name).is_some_and(|value| !value.is_empty()) && self.attribute(verified) == Some("true")
    }

    /// The address for a medium, verified or not.
    #[must_use]
    pub fn address(&self, medium: Medium) -> Option<&str> {
        self.attribute(medium.attribute()).filter(|value| !value.is_empty())
    }
}
