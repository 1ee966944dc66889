//! What lives as long as the process, and the caches that spare a request its look-ups.

use std::{
    hash::{BuildHasher, RandomState},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crypto::seal::KeyRing;
use domain::{Client, Entropy, Pool};
use quick_cache::sync::Cache;
use store::{Change, Changes, CommitError, Key, Row, Store, Stored};
use tokio::sync::{Mutex, MutexGuard};
use wire::ErrorKind;
use wire::Timestamp;

use crate::{
    ApiError, Clock, Metrics, Settings,
    issuers::{FetchDocuments, Issuers, NoDocuments},
    memory::{self, Freshness},
    messages::Outbox,
    quotas::Throttle,
    records::Records,
    stand_in::StandIn,
    tokens::Tokens,
    triggers::{CodeKeys, NoCodeKeys, NoFunctions, RunFunctions},
};

/// How many pools and clients are kept in memory.
const CACHED: usize = 1_000;
/// Stripes of the guard that lets one password attempt per user through at a time.
const STRIPES: usize = 1_024;

/// How long a request waits for others that check a secret of the same user. While the database is away, each of those
/// takes as long as its patience, and a queue of them would take that many times longer.
const LONGEST_TURN: Duration = Duration::from_secs(20);

/// What each commit of a request waits for. Tests have others change the same rows at that moment; a server that serves
/// anybody has none.
pub type BeforeCommit = Box<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// The running server's parts. There is one, shared by all requests.
pub struct App {
    /// What the operator chose.
    pub settings: Settings,
    /// The data.
    pub store: Store,
    /// The master keys.
    pub ring: Arc<KeyRing>,
    /// The time.
    pub clock: Clock,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Messages on their way.
    pub outbox: Outbox,
    /// Signing keys and verified tokens.
    pub tokens: Tokens,
    /// Who runs the functions that pools name as triggers.
    pub runner: Arc<dyn RunFunctions>,
    /// Who encrypts the codes that functions are told which send messages.
    pub code_keys: Arc<dyn CodeKeys>,
    /// The keys of other issuers of tokens.
    pub(crate) issuers: Issuers,
    /// Who is told of what users do, and of what pools log.
    pub records: Records,
    /// Counters.
    pub metrics: Metrics,
    /// When the server began.
    pub started_at: Timestamp,
    /// Key of the hashes of one-time codes.
    pub code_key: [u8; 32],
    /// Key from which stand-ins for unknown users are derived.
    pub decoy_key: [u8; 32],
    /// What is read in the place of users who do not exist.
    pub(crate) stand_in: StandIn,
    /// What everybody has asked for lately.
    pub(crate) throttle: Throttle,
    /// Whether what is in memory counts.
    pub(crate) freshness: Freshness,
    pools: Cache<String, Arc<Stored<Pool>>>,
    clients: Cache<String, Arc<Stored<Client>>>,
    generation: AtomicU64,
    before_commit: Option<BeforeCommit>,
    stripes: Vec<Mutex<()>>,
    stripe_hasher: RandomState,
}

impl App {
    /// Puts the parts together.
    #[must_use]
    pub fn new(
        settings: Settings,
        store: Store,
        ring: impl Into<Arc<KeyRing>>,
        clock: Clock,
        entropy: Arc<dyn Entropy>,
        outbox: Outbox,
    ) -> Self {
        let ring = ring.into();
        let (code_key, decoy_key) = (ring.subkey("one-time codes"), ring.subkey("stand-ins for unknown users"));
        Self {
            tokens: Tokens::new(settings.key_stock),
            stand_in: StandIn::new(&ring, &decoy_key),
            throttle: Throttle::new(),
            freshness: Freshness::new(store.is_shared()),
            settings,
            store,
            ring,
            started_at: clock.now(),
            clock,
            entropy,
            outbox,
            runner: Arc::new(NoFunctions),
            code_keys: Arc::new(NoCodeKeys),
            issuers: Issuers::new(Arc::new(NoDocuments)),
            records: Records::default(),
            metrics: Metrics::new(),
            code_key,
            decoy_key,
            pools: Cache::new(CACHED),
            clients: Cache::new(CACHED),
            generation: AtomicU64::new(0),
            before_commit: None,
            stripes: (0..STRIPES).map(|_| Mutex::new(())).collect(),
            stripe_hasher: RandomState::new(),
        }
    }

    /// The same with somebody who runs functions.
    #[must_use]
    pub fn with_runner(self, runner: Arc<dyn RunFunctions>) -> Self {
        Self { runner, ..self }
    }

    /// The same with somebody who encrypts codes.
    #[must_use]
    pub fn with_code_keys(self, code_keys: Arc<dyn CodeKeys>) -> Self {
        Self { code_keys, ..self }
    }

    /// The same with somebody who gets documents from elsewhere.
    #[must_use]
    pub fn with_documents(self, documents: Arc<dyn FetchDocuments>) -> Self {
        Self { issuers: Issuers::new(documents), ..self }
    }

    /// The same with somebody who is told of events and logs.
    #[must_use]
    pub fn with_records(self, records: Records) -> Self {
        Self { records, ..self }
    }

    /// The same with commits that wait for somebody: for tests.
    #[must_use]
    pub fn with_before_commit(self, before_commit: BeforeCommit) -> Self {
        Self { before_commit: Some(before_commit), ..self }
    }

    /// A pool, from memory when it was read before and has not changed since (on another server: a second ago).
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn pool(&self, id: &str) -> Result<Option<Arc<Stored<Pool>>>, store::Error> {
        if self.freshness.is_good()
            && let Some(pool) = self.pools.get(id)
        {
            return Ok(Some(pool));
        }
        let generation = self.generation.load(Ordering::SeqCst);
        let Some(pool) = self.store.pool(id).await?.map(Arc::new) else { return Ok(None) };
        memory::keep(&self.pools, id, &pool, &self.generation, generation);
        Ok(Some(pool))
    }

    /// A client, from memory when it was read before and has not changed since (on another server: a second ago).
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn client(&self, id: &str) -> Result<Option<Arc<Stored<Client>>>, store::Error> {
        if self.freshness.is_good()
            && let Some(client) = self.clients.get(id)
        {
            return Ok(Some(client));
        }
        let generation = self.generation.load(Ordering::SeqCst);
        let Some(client) = self.store.client(id).await?.map(Arc::new) else { return Ok(None) };
        memory::keep(&self.clients, id, &client, &self.generation, generation);
        Ok(Some(client))
    }

    /// Commits a changeset and forgets what it made stale.
    ///
    /// # Errors
    /// See [`Store::commit`].
    pub async fn commit(self: &Arc<Self>, changes: Changes) -> Result<(), CommitError> {
        if let Some(before_commit) = &self.before_commit {
            before_commit().await;
        }
        let stale: Vec<Key> = changes.as_slice().iter().filter_map(cached).collect();
        if stale.is_empty() {
            return self.store.commit(changes).await;
        }
        // In a task of its own: when the client hangs up, the request is dropped at its next await, but a commit that
        // has been handed over takes place all the same, and must not leave a stale pool or client behind.
        let app = self.clone();
        let task = tokio::spawn(async move {
            let outcome = app.store.commit(changes).await;
            // Also after a failure: whether an ambiguous commit took place is not known.
            app.forget(&stale);
            outcome
        });
        task.await.unwrap_or(Err(CommitError::Store(store::Error::Unanswered)))
    }

    fn forget(&self, stale: &[Key]) {
        if stale.is_empty() {
            return;
        }
        self.generation.fetch_add(1, Ordering::SeqCst);
        for key in stale {
            match key {
                Key::Pool { id } => {
                    self.pools.remove(id.as_str());
                    // A pool's end takes its clients along.
                    self.clients.clear();
                    self.tokens.forget_pool(id);
                }
                Key::Client { id } => {
                    self.clients.remove(id.as_str());
                }
                Key::SigningKey { .. } => self.tokens.forget_keys(),
                _ => {}
            }
        }
    }

    /// Forgets everything that is kept in memory (after a reset).
    pub fn forget_all(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
        self.pools.clear();
        self.clients.clear();
        self.tokens.clear();
    }

    /// Waits until no other request of this process is checking a secret of this user. It spares the work of guesses
    /// that could not be counted any more; what keeps a burst of them from getting ahead of their count, on one server
    /// or on several, is that each commits against the count that it has seen.
    ///
    /// # Errors
    /// `TooManyRequestsException` after twenty seconds.
    pub async fn one_at_a_time(&self, pool_id: &str, sub: &str) -> Result<MutexGuard<'_, ()>, ApiError> {
        turn_within(self.stripe(pool_id, sub), LONGEST_TURN).await
    }

    /// The same where nobody has to be waited for.
    pub fn turn_at_once(&self, pool_id: &str, sub: &str) -> Option<MutexGuard<'_, ()>> {
        self.stripe(pool_id, sub).try_lock().ok()
    }

    fn stripe(&self, pool_id: &str, sub: &str) -> &Mutex<()> {
        // Keyed by the process, so that nobody can choose names that share somebody's stripe.
        let hash = self.stripe_hasher.hash_one((pool_id, sub));
        let index = usize::try_from(hash % STRIPES as u64).unwrap_or_default();
        #[expect(clippy::indexing_slicing, reason = "the index is below the number of stripes")]
        &self.stripes[index]
    }
}

