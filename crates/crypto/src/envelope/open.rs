//! The receiver's side: checks a message of the AWS Encryption SDK and decrypts it, as the tests of senders need it.
//!
//! It reads algorithm 0378, which this server writes, and 0478, which only has a commitment to the key and no signature.
//! Anything that is not exactly such a message is refused: nothing may follow it, either.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf,
    signature::{ECDSA_P384_SHA384_ASN1, UnparsedPublicKey},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use super::{
    ALGORITHM, Context, EncryptedDataKey, FINAL_FRAME, FINAL_FRAME_TEXT, FRAME_TEXT, FRAMED, PUBLIC_KEY,
    VERSION_AND_TYPE, content_key, frame_data, nonce,
};
use crate::hash::constant_time_eq;

/// Version 2 and AES-256-GCM with HKDF-SHA512 and a commitment to the key.
const COMMITTING: [u8; 3] = [0x02, 0x04, 0x78];
/// Length of an authentication tag, in bytes.
const TAG: usize = 16;

/// Why a message does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Not a message, or of an algorithm that is not read.
    #[error("not a message of the AWS Encryption SDK with algorithm 0378 or 0478")]
    Malformed,
    /// None of its data keys could be decrypted.
    #[error("no data key of the message could be decrypted")]
    NoDataKey,
    /// Another data key, or a changed message.
    #[error("the message was changed, or its data key is another one")]
    Forged,
}

/// Decrypts a message. `unwrap` decrypts one of its data keys for its context, or returns `None` when it cannot.
///
/// # Errors
/// See [`OpenError`].
pub fn open(
    message: &[u8],
    mut unwrap: impl FnMut(&EncryptedDataKey, &Context) -> Option<Zeroizing<[u8; 32]>>,
) -> Result<(Vec<u8>, Context), OpenError> {
    let mut reader = Reader { message, rest: message };
    let header = Header::read(&mut reader).ok_or(OpenError::Malformed)?;
    let data_key = header.data_keys.iter().find_map(|key| unwrap(key, &header.context)).ok_or(OpenError::NoDataKey)?;
    let key = header.content_key(&data_key).ok_or(OpenError::Forged)?;

    let authenticated = reader.read_so_far();
    if !header.commits && reader.take(NONCE_LEN) != Some(&nonce(0)) {
        return Err(OpenError::Malformed);
    }
    let tag = reader.take(TAG).ok_or(OpenError::Malformed)?;
    decrypt(&key, nonce(0), authenticated, tag).ok_or(OpenError::Forged)?;
    let plaintext = body(&header, &key, &mut reader)?;
    if !header.commits {
        check_signature(&header.context, &mut reader)?;
    }
    if reader.rest.is_empty() { Ok((plaintext, header.context)) } else { Err(OpenError::Malformed) }
}

/// What a header says.
struct Header<'a> {
    /// Whether it is of version 2.
    commits: bool,
    message_id: &'a [u8],
    context: Context,
    data_keys: Vec<EncryptedDataKey>,
    frame_length: usize,
    commitment: &'a [u8],
}

impl<'a> Header<'a> {
    fn read(reader: &mut Reader<'a>) -> Option<Self> {
        let commits = reader.rest.starts_with(&COMMITTING);
        if !commits && reader.take(4)? != [VERSION_AND_TYPE, ALGORITHM].concat() {
            return None;
        }
        if commits {
            reader.take(COMMITTING.len())?;
        }
        let message_id = reader.take(if commits { 32 } else { 16 })?;
        let context = context(reader)?;
        let mut data_keys = Vec::new();
        for _ in 0..reader.short()? {
            let provider = str::from_utf8(reader.part()?).ok()?.to_owned();
            data_keys.push(EncryptedDataKey {
                provider,
                info: reader.part()?.to_vec(),
                ciphertext: reader.part()?.to_vec(),
            });
        }
        if reader.take(1)? != [FRAMED] || (!commits && reader.take(5)? != [0, 0, 0, 0, NONCE_LEN as u8]) {
            return None;
        }
        let frame_length = reader.long()?;
        let commitment = reader.take(if commits { 32 } else { 0 })?;
        Some(Self { commits, message_id, context, data_keys, frame_length, commitment })
    }

