//! Connections that several reads share at a time.
//!
//! A read by key costs the database less than to wake up the process behind another connection, whose caches have gone
//! cold meanwhile. So reads that come at the same time are sent one behind the other on the same connection, without
//! waiting for answers: a few connections stay warm, and many messages travel in one packet. Only reads that are short
//! may go this way, because one waits for those before it. Where that would be many, the next connection is taken.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use deadpool_postgres::Pool;
use tokio::{sync::Mutex, time::Instant};

use super::{
    connect::Session,
    failure::{self, Failure},
    timeline::Newest,
};

/// Reads under way on one connection before the next one is taken.
const DEPTH: usize = 8;

/// The connections that reads share.
#[derive(Debug)]
pub(super) struct Readers(Vec<Reader>);

#[derive(Debug, Default)]
struct Reader {
    under_way: AtomicUsize,
    /// None until it is wanted.
    session: Mutex<Option<Arc<Session>>>,
}

/// A read's place on a connection, until it is dropped.
pub(super) struct Place<'a>(&'a Reader);

impl Readers {
    /// A quarter of the connections that there may be: the others are for whoever writes or reads for long.
    pub(super) fn of(max_connections: usize) -> Self {
        Self((0..max_connections / 4).map(|_| Reader::default()).collect())
    }

    /// A place on the first connection that has one, or on the one with the shortest queue. None where no connection is
    /// shared.
    pub(super) fn place(&self) -> Option<Place<'_>> {
        let queue = |reader: &&Reader| reader.under_way.load(Ordering::Relaxed);
        let free = self.0.iter().find(|reader| queue(reader) < DEPTH);
        let reader = free.or_else(|| self.0.iter().min_by_key(queue))?;
        reader.under_way.fetch_add(1, Ordering::Relaxed);
        Some(Place(reader))
    }

    /// Gives up those that were made before that moment.
    pub(super) fn give_up_older(&self, than: Instant) {
        for reader in &self.0 {
            // Where it is locked, somebody replaces it right now.
            if let Ok(mut session) = reader.session.try_lock() {
                let given_up = session.take_if(|session| session.created().is_none_or(|made| made <= than.into_std()));
                // Nor may it go back to those that anybody can have.
                given_up.iter().for_each(|session| session.spoil());
            }
        }
    }
}

impl Place<'_> {
    /// The connection; it is made when there is none that can be used.
    pub(super) async fn session(&self, pool: &Pool, newest: &Newest) -> Result<Arc<Session>, Failure> {
        let mut held = self.0.session.lock().await;
        if let Some(session) = held.as_ref().filter(|session| session.can_be_used(newest)) {
            return Ok(session.clone());
        }
        *held = None;
        let made = Arc::new(Session::reading(pool.get().await.map_err(|error| failure::of_pool(&error))?));
        *held = Some(made.clone());
        Ok(made)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::{DEPTH, Readers};

    #[test]
    fn connections_fill_up_one_after_another_and_then_evenly() {
        let readers = Readers::of(8);
        let queues =
            || readers.0.iter().map(|reader| reader.under_way.load(super::Ordering::Relaxed)).collect::<Vec<_>>();
        let mut places: Vec<_> = (0..DEPTH).map(|_| readers.place().unwrap()).collect();
        assert_eq!(queues(), [DEPTH, 0]);
        places.extend((0..DEPTH + 3).map(|_| readers.place().unwrap()));
        assert_eq!(queues(), [DEPTH + 2, DEPTH + 1]);
        drop(places.drain(..4));
        assert_eq!(queues(), [DEPTH - 2, DEPTH + 1]);
        drop(readers.place());
        drop(places);
        assert_eq!(queues(), [0, 0]);
        assert!(Readers::of(3).place().is_none(), "few connections are nobody's for good");
    }
}
