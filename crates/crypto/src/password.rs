//! Argon2id (RFC 9106) for pools without SRP, in the PHC text form.
//!
//! One hash takes about 15 ms and 19 MiB with the default cost: call it away from the threads that serve requests.

use argon2::{
    Algorithm, Argon2, Params, PasswordHasher, Version,
    password_hash::phc::{Output, PasswordHash},
};
use domain::Entropy;
use zeroize::Zeroizing;

use crate::{hash::constant_time_eq, random};

pub mod imported;

/// Longest password that is hashed, in bytes: 256 characters of at most four bytes. Longer ones are refused, so that
/// nobody can make the server hash megabytes.
pub const LONGEST_PASSWORD_BYTES: usize = 1_024;

/// Highest costs that a stored hash may ask for; an imported one with more is never right, rather than taking the
/// server's memory.
const HIGHEST_COST: Cost = Cost { memory_kib: 256 * 1_024, passes: 16, lanes: 16 };

/// What a hash costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB; at least eight times the lanes.
    pub memory_kib: u32,
    /// Passes over the memory; at least 1.
    pub passes: u32,
    /// Lanes; at least 1. They are computed one after the other.
    pub lanes: u32,
}

impl Default for Cost {
    /// 19 MiB, two passes, one lane.
    fn default() -> Self {
        Self { memory_kib: 19 * 1_024, passes: 2, lanes: 1 }
    }
}

/// Why a password could not be hashed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Longer than [`LONGEST_PASSWORD_BYTES`].
    #[error("the password is longer than {LONGEST_PASSWORD_BYTES} bytes")]
    TooLong,
    /// The cost is outside what Argon2 allows.
    #[error("the cost of Argon2 is not valid: {0}")]
    Cost(String),
    /// Hashing failed, for want of memory.
    #[error("Argon2 failed: {0}")]
    Hashing(String),
}

/// Hashes a password with the default [`Cost`] and a random salt of 16 bytes.
///
/// # Errors
/// When the password is too long or there is no memory.
pub fn argon2id_hash(entropy: &dyn Entropy, password: &str) -> Result<String, PasswordError> {
    argon2id_hash_with(entropy, password, Cost::default())
}

/// Hashes a password with a random salt of 16 bytes: `$argon2id$v=19$m=…,t=…,p=…$<salt>$<hash>`.
///
/// # Errors
/// When the password is too long, the cost is not valid or there is no memory.
pub fn argon2id_hash_with(entropy: &dyn Entropy, password: &str, cost: Cost) -> Result<String, PasswordError> {
    if password.len() > LONGEST_PASSWORD_BYTES {
        return Err(PasswordError::TooLong);
    }
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, None)
        .map_err(|error| PasswordError::Cost(error.to_string()))?;
    let hash = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_with_salt(password.as_bytes(), &random::bytes::<16>(entropy))
        .map_err(|error| PasswordError::Hashing(error.to_string()))?;
    Ok(hash.to_string())
}

/// Whether `password` is the one behind a PHC text of Argon2id, version 19. False for any other text, for costs above
/// 256 MiB, 16 passes or 16 lanes, and for passwords that are too long.
#[must_use]
pub fn argon2id_verify(phc: &str, password: &str) -> bool {
    password.len() <= LONGEST_PASSWORD_BYTES && verify(phc, password).unwrap_or(false)
}

fn verify(phc: &str, password: &str) -> Option<bool> {
    let hash = PasswordHash::new(phc).ok()?;
    if hash.algorithm.as_str() != "argon2id" || hash.version != Some(19) {
        return None;
    }
    let params = Params::try_from(&hash).ok()?;
    let is_affordable = params.m_cost() <= HIGHEST_COST.memory_kib
        && params.t_cost() <= HIGHEST_COST.passes
        && params.p_cost() <= HIGHEST_COST.lanes;
    if !is_affordable {
        return None;
    }
    let (salt, expected) = (hash.salt?, hash.hash?);
    let mut computed = Zeroizing::new([0; Output::MAX_LENGTH]);
    let computed = computed.get_mut(..expected.len())?;
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.as_bytes(), salt.as_ref(), computed)
        .ok()?;
    Some(constant_time_eq(computed, expected.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Counter;

    const CHEAP: Cost = Cost { memory_kib: 16, passes: 1, lanes: 2 };

    #[test]
    fn a_hash_fits_its_password_only() {
        let entropy = Counter::new();
        let hash = argon2id_hash(&entropy, "P@ssw0rd!1").unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(argon2id_verify(&hash, "P@ssw0rd!1"));
        assert!(!argon2id_verify(&hash, "P@ssw0rd!2"));
        assert_ne!(hash, argon2id_hash(&entropy, "P@ssw0rd!1").unwrap());
        let cheap = argon2id_hash_with(&entropy, "pässwörd", CHEAP).unwrap();
        assert!(argon2id_verify(&cheap, "pässwörd"));
        assert!(!argon2id_verify(&cheap, "passwörd"));
    }

    #[test]
    fn the_hash_of_the_reference_implementation() {
        // From the test file of the reference implementation of Argon2: version 19, t=2, m=256, p=1.
        let phc = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        assert!(argon2id_verify(phc, "password"));
        assert!(!argon2id_verify(phc, "Password"));
    }

    #[test]
    fn lengths_are_bounded() {
        let long = "x".repeat(LONGEST_PASSWORD_BYTES);
        let hash = argon2id_hash_with(&Counter::new(), &long, CHEAP).unwrap();
        assert!(argon2id_verify(&hash, &long));
        assert!(!argon2id_verify(&hash, &format!("{long}x")));
        assert_eq!(argon2id_hash_with(&Counter::new(), &format!("{long}x"), CHEAP), Err(PasswordError::TooLong));
    }

    #[test]
    fn foreign_and_ruinous_hashes_are_never_right() {
        for phc in [
            "",
            "x",
            "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            "$argon2id$v=16$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            "$argon2id$v=19$m=4294967295,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            "$argon2id$v=19$m=256,t=4294967295,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ",
            "$argon2id$v=19$m=256,t=2,p=1",
        ] {
            assert!(!argon2id_verify(phc, "password"), "{phc}");
        }
        assert!(matches!(
            argon2id_hash_with(&Counter::new(), "x", Cost { memory_kib: 1, passes: 1, lanes: 1 }),
            Err(PasswordError::Cost(_))
        ));
    }
}
