//! Repeatable randomness for the unit tests of this crate.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::hash::sha256;

/// The hashes of 1, 2, 3 and so on: different at each call, the same in each run.
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) const fn new() -> Self {
        Self(AtomicU64::new(0))
    }
}

impl domain::Entropy for Counter {
    fn fill(&self, out: &mut [u8]) {
        for chunk in out.chunks_mut(32) {
            let hash = sha256(&self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes());
            chunk.copy_from_slice(&hash[..chunk.len()]);
        }
    }
}

/// Always the same byte.
pub(crate) struct Constant(pub(crate) u8);

impl domain::Entropy for Constant {
    fn fill(&self, out: &mut [u8]) {
        out.fill(self.0);
    }
}
