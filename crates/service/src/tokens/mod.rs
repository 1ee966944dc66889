//! Tokens (auth-flows.md §17, §18): the keys that sign them, what is in them, and when they are still good.
//!
//! - [`stock`](self::refill): signing keys made ahead of time, since making one takes up to 190 ms;
//! - [`keys`]: a pool's two keys, parsed once and kept in memory;
//! - [`rotation`]: new keys for a pool, the old ones counting until their tokens have expired;
//! - [`issue`]: access, ID and refresh tokens of a sign-in;
//! - `groups`: what tokens say of their user's groups;
//! - `assurance`: what they say of how their user signed in;
//! - `pre_token_generation`: the pool's function, which says what they contain;
//! - [`access`]: an access token as the caller's credential;
//! - [`client`](self::issue_to_client): access tokens of clients that speak for themselves;
//! - [`bearer`]: tokens that are brought to be exchanged, [`foreign`] and [`assertions`]: those of other issuers among them,
//!   and [`derived`]: what is given for them;
//! - [`refresh`]: what a refresh token carries;
//! - [`renew`]: what a refresh token is good for, and its replacement where refresh tokens are rotated;
//! - [`discovery`] and [`jwks`]: what verifiers fetch.
//!
//! What is kept in memory decides nothing: a key never changes, and of a token that was verified once only its key id
//! and its claims are remembered. Whether the key is still the pool's, the user enabled, the sign-in revoked or the
//! token expired is looked up every time.

pub mod access;
pub mod assertions;
mod assurance;
pub mod bearer;
mod client;
pub mod derived;
mod documents;
pub mod foreign;
mod groups;
mod issue;
mod keys;
mod pre_token_generation;
pub mod refresh;
mod renew;
pub mod rotation;
mod stock;

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use quick_cache::sync::Cache;
use tokio::sync::{Notify, watch};

pub use self::{
    access::{AccessClaims, Authenticated},
    client::issue_to_client,
    documents::{discovery, issuer, jwks},
    groups::MOST_GROUPS,
    issue::{Grant, Replacement, issue},
    keys::PoolKeys,
    pre_token_generation::Occasion,
    renew::{renew, revocation},
    stock::refill,
};

/// How many pools' keys are kept in memory: about 4 KiB each.
const CACHED_POOLS: usize = 1_000;
/// How many verified access tokens are remembered: about half a KiB each.
const CACHED_TOKENS: usize = 10_000;

/// The part of the server that tokens need beside the store.
pub struct Tokens {
    /// How many keys the stock should hold.
    stock: usize,
    /// Where in the stock the next pool's keys are taken, so that pools made at once take different ones.
    next: AtomicUsize,
    /// Told when keys may be missing from the stock.
    taken: Notify,
    /// Told when a key was added to the stock.
    added: Notify,
    /// The pools whose keys are being made ready before they are needed.
    warming: watch::Sender<Vec<String>>,
    pools: Cache<String, Arc<PoolKeys>>,
    verified: Cache<[u8; 32], access::Verified>,
    generation: AtomicU64,
}

impl Tokens {
    /// Nothing in memory yet; `stock` keys are to be kept ready.
    #[must_use]
    pub fn new(stock: usize) -> Self {
        Self {
            stock,
            next: AtomicUsize::new(0),
            taken: Notify::new(),
            added: Notify::new(),
            warming: watch::Sender::new(Vec::new()),
            pools: Cache::new(CACHED_POOLS),
            verified: Cache::new(CACHED_TOKENS),
            generation: AtomicU64::new(0),
        }
    }

    /// Forgets a pool's keys. Called after every commit that touches a pool: if the pool is new, its keys have just
    /// left the stock, which is then looked after.
    pub fn forget_pool(&self, id: &str) {
        self.generation.fetch_add(1, Ordering::SeqCst);
        self.pools.remove(id);
        self.taken.notify_one();
    }

    /// Forgets the keys of all pools.
    pub fn forget_keys(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
        self.pools.clear();
    }

    /// Forgets everything, and has the stock looked after: it may be gone too.
    pub fn clear(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
        self.pools.clear();
        self.verified.clear();
        self.taken.notify_one();
    }
}
