//! Sealing secrets at rest and in what clients carry for us (docs/security.md): AES-256-GCM under a ring of master keys.
//!
//! From each master key one AES key per [`Purpose`] is derived with HKDF-SHA256 (RFC 5869) when the ring is built, so
//! that values of different purposes can never be exchanged or share a nonce. The authenticated data also holds the
//! identity of the row, so that a value copied into another user's row does not open.
//!
//! Nonces are 96 random bits: below 2^32 values per purpose and master key the chance that any two are equal is under
//! one in 2^32. At a thousand sign-ins a second that is a new master key about every seven weeks.
//!
//! Text form: `v1.<key id>.<base64url of nonce, ciphertext and tag>`. Binary form: a byte 1, a byte with the length of
//! the key id, the key id, nonce, ciphertext and tag.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, MAX_TAG_LEN, NONCE_LEN, Nonce, UnboundKey};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use domain::{Entropy, Sealed};
use zeroize::Zeroizing;

use crate::{
    hash::{hmac_sha256, hmac_sha256_fields},
    random,
};

mod master;
pub use master::{MasterKey, RingError};

/// Version byte of the binary form.
const VERSION: u8 = 1;
/// Beginning of the text form.
const TEXT_VERSION: &str = "v1";
/// How many purposes there are.
const PURPOSES: usize = 19;

/// What a sealed value is for. The numbers enter the derivation of keys: a number is never given to another purpose,
/// and the number of a purpose that is no longer used stays reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Purpose {
    /// Private halves of token signing keys; identity: the kid.
    SigningKey = 1,
    /// Secrets of app clients; identity: the client id.
    ClientSecret = 2,
    /// SRP verifiers of users; identity: pool and user.
    PasswordVerifier = 3,
    /// Secrets of access keys that may be used for everything; identity: the access key id.
    AccessKeySecret = 4,
    /// Messages waiting to be delivered, which hold codes; identity: the message id.
    Message = 5,
    /// `Session` strings of a sign-in; identity: the challenge and the client.
    SignInSession = 6,
    /// `SECRET_BLOCK` of SRP; identity: the client.
    SrpSecretBlock = 7,
    /// Refresh tokens (see [`crate::token::refresh`]); identity: the client.
    RefreshToken = 8,
    /// Pagination tokens; identity: the operation and the pool.
    PaginationToken = 9,
    /// A known value in the database by which a server sees at its start that it has the right keys.
    MasterKeyCheck = 10,
    /// Secrets of identity providers; identity: pool, provider and what the secret is.
    ProviderSecret = 11,
    /// Lines of a pool in a file for another installation; identity: the file and the line.
    Export = 12,
    /// Secrets of software tokens; identity: pool and user.
    SoftwareToken = 13,
    /// Salts and SRP verifiers of devices; identity: pool, user and device.
    DeviceVerifier = 14,
    /// Data keys of custom senders' codes, in the place of KMS (see [`crate::envelope::local_key`]); identity: a hash of
    /// the encryption context.
    DataKey = 15,
    /// Secrets of access keys that may be used for some operations only; identity: the access key id and these.
    LimitedAccessKeySecret = 16,
    /// Tokens by which users say whether a sign-in was theirs; no identity.
    FeedbackToken = 17,
    /// Sessions of browsers at the login pages, kept in a cookie; identity: the pool.
    BrowserSession = 18,
    /// What goes along while a browser is at another provider; identity: the pool and the protocol.
    ProviderState = 19,
}

impl Purpose {
    /// All purposes, in the order of their numbers.
    pub const ALL: [Self; PURPOSES] = [
        Self::SigningKey,
        Self::ClientSecret,
        Self::PasswordVerifier,
        Self::AccessKeySecret,
        Self::Message,
        Self::SignInSession,
        Self::SrpSecretBlock,
        Self::RefreshToken,
        Self::PaginationToken,
        Self::MasterKeyCheck,
        Self::ProviderSecret,
        Self::Export,
        Self::SoftwareToken,
        Self::DeviceVerifier,
        Self::DataKey,
        Self::LimitedAccessKeySecret,
        Self::FeedbackToken,
        Self::BrowserSession,
        Self::ProviderState,
    ];
}

/// Why a value does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Not of the form that sealing makes.
    #[error("not a sealed value")]
    Malformed,
    /// Sealed under a master key that the ring does not hold.
    #[error("sealed under a master key that this server does not have")]
    UnknownKey,
    /// Changed, or sealed for another purpose or identity.
    #[error("a sealed value was changed, or belongs elsewhere")]
    Forged,
}

