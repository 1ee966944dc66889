//! Messages of the AWS Encryption SDK, in which custom senders are given their codes (triggers-security.md §12.2, §12.3).
//!
//! A message is encrypted under a key derived from a data key that is used once. The data key travels with the message,
//! encrypted by whoever holds the wrapping key: AWS KMS (the caller's affair), this server in the place of KMS
//! ([`local_key`]), or somebody with whom a raw AES key is shared ([`RawAesKey`]). [`open`] is the receiver's side.
//!
//! The algorithm is 0378, which receivers of the original expect: AES-256-GCM, HKDF-SHA384, and a signature of ECDSA over
//! P-384 whose public key stands in the encryption context. Because the context is authenticated with the data key, too,
//! the order is: [`Draft::new`], a data key for [`Draft::context`], [`Draft::seal`].

use std::fmt;

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    encoding::{AsBigEndian, EcPublicKeyCompressedBin},
    hkdf,
    rand::SystemRandom,
    signature::{ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::Entropy;
use zeroize::Zeroizing;

use crate::random;

mod context;
pub mod local_key;
mod open;
mod raw_key;

pub use context::{Context, ContextError};
pub use open::{OpenError, open};
pub use raw_key::{RawAesKey, RawKeyError};

/// Key in the encryption context under which the signature's public key stands.
pub const PUBLIC_KEY: &str = "aws-crypto-public-key";
/// Provider of data keys that KMS, or who stands in for it, has encrypted.
pub const KMS_PROVIDER: &str = "aws-kms";

/// Version 1, type "customer authenticated encrypted data".
const VERSION_AND_TYPE: [u8; 2] = [0x01, 0x80];
/// AES-256-GCM with HKDF-SHA384 and ECDSA P-384, without key commitment.
const ALGORITHM: [u8; 2] = [0x03, 0x78];
/// Framed content.
const FRAMED: u8 = 2;
/// What a frame holds at most, in bytes.
const FRAME_LENGTH: u32 = 4_096;
/// Begins the final frame.
const FINAL_FRAME: [u8; 4] = [0xff; 4];
/// Authenticated with the final frame.
const FINAL_FRAME_TEXT: &[u8] = b"AWSKMSEncryptionClient Final Frame";
/// Authenticated with every other frame.
const FRAME_TEXT: &[u8] = b"AWSKMSEncryptionClient Frame";

/// A key for one message, in clear and encrypted. Wiped from memory when it is dropped.
pub struct DataKey {
    /// The key itself.
    pub plaintext: Zeroizing<[u8; 32]>,
    /// The same for whoever may decrypt the message.
    pub encrypted: EncryptedDataKey,
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataKey").field("encrypted", &self.encrypted).finish_non_exhaustive()
    }
}

/// An encrypted data key as it stands in a message. Each part has at most 65,535 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncryptedDataKey {
    /// Who encrypted it: [`KMS_PROVIDER`], or the namespace of a raw key.
    pub provider: String,
    /// Under which key: an ARN, or what [`RawAesKey`] notes.
    pub info: Vec<u8>,
    /// The encrypted key.
    pub ciphertext: Vec<u8>,
}

/// Why no message was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// A part of the encrypted data key is longer than a message can say.
    #[error("a part of the encrypted data key is longer than 65,535 bytes")]
    DataKeyTooLong,
    /// There would be more than 4,294,967,294 frames.
    #[error("a text of more than 16 TiB cannot be encrypted")]
    TooLong,
    /// The library failed, which has no known cause other than a lack of memory.
    #[error("the message could not be encrypted or signed")]
    Failed,
}

/// A message before its data key is there.
pub struct Draft {
    signer: EcdsaKeyPair,
    context: Context,
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft").field("context", &self.context).finish_non_exhaustive()
    }
}

impl Draft {
    /// Makes the key that signs the message, from the library's own generator, and adds its public half to the context.
    ///
    /// # Errors
    /// [`ContextError`] when the context holds that name already, or has no more room.
    pub fn new(mut context: Context) -> Result<Self, ContextError> {
        let generated = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_ASN1_SIGNING);
        let signer = generated.map_err(|_unspecified| ContextError::NoPublicKey)?;
        let point: EcPublicKeyCompressedBin<'_> =
            signer.public_key().as_be_bytes().map_err(|_unspecified| ContextError::NoPublicKey)?;
        context.insert(PUBLIC_KEY, &STANDARD.encode(point.as_ref()))?;
        Ok(Self { signer, context })
    }

    /// The context that the data key has to be encrypted with: the caller's, and the public key of the signature.
    #[must_use]
    pub const fn context(&self) -> &Context {
        &self.context
    }

    /// The whole message, in binary form.
    ///
    /// # Errors
    /// See [`EnvelopeError`].
    pub fn seal(self, entropy: &dyn Entropy, data_key: &DataKey, plaintext: &[u8]) -> Result<Vec<u8>, EnvelopeError> {
        let message_id: [u8; 16] = random::bytes(entropy);
        let key = content_key(ALGORITHM, &message_id, &data_key.plaintext).ok_or(EnvelopeError::Failed)?;
        let mut message = header(&message_id, &self.context, &data_key.encrypted)?;
        // The key is used for this message only, so the numbers of its frames do as nonces; the header has the number 0.
        let tag = encrypt(&key, nonce(0), &message, &mut [])?;
        message.extend_from_slice(&nonce(0));
        message.extend_from_slice(&tag);
        body(&key, &message_id, plaintext, &mut message)?;
        let signature =
            self.signer.sign(&SystemRandom::new(), &message).map_err(|_unspecified| EnvelopeError::Failed)?;
        // A signature of this curve has 104 bytes at most.
        message.extend_from_slice(&length_of(signature.as_ref())?);
        message.extend_from_slice(signature.as_ref());
        Ok(message)
    }
}

