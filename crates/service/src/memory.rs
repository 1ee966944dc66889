//! How a server learns that another one has changed what it keeps in memory.
//!
//! Every change of a pool, a client or a pool's keys moves the database's epoch on, in the same transaction. Each server
//! looks at it three times a second, and forgets everything when it has moved. What is in memory counts for one second
//! from the moment before the last look: a server that cannot look, because the database is slow or away, asks for
//! everything again. So a change is seen everywhere within a second, whatever happens.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use quick_cache::sync::Cache;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::App;

/// How often the epoch is looked at.
const LOOK: Duration = Duration::from_millis(330);
/// How long what is in memory counts after a look.
const GOOD_FOR: Duration = Duration::from_secs(1);

/// Until when what is in memory counts.
pub struct Freshness {
    is_shared: bool,
    began: Instant,
    /// Microseconds after `began`.
    good_until: AtomicU64,
    epoch: AtomicI64,
}

impl Freshness {
    /// Nothing counts before the first look, unless nobody else can change anything.
    pub(crate) fn new(is_shared: bool) -> Self {
        Self { is_shared, began: Instant::now(), good_until: AtomicU64::new(0), epoch: AtomicI64::new(-1) }
    }

    /// Whether what is in memory counts at this moment.
    pub(crate) fn is_good(&self) -> bool {
        !self.is_shared || self.since_began(Instant::now()) < self.good_until.load(Ordering::Acquire)
    }

    /// Takes down what a look has found that began at `looked`. True when something has changed since the last one.
    fn learn(&self, epoch: i64) -> bool {
        self.epoch.swap(epoch, Ordering::AcqRel) != epoch
    }

    fn extend(&self, looked: Instant) {
        self.good_until.store(self.since_began(looked + GOOD_FOR), Ordering::Release);
    }

    fn since_began(&self, moment: Instant) -> u64 {
        u64::try_from(moment.duration_since(self.began).as_micros()).unwrap_or(u64::MAX)
    }
}

/// Keeps what was read when the generation was `read_at`, unless something has changed since: it may be this.
pub(crate) fn keep<T>(cache: &Cache<String, Arc<T>>, id: &str, value: &Arc<T>, generation: &AtomicU64, read_at: u64) {
    let is_current = || generation.load(Ordering::SeqCst) == read_at;
    if is_current() {
        cache.insert(id.to_owned(), value.clone());
        // Once more, because it may have changed in between.
        if !is_current() {
            cache.remove(id);
        }
    }
}

/// Looks at the epoch until `shutdown`.
pub async fn follow(app: Arc<App>, shutdown: CancellationToken) {
    if !app.store.is_shared() {
        return;
    }
    while !shutdown.is_cancelled() {
        look(&app).await;
        _ = shutdown.run_until_cancelled(tokio::time::sleep(LOOK)).await;
    }
}

/// Looks at the epoch once.
pub(crate) async fn look(app: &App) {
    let looked = Instant::now();
    match app.store.epoch().await {
        Ok(epoch) => {
            if app.freshness.learn(epoch) {
                app.forget_all();
            }
            app.freshness.extend(looked);
        }
        Err(error) => {
            app.metrics.epoch_looks_failed.inc();
            tracing::debug!(%error, "what others have changed is not known");
        }
    }
}