/// Master keys with what is derived from them. The first key seals; all open.
pub struct KeyRing {
    active: Derived,
    others: Vec<Derived>,
}

struct Derived {
    id: String,
    by_purpose: [LessSafeKey; PURPOSES],
    subkeys: Zeroizing<[u8; 32]>,
}

impl KeyRing {
    /// Derives all keys. The first key is the active one; the last is the primary one, see [`subkey`](Self::subkey).
    /// To rotate, put a new key in front, re-seal, and then remove keys between the first and the last.
    ///
    /// # Errors
    /// [`RingError::Empty`] and [`RingError::DuplicateId`].
    pub fn new(keys: Vec<MasterKey>) -> Result<Self, RingError> {
        for (index, key) in keys.iter().enumerate() {
            if keys.iter().take(index).any(|other| other.id() == key.id()) {
                return Err(RingError::DuplicateId(key.id().to_owned()));
            }
        }
        let mut derived = keys.iter().map(Derived::new);
        let active = derived.next().ok_or(RingError::Empty)?;
        Ok(Self { active, others: derived.collect() })
    }

    /// Reads a key file: one `id:base64` a line, the active one first; empty lines and lines that begin with `#`
    /// are skipped.
    ///
    /// # Errors
    /// As [`new`](Self::new), and [`RingError::Line`] with the number of a line that is no key. No error text holds
    /// any part of a key.
    pub fn parse(text: &str) -> Result<Self, RingError> {
        let mut keys = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                keys.push(MasterKey::parse(line).map_err(|error| RingError::Line(number, Box::new(error)))?);
            }
        }
        Self::new(keys)
    }

    /// The id of the key that seals.
    #[must_use]
    pub fn active_id(&self) -> &str {
        &self.active.id
    }

    /// Whether a value is sealed under another key than the active one, and so is due to be sealed again after a
    /// rotation.
    #[must_use]
    pub fn is_outdated(&self, sealed: &Sealed) -> bool {
        split_text(&sealed.0).is_none_or(|(id, _)| id != self.active.id)
    }

    /// Seals a value for the database.
    #[must_use]
    pub fn seal(&self, entropy: &dyn Entropy, purpose: Purpose, identity: &str, plaintext: &[u8]) -> Sealed {
        let key = &self.active;
        let sealed = key.encrypt(entropy, purpose, &associated_data(purpose, &key.id, identity), plaintext);
        Sealed(format!("{TEXT_VERSION}.{}.{}", key.id, URL_SAFE_NO_PAD.encode(sealed)))
    }

    /// Opens what [`seal`](Self::seal) made for the same purpose and identity.
    ///
    /// # Errors
    /// See [`SealError`].
    pub fn open(&self, purpose: Purpose, identity: &str, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (id, body) = split_text(&sealed.0).ok_or(SealError::Malformed)?;
        let body = URL_SAFE_NO_PAD.decode(body).map_err(|_| SealError::Malformed)?;
        let key = self.key(id)?;
        key.decrypt(purpose, &associated_data(purpose, id, identity), body)
    }

    /// Seals a value that clients carry: `plaintext` and 30 bytes more than the length of the key id.
    #[must_use]
    pub fn seal_bytes(&self, entropy: &dyn Entropy, purpose: Purpose, identity: &str, plaintext: &[u8]) -> Vec<u8> {
        let key = &self.active;
        let sealed = key.encrypt(entropy, purpose, &associated_data(purpose, &key.id, identity), plaintext);
        // Ids are at most 32 bytes long.
        let id_length = u8::try_from(key.id.len()).unwrap_or_default();
        [&[VERSION, id_length], key.id.as_bytes(), &sealed].concat()
    }

    /// Opens what [`seal_bytes`](Self::seal_bytes) made for the same purpose and identity.
    ///
    /// # Errors
    /// See [`SealError`].
    pub fn open_bytes(&self, purpose: Purpose, identity: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let [VERSION, id_length, rest @ ..] = sealed else { return Err(SealError::Malformed) };
        let (id, body) = rest.split_at_checked(usize::from(*id_length)).ok_or(SealError::Malformed)?;
        let id = str::from_utf8(id).map_err(|_| SealError::Malformed)?;
        let key = self.key(id)?;
        key.decrypt(purpose, &associated_data(purpose, id, identity), body.to_vec())
    }

    /// A key for keyed hashes (codes, stand-ins for unknown users), the same for the same label. It comes from the
    /// primary master key, the *last* of the ring, because a hash cannot be re-sealed: a rotation must keep that key.
    /// Where it is removed all the same, outstanding codes stop working and stand-ins change their salts.
    #[must_use]
    pub fn subkey(&self, label: &str) -> [u8; 32] {
        let primary = self.others.last().unwrap_or(&self.active);
        hmac_sha256_fields(primary.subkeys.as_ref(), &[label.as_bytes()])
    }

    /// Encrypts under the active key with authenticated data of the caller's: nonce, ciphertext and tag.
    pub(crate) fn encrypt(&self, entropy: &dyn Entropy, purpose: Purpose, data: &[u8], plaintext: &[u8]) -> Vec<u8> {
        self.active.encrypt(entropy, purpose, data, plaintext)
    }

    /// Decrypts what [`encrypt`](Self::encrypt) made under the key with this id.
    pub(crate) fn decrypt(
        &self,
        id: &str,
        purpose: Purpose,
        data: &[u8],
        sealed: Vec<u8>,
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        self.key(id)?.decrypt(purpose, data, sealed)
    }

    fn key(&self, id: &str) -> Result<&Derived, SealError> {
        std::iter::once(&self.active).chain(&self.others).find(|key| key.id == id).ok_or(SealError::UnknownKey)
    }
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ids: Vec<_> = std::iter::once(&self.active).chain(&self.others).map(|key| &key.id).collect();
        f.debug_struct("KeyRing").field("ids", &ids).finish_non_exhaustive()
    }
}