    /// `None` when the data key is not the one that the message commits to.
    fn content_key(&self, data_key: &[u8; 32]) -> Option<LessSafeKey> {
        if !self.commits {
            return content_key(ALGORITHM, self.message_id, data_key);
        }
        let pseudorandom = hkdf::Salt::new(hkdf::HKDF_SHA512, self.message_id).extract(data_key);
        let mut commitment = [0; 32];
        pseudorandom.expand(&[b"COMMITKEY"], &AES_256_GCM).ok()?.fill(&mut commitment).ok()?;
        let info = [&COMMITTING[1..], b"DERIVEKEY"];
        let key = LessSafeKey::new(UnboundKey::from(pseudorandom.expand(&info, &AES_256_GCM).ok()?));
        constant_time_eq(&commitment, self.commitment).then_some(key)
    }
}

fn context(reader: &mut Reader<'_>) -> Option<Context> {
    let bytes = reader.part()?;
    let mut reader = Reader { message: bytes, rest: bytes };
    let count = if bytes.is_empty() { 0 } else { reader.short()? };
    let mut pairs = Vec::new();
    for _ in 0..count {
        pairs.push((str::from_utf8(reader.part()?).ok()?, str::from_utf8(reader.part()?).ok()?));
    }
    let context = Context::new(pairs).ok()?;
    // In another order, or with something behind it, it would not be what is authenticated with the data key.
    (context.serialized() == bytes).then_some(context)
}

fn body(header: &Header<'_>, key: &LessSafeKey, reader: &mut Reader<'_>) -> Result<Vec<u8>, OpenError> {
    let mut plaintext = Vec::new();
    for expected in 1_u32.. {
        let is_last = reader.rest.starts_with(&FINAL_FRAME);
        if is_last {
            reader.take(FINAL_FRAME.len());
        }
        if reader.take(4) != Some(&expected.to_be_bytes()) || reader.take(NONCE_LEN) != Some(&nonce(expected)) {
            return Err(OpenError::Malformed);
        }
        let length = if is_last { reader.long().ok_or(OpenError::Malformed)? } else { header.frame_length };
        let content = reader.take(length.saturating_add(TAG)).ok_or(OpenError::Malformed)?;
        let text = if is_last { FINAL_FRAME_TEXT } else { FRAME_TEXT };
        let data = frame_data(header.message_id, text, expected, length);
        let frame = decrypt(key, nonce(expected), &data, content).ok_or(OpenError::Forged)?;
        plaintext.extend_from_slice(&frame);
        if is_last {
            return Ok(plaintext);
        }
    }
    Err(OpenError::Malformed)
}

fn check_signature(context: &Context, reader: &mut Reader<'_>) -> Result<(), OpenError> {
    let signed = reader.read_so_far();
    let signature = reader.part().ok_or(OpenError::Malformed)?;
    let point = context.get(PUBLIC_KEY).and_then(|text| STANDARD.decode(text).ok()).ok_or(OpenError::Malformed)?;
    let key = UnparsedPublicKey::new(&ECDSA_P384_SHA384_ASN1, point);
    key.verify(signed, signature).map_err(|_unspecified| OpenError::Forged)
}

fn decrypt(key: &LessSafeKey, nonce: [u8; NONCE_LEN], data: &[u8], content: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut content = Zeroizing::new(content.to_vec());
    let nonce = Nonce::assume_unique_for_key(nonce);
    let length = key.open_in_place(nonce, Aad::from(data), &mut content).ok()?.len();
    content.truncate(length);
    Some(content)
}

/// What has not been read of a message.
struct Reader<'a> {
    message: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    /// A number of two bytes.
    fn short(&mut self) -> Option<usize> {
        let bytes = self.take(2)?.try_into().ok()?;
        Some(usize::from(u16::from_be_bytes(bytes)))
    }

    /// A number of four bytes.
    fn long(&mut self) -> Option<usize> {
        let bytes = self.take(4)?.try_into().ok()?;
        usize::try_from(u32::from_be_bytes(bytes)).ok()
    }

    /// What follows its length in two bytes.
    fn part(&mut self) -> Option<&'a [u8]> {
        let length = self.short()?;
        self.take(length)
    }

    fn read_so_far(&self) -> &'a [u8] {
        let length = self.message.len() - self.rest.len();
        self.message.get(..length).unwrap_or_default()
    }
}
