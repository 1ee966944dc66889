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

use crate::{App, LeaseLabels};

/// How quickly leases change hands.
#[derive(Clone, Copy)]
struct Pace {
    /// How often a holder moves its lease on, and a waiting server looks at it.
    beat: Duration,
    /// How long a lease must stand still before it is taken over.
    standstill: Duration,
    /// How long a holder works on without having moved its lease on. Shorter than the standstill.
    unsure: Duration,
}

const PACE: Pace =
    Pace { beat: Duration::from_secs(2), standstill: Duration::from_secs(10), unsure: Duration::from_secs(6) };

/// Runs a job on whichever server holds its lease, until `shutdown`. The job gets a token that ends with the lease or
/// at shutdown, and must end soon after; it is run again when the lease comes back.
pub async fn hold<F: Future<Output = ()>>(
    app: Arc<App>,
    name: &str,
    shutdown: CancellationToken,
    job: impl Fn(CancellationToken) -> F,
) {
    if app.store.is_shared() {
        return contend(&app, name, PACE, &shutdown, &job).await;
    }
    app.metrics.leases.get_or_create_owned(&LeaseLabels { lease: name.to_owned() }).set(1);
    job(shutdown).await;
}

/// Takes the lease whenever it can be had, and does the job as long as it is held.
async fn contend<F: Future<Output = ()>>(
    app: &App,
    name: &str,
    pace: Pace,
    shutdown: &CancellationToken,
    job: &impl Fn(CancellationToken) -> F,
) {
    let held = app.metrics.leases.get_or_create_owned(&LeaseLabels { lease: name.to_owned() });
    let mut contender = Contender::new(app, name, pace);
    while !shutdown.is_cancelled() {
        match contender.take().await {
            // A lease that was long in coming may be somebody else's any moment.
            Ok(Some(grip)) if Instant::now() < grip.sure_until => {
                tracing::debug!(name, "this server does the job now");
                held.set(1);
                let last = contender.work(grip, shutdown, job).await;
                held.set(0);
                if shutdown.is_cancelled() {
                    contender.give_back(last).await;
                }
            }
            Ok(_) => {}
            Err(error) => tracing::debug!(name, %error, "the lease cannot be looked at"),
        }
        _ = shutdown.run_until_cancelled(tokio::time::sleep(pace.beat)).await;
    }
}

/// A server that would do a job.
struct Contender<'a> {
    app: &'a App,
    /// The job.
    name: &'a str,
    /// A name that no other contender has.
    holder: String,
    pace: Pace,
    /// The lease of somebody else, and since when it has been as it is.
    seen: Option<(Stored<Lease>, Instant)>,
}

/// What a holder knows about its lease.
struct Grip {
    /// Its version.
    version: i64,
    /// Before this moment nobody else takes it.
    sure_until: Instant,
}

impl<'a> Contender<'a> {
    fn new(app: &'a App, name: &'a str, pace: Pace) -> Self {
        Self { app, name, holder: crypto::random::uuid_v4(&*app.entropy), pace, seen: None }
    }

    /// Takes the lease if nobody has it or its holder shows no sign of life.
    async fn take(&mut self) -> Result<Option<Grip>, store::Error> {
        let found = self.app.store.lease(self.name).await?;
        if let Some(lease) = &found
            // Ours may be there although nobody has told us.
            && lease.holder != self.holder
            && !self.has_stood_still(lease)
        {
            return Ok(None);
        }
        self.beat(found.map(|lease| lease.version)).await
    }

    /// Whether a lease has not been moved on for so long that it may be taken over.
    fn has_stood_still(&mut self, lease: &Stored<Lease>) -> bool {
        match &self.seen {
            Some((known, since)) if known == lease => since.elapsed() >= self.pace.standstill,
            _ => {
                self.seen = Some((lease.clone(), Instant::now()));
                false
            }
        }
    }

    /// Moves the lease on; `None` when somebody else has moved it.
    async fn beat(&self, expected: Option<i64>) -> Result<Option<Grip>, store::Error> {
        // Others may see it from now on, however long the answer takes.
        let sure_until = Instant::now() + self.pace.unsure;
        let mut changes = Changes::new();
        changes.save(Lease { name: self.name.to_owned(), holder: self.holder.clone() }, expected);
        match self.app.store.commit(changes).await {
            Ok(()) => Ok(Some(Grip { version: expected.map_or(1, |version| version + 1), sure_until })),
            Err(CommitError::Conflict | CommitError::Taken(_)) => Ok(None),
            Err(CommitError::Store(error)) => Err(error),
        }
    }

    /// Runs the job while moving the lease on; answers the lease's last known version.
    async fn work<F: Future<Output = ()>>(
        &self,
        mut grip: Grip,
        shutdown: &CancellationToken,
        job: &impl Fn(CancellationToken) -> F,
    ) -> i64 {
        let name = self.name;
        let ours = shutdown.child_token();
        let mut running = std::pin::pin!(job(ours.clone()));
        loop {
            let pulse = async {
                tokio::time::sleep_until(grip.sure_until.min(Instant::now() + self.pace.beat)).await;
                tokio::time::timeout_at(grip.sure_until, self.beat(Some(grip.version))).await
            };
            tokio::select! {
                () = &mut running => return grip.version,
                () = ours.cancelled() => {
                    running.await;
                    return grip.version;
                }
                outcome = pulse => match outcome {
                    Ok(Ok(Some(next))) => grip = next,
                    Ok(Err(error)) if Instant::now() < grip.sure_until => {
                        tracing::debug!(name, %error, "the lease cannot be moved on; trying again");
                    }
                    Ok(Ok(None) | Err(_)) | Err(_) => {
                        tracing::info!(name, "another server may do this job now");
                        ours.cancel();
                        running.await;
                        return grip.version;
                    }
                },
            }
        }
    }

