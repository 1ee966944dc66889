//! Passwords: how they are kept, what a pool demands of them, and the exact words for each miss (accounts.md §6.3).

use serde::{Deserialize, Serialize};
use wire::Timestamp;

use crate::{Sealed, time};

/// A password as the store keeps it. One form, never two: the weaker one would set the strength.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum PasswordHash {
    /// Salt (hex) and sealed SRP verifier, for pools whose clients may sign in by SRP.
    Srp {
        /// Hex, minimal.
        salt: String,
        /// Verifier bytes, sealed with `<pool id>/<sub>` as identity.
        verifier: Sealed,
    },
    /// Argon2id in PHC text form, for pools without SRP.
    Argon2id {
        /// `$argon2id$…`
        phc: String,
    },
    /// A hash that an import brought along from another system; replaced by one of the other forms as soon as its
    /// password has been given once.
    Imported {
        /// Its text, sealed with `<pool id>/<sub>/imported` as identity: other systems' hashes can be weak.
        hash: Sealed,
    },
}

/// A user's password and the ones before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Password {
    /// The pool.
    pub pool_id: String,
    /// The user.
    pub sub: String,
    /// The password in force.
    pub current: PasswordHash,
    /// For a temporary password, when it stops working.
    pub expires_at: Option<Timestamp>,
    /// Earlier permanent passwords, newest first, at most 24.
    pub history: Vec<PasswordHash>,
}

/// What a pool demands of a password.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PasswordPolicy {
    /// 6 to 99 characters.
    pub minimum_length: i64,
    /// A–Z needed.
    pub require_uppercase: bool,
    /// a–z needed.
    pub require_lowercase: bool,
    /// 0–9 needed.
    pub require_numbers: bool,
    /// One of the symbols needed.
    pub require_symbols: bool,
    /// How many passwords back may not be used again, the current one included; 0 to 24; `None` when never set.
    pub history_size: Option<i64>,
    /// Life of a temporary password in days, 1 to 365.
    pub temporary_password_validity_days: i64,
}

/// Most characters in a password.
pub const LONGEST_PASSWORD: usize = 256;
/// Symbols that count (accounts.md §6.3); a space counts when it is neither first nor last.
pub const SYMBOLS: &str = "^$*.[]{}()?\"!@#%&/\\,><':;|_~`=+-";

impl Default for PasswordPolicy {
    fn default() -> Self {
        Self {
            minimum_length: 8,
            require_uppercase: true,
            require_lowercase: true,
            require_numbers: true,
            require_symbols: true,
            history_size: None,
            temporary_password_validity_days: 7,
        }
    }
}

impl PasswordPolicy {
    /// The first miss, in the service's words, or `None` when the password will do.
    #[must_use]
    pub fn miss(&self, password: &str) -> Option<&'static str> {
        let length = i64::try_from(password.chars().count()).unwrap_or(i64::MAX);
        let inner = password.trim_matches(' ');
        if length < self.minimum_length {
            Some("Password not long enough")
        } else if self.require_uppercase && !password.contains(|c: char| c.is_ascii_uppercase()) {
            Some("Password must have uppercase characters")
        } else if self.require_lowercase && !password.contains(|c: char| c.is_ascii_lowercase()) {
            Some("Password must have lowercase characters")
        } else if self.require_numbers && !password.contains(|c: char| c.is_ascii_digit()) {
            Some("Password must have numeric characters")
        } else if self.require_symbols && !inner.contains(|c: char| c == ' ' || SYMBOLS.contains(c)) {
            Some("Password must have symbol characters")
        } else {
            None
        }
    }

    /// When a temporary password made now stops working.
    #[must_use]
    pub const fn temporary_expiry(&self, now: Timestamp) -> Timestamp {
        now.plus(self.temporary_password_validity_days * time::DAY)
    }
}

#[cfg(test)]
mod tests {
    use super::PasswordPolicy;

    #[test]
    fn the_first_miss_is_named() {
        let policy = PasswordPolicy::default();
        assert_eq!(policy.miss("Aa1!"), Some("Password not long enough"));
        assert_eq!(policy.miss("aaaaaaa1!"), Some("Password must have uppercase characters"));
        assert_eq!(policy.miss("AAAAAAA1!"), Some("Password must have lowercase characters"));
        assert_eq!(policy.miss("Aaaaaaaa!"), Some("Password must have numeric characters"));
        assert_eq!(policy.miss("Aaaaaaaa1"), Some("Password must have symbol characters"));
        assert_eq!(policy.miss(" Aaaaaaaa1 "), Some("Password must have symbol characters"));
        assert_eq!(policy.miss("Aaaa aaa1"), None);
        assert_eq!(policy.miss("Aaaaaaa1!"), None);
        // Letters beyond Basic Latin are allowed but count for no class.
        assert_eq!(policy.miss("ÄÄÄÄaaa1!"), Some("Password must have uppercase characters"));
    }
}
