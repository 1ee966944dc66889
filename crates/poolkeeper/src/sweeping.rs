//! Removes what has expired, in the background: rounds that walk every table once, so that no table grows without limit
//! however many live rows it has, a slice at a time, so that requests get their turn in between.

use std::{sync::Arc, time::Duration};

use service::{App, lease};
use store::Store;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use wire::Timestamp;

/// How long rows stay after their end, in milliseconds.
const GRACE: i64 = domain::time::MINUTE;
/// Pause between rounds.
const EVERY: Duration = Duration::from_secs(60);
/// Pause after a round that was cut short: there is much to look at.
const SOON: Duration = Duration::from_secs(2);
/// How long one round may take. The next one goes on where it stopped.
const LONGEST_ROUND: Duration = Duration::from_secs(20);
/// Rows of each table in one slice.
const SLICE: usize = 1_000;

/// Sweeps until `shutdown`; of several servers, one does it for all.
pub async fn run(app: Arc<App>, shutdown: CancellationToken) {
    lease::hold(app.clone(), "sweep", shutdown, |ours| sweep(&app, ours)).await;
}

async fn sweep(app: &App, shutdown: CancellationToken) {
    let mut pause = EVERY;
    while shutdown.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
        // A mark that something was spent must outlive what it guards, also by the clock of another node.
        let now = || app.clock.now().plus(-GRACE);
        pause = match round(&app.store, now, LONGEST_ROUND, &shutdown).await {
            Ok(true) => EVERY,
            Ok(false) => SOON,
            Err(error) => {
                tracing::warn!(cause = %error, "expired rows could not be removed; trying again in a minute");
                EVERY
            }
        };
    }
}

/// One round, of at least one slice. Says whether every table was walked to its end.
async fn round(
    store: &Store,
    now: impl Fn() -> Timestamp,
    longest: Duration,
    shutdown: &CancellationToken,
) -> Result<bool, store::Error> {
    let until = Instant::now() + longest;
    loop {
        if store.sweep(now(), SLICE).await?.complete {
            return Ok(true);
        }
        if shutdown.is_cancelled() || Instant::now() >= until {
            return Ok(false);
        }
        tokio::task::yield_now().await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::Spent;
    use store::{Changes, Options, Store};
    use tokio_util::sync::CancellationToken;
    use wire::Timestamp;

    use super::round;

    const NOW: Timestamp = Timestamp(1_000);

    /// Five thousand live marks, and behind them one that has expired.
    async fn filled() -> Store {
        let store = Store::open(&Options::memory()).await.unwrap();
        let mut changes = Changes::new();
        for number in 0..5_000 {
            changes.insert(Spent { id: format!("{number:04}"), expires_at: NOW.plus(1) });
        }
        changes.insert(Spent { id: "last".to_owned(), expires_at: NOW });
        store.commit(changes).await.unwrap();
        store
    }

    #[tokio::test]
    async fn a_round_reaches_the_end_of_every_table() {
        let (store, shutdown) = (filled().await, CancellationToken::new());
        assert!(round(&store, || NOW, Duration::from_secs(600), &shutdown).await.unwrap());
        assert!(store.spent("last").await.unwrap().is_none());
        assert!(store.spent("0000").await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_round_that_was_cut_short_goes_on() {
        let (store, shutdown) = (filled().await, CancellationToken::new());
        let mut rounds = 1;
        while !round(&store, || NOW, Duration::ZERO, &shutdown).await.unwrap() {
            rounds += 1;
        }
        assert_eq!(rounds, 6);
        assert!(store.spent("last").await.unwrap().is_none());
    }
}
