//! KMS keys that this server plays itself: data keys are encrypted under the master key ring, and decrypted again when a
//! receiver asks for it (`TrentService.Decrypt`).
//!
//! What KMS would return as a ciphertext is a sealed value that holds the data key and the ARN, and that opens with the
//! right encryption context only. There is nothing to be kept, so that any server with the ring can answer.

use aws_lc_rs::digest;
use domain::Entropy;
use zeroize::Zeroizing;

use super::{Context, DataKey, EncryptedDataKey, KMS_PROVIDER};
use crate::{
    hash::hex,
    random,
    seal::{KeyRing, Purpose},
};

/// A new data key, encrypted as if by the KMS key with this ARN.
#[must_use]
pub fn data_key(ring: &KeyRing, entropy: &dyn Entropy, key_arn: &str, context: &Context) -> DataKey {
    let plaintext: Zeroizing<[u8; 32]> = Zeroizing::new(random::bytes(entropy));
    let content = Zeroizing::new([plaintext.as_slice(), key_arn.as_bytes()].concat());
    let ciphertext = ring.seal_bytes(entropy, Purpose::DataKey, &identity(context), &content);
    let provider = KMS_PROVIDER.to_owned();
    DataKey { plaintext, encrypted: EncryptedDataKey { provider, info: key_arn.as_bytes().to_vec(), ciphertext } }
}

/// A data key that was decrypted.
pub struct Decrypted {
    /// ARN of the key that it was encrypted under.
    pub key_arn: String,
    /// The data key.
    pub plaintext: Zeroizing<[u8; 32]>,
}

/// Decrypts what [`data_key`] encrypted for exactly this context. `None` for everything else.
#[must_use]
pub fn decrypt(ring: &KeyRing, ciphertext: &[u8], context: &Context) -> Option<Decrypted> {
    let content = ring.open_bytes(Purpose::DataKey, &identity(context), ciphertext).ok()?;
    let (plaintext, key_arn) = content.split_at_checked(32)?;
    Some(Decrypted {
        key_arn: str::from_utf8(key_arn).ok()?.to_owned(),
        plaintext: Zeroizing::new(plaintext.try_into().ok()?),
    })
}

/// The context as an identity of a sealed value.
fn identity(context: &Context) -> String {
    hex(digest::digest(&digest::SHA256, &context.serialized()).as_ref())
}