/// Waits for a turn, but not for longer than this.
async fn turn_within(stripe: &Mutex<()>, longest: Duration) -> Result<MutexGuard<'_, ()>, ApiError> {
    tokio::time::timeout(longest, stripe.lock()).await.map_err(|_elapsed| {
        ApiError::new(ErrorKind::TooManyRequests, "Too many requests for the same user. Please try again.")
    })
}

/// What a change makes stale in memory.
fn cached(change: &Change) -> Option<Key> {
    match change {
        Change::Save { row: Row::Pool(pool), .. } => Some(Key::Pool { id: pool.id.clone() }),
        Change::Save { row: Row::Client(client), .. } => Some(Key::Client { id: client.id.clone() }),
        Change::Save { row: Row::SigningKey(key), .. } if !key.pool_id.is_empty() => {
            Some(Key::SigningKey { kid: key.kid.clone() })
        }
        Change::Delete { key: key @ (Key::Pool { .. } | Key::Client { .. } | Key::SigningKey { .. }), .. } => {
            Some(key.clone())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{sync::Mutex, time::Instant};
    use wire::ErrorKind;

    use super::turn_within;

    /// While the database is away, whoever has the turn keeps it for long.
    #[tokio::test]
    async fn nobody_waits_for_a_turn_for_ever() {
        let (stripe, longest) = (Mutex::new(()), Duration::from_millis(200));
        let turn = turn_within(&stripe, longest).await.unwrap();
        let began = Instant::now();
        let (one, two) = tokio::join!(turn_within(&stripe, longest), turn_within(&stripe, longest));
        for refused in [one.err(), two.err()] {
            assert_eq!(refused.unwrap().kind, ErrorKind::TooManyRequests);
        }
        assert!(began.elapsed() >= longest);
        drop(turn);
        drop(turn_within(&stripe, longest).await.unwrap());
    }
}
