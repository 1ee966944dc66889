//! A raw AES key that the receiver has, too (the "raw AES keyring" of the AWS Encryption SDKs).

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, MAX_TAG_LEN, NONCE_LEN, Nonce, UnboundKey};
use domain::Entropy;
use zeroize::Zeroizing;

use super::{Context, DataKey, EncryptedDataKey, EnvelopeError, KMS_PROVIDER, encrypt};
use crate::random;

/// Longest namespace and longest name, in bytes.
const LONGEST_TEXT: usize = 256;

/// An AES-256 key with the namespace and the name under which both sides know it.
pub struct RawAesKey {
    namespace: String,
    name: String,
    key: LessSafeKey,
}

/// Why there is no such key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RawKeyError {
    /// Namespace or name are empty or too long.
    #[error("the namespace and the name of a raw key have 1 to 256 bytes each")]
    Length,
    /// A namespace that the SDKs keep for AWS KMS.
    #[error("the namespace of a raw key must not begin with \"aws-kms\", which means keys of AWS KMS")]
    Namespace,
    /// Not 32 bytes.
    #[error("a raw key has 32 bytes")]
    Bytes,
}

impl RawAesKey {
    /// A key from its parts.
    ///
    /// # Errors
    /// See [`RawKeyError`].
    pub fn new(namespace: &str, name: &str, key: &[u8]) -> Result<Self, RawKeyError> {
        if [namespace, name].iter().any(|text| !(1..=LONGEST_TEXT).contains(&text.len())) {
            return Err(RawKeyError::Length);
        }
        if namespace.starts_with(KMS_PROVIDER) {
            return Err(RawKeyError::Namespace);
        }
        let key = UnboundKey::new(&AES_256_GCM, key).map_err(|_unspecified| RawKeyError::Bytes)?;
        Ok(Self { namespace: namespace.to_owned(), name: name.to_owned(), key: LessSafeKey::new(key) })
    }

    /// A new data key, encrypted for whoever has this key.
    ///
    /// # Errors
    /// [`EnvelopeError::Failed`].
    pub fn data_key(&self, entropy: &dyn Entropy, context: &Context) -> Result<DataKey, EnvelopeError> {
        let plaintext: Zeroizing<[u8; 32]> = Zeroizing::new(random::bytes(entropy));
        let nonce: [u8; NONCE_LEN] = random::bytes(entropy);
        let mut ciphertext = plaintext.to_vec();
        let tag = encrypt(&self.key, nonce, &context.serialized(), &mut ciphertext)?;
        ciphertext.extend_from_slice(&tag);
        let info = [&self.info_before_nonce(), &nonce[..]].concat();
        Ok(DataKey { plaintext, encrypted: EncryptedDataKey { provider: self.namespace.clone(), info, ciphertext } })
    }

    /// Decrypts what [`data_key`](Self::data_key) encrypted for the same context. `None` when it is not of this key, or
    /// was changed.
    #[must_use]
    pub fn decrypt(&self, encrypted: &EncryptedDataKey, context: &Context) -> Option<Zeroizing<[u8; 32]>> {
        let nonce = encrypted.info.strip_prefix(self.info_before_nonce().as_slice())?;
        if encrypted.provider != self.namespace {
            return None;
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut content = Zeroizing::new(encrypted.ciphertext.clone());
        let plaintext = self.key.open_in_place(nonce, Aad::from(context.serialized()), &mut content).ok()?;
        (&*plaintext).try_into().map(Zeroizing::new).ok()
    }

    /// Name, bits of the tag, bytes of the nonce.
    fn info_before_nonce(&self) -> Vec<u8> {
        let tag_bits = MAX_TAG_LEN as u32 * 8;
        [self.name.as_bytes(), &tag_bits.to_be_bytes(), &(NONCE_LEN as u32).to_be_bytes()].concat()
    }
}

impl fmt::Debug for RawAesKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawAesKey")
            .field("namespace", &self.namespace)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
