//! Jobs that one server at a time should do, out of all that share a database.
//!
//! A lease is a row whose version is its holder's pulse. Its holder moves it on every two seconds. Another server takes
//! it when it has seen the same version for ten seconds of its own time; clocks are never compared. A holder who cannot
//! move it on for six seconds stops working, which is before anybody else begins. Jobs are written so that two at work
//! at once do no harm, only more work: a lease is a promise about effort, not about safety.
//!
//! On a database that no other server shares, the job just runs.

use std::{sync::Arc, time::Duration};

use store::{Changes, CommitError, Key, Lease, Stored};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::App;

/// How often a holder moves its lease on, and a waiting server looks at it.
const BEAT: Duration = Duration::from_secs(2);
/// How long a lease must stand still before it is taken over.
const STANDSTILL: Duration = Duration::from_secs(10);
/// How long a holder works on without having moved its lease on.
const UNSURE: Duration = Duration::from_secs(6);

/// Runs a job on whichever server holds its lease, until `shutdown`. The job gets a token that ends with the lease or
/// at shutdown, and must end soon after; it is run again when the lease comes back.
pub async fn hold<F: Future<Output = ()>>(
    app: Arc<App>,
    name: &str,
    shutdown: CancellationToken,
    job: impl Fn(CancellationToken) -> F,
) {
    if !app.store.is_shared() {
        return job(shutdown).await;
    }
    let holder = crypto::random::uuid_v4(&*app.entropy);
    let mut seen = None;
    while !shutdown.is_cancelled() {
        match take(&app, name, &holder, &mut seen).await {
            Ok(Some(version)) => {
                tracing::debug!(name, "this server does the job now");
                let last = work(&app, name, &holder, version, &shutdown, &job).await;
                seen = None;
                if shutdown.is_cancelled() {
                    give_back(&app, name, last).await;
                }
            }
            Ok(None) => {}
            Err(error) => tracing::debug!(name, %error, "the lease cannot be looked at"),
        }
        _ = shutdown.run_until_cancelled(tokio::time::sleep(BEAT)).await;
    }
}

/// Takes the lease if nobody has it or its holder shows no sign of life, and says which version it has then.
async fn take(
    app: &App,
    name: &str,
    holder: &str,
    seen: &mut Option<(i64, Instant)>,
) -> Result<Option<i64>, store::Error> {
    let found = app.store.lease(name).await?;
    if let Some(Stored { version, .. }) = &found {
        match seen {
            Some((known, since)) if known == version => {
                if since.elapsed() < STANDSTILL {
                    return Ok(None);
                }
            }
            _ => {
                *seen = Some((*version, Instant::now()));
                return Ok(None);
            }
        }
    }
    let expected = found.map(|found| found.version);
    beat(app, name, holder, expected).await
}

/// Moves the lease on, and says which version it has then; `None` when somebody else has moved it.
async fn beat(app: &App, name: &str, holder: &str, expected: Option<i64>) -> Result<Option<i64>, store::Error> {
    let mut changes = Changes::new();
    changes.save(Lease { name: name.to_owned(), holder: holder.to_owned() }, expected);
    match app.store.commit(changes).await {
        Ok(()) => Ok(Some(expected.map_or(1, |version| version + 1))),
        Err(CommitError::Conflict | CommitError::Taken(_)) => Ok(None),
        Err(CommitError::Store(error)) => Err(error),
    }
}

/// Runs the job while moving the lease on; answers the lease's last known version.
async fn work<F: Future<Output = ()>>(
    app: &App,
    name: &str,
    holder: &str,
    mut version: i64,
    shutdown: &CancellationToken,
    job: &impl Fn(CancellationToken) -> F,
) -> i64 {
    let ours = shutdown.child_token();
    let mut running = std::pin::pin!(job(ours.clone()));
    let mut sure_until = Instant::now() + UNSURE;
    loop {
        let pulse = async {
            tokio::time::sleep(BEAT).await;
            let began = Instant::now();
            (began, tokio::time::timeout_at(sure_until, beat(app, name, holder, Some(version))).await)
        };
        tokio::select! {
            () = &mut running => return version,
            () = ours.cancelled() => {
                running.await;
                return version;
            }
            (began, outcome) = pulse => match outcome {
                Ok(Ok(Some(next))) => {
                    version = next;
                    sure_until = began + UNSURE;
                }
                Ok(Err(error)) if Instant::now() < sure_until => {
                    tracing::debug!(name, %error, "the lease cannot be moved on; trying again");
                }
                Ok(Ok(None) | Err(_)) | Err(_) => {
                    tracing::info!(name, "another server may do this job now");
                    ours.cancel();
                    running.await;
                    return version;
                }
            },
        }
    }
}

/// Lets others take the lease at once.
async fn give_back(app: &App, name: &str, version: i64) {
    let mut changes = Changes::new();
    changes.delete(Key::Lease { name: name.to_owned() }, version);
    if let Err(error) = app.store.commit(changes).await {
        tracing::debug!(name, %error, "the lease could not be given back; others take it in a few seconds");
    }
}
