//! Domains of pools (oauth-federation.md §14): where login pages and OAuth2 endpoints are found.

use serde::{Deserialize, Serialize};
use wire::{SecurityPolicyType, Timestamp};

/// A domain of a pool: a prefix under the server's own domain, or a whole domain name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Domain {
    /// The prefix or the domain name, lower-case; unique on this installation. Only a domain name has dots.
    pub domain: String,
    /// The pool.
    pub pool_id: String,
    /// The certificate of a custom domain; `None` for a prefix.
    pub certificate_arn: Option<String>,
    /// The security policy of a custom domain, as it was given.
    #[serde(default)]
    pub security_policy: Option<SecurityPolicyType>,
    /// Which pages it shows: 1 for the classic ones, 2 for managed login.
    pub managed_login_version: i64,
    /// How often it has changed between the two.
    #[serde(default)]
    pub page_switches: u64,
    /// When it came to be.
    pub created_at: Timestamp,
    /// When it last changed.
    #[serde(default)]
    pub modified_at: Timestamp,
}

impl Domain {
    /// Whether it is a whole domain name.
    #[must_use]
    pub const fn is_custom(&self) -> bool {
        self.certificate_arn.is_some()
    }

    /// Whether it shows managed login pages, and not the classic ones.
    #[must_use]
    pub const fn is_managed(&self) -> bool {
        self.managed_login_version == 2
    }
}
