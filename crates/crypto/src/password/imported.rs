//! Password hashes that other systems made: recognized when they are imported, and checked when their owner signs in
//! for the first time.
//!
//! | Algorithm | Text |
//! |---|---|
//! | bcrypt | `$2a$10$…`, `$2b$…`, `$2x$…`, `$2y$…`: 60 characters |
//! | scrypt | `$scrypt$ln=16,r=8,p=1$<salt>$<hash>` |
//! | Argon2id | `$argon2id$v=19$m=19456,t=2,p=1$<salt>$<hash>` |
//! | PBKDF2 with HMAC-SHA-256 | `$pbkdf2-sha256$i=600000$<salt>$<hash>`, with or without `l=32` |
//!
//! Salts and hashes are base64 without padding, as the PHC string format has them. What a check may cost is bounded,
//! since anybody can ask for one by signing in: about a second and 256 MiB.

use std::num::NonZeroU32;

use argon2::{
    Algorithm as Argon2Algorithm, Argon2, Params as Argon2Params, Version,
    password_hash::phc::{Output, PasswordHash},
};
use aws_lc_rs::pbkdf2;
use zeroize::Zeroizing;

use super::{HIGHEST_COST, LONGEST_PASSWORD_BYTES};
use crate::hash::constant_time_eq;

/// Longest text that is looked at, in bytes.
const LONGEST: usize = 512;
/// Most KiB times passes of Argon2id.
const MOST_ARGON2_WORK: u64 = 1_024 * 1_024;
/// Highest cost of bcrypt: 2^14 rounds.
const HIGHEST_BCRYPT_COST: u32 = 14;
/// Most bytes of memory of scrypt (128 · N · r).
const MOST_SCRYPT_MEMORY: u64 = 256 * 1_024 * 1_024;
/// Most work of scrypt (N · r · p): twice that of N = 2^17, r = 8, p = 1.
const MOST_SCRYPT_WORK: u64 = 1 << 21;
/// Most iterations of PBKDF2.
const MOST_PBKDF2_ITERATIONS: u32 = 2_000_000;
/// Shortest result that is a hash, in bytes: a shorter one would fit too many passwords.
const SHORTEST_HASH: usize = 16;

/// How a hash was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// bcrypt.
    Bcrypt,
    /// scrypt.
    Scrypt,
    /// Argon2id, version 19.
    Argon2id,
    /// PBKDF2 with HMAC-SHA-256.
    Pbkdf2Sha256,
}

/// Why a text is not taken for a hash. No message holds any part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportedHashError {
    /// Not of a form that is known.
    #[error("the password hash is not of a known form")]
    Form,
    /// Checking it would take too much time or memory.
    #[error("the password hash would cost too much time or memory to check")]
    Cost,
}

/// A hash that could be checked.
pub struct ImportedHash(Kind);

enum Kind {
    Bcrypt(String),
    Scrypt { params: scrypt::Params, salt: Vec<u8>, hash: Vec<u8> },
    Argon2id { params: Argon2Params, salt: Vec<u8>, hash: Vec<u8> },
    Pbkdf2Sha256 { iterations: NonZeroU32, salt: Vec<u8>, hash: Vec<u8> },
}

impl ImportedHash {
    /// Reads the text of a hash.
    ///
    /// # Errors
    /// See [`ImportedHashError`].
    pub fn parse(text: &str) -> Result<Self, ImportedHashError> {
        if text.len() > LONGEST {
            return Err(ImportedHashError::Form);
        }
        if text.starts_with("$2") {
            return bcrypt(text);
        }
        let phc = PasswordHash::new(text).map_err(|_| ImportedHashError::Form)?;
        let (Some(salt), Some(hash)) = (phc.salt, phc.hash) else { return Err(ImportedHashError::Form) };
        let (salt, hash) = (salt.to_vec(), hash.as_bytes().to_vec());
        if hash.len() < SHORTEST_HASH {
            return Err(ImportedHashError::Form);
        }
        match phc.algorithm.as_str() {
            "argon2id" => argon2id(&phc, salt, hash),
            "scrypt" => scrypt(&phc, salt, hash),
            "pbkdf2-sha256" => pbkdf2_sha256(&phc, salt, hash),
            _ => Err(ImportedHashError::Form),
        }
    }