/// The header up to its tag.
fn header(message_id: &[u8; 16], context: &Context, data_key: &EncryptedDataKey) -> Result<Vec<u8>, EnvelopeError> {
    let context = context.serialized();
    let mut header = [&VERSION_AND_TYPE[..], &ALGORITHM, message_id].concat();
    header.extend_from_slice(&length_of(&context)?);
    header.extend_from_slice(&context);
    // One encrypted data key.
    header.extend_from_slice(&[0, 1]);
    for part in [data_key.provider.as_bytes(), &data_key.info, &data_key.ciphertext] {
        header.extend_from_slice(&length_of(part)?);
        header.extend_from_slice(part);
    }
    header.push(FRAMED);
    header.extend_from_slice(&[0; 4]);
    header.push(NONCE_LEN as u8);
    header.extend_from_slice(&FRAME_LENGTH.to_be_bytes());
    Ok(header)
}

/// Appends the plaintext in frames.
fn body(
    key: &LessSafeKey,
    message_id: &[u8; 16],
    plaintext: &[u8],
    message: &mut Vec<u8>,
) -> Result<(), EnvelopeError> {
    let mut rest = plaintext;
    let mut sequence: u32 = 1;
    while let Some((frame, after)) = rest.split_at_checked(FRAME_LENGTH as usize).filter(|(_, after)| !after.is_empty())
    {
        message.extend_from_slice(&sequence.to_be_bytes());
        frame_content(key, message_id, FRAME_TEXT, sequence, frame, message)?;
        rest = after;
        sequence = sequence.checked_add(1).filter(|next| *next != u32::MAX).ok_or(EnvelopeError::TooLong)?;
    }
    message.extend_from_slice(&FINAL_FRAME);
    message.extend_from_slice(&sequence.to_be_bytes());
    frame_content(key, message_id, FINAL_FRAME_TEXT, sequence, rest, message)
}

/// Nonce, in the final frame the length, ciphertext and tag.
fn frame_content(
    key: &LessSafeKey,
    message_id: &[u8],
    text: &[u8],
    sequence: u32,
    plaintext: &[u8],
    message: &mut Vec<u8>,
) -> Result<(), EnvelopeError> {
    message.extend_from_slice(&nonce(sequence));
    if text == FINAL_FRAME_TEXT {
        let length = u32::try_from(plaintext.len()).map_err(|_too_long| EnvelopeError::TooLong)?;
        message.extend_from_slice(&length.to_be_bytes());
    }
    let mut content = plaintext.to_vec();
    let data = frame_data(message_id, text, sequence, plaintext.len());
    let tag = encrypt(key, nonce(sequence), &data, &mut content)?;
    message.extend_from_slice(&content);
    message.extend_from_slice(&tag);
    Ok(())
}

/// What is authenticated with a frame.
fn frame_data(message_id: &[u8], text: &[u8], sequence: u32, length: usize) -> Vec<u8> {
    [message_id, text, &sequence.to_be_bytes(), &(length as u64).to_be_bytes()].concat()
}

/// The number of a frame as its nonce.
fn nonce(sequence: u32) -> [u8; NONCE_LEN] {
    let [a, b, c, d] = sequence.to_be_bytes();
    [0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d]
}

/// The key of a message of version 1 (HKDF-SHA384 without salt).
fn content_key(algorithm: [u8; 2], message_id: &[u8], data_key: &[u8; 32]) -> Option<LessSafeKey> {
    let pseudorandom = hkdf::Salt::new(hkdf::HKDF_SHA384, &[]).extract(data_key);
    let info = [&algorithm[..], message_id];
    let expanded = pseudorandom.expand(&info, &AES_256_GCM).ok()?;
    Some(LessSafeKey::new(UnboundKey::from(expanded)))
}

/// Encrypts in place and returns the tag.
fn encrypt(
    key: &LessSafeKey,
    nonce: [u8; NONCE_LEN],
    data: &[u8],
    content: &mut [u8],
) -> Result<Vec<u8>, EnvelopeError> {
    let nonce = Nonce::assume_unique_for_key(nonce);
    let tag = key.seal_in_place_separate_tag(nonce, Aad::from(data), content);
    Ok(tag.map_err(|_unspecified| EnvelopeError::Failed)?.as_ref().to_vec())
}

/// A length in the two bytes that a message has for it.
fn length_of(part: &[u8]) -> Result<[u8; 2], EnvelopeError> {
    u16::try_from(part.len()).map(u16::to_be_bytes).map_err(|_too_long| EnvelopeError::DataKeyTooLong)
}

#[cfg(test)]
mod tests;
