//! Hashes, keyed hashes, and the comparisons that go with them.
//!
//! `SecretHash` follows accounts.md §3: `Base64(HMAC-SHA256(client secret, username || client id))`. One-time codes
//! are kept as keyed hashes bound to pool, user and purpose, so that a stolen database row can neither be guessed
//! offline nor moved to another user.

use aws_lc_rs::{constant_time, digest, hmac};
use base64::{Engine, engine::general_purpose::STANDARD};

/// Longest `SecretHash` that is looked at, in bytes; the API's own limit is the same.
const LONGEST_SECRET_HASH: usize = 128;

/// SHA-256 (FIPS 180-4).
#[must_use]
pub fn sha256(message: &[u8]) -> [u8; 32] {
    to_array(digest::digest(&digest::SHA256, message).as_ref())
}

/// SHA-1 (FIPS 180-4) in upper-case hexadecimal, by which lists of stolen passwords are looked up; it protects nothing.
#[must_use]
pub fn sha1_hex(message: &[u8]) -> String {
    hex(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, message).as_ref()).to_ascii_uppercase()
}

/// HMAC-SHA256 (RFC 2104) with a key of any length.
#[must_use]
pub fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    hmac_sha256_parts(key, &[message])
}

/// HMAC-SHA256 of the concatenation of `parts`. Nothing separates them: where that could be ambiguous, the caller
/// adds lengths.
#[must_use]
pub fn hmac_sha256_parts(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    for part in parts {
        context.update(part);
    }
    to_array(context.sign().as_ref())
}

/// HMAC-SHA256 of `fields`, each preceded by its length, so that no two lists of fields give the same message.
#[must_use]
pub fn hmac_sha256_fields(key: &[u8], fields: &[&[u8]]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    for field in fields {
        context.update(&(field.len() as u64).to_be_bytes());
        context.update(field);
    }
    to_array(context.sign().as_ref())
}

/// Whether two byte strings are equal, in a time that shows only their lengths.
#[must_use]
pub fn constant_time_eq(left: &[u8], right: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(left, right).is_ok()
}

/// The `SecretHash` of a request: standard base64, 44 characters. `username` is what the same request says,
/// byte for byte.
#[must_use]
pub fn secret_hash(username: &str, client_id: &str, client_secret: &str) -> String {
    STANDARD.encode(secret_hash_bytes(username, client_id, client_secret))
}

/// Whether `given` is the `SecretHash` under any of the client's secrets. All secrets are tried, whichever fits.
/// False when there are none.
#[must_use]
pub fn secret_hash_matches<'a>(
    given: &str,
    username: &str,
    client_id: &str,
    secrets: impl IntoIterator<Item = &'a str>,
) -> bool {
    if given.len() > LONGEST_SECRET_HASH {
        return false;
    }
    let Ok(given) = STANDARD.decode(given) else { return false };
    let mut matches = false;
    for secret in secrets {
        matches |= constant_time_eq(&given, &secret_hash_bytes(username, client_id, secret));
    }
    matches
}

/// The keyed hash under which a one-time code is stored: standard base64, 44 characters.
#[must_use]
pub fn code_hash(key: &[u8; 32], pool_id: &str, sub: &str, purpose: &str, code: &str) -> String {
    STANDARD.encode(code_hash_bytes(key, pool_id, sub, purpose, code))
}

/// Whether `code` is the one behind `stored`, a result of [`code_hash`]. False when `stored` is not one.
#[must_use]
pub fn code_matches(key: &[u8; 32], pool_id: &str, sub: &str, purpose: &str, code: &str, stored: &str) -> bool {
    let computed = code_hash_bytes(key, pool_id, sub, purpose, code);
    STANDARD.decode(stored).is_ok_and(|stored| constant_time_eq(&stored, &computed))
}

fn secret_hash_bytes(username: &str, client_id: &str, client_secret: &str) -> [u8; 32] {
    hmac_sha256_parts(client_secret.as_bytes(), &[username.as_bytes(), client_id.as_bytes()])
}