impl Derived {
    fn new(key: &MasterKey) -> Self {
        let extracted = Zeroizing::new(hmac_sha256(b"poolkeeper master key 1", key.bytes()));
        let expand = |kind: &[u8], number: u16| {
            // One block of HKDF's expansion is all that is needed.
            let info = [kind, number.to_be_bytes().as_slice(), &[1]].concat();
            Zeroizing::new(hmac_sha256(extracted.as_ref(), &info))
        };
        Self {
            id: key.id().to_owned(),
            by_purpose: Purpose::ALL.map(|purpose| aead_key(&expand(b"seal", purpose as u16))),
            subkeys: expand(b"subkey", 0),
        }
    }

    #[expect(clippy::indexing_slicing, reason = "the array has an entry for each purpose, which a test walks through")]
    fn aead(&self, purpose: Purpose) -> &LessSafeKey {
        &self.by_purpose[purpose as usize - 1]
    }

    #[expect(clippy::expect_used, reason = "fails only above 64 GiB, and every input of the server is far below that")]
    fn encrypt(&self, entropy: &dyn Entropy, purpose: Purpose, data: &[u8], plaintext: &[u8]) -> Vec<u8> {
        let nonce = random::bytes::<NONCE_LEN>(entropy);
        let mut sealed = Vec::with_capacity(NONCE_LEN + plaintext.len() + MAX_TAG_LEN);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plaintext);
        let (_, body) = sealed.split_at_mut(NONCE_LEN);
        let tag = self
            .aead(purpose)
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(data), body)
            .expect("AES-GCM seals anything of this length");
        sealed.extend_from_slice(tag.as_ref());
        sealed
    }

    fn decrypt(&self, purpose: Purpose, data: &[u8], mut sealed: Vec<u8>) -> Result<Zeroizing<Vec<u8>>, SealError> {
        if sealed.len() < NONCE_LEN + MAX_TAG_LEN {
            return Err(SealError::Malformed);
        }
        let body = sealed.split_off(NONCE_LEN);
        let nonce = Nonce::try_assume_unique_for_key(&sealed).map_err(|_| SealError::Malformed)?;
        let mut body = Zeroizing::new(body);
        let length =
            self.aead(purpose).open_in_place(nonce, Aad::from(data), &mut body).map_err(|_| SealError::Forged)?.len();
        body.truncate(length);
        Ok(body)
    }
}

#[expect(clippy::expect_used, reason = "fails only for a key of another length than 32 bytes")]
fn aead_key(key: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("an AES-256 key has 32 bytes"))
}

/// Purpose, key id and identity, the last two with their lengths.
fn associated_data(purpose: Purpose, id: &str, identity: &str) -> Vec<u8> {
    let mut data = vec![VERSION];
    data.extend_from_slice(&(purpose as u16).to_be_bytes());
    for field in [id, identity] {
        data.extend_from_slice(&(field.len() as u64).to_be_bytes());
        data.extend_from_slice(field.as_bytes());
    }
    data
}

/// Key id and base64 of the text form.
fn split_text(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix(TEXT_VERSION)?.strip_prefix('.')?.split_once('.')
}

#[cfg(test)]
mod tests;
