//! Turns for Argon2: 15 ms of a core and 19 MiB each, so there is a limit to how many are computed at once.
//!
//! Without one, as many would run as the runtime has blocking threads (512, or 9.5 GiB), and anybody could ask for
//! them by signing in under names that do not exist. The limit is the process's, as memory and cores are.

use std::{
    num::NonZero,
    sync::{Arc, LazyLock},
};

use tokio::sync::{Semaphore, TryAcquireError};
use wire::ErrorKind;

use crate::ApiError;

/// How many computations may wait. With two cores the last of them waits half a second.
const MOST_WAITING: usize = 64;

/// The turns of this process: one for each core.
pub(super) static TURNS: LazyLock<Turns> =
    LazyLock::new(|| Turns::new(std::thread::available_parallelism().map_or(1, NonZero::get), MOST_WAITING));

/// So many computations at once, and so many more that wait.
pub(super) struct Turns {
    /// For those that run and those that wait.
    places: Arc<Semaphore>,
    /// For those that run.
    running: Arc<Semaphore>,
}

impl Turns {
    fn new(at_once: usize, waiting: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(at_once.saturating_add(waiting))),
            running: Arc::new(Semaphore::new(at_once)),
        }
    }

    /// Does the work off the threads that answer requests, when its turn comes.
    ///
    /// # Errors
    /// `TooManyRequestsException` when too many others are waiting.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let place = self.places.clone().try_acquire_owned().map_err(|error| match error {
            TryAcquireError::NoPermits => ApiError::new(
                ErrorKind::TooManyRequests,
                "Too many passwords are being checked at the moment. Please try again.",
            ),
            TryAcquireError::Closed => ApiError::internal(error),
        })?;
        let turn = self.running.clone().acquire_owned().await.map_err(ApiError::internal)?;
        // Both go along: work that has begun ends even when nobody waits for it any more, and counts until then.
        let done = tokio::task::spawn_blocking(move || {
            let _until_done = (place, turn);
            work()
        });
        done.await.map_err(ApiError::internal)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Work that has begun when it says so, and ends when it is told to.
    fn held() -> (mpsc::Receiver<()>, mpsc::Sender<()>, impl FnOnce() + Send + 'static) {
        let (begun, is_begun) = mpsc::channel();
        let (end, may_end) = mpsc::channel();
        let work = move || {
            begun.send(()).unwrap();
            may_end.recv().unwrap();
        };
        (is_begun, end, work)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn so_many_run_so_many_wait_and_the_rest_is_refused() {
        let turns = Arc::new(Turns::new(1, 2));
        let start = |work| {
            let turns = turns.clone();
            tokio::spawn(async move { turns.run(work).await })
        };
        let (is_begun, end, work) = held();
        let first = start(work);
        is_begun.recv().unwrap();

        let ((second_begun, second_end, second_work), (third_begun, third_end, third_work)) = (held(), held());
        let second = start(second_work);
        while turns.places.available_permits() > 1 {
            tokio::task::yield_now().await;
        }
        let third = start(third_work);
        while turns.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let refused = turns.run(|| ()).await.unwrap_err();
        assert_eq!(refused.kind, ErrorKind::TooManyRequests);
        assert!(second_begun.try_recv().is_err(), "the first is still at it");

        // Who stops waiting makes room, and nothing is done for it.
        second.abort();
        assert!(second.await.unwrap_err().is_cancelled());
        assert!(second_begun.recv().is_err());
        drop(second_end);
        assert_eq!(turns.places.available_permits(), 1);

        // Who stops waiting while its work is being done does not: that goes on.
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        assert!(third_begun.try_recv().is_err());
        end.send(()).unwrap();
        third_begun.recv().unwrap();
        third_end.send(()).unwrap();
        third.await.unwrap().unwrap();
        turns.run(|| ()).await.unwrap();
        assert_eq!((turns.places.available_permits(), turns.running.available_permits()), (3, 1));
    }
}
