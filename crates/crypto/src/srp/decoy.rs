//! Answers for users that do not exist, so that nobody learns by asking which ones do.
//!
//! The salt for a name must always be the same, since a real user's is. A verifier may serve for any number of names,
//! because nobody sees it; to take as long as a real one it is to be kept sealed and opened, which costs less than to derive
//! it. It deliberately is no power of 2: B hides it behind a random power, and a password check against it fails whatever
//! it is, so a second exponentiation would only make unknown users slower than known ones.

use crate::{bignum::Residue, hash::hmac_sha256_fields};

use super::{SALT_BYTES, Verifier, integer, new_salt};

/// The salt for a name that nobody has, the same for the same key, pool and name.
#[must_use]
pub fn decoy_salt(key: &[u8; 32], pool_id: &str, username: &str) -> Vec<u8> {
    let hash = block(key, pool_id, username, "salt", 0);
    let mut salt = [0; SALT_BYTES];
    for (into, byte) in salt.iter_mut().zip(hash) {
        *into = byte;
    }
    new_salt(salt)
}

/// Salt and verifier for a name that nobody has, the same for the same key, pool and name. Nobody knows a password
/// for it. Use it with [`challenge`](super::challenge) and [`verify_password`](super::verify_password) as if the user
/// existed: the work is then the same.
#[must_use]
pub fn decoy_verifier(key: &[u8; 32], pool_id: &str, username: &str) -> Verifier {
    // Twelve blocks are exactly as long as N.
    let bytes: Vec<u8> = (0..12).flat_map(|number| block(key, pool_id, username, "verifier", number)).collect();
    let verifier = Residue::from_bytes(&bytes).to_bytes();
    Verifier { salt: decoy_salt(key, pool_id, username), verifier: integer::minimal(verifier.as_ref()).to_vec() }
}

fn block(key: &[u8; 32], pool_id: &str, username: &str, use_of: &str, number: u8) -> [u8; 32] {
    hmac_sha256_fields(key, &[b"SRP stand-in", use_of.as_bytes(), &[number], pool_id.as_bytes(), username.as_bytes()])
}
