//! Whether anything happens on an HTTP/2 connection. The protocol's own pings say only that the other side is there,
//! not that it wants anything.

use std::{
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use tokio::time::sleep;

/// Requests of one connection.
#[derive(Default)]
pub(crate) struct Activity {
    begun: AtomicUsize,
    ended: AtomicUsize,
}

/// A request under way, until it is dropped.
pub(crate) struct UnderWay<'a>(&'a Activity);

impl Activity {
    /// A request begins.
    pub(crate) fn begin(&self) -> UnderWay<'_> {
        self.begun.fetch_add(1, Relaxed);
        UnderWay(self)
    }

    /// Returns once there was no request for `limit`, or up to twice as long. A request whose answer was handed over
    /// has ended, whether the client takes the answer or not.
    pub(crate) async fn idle(&self, limit: Duration) {
        let mut seen = None;
        loop {
            let begun = self.begun.load(Relaxed);
            if seen == Some(begun) && self.ended.load(Relaxed) == begun {
                return;
            }
            seen = Some(begun);
            sleep(limit).await;
        }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Relaxed);
    }
}
