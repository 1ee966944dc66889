//! The server's half of SRP-6a as Cognito user pools do it, for users and for devices (auth-flows.md §11 and §12).
//!
//! One exchange: the client sends A ([`parse_client_public`]); the server draws b and answers B ([`challenge`]) with
//! the salt; the client proves that it knows the password by an HMAC under a key that both sides derive
//! ([`proof_key`]), and the server compares ([`verify_claim`]).
//!
//! For a device, the pool name is the device group key, the user id the device key, and the password the device's
//! secret. What Cognito does differently from RFC 5054: integers are hashed in their shortest two's-complement form
//! ([`encode_integer`]), k comes from the unpadded generator, and the key is 16 bytes of HKDF with u as the salt.

use std::sync::OnceLock;

use domain::Entropy;
use zeroize::{Zeroize, Zeroizing};

use crate::{
    bignum::{self, Residue},
    hash::{constant_time_eq, hmac_sha256, hmac_sha256_parts, sha256},
    random,
};

pub mod client;
pub mod decoy;
mod integer;
pub mod timestamp;

pub use decoy::{decoy_salt, decoy_verifier};
pub use integer::{encode_integer, from_hex, to_hex};
pub use timestamp::{parse_timestamp, timestamp_is_well_formed};

/// Most hexadecimal digits of `SRP_A` that are read: those of N and the sign byte that some clients put before it.
const LONGEST_PUBLIC_DIGITS: usize = 2 * bignum::BYTES + 2;

/// Bytes of a new salt.
const SALT_BYTES: usize = 16;

/// Why a value of the exchange is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SrpError {
    /// Not hexadecimal, or empty.
    #[error("SRP value is not hexadecimal")]
    NotHexadecimal,
    /// Longer than N.
    #[error("SRP value is longer than the modulus")]
    TooLong,
    /// A multiple of N: with it anyone would know the key.
    #[error("SRP value is zero modulo N")]
    Zero,
    /// The hash of A and B is zero; happens once in 2^256 exchanges.
    #[error("SRP scrambling parameter is zero")]
    ZeroScrambler,
}

/// What the server keeps instead of a password. Both are big-endian integers.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier {
    /// The salt. On the wire: [`to_hex`], which for salts made here has exactly 32 digits.
    pub salt: Vec<u8>,
    /// `v = g^x mod N`. Whoever has it can guess passwords offline: keep it sealed.
    pub verifier: Vec<u8>,
}

impl Verifier {
    /// A verifier that a client has computed, as ConfirmDevice receives it; leading zeros may be there or not.
    ///
    /// # Errors
    /// [`SrpError::TooLong`] for a salt above 64 bytes or a verifier above N's length, [`SrpError::Zero`] when the
    /// verifier is a multiple of N, since then the exchange proves nothing.
    pub fn from_client(salt: &[u8], verifier: &[u8]) -> Result<Self, SrpError> {
        let (salt, verifier) = (integer::minimal(salt), integer::minimal(verifier));
        if salt.len() > 64 || verifier.len() > bignum::BYTES {
            return Err(SrpError::TooLong);
        }
        if Residue::from_bytes(verifier).is_zero() {
            return Err(SrpError::Zero);
        }
        Ok(Self { salt: salt.to_vec(), verifier: verifier.to_vec() })
    }
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Verifier")
    }
}

impl Drop for Verifier {
    fn drop(&mut self) {
        self.verifier.zeroize();
    }
}

/// The client's A: not a multiple of N and not longer than N.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientPublic(Vec<u8>);

impl ClientPublic {
    /// Reads big-endian bytes, for instance out of a secret block.
    ///
    /// # Errors
    /// [`SrpError::TooLong`] and [`SrpError::Zero`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SrpError> {
        let bytes = integer::minimal(bytes);
        if bytes.len() > bignum::BYTES {
            return Err(SrpError::TooLong);
        }
        if Residue::from_bytes(bytes).is_zero() {
            return Err(SrpError::Zero);
        }
        Ok(Self(bytes.to_vec()))
    }

    /// The big-endian bytes without leading zeros, at most 384.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The server's side of one exchange. It must be kept secret until the proof arrives, for instance sealed into the
/// secret block.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerChallenge {
    /// b.
    pub secret_exponent: [u8; 32],
    /// B, big-endian without leading zeros. On the wire: [`to_hex`].
    pub public: Vec<u8>,
}

impl std::fmt::Debug for ServerChallenge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerChallenge").field("public", &to_hex(&self.public)).finish_non_exhaustive()
    }
}

impl Drop for ServerChallenge {
    fn drop(&mut self) {
        self.secret_exponent.zeroize();
    }
}

/// Makes salt and verifier for a new password. `pool_name` is the part of the pool id after the underscore, `user_id`
/// the stored canonical user name. Costs one exponentiation with base 2 (about 0.15 ms).
#[must_use]
pub fn make_verifier(entropy: &dyn Entropy, pool_name: &str, user_id: &str, password: &str) -> Verifier {
    let salt = new_salt(random::bytes::<SALT_BYTES>(entropy));
    let x = private_key(&salt, pool_name, user_id, password);
    Verifier { verifier: integer::minimal(Residue::generator_power(&x).to_bytes().as_ref()).to_vec(), salt }
}

/// Whether `password` is the one from which the verifier was made. Costs one exponentiation with base 2, and the
/// comparison shows nothing by its time.
#[must_use]
pub fn verify_password(verifier: &Verifier, pool_name: &str, user_id: &str, password: &str) -> bool {
    let x = private_key(&verifier.salt, pool_name, user_id, password);
    let expected = Residue::from_bytes(&verifier.verifier).to_bytes();
    constant_time_eq(Residue::generator_power(&x).to_bytes().as_ref(), expected.as_ref())
}