    /// How it was made.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        match self.0 {
            Kind::Bcrypt(_) => Algorithm::Bcrypt,
            Kind::Scrypt { .. } => Algorithm::Scrypt,
            Kind::Argon2id { .. } => Algorithm::Argon2id,
            Kind::Pbkdf2Sha256 { .. } => Algorithm::Pbkdf2Sha256,
        }
    }

    /// Whether `password` is the one behind it. Takes up to a second and 256 MiB: call it away from the threads that
    /// serve requests. A password of more than 1,024 bytes is never right; of bcrypt, only the first 72 bytes count,
    /// as they did where the hash comes from.
    #[must_use]
    pub fn matches(&self, password: &str) -> bool {
        if password.len() > LONGEST_PASSWORD_BYTES {
            return false;
        }
        let password = password.as_bytes();
        let derived = |hash: &[u8], derive: &dyn Fn(&mut [u8]) -> bool| {
            let mut computed = Zeroizing::new(vec![0; hash.len()]);
            derive(&mut computed) && constant_time_eq(&computed, hash)
        };
        match &self.0 {
            Kind::Bcrypt(text) => bcrypt::verify(password, text).unwrap_or(false),
            Kind::Scrypt { params, salt, hash } => {
                derived(hash, &|out| scrypt::scrypt(password, salt, params, out).is_ok())
            }
            Kind::Argon2id { params, salt, hash } => {
                let argon2 = Argon2::new(Argon2Algorithm::Argon2id, Version::V0x13, params.clone());
                derived(hash, &|out| argon2.hash_password_into(password, salt, out).is_ok())
            }
            Kind::Pbkdf2Sha256 { iterations, salt, hash } => {
                pbkdf2::verify(pbkdf2::PBKDF2_HMAC_SHA256, *iterations, salt, password, hash).is_ok()
            }
        }
    }
}

fn bcrypt(text: &str) -> Result<ImportedHash, ImportedHashError> {
    let parts: bcrypt::HashParts = text.parse().map_err(|_| ImportedHashError::Form)?;
    if parts.get_cost() > HIGHEST_BCRYPT_COST {
        return Err(ImportedHashError::Cost);
    }
    Ok(ImportedHash(Kind::Bcrypt(text.to_owned())))
}

fn argon2id(phc: &PasswordHash, salt: Vec<u8>, hash: Vec<u8>) -> Result<ImportedHash, ImportedHashError> {
    let params = Argon2Params::try_from(phc).map_err(|_| ImportedHashError::Form)?;
    if phc.version != Some(19) || hash.len() > Output::MAX_LENGTH {
        return Err(ImportedHashError::Form);
    }
    let is_affordable = params.m_cost() <= HIGHEST_COST.memory_kib
        && params.t_cost() <= HIGHEST_COST.passes
        && params.p_cost() <= HIGHEST_COST.lanes
        && u64::from(params.m_cost()) * u64::from(params.t_cost()) <= MOST_ARGON2_WORK;
    if !is_affordable {
        return Err(ImportedHashError::Cost);
    }
    Ok(ImportedHash(Kind::Argon2id { params, salt, hash }))
}

fn scrypt(phc: &PasswordHash, salt: Vec<u8>, hash: Vec<u8>) -> Result<ImportedHash, ImportedHashError> {
    let (log_n, r, p) = (parameter(phc, "ln")?, parameter(phc, "r")?, parameter(phc, "p")?);
    let n = 1_u64.checked_shl(log_n).filter(|_| log_n < 63).ok_or(ImportedHashError::Cost)?;
    let work = n.saturating_mul(u64::from(r)).saturating_mul(u64::from(p));
    if n.saturating_mul(u64::from(r)).saturating_mul(128) > MOST_SCRYPT_MEMORY || work > MOST_SCRYPT_WORK {
        return Err(ImportedHashError::Cost);
    }
    let log_n = u8::try_from(log_n).map_err(|_| ImportedHashError::Cost)?;
    let params = scrypt::Params::new(log_n, r, p).map_err(|_| ImportedHashError::Form)?;
    Ok(ImportedHash(Kind::Scrypt { params, salt, hash }))
}