fn code_hash_bytes(key: &[u8; 32], pool_id: &str, sub: &str, purpose: &str, code: &str) -> [u8; 32] {
    hmac_sha256_fields(key, &[pool_id, sub, purpose, code].map(str::as_bytes))
}

/// All callers pass the output of SHA-256.
fn to_array(bytes: &[u8]) -> [u8; 32] {
    let mut array = [0; 32];
    for (into, byte) in array.iter_mut().zip(bytes) {
        *into = *byte;
    }
    array
}

/// Lower-case hexadecimal, two digits a byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    text.extend(bytes.iter().flat_map(|byte| hex_digits(*byte)));
    text
}

/// The two digits of a byte, without the machinery of formatting: the numbers of a sign-in by SRP have two thousand.
pub(crate) fn hex_digits(byte: u8) -> [char; 2] {
    // A number below 16 has a digit.
    [byte >> 4, byte & 0xf].map(|digit| char::from_digit(digit.into(), 16).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_hashes() {
        assert_eq!(hex(&sha256(b"abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(sha1_hex(b"abc"), "A9993E364706816ABA3E25717850C26C9CD0D89D");
        // RFC 4231, cases 2 and 6 (a key longer than a block).
        assert_eq!(
            hex(&hmac_sha256(b"Jefe", b"what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            hex(&hmac_sha256(&[0xaa; 131], b"Test Using Larger Than Block-Size Key - Hash Key First")),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }

    #[test]
    fn secret_hash_of_the_documentation() {
        let (username, client, secret) = ("mytestuser", "1example23456789", "9example87654321");
        let hash = "AYin1wReBq+RQpgkLjHSLSWJQB/NgayMcMWKp0/mxfI=";
        assert_eq!(secret_hash(username, client, secret), hash);
        assert!(secret_hash_matches(hash, username, client, [secret]));
        assert!(secret_hash_matches(hash, username, client, ["other", secret]));
        assert!(secret_hash_matches(hash, username, client, [secret, "other"]));
        assert!(!secret_hash_matches(hash, username, client, ["other"]));
        assert!(!secret_hash_matches(hash, username, client, []));
        assert!(!secret_hash_matches(hash, "mytestuser1", "example23456789", ["other"]));
        for wrong in ["", "not base64", &hash[..40], &"A".repeat(1 << 20)] {
            assert!(!secret_hash_matches(wrong, username, client, [secret]));
        }
    }

    #[test]
    fn a_code_is_bound_to_everything() {
        let key = [7; 32];
        let stored = code_hash(&key, "us-east-1_a", "sub", "SignUp", "012345");
        assert!(code_matches(&key, "us-east-1_a", "sub", "SignUp", "012345", &stored));
        assert!(!code_matches(&key, "us-east-1_a", "sub", "SignUp", "12345", &stored));
        assert!(!code_matches(&key, "us-east-1_b", "sub", "SignUp", "012345", &stored));
        assert!(!code_matches(&key, "us-east-1_a", "sun", "SignUp", "012345", &stored));
        assert!(!code_matches(&key, "us-east-1_a", "sub", "Reset", "012345", &stored));
        assert!(!code_matches(&[8; 32], "us-east-1_a", "sub", "SignUp", "012345", &stored));
        // Moving a character from one field to the next is another message.
        assert!(!code_matches(&key, "us-east-1_as", "ub", "SignUp", "012345", &stored));
        assert!(!code_matches(&key, "us-east-1_a", "sub", "SignUp", "012345", ""));
    }

    proptest! {
        #[test]
        fn comparison_is_equality(left in any::<Vec<u8>>(), right in any::<Vec<u8>>()) {
            prop_assert_eq!(constant_time_eq(&left, &right), left == right);
            prop_assert!(constant_time_eq(&left, &left.clone()));
        }

        #[test]
        fn parts_are_concatenated(left in any::<Vec<u8>>(), right in any::<Vec<u8>>()) {
            prop_assert_eq!(hmac_sha256_parts(b"k", &[&left, &right]), hmac_sha256(b"k", &[left, right].concat()));
        }
    }
}