    /// Lets others take the lease at once.
    async fn give_back(&self, version: i64) {
        let mut changes = Changes::new();
        changes.delete(Key::Lease { name: self.name.to_owned() }, version);
        if let Err(error) = self.app.store.commit(changes).await {
            let name = self.name;
            tracing::debug!(name, %error, "the lease could not be given back; others take it in a few seconds");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    };

    use tokio::task::JoinHandle;

    use super::*;
    use crate::messages::{
        Sender,
        testing::{app, sibling},
    };

    const PACE: Pace = Pace {
        beat: Duration::from_millis(20),
        standstill: Duration::from_secs(1),
        unsure: Duration::from_millis(500),
    };

    /// What servers do under a lease.
    #[derive(Default)]
    struct Job {
        at_work: AtomicUsize,
        /// The servers that began, in order.
        begun: Mutex<Vec<usize>>,
    }

    /// At work until dropped, also by the end of its task.
    struct AtWork(Arc<Job>);

    impl Drop for AtWork {
        fn drop(&mut self) {
            self.0.at_work.fetch_sub(1, Ordering::SeqCst);
        }
    }

    impl Job {
        async fn run(self: Arc<Self>, server: usize, ours: CancellationToken) {
            assert_eq!(self.at_work.fetch_add(1, Ordering::SeqCst), 0, "two servers are at work");
            let _at_work = AtWork(self.clone());
            self.begun.lock().unwrap().push(server);
            ours.cancelled().await;
        }

        fn begun(&self) -> Vec<usize> {
            self.begun.lock().unwrap().clone()
        }
    }

    /// Has a server contend for the job.
    fn start(app: &Arc<App>, job: &Arc<Job>, server: usize) -> (CancellationToken, JoinHandle<()>) {
        let (app, job, shutdown) = (app.clone(), job.clone(), CancellationToken::new());
        let stop = shutdown.clone();
        let task = tokio::spawn(async move {
            contend(&app, "job", PACE, &shutdown, &|ours| job.clone().run(server, ours)).await;
        });
        (stop, task)
    }

    /// Waits until the condition holds, and says how long that took.
    async fn until(what: &str, condition: impl Fn() -> bool) -> Duration {
        let began = Instant::now();
        while !condition() {
            assert!(began.elapsed() < Duration::from_secs(20), "never: {what}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        began.elapsed()
    }

    #[tokio::test]
    async fn one_server_works_at_a_time_and_another_goes_on() {
        let first = app(Sender::Inbox, true).await;
        let apps = [first.clone(), sibling(&first, Sender::Inbox), sibling(&first, Sender::Inbox)];
        let job = Arc::new(Job::default());
        let mut servers: Vec<_> = apps.iter().enumerate().map(|(number, app)| Some(start(app, &job, number))).collect();
        until("one begins", || job.begun().len() == 1).await;
        // It stops: the next one need not wait.
        let holder = job.begun().pop().unwrap();
        let (stop, task) = servers.get_mut(holder).unwrap().take().unwrap();
        stop.cancel();
        task.await.unwrap();
        assert!(until("another one goes on", || job.begun().len() == 2).await < PACE.standstill);
        // It dies: the lease has to stand still first.
        let holder = job.begun().pop().unwrap();
        let (_stop, task) = servers.get_mut(holder).unwrap().take().unwrap();
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        let waited = until("the last one goes on", || job.begun().len() == 3).await;
        assert!(waited >= PACE.standstill - 2 * PACE.beat, "{waited:?}");
        let mut begun = job.begun();
        begun.sort_unstable();
        assert_eq!(begun, [0, 1, 2]);
        for (stop, task) in servers.into_iter().flatten() {
            stop.cancel();
            task.await.unwrap();
        }
        assert_eq!(first.store.lease("job").await.unwrap(), None);
    }

    #[tokio::test]
    async fn whoever_loses_the_lease_stops() {
        let app = app(Sender::Inbox, true).await;
        let job = Arc::new(Job::default());
        let (stop, task) = start(&app, &job, 0);
        until("it begins", || job.begun().len() == 1).await;
        // As another server does that has waited for long enough; it may take more than one try.
        loop {
            let lease = app.store.lease("job").await.unwrap().unwrap();
            let mut changes = Changes::new();
            changes.save(Lease { name: "job".to_owned(), holder: "another".to_owned() }, Some(lease.version));
            if app.store.commit(changes).await.is_ok() {
                break;
            }
        }
        until("it stops", || job.at_work.load(Ordering::SeqCst) == 0).await;
        // The other one shows no sign of life.
        until("it begins again", || job.begun().len() == 2).await;
        stop.cancel();
        task.await.unwrap();
    }

    #[tokio::test]
    async fn a_lease_is_known_again_by_its_holder_alone() {
        let app = app(Sender::Inbox, true).await;
        let (mut one, mut two) = (Contender::new(&app, "job", PACE), Contender::new(&app, "job", PACE));
        assert_eq!(one.take().await.unwrap().unwrap().version, 1);
        // As after a change whose answer was lost.
        assert_eq!(one.take().await.unwrap().unwrap().version, 2);
        assert!(two.take().await.unwrap().is_none());
        one.give_back(1).await;
        assert!(two.take().await.unwrap().is_none(), "that was not the lease's version");
        one.give_back(2).await;
        assert_eq!(two.take().await.unwrap().unwrap().version, 1);
        // The first version once more, but another holder's: it has not stood still since it was seen.
        one.seen = Some((
            Stored { value: Lease { name: "job".to_owned(), holder: "third".to_owned() }, version: 1 },
            Instant::now() - 2 * PACE.standstill,
        ));
        assert!(one.take().await.unwrap().is_none());
    }
}