fn pbkdf2_sha256(phc: &PasswordHash, salt: Vec<u8>, hash: Vec<u8>) -> Result<ImportedHash, ImportedHashError> {
    let iterations = NonZeroU32::new(parameter(phc, "i")?).ok_or(ImportedHashError::Form)?;
    if iterations.get() > MOST_PBKDF2_ITERATIONS {
        return Err(ImportedHashError::Cost);
    }
    Ok(ImportedHash(Kind::Pbkdf2Sha256 { iterations, salt, hash }))
}

fn parameter(phc: &PasswordHash, name: &str) -> Result<u32, ImportedHashError> {
    phc.params.get_decimal(name).ok_or(ImportedHashError::Form)
}

#[cfg(test)]
mod tests {
    use super::{Algorithm, ImportedHash, ImportedHashError};

    fn error(text: &str) -> Option<ImportedHashError> {
        ImportedHash::parse(text).err()
    }

    /// Made with other implementations: bcrypt from the OpenBSD test vectors, Argon2id from the reference
    /// implementation's test file, scrypt and PBKDF2 with Python's hashlib.
    #[test]
    fn hashes_of_other_implementations_fit_their_passwords_only() {
        for (algorithm, password, text) in [
            (Algorithm::Bcrypt, "U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
            (
                Algorithm::Argon2id,
                "password",
                "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            ),
            (Algorithm::Scrypt, "Passw0rd!", SCRYPT),
            (Algorithm::Pbkdf2Sha256, "Passw0rd!", PBKDF2),
        ] {
            let hash = ImportedHash::parse(text).ok().unwrap();
            assert_eq!(hash.algorithm(), algorithm);
            assert!(hash.matches(password), "{text}");
            assert!(!hash.matches("Passw0rd?"), "{text}");
            assert!(!hash.matches(""), "{text}");
            assert!(!hash.matches(&"x".repeat(2_000)), "{text}");
        }
    }

    // hashlib.scrypt(b"Passw0rd!", salt=b"somesaltsomesalt", n=1024, r=8, p=1, dklen=32)
    const SCRYPT: &str = "$scrypt$ln=10,r=8,p=1$c29tZXNhbHRzb21lc2FsdA$jVtKfUjAbv6w1+oGesXC8XSb4m7h5wHKwpWKQ5qdHU4";
    // hashlib.pbkdf2_hmac("sha256", b"Passw0rd!", b"somesaltsomesalt", 1000, 32)
    const PBKDF2: &str = "$pbkdf2-sha256$i=1000$c29tZXNhbHRzb21lc2FsdA$5FmgcGSyVtOqzX9RGJrZJPPOxSggPH5vJPXWVvHHtbg";

    #[test]
    fn of_bcrypt_the_first_72_bytes_count() {
        // crypt_blowfish's test vector with a password of 72 bytes and one more.
        let text = "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui";
        let password =
            "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789chars after 72 are ignored";
        assert!(ImportedHash::parse(text).ok().unwrap().matches(password));
    }

    #[test]
    fn what_costs_too_much_is_not_taken() {
        for text in [
            "$2b$15$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui",
            "$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            "$argon2id$v=19$m=262144,t=5,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            "$scrypt$ln=19,r=8,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            "$scrypt$ln=64,r=8,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            "$scrypt$ln=14,r=8,p=4294967295$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            "$pbkdf2-sha256$i=2000001$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        ] {
            assert_eq!(error(text), Some(ImportedHashError::Cost), "{text}");
        }
    }

    #[test]
    fn everything_else_is_no_hash() {
        for text in [
            "",
            "Passw0rd!",
            "$2b$10$short",
            "$1$c29tZXNhbHQ$nf65EOgLrQMR",
            "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            "$argon2id$v=16$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ",
            "$scrypt$ln=10,r=0,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            "$scrypt$r=8,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            "$pbkdf2-sha256$i=0$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            // Fits one password in a few.
            "$pbkdf2-sha256$i=1$c29tZXNhbHQ$nf65EOgLrQM",
        ] {
            assert_eq!(error(text), Some(ImportedHashError::Form), "{text}");
        }
        assert_eq!(error(&"$".repeat(600)), Some(ImportedHashError::Form));
    }
}
