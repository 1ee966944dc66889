//! Signing keys for tests. Making RSA keys takes long, so there are two, known to everybody, under many names.

use crypto::{
    seal::{KeyRing, Purpose},
    token::SigningKey,
};
use domain::{Entropy, SigningKeyRecord, SigningKeyState};
use wire::Timestamp;

const KEYS: [&[u8]; 2] = [include_bytes!("../keys/test-only-1.der"), include_bytes!("../keys/test-only-2.der")];

/// `count` signing keys in stock, sealed with `ring`.
#[must_use]
pub fn stock(ring: &KeyRing, entropy: &dyn Entropy, count: usize, now: Timestamp) -> Vec<SigningKeyRecord> {
    (0..count)
        .map(|index| {
            let der = KEYS[index % KEYS.len()];
            let kid = format!("test-only-{index:02}");
            let jwk = SigningKey::from_pkcs8(&kid, der).expect("the committed keys are keys").public_jwk();
            SigningKeyRecord {
                private: ring.seal(entropy, Purpose::SigningKey, &kid, der),
                kid,
                pool_id: String::new(),
                usage: None,
                state: SigningKeyState::Stock,
                modulus: jwk.n,
                exponent: jwk.e,
                created_at: now,
            }
        })
        .collect()
}