/// Reads `SRP_A`: hexadecimal of either case, of odd or even length, with or without leading zeros.
///
/// # Errors
/// When it is not hexadecimal, longer than N, or a multiple of N.
pub fn parse_client_public(srp_a_hex: &str) -> Result<ClientPublic, SrpError> {
    if srp_a_hex.len() > LONGEST_PUBLIC_DIGITS {
        return Err(SrpError::TooLong);
    }
    ClientPublic::from_bytes(&from_hex(srp_a_hex).ok_or(SrpError::NotHexadecimal)?)
}

/// Draws b and computes `B = k*v + g^b mod N`, which is never zero. Costs one exponentiation with base 2.
#[must_use]
pub fn challenge(entropy: &dyn Entropy, verifier: &Verifier) -> ServerChallenge {
    loop {
        // B is zero once in 2^3072 draws.
        if let Some(challenge) = challenge_with(random::bytes::<32>(entropy), verifier) {
            return challenge;
        }
    }
}

/// As [`challenge`], with a b from elsewhere: a test's, or the one in a secret block. `None` when B would be zero.
#[must_use]
pub fn challenge_with(secret_exponent: [u8; 32], verifier: &Verifier) -> Option<ServerChallenge> {
    let v = Residue::from_bytes(&verifier.verifier);
    let b = multiplier().product(&v).sum(&Residue::generator_power(&secret_exponent));
    (!b.is_zero())
        .then(|| ServerChallenge { secret_exponent, public: integer::minimal(b.to_bytes().as_ref()).to_vec() })
}

/// The key under which the client signs its claim: `S = (A * v^u)^b mod N`, then HKDF. Costs two exponentiations
/// (about 1.1 ms).
///
/// # Errors
/// [`SrpError::ZeroScrambler`] when u is zero.
pub fn proof_key(
    client_public: &ClientPublic,
    challenge: &ServerChallenge,
    verifier: &Verifier,
) -> Result<Zeroizing<[u8; 16]>, SrpError> {
    let u = scrambler(client_public.as_bytes(), &challenge.public)?;
    let v = Residue::from_bytes(&verifier.verifier);
    let secret = Residue::from_bytes(client_public.as_bytes()).product(&v.power(&u)).power(&challenge.secret_exponent);
    Ok(derive_key(&u, &secret))
}

/// The signature of a claim. `timestamp` is the text as received, and `secret_block` the decoded bytes.
#[must_use]
pub fn claim_signature(
    key: &[u8; 16],
    pool_name: &str,
    user_id: &str,
    secret_block: &[u8],
    timestamp: &str,
) -> [u8; 32] {
    hmac_sha256_parts(key, &[pool_name.as_bytes(), user_id.as_bytes(), secret_block, timestamp.as_bytes()])
}

/// Whether `signature` (decoded from base64) is the one of this claim, compared in constant time.
#[must_use]
pub fn verify_claim(
    key: &[u8; 16],
    pool_name: &str,
    user_id: &str,
    secret_block: &[u8],
    timestamp: &str,
    signature: &[u8],
) -> bool {
    constant_time_eq(&claim_signature(key, pool_name, user_id, secret_block, timestamp), signature)
}

/// A salt of sixteen bytes whose hexadecimal form has no leading zero digit. One family of clients hashes the digits
/// that it was sent, another the integer; they agree only where no digit could be left out. Setting a bit instead of
/// drawing again costs a fraction of a bit of the salt's variety, and ends whatever the generator returns.
fn new_salt(mut salt: [u8; SALT_BYTES]) -> Vec<u8> {
    let [first, ..] = &mut salt;
    if *first < 0x10 {
        *first |= 0x10;
    }
    salt.to_vec()
}

/// `x = H(enc(salt) || H(pool name || user id || ":" || password))`.
fn private_key(salt: &[u8], pool_name: &str, user_id: &str, password: &str) -> Zeroizing<[u8; 32]> {
    let identity = Zeroizing::new([pool_name, user_id, ":", password].concat().into_bytes());
    let inner = Zeroizing::new(sha256(&identity));
    Zeroizing::new(sha256(&Zeroizing::new([encode_integer(salt).as_slice(), inner.as_ref()].concat())))
}

/// `u = H(enc(A) || enc(B))`. Public: whoever reads the wire knows it.
fn scrambler(client_public: &[u8], server_public: &[u8]) -> Result<[u8; 32], SrpError> {
    let u = sha256(&[encode_integer(client_public), encode_integer(server_public)].concat());
    if u == [0; 32] { Err(SrpError::ZeroScrambler) } else { Ok(u) }
}

/// `k = H(enc(N) || enc(g))`.
fn multiplier() -> &'static Residue {
    static MULTIPLIER: OnceLock<Residue> = OnceLock::new();
    MULTIPLIER.get_or_init(|| {
        let hash = sha256(&[encode_integer(&bignum::modulus()).as_slice(), &encode_integer(&[2])].concat());
        Residue::from_bytes(&hash)
    })
}

/// HKDF-SHA256 (RFC 5869) of S with u as the salt: the first 16 bytes.
fn derive_key(u: &[u8; 32], secret: &Residue) -> Zeroizing<[u8; 16]> {
    let secret = Zeroizing::new(encode_integer(secret.to_bytes().as_ref()));
    let extracted = Zeroizing::new(hmac_sha256(&encode_integer(u), &secret));
    let expanded = Zeroizing::new(hmac_sha256(extracted.as_ref(), b"Caldera Derived Key\x01"));
    let mut key = Zeroizing::new([0; 16]);
    for (into, byte) in key.iter_mut().zip(expanded.iter()) {
        *into = *byte;
    }
    key
}

#[cfg(test)]
mod tests;
