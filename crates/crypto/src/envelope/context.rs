//! Encryption contexts: public pairs of texts that are authenticated with a message and with its data key.

use std::collections::BTreeMap;

/// The longest serialized context, in bytes.
const LONGEST: usize = 65_535;

/// Pairs of texts, in the order of the names' bytes. Not secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    pairs: BTreeMap<String, String>,
}

/// Why a context cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContextError {
    /// The same name twice.
    #[error("the encryption context has two values for {0:?}")]
    Twice(String),
    /// More than 65,535 bytes.
    #[error("the encryption context is longer than 65,535 bytes")]
    TooLong,
    /// The library made no key.
    #[error("no key could be made for the message's signature")]
    NoPublicKey,
}

impl Context {
    /// A context of these pairs.
    ///
    /// # Errors
    /// [`ContextError::Twice`] and [`ContextError::TooLong`].
    pub fn new<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, ContextError> {
        let mut context = Self::default();
        for (name, value) in pairs {
            context.insert_unmeasured(name, value)?;
        }
        if context.length() > LONGEST { Err(ContextError::TooLong) } else { Ok(context) }
    }

    /// Adds a pair.
    ///
    /// # Errors
    /// [`ContextError::Twice`] and [`ContextError::TooLong`].
    pub(super) fn insert(&mut self, name: &str, value: &str) -> Result<(), ContextError> {
        self.insert_unmeasured(name, value)?;
        if self.length() > LONGEST { Err(ContextError::TooLong) } else { Ok(()) }
    }

    /// For those who measure when the last pair is there: a context can have thousands, and each is looked at then.
    fn insert_unmeasured(&mut self, name: &str, value: &str) -> Result<(), ContextError> {
        match self.pairs.insert(name.to_owned(), value.to_owned()) {
            Some(_) => Err(ContextError::Twice(name.to_owned())),
            None => Ok(()),
        }
    }

    /// A value.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs.get(name).map(String::as_str)
    }

    /// All pairs, in order.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Length of what [`serialized`](Self::serialized) returns.
    fn length(&self) -> usize {
        let pairs: usize = self.pairs().map(|(name, value)| 4 + name.len() + value.len()).sum();
        if pairs == 0 { 0 } else { 2 + pairs }
    }

    /// The bytes that are authenticated: how many pairs, then each text after its length. Nothing when there are none.
    #[must_use]
    pub(super) fn serialized(&self) -> Vec<u8> {
        // Lengths and the number of pairs are below 65,536, because the whole is.
        let short = |length: usize| u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
        let mut bytes = Vec::with_capacity(self.length());
        if !self.pairs.is_empty() {
            bytes.extend_from_slice(&short(self.pairs.len()));
        }
        for text in self.pairs().flat_map(|(name, value)| [name, value]) {
            bytes.extend_from_slice(&short(text.len()));
            bytes.extend_from_slice(text.as_bytes());
        }
        bytes
    }
}
