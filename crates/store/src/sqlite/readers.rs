//! The connections that read: about one for every thread, so that a read finds one free and runs where it is.

use std::{
    cell::Cell,
    sync::{
        Arc, Mutex, PoisonError, TryLockError,
        atomic::{AtomicUsize, Ordering},
    },
};

use rusqlite::Connection;

use crate::Error;

/// Connections to read from.
#[derive(Debug)]
pub(crate) struct Readers(Vec<Arc<Mutex<Connection>>>);

/// Numbers threads, so that each begins its search at a connection of its own.
static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static THREAD: Cell<usize> = Cell::new(THREADS.fetch_add(1, Ordering::Relaxed));
}

impl Readers {
    pub(crate) const fn new(connections: Vec<Arc<Mutex<Connection>>>) -> Self {
        Self(connections)
    }

    /// Runs a read on a free connection, or waits for the thread's own.
    pub(crate) fn with<T>(&self, read: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        let start = THREAD.with(Cell::get);
        let count = self.0.len().max(1);
        for offset in 0..count {
            let Some(connection) = self.0.get(start.wrapping_add(offset) % count) else { break };
            match connection.try_lock() {
                Ok(connection) => return read(&connection),
                // A read that panicked left nothing behind: statements reset themselves when they are dropped.
                Err(TryLockError::Poisoned(poisoned)) => return read(&poisoned.into_inner()),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        let connection = self.0.get(start % count).ok_or(Error::Closed)?;
        read(&connection.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Does something with every connection, one after the other; reads find the others free meanwhile.
    pub(crate) fn each(&self, act: impl Fn(&Connection) -> Result<(), Error>) -> Result<(), Error> {
        self.0.iter().try_for_each(|connection| act(&connection.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Closes all connections.
    pub(crate) fn close(&mut self) {
        self.0.clear();
    }
}
