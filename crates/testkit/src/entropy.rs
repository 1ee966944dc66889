//! Randomness that is the same at every run.

use std::sync::{Mutex, PoisonError};

use domain::Entropy;

/// A stream of bytes that depends on the seed alone: HMAC-SHA-256 of a counter.
pub struct SeededEntropy {
    seed: [u8; 8],
    state: Mutex<(u64, Vec<u8>)>,
}

impl SeededEntropy {
    /// The stream of that seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { seed: seed.to_be_bytes(), state: Mutex::new((0, Vec::new())) }
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, out: &mut [u8]) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (counter, buffer) = &mut *state;
        for byte in out {
            if buffer.is_empty() {
                *counter += 1;
                *buffer = crypto::hash::hmac_sha256(&self.seed, &counter.to_be_bytes()).to_vec();
            }
            *byte = buffer.pop().unwrap_or_default();
        }
    }
}
