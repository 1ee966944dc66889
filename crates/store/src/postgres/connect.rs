//! Connections: made to all hosts at once, kept in a pool, given up when they have become old or another leader was seen.
//! Of two hosts that say they lead, the one whose timeline is newer is taken.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use deadpool_postgres::{
    Connect, Hook, HookError, Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime, Timeouts,
};
use futures_util::{
    future::BoxFuture,
    stream::{FuturesUnordered, StreamExt},
};
use tokio::{task::JoinHandle, time::timeout};
use tokio_postgres::{Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{
    Address, failure,
    timeline::{self, Newest},
};
use crate::Error;

/// How old a connection may become: some of the family end them after an hour, and load moves on to new servers.
const OLDEST: Duration = Duration::from_secs(30 * 60);
/// How long one try to get a connection may take: waiting for a free one, and making one.
const LONGEST: Duration = Duration::from_secs(5);

/// What is said to every new connection: nobody waits for a lock longer than a request waits for an answer, or the
/// database would go on waiting for those who have left. An engine that does not know this goes without. (How long a
/// transaction may stand still is said with BEGIN, because that of a backup may, when nobody takes what it writes.)
const SESSION: &str = "SET lock_timeout = '5s'";

/// A connection, and what moves its bytes.
type Connected = (Client, JoinHandle<()>);

/// Connects to whichever host of an address is ready first.
struct Connector {
    hosts: Vec<Config>,
    tls: Option<MakeRustlsConnect>,
    newest: Arc<Newest>,
}

impl Connect for Connector {
    fn connect(&self, _config: &Config) -> BoxFuture<'_, Result<Connected, tokio_postgres::Error>> {
        Box::pin(self.first())
    }
}

impl Connector {
    /// All hosts are asked at once, because one that hangs (stopped, or cut off) would otherwise keep the next one from
    /// being asked. The one that takes no writes turns us away by itself. A former leader that still says it leads may
    /// well be the quicker one: it is taken only when nobody else is left, for [`believe`] to say what is wrong.
    async fn first(&self) -> Result<Connected, tokio_postgres::Error> {
        let mut tries: FuturesUnordered<_> = self.hosts.iter().map(|host| self.try_host(host)).collect();
        let mut last = None;
        while let Some(tried) = tries.next().await {
            match tried {
                Ok((connected, true)) => return Ok(connected),
                Ok((connected, false)) => last = Some(Ok(connected)),
                Err(error) if last.is_none() => last = Some(Err(error)),
                Err(_) => {}
            }
        }
        match last {
            Some(outcome) => outcome,
            // There is no host, and this says so.
            None => connect(&Config::new(), None).await,
        }
    }

    /// Connects to one host, and says whether no newer leader was seen than it is.
    async fn try_host(&self, host: &Config) -> Result<(Connected, bool), tokio_postgres::Error> {
        let connected = connect(host, self.tls.clone()).await?;
        let is_alone = self.hosts.len() == 1;
        let is_newest = is_alone || !timeline::of(&connected.0).await.is_some_and(|own| self.newest.is_past(own));
        Ok((connected, is_newest))
    }
}

async fn connect(host: &Config, tls: Option<MakeRustlsConnect>) -> Result<Connected, tokio_postgres::Error> {
    let (client, driver) = match tls {
        None => {
            let (client, connection) = host.connect(NoTls).await?;
            (client, tokio::spawn(drive(connection)))
        }
        Some(tls) => {
            let (client, connection) = host.connect(tls).await?;
            (client, tokio::spawn(drive(connection)))
        }
    };
    if let Err(error) = client.batch_execute(SESSION).await {
        if error.as_db_error().is_none() {
            return Err(error);
        }
        tracing::debug!(reason = failure::told(&error), "the database does not know our limit for locks");
    }
    Ok((client, driver))
}

/// Moves the bytes of a connection until it ends.
async fn drive(connection: impl Future<Output = Result<(), tokio_postgres::Error>>) {
    if let Err(error) = connection.await {
        tracing::debug!(reason = failure::told(&error), "a connection to the database ended");
    }
}

/// A pool of connections; the first one is made when it is wanted.
pub(super) fn pool(address: &Address, max_connections: usize) -> Result<Pool, Error> {
    let newest = Arc::new(Newest::default());
    let newest_of_all = newest.clone();
    let tls = address.tls()?.map(MakeRustlsConnect::new);
    let connector = Connector { hosts: address.hosts(), tls, newest: newest.clone() };
    let manager = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    Pool::builder(Manager::from_connect(Config::new(), connector, manager))
        .max_size(max_connections.max(1))
        .timeouts(Timeouts { wait: Some(LONGEST), create: Some(LONGEST), recycle: Some(LONGEST) })
        .post_create(Hook::async_fn(move |client, metrics| {
            let newest = newest.clone();
            Box::pin(async move { believe(&newest, client, metrics.created).await })
        }))
        .pre_recycle(Hook::sync_fn(move |_client, metrics| {
            if metrics.age() > OLDEST {
                Err(HookError::message("the connection is old"))
            } else if newest_of_all.is_newer_than(metrics.created) {
                Err(HookError::message("another server leads"))
            } else {
                Ok(())
            }
        }))
        .runtime(Runtime::Tokio1)
        .build()
        .map_err(|error| Error::Engine(error.to_string()))
}

/// Refuses a connection to a leader from before the newest one that was seen.
async fn believe(newest: &Newest, client: &Client, made: Instant) -> Result<(), HookError> {
    let Ok(timeline) = timeout(LONGEST, timeline::of(client)).await else {
        return Err(HookError::message("no answer in time"));
    };
    let Some(timeline) = timeline else { return Ok(()) };
    newest.see(timeline, made).map_err(|newer| {
        HookError::message(format!(
            "a server that leads no longer (its timeline is {timeline}, and {newer} was seen) has answered. If the \
             database was replaced by another one on purpose, restart this server"
        ))
    })
}

/// A connection in use. Unless it is known to be in order, it is closed instead of given back: a transaction may be
/// open on it, or an answer outstanding that never comes.
#[derive(Debug)]
pub(super) struct Session {
    object: Option<Object>,
    is_in_order: bool,
}

impl Session {
    /// One that only reads: in order unless it is discarded.
    pub(super) const fn reading(object: Object) -> Self {
        Self { object: Some(object), is_in_order: true }
    }

    /// One that writes: in order only when that is said.
    pub(super) const fn writing(object: Object) -> Self {
        Self { object: Some(object), is_in_order: false }
    }

    /// The connection.
    pub(super) fn client(&self) -> Result<&Object, Error> {
        self.object.as_ref().ok_or(Error::Closed)
    }

    /// Nothing is open or outstanding on it.
    pub(super) const fn in_order(&mut self) {
        self.is_in_order = true;
    }

    /// Closes it.
    pub(super) fn discard(mut self) {
        self.is_in_order = false;
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if !self.is_in_order
            && let Some(object) = self.object.take()
        {
            drop(Object::take(object));
        }
    }
}
