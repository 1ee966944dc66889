//! A master key and its text form, `id:base64`.

use domain::Entropy;
use zeroize::Zeroizing;

use super::{Engine, STANDARD};
use crate::random;

/// Longest id, in bytes.
const LONGEST_ID: usize = 32;

/// A 32-byte key with its id. Wiped from memory when it is dropped.
#[derive(Clone)]
pub struct MasterKey {
    id: String,
    bytes: Zeroizing<[u8; 32]>,
}

/// Why there is no key ring.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RingError {
    /// No key at all.
    #[error("there is no master key")]
    Empty,
    /// Two keys with the same id.
    #[error("two master keys have the id {0:?}")]
    DuplicateId(String),
    /// An id that is empty, longer than 32 characters or has others than letters, digits, `-` and `_`.
    #[error("the id of a master key has 1 to 32 characters, each a letter, a digit, '-' or '_'")]
    Id,
    /// A text that is not `id:base64`.
    #[error("a master key is written as id:base64")]
    Form,
    /// A key that is not 32 bytes in standard base64.
    #[error("the part of a master key after the colon is 32 bytes in standard base64 (44 characters)")]
    Bytes,
    /// What is wrong in a line of a key file, counted from 1.
    #[error("line {0}: {1}")]
    Line(usize, Box<RingError>),
}

impl MasterKey {
    /// A key from its parts. Ids have 1 to 32 characters out of letters, digits, `-` and `_`.
    ///
    /// # Errors
    /// [`RingError::Id`].
    pub fn new(id: &str, bytes: [u8; 32]) -> Result<Self, RingError> {
        let is_valid = (1..=LONGEST_ID).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        if !is_valid {
            return Err(RingError::Id);
        }
        Ok(Self { id: id.to_owned(), bytes: Zeroizing::new(bytes) })
    }

    /// A random key with a random id of eight lower-case letters and digits.
    #[must_use]
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let id = random::alphanumeric(entropy, 8, "0123456789abcdefghijklmnopqrstuvwxyz");
        Self { id, bytes: Zeroizing::new(random::bytes(entropy)) }
    }

    /// Reads `id:base64`.
    ///
    /// # Errors
    /// [`RingError::Form`], [`RingError::Id`] and [`RingError::Bytes`]. None repeats any of the text.
    pub fn parse(text: &str) -> Result<Self, RingError> {
        let (id, encoded) = text.trim().split_once(':').ok_or(RingError::Form)?;
        let decoded = Zeroizing::new(STANDARD.decode(encoded.trim()).map_err(|_| RingError::Bytes)?);
        Self::new(id.trim(), decoded.as_slice().try_into().map_err(|_| RingError::Bytes)?)
    }

    /// Writes `id:base64`. Whoever calls this must not log it.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{}:{}", self.id, STANDARD.encode(self.bytes.as_ref())))
    }

    /// The id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.bytes
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MasterKey").field("id", &self.id).finish_non_exhaustive()
    }
}
