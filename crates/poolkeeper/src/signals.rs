//! SIGINT and SIGTERM end the server in good order; a second one ends it at once.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// Cancels `leaving` at the first signal, and `shutdown` when `drain_delay` has passed since then: whoever shares out
/// requests has that long to learn that this server is about to end. A second signal ends the process, whatever is
/// still under way.
///
/// # Errors
/// When the operating system allows no signal handlers.
pub fn watch(leaving: CancellationToken, drain_delay: Duration, shutdown: CancellationToken) -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    tokio::spawn(async move {
        signals.next().await;
        tracing::info!(drain_delay_seconds = drain_delay.as_secs(), "shutting down");
        leaving.cancel();
        tokio::spawn(async move {
            tokio::time::sleep(drain_delay).await;
            shutdown.cancel();
        });
        signals.next().await;
        tracing::warn!("ended without waiting for requests under way");
        std::process::exit(130);
    });
    Ok(())
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> anyhow::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};

        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    #[expect(clippy::unnecessary_wraps, reason = "fails on other systems")]
    const fn new() -> anyhow::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
