//! Connections on which several read at the same time.
//!
//! Statements that only read may be sent before the one ahead of them was answered. When much is read at once, that
//! spares the database and this server most of the times that they would otherwise wake up for one statement, and fewer
//! of the database's processes get into each other's way. Whoever reads while nobody else does has a connection for
//! himself, as always.

use std::sync::{
    Arc, Weak,
    atomic::{AtomicUsize, Ordering},
};

use deadpool_postgres::Pool;
use tokio::{
    sync::Mutex,
    time::{Instant, timeout_at},
};

use super::{
    Session,
    failure::{self, Cause, Failure},
};

/// One of so many connections may be shared; the others are for those who write.
const SHARE: usize = 4;

/// The connections that are shared at this moment. Each goes back to the pool when the last of those who read on it
/// leaves.
#[derive(Debug)]
pub(super) struct Shared {
    places: Vec<Mutex<Weak<Session>>>,
    next: AtomicUsize,
}

impl Shared {
    /// For a pool of so many connections.
    pub(super) fn of(max_connections: usize) -> Self {
        let places = (0..(max_connections / SHARE).max(1)).map(|_| Mutex::default()).collect();
        Self { places, next: AtomicUsize::new(0) }
    }

    /// A connection to read on, alone or with others.
    pub(super) async fn session(&self, pool: &Pool, until: Instant) -> Result<Arc<Session>, Failure> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let place = self.places.get(number % self.places.len());
        let found = timeout_at(until, async {
            // Held while a connection is taken from the pool, so that those who come meanwhile share it.
            let mut place = match place {
                Some(place) => place.lock().await,
                None => return Err(Failure::silent()),
            };
            if let Some(session) = place.upgrade().filter(|session| session.may_be_shared()) {
                return Ok(session);
            }
            let object = pool.get().await.map_err(|error| failure::of_pool(&error))?;
            let session = Arc::new(Session::reading(object));
            *place = Arc::downgrade(&session);
            Ok(session)
        });
        let exhausted = || Failure::Again(Cause::Exhausted, "no connection in time".to_owned());
        found.await.unwrap_or_else(|_elapsed| Err(exhausted()))
    }

    /// Lets nobody else join those who read on a connection that was made before `since`: it may stand still, or lead to
    /// a server that is the leader no more.
    pub(super) fn forget(&self, since: std::time::Instant) {
        for place in &self.places {
            // Where one is just being taken, it is a new one, or of the pool's, which forgets as well.
            if let Ok(place) = place.try_lock()
                && let Some(session) = place.upgrade().filter(|session| session.is_older(since))
            {
                session.discard();
            }
        }
    }
}
