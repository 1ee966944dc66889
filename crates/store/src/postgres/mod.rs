//! PostgreSQL and its family (CockroachDB, YugabyteDB, Aurora DSQL), shared by any number of servers.
//!
//! A changeset is one transaction in two round trips: BEGIN and all its statements are sent at once, then, when every
//! one of them did what was expected, COMMIT. Each statement names the versions that it was decided on, so the outcome
//! is right from READ COMMITTED upwards. What the database turns down for its own reasons is tried again with the same
//! data, for as long as the server's patience lasts. A COMMIT without an answer is settled by its stamp (see `settle`).
//! Changesets that wait at the same time share a transaction (see `group`).
//!
//! Reads are single statements, each of which sees one moment, so they need no transaction and one round trip. Those that
//! wait at the same time share a statement (see `reads`).

mod batch;
mod connect;
mod facts;
pub(crate) mod failure;
mod group;
mod migrate;
mod options;
mod pipeline;
mod queue;
mod reads;
mod ready;
mod settle;
pub(crate) mod sqltypes;
mod timeline;
mod transact;
mod usable;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use deadpool_postgres::Pool;
use tokio::time::{Instant, timeout_at};
use tokio_postgres::Row;

pub(crate) use self::migrate::planned;
use self::{
    connect::Session,
    failure::{Cause, Failure},
    group::Changesets,
    reads::Reads,
    sqltypes::Typed,
};
pub use self::{
    facts::{Facts, Prepared},
    options::{Address, Isolation, PostgresOptions, is_url},
};
use crate::{
    CommitError, Error, Statistics,
    compile::{Param, Step},
    read::{Found, Query},
    statistics::{Counters, PoolUse},
    sweep::Progress,
};

/// How long one answer may take before the connection counts as dead.
const ANSWER: Duration = Duration::from_secs(5);
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// An open database of PostgreSQL's family.
#[derive(Debug)]
pub struct PostgresStore {
    options: PostgresOptions,
    pool: Pool,
    replica: Option<Pool>,
    changesets: Changesets,
    reads: Reads,
    pub(crate) counters: Counters,
    shard: AtomicU64,
    progress: tokio::sync::Mutex<Progress>,
}

/// What is left of the patience for one request.
struct Patience {
    until: Instant,
    tries: u32,
    /// When the try began that is under way.
    since: Instant,
    /// Why the try before it failed.
    failed: Option<(Cause, String)>,
}

impl Patience {
    fn new(length: Duration) -> Self {
        Self::until(Instant::now() + length)
    }

    fn until(until: Instant) -> Self {
        Self { until, tries: 0, since: Instant::now(), failed: None }
    }

    /// When the next answer must be there.
    fn answer(&self) -> Instant {
        self.until.min(Instant::now() + ANSWER)
    }

    /// Waits a moment, a little longer each time and never for the same time; false when the patience is at its end.
    async fn pause(&mut self) -> bool {
        let most = LONGEST_PAUSE.min(Duration::from_millis(1) * 2_u32.saturating_pow(self.tries.min(10)));
        self.tries += 1;
        let random = random_bytes();
        let share = f64::from(u16::from_le_bytes([random[0], random[1]])) / f64::from(u16::MAX);
        let pause = most.div_f64(2.0) + most.div_f64(2.0).mul_f64(share);
        if Instant::now() + pause >= self.until {
            return false;
        }
        tokio::time::sleep(pause).await;
        self.since = Instant::now();
        true
    }
}

/// 128 random bits. Where the system has none, time and place stand in: they are used for names, not for secrets.
fn random_bytes() -> [u8; 16] {
    let mut bytes = [0; 16];
    if aws_lc_rs::rand::fill(&mut bytes).is_err() {
        use std::hash::{BuildHasher, RandomState};
        let halves = [RandomState::new().hash_one(0), RandomState::new().hash_one(1)];
        bytes = (u128::from(halves[0]) << 64 | u128::from(halves[1])).to_le_bytes();
    }
    bytes
}

/// A name that nobody else has.
pub(crate) fn unique() -> String {
    format!("{:032x}", u128::from_le_bytes(random_bytes()))
}

impl PostgresStore {
    /// Connects, sees to it that the database can be used as the options say, and brings the schema up to date.
    pub(crate) async fn open(options: &PostgresOptions) -> Result<Self, Error> {
        let store = Self::connected(options)?;
        usable::check(&store).await?;
        migrate::run(&store).await?;
        Ok(store)
    }

    /// Connects when the first request comes, and leaves the schema as it is.
    pub(crate) fn connected(options: &PostgresOptions) -> Result<Self, Error> {
        let pool = connect::pool(&options.address.clone().that_takes_writes(), options.max_connections)?;
        let replica = match &options.replica {
            Some(address) => Some(connect::pool(address, options.max_connections)?),
            None => None,
        };
        let [start, ..] = random_bytes();
        Ok(Self {
            options: options.clone(),
            pool,
            replica,
            changesets: Changesets::default(),
            reads: Reads::default(),
            counters: Counters::default(),
            shard: AtomicU64::new(start.into()),
            progress: tokio::sync::Mutex::default(),
        })
    }

    /// Whether what was read still holds: steps that only read. Versions never come back, so that whatever holds for
    /// each row now has held for all of them together since the first one was read.
    pub(crate) async fn confirm(self: &Arc<Self>, steps: &[Step]) -> Result<(), CommitError> {
        for step in steps {
            let is_there = !self.read(step.sql, &step.params).await?.is_empty();
            if is_there != step.expect.wants_a_row() {
                self.counters.count_answer(&Err(CommitError::Conflict));
                return Err(CommitError::Conflict);
            }
        }
        Ok(())
    }

    /// The first row of a query that finds a few by their keys.
    pub(crate) async fn first<T>(self: &Arc<Self>, query: &Query<T>, params: &[Param<'_>]) -> Result<Option<T>, Error> {
        let rows = self.read(query.sql, params).await?;
        rows.first().map(|row| query.read(&Found::Postgres(row), params)).transpose()
    }

    /// All rows of a query that finds a few by their keys.
    pub(crate) async fn few<T>(self: &Arc<Self>, query: &Query<T>, params: &[Param<'_>]) -> Result<Vec<T>, Error> {
        read_all(query, &self.read(query.sql, params).await?, params)
    }

    /// All rows of a query that may find many.
    pub(crate) async fn all<T>(&self, query: &Query<T>, params: &[Param<'_>]) -> Result<Vec<T>, Error> {
        read_all(query, &self.read_alone(query.sql, params).await?, params)
    }

    /// All rows of a query, from the replica where there is one: they may lag behind.
    pub(crate) async fn list<T>(&self, query: &Query<T>, params: &[Param<'_>]) -> Result<Vec<T>, Error> {
        let Some(replica) = &self.replica else { return self.all(query, params).await };
        match self.try_read(replica, query.sql, params, Instant::now() + ANSWER).await {
            Ok(rows) => read_all(query, &rows, params),
            // Whatever it is, the first database may do better: a replica can be behind by a whole migration.
            Err(failure) => {
                let (cause, reason) = match failure {
                    Failure::Again(cause, reason) => (cause, reason),
                    Failure::Final(error) => (Cause::Connection, error.to_string()),
                };
                self.counters.count_retry(cause);
                tracing::warn!(reason, "the replica does not answer; reading from the first database");
                self.all(query, params).await
            }
        }
    }

    /// The few rows of a statement that reads by keys, with as many tries as patience allows. The first one may be shared.
    async fn read(self: &Arc<Self>, sql: &'static str, params: &[Param<'_>]) -> Result<Vec<Row>, Error> {
        let patience = Patience::new(self.options.patience);
        let shares = self.takes_arrays() && !params.is_empty() && sqltypes::can_be_stored(params);
        let failed = match shares {
            true => match self.read_in_turn(sql, params, &patience).await {
                Ok(rows) => return Ok(rows),
                Err(failure) => failure,
            },
            false => None,
        };
        self.go_on_reading(sql, params, patience, failed).await
    }

    /// The rows of a statement that reads, with as many tries as patience allows.
    async fn read_alone(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, Error> {
        self.go_on_reading(sql, params, Patience::new(self.options.patience), None).await
    }

    /// The same, after a try has `failed`.
    async fn go_on_reading(
        &self,
        sql: &str,
        params: &[Param<'_>],
        mut patience: Patience,
        mut failed: Option<Failure>,
    ) -> Result<Vec<Row>, Error> {
        loop {
            if let Some(failure) = failed.take() {
                self.try_again(failure, &mut patience).await?;
            }
            match self.try_read(&self.pool, sql, params, patience.answer()).await {
                Ok(rows) => return Ok(rows),
                Err(failure) => failed = Some(failure),
            }
        }
    }

    async fn try_read(
        &self,
        pool: &Pool,
        sql: &str,
        params: &[Param<'_>],
        until: Instant,
    ) -> Result<Vec<Row>, Failure> {
        if !sqltypes::can_be_stored(params) {
            // No row can have such a key.
            return Ok(Vec::new());
        }
        self.try_rows(pool, sql, &sqltypes::typed(params), until).await
    }

    async fn try_rows(&self, pool: &Pool, sql: &str, typed: &[Typed<'_>], until: Instant) -> Result<Vec<Row>, Failure> {
        let object = match timeout_at(until, pool.get()).await {
            Ok(object) => object.map_err(|error| failure::of_pool(&error))?,
            Err(_elapsed) => return Err(Failure::Again(Cause::Exhausted, "no connection in time".to_owned())),
        };
        let session = Session::reading(object);
        let client = session.client().map_err(Failure::Final)?;
        match timeout_at(until, sqltypes::query(client, sql, typed, self.options.prepared_statements)).await {
            Ok(Ok(rows)) => Ok(rows),
            Ok(Err(error)) => {
                if error.as_db_error().is_none() {
                    session.discard();
                }
                Err(failure::of(&error))
            }
            Err(_elapsed) => {
                session.discard();
                Err(Failure::silent())
            }
        }
    }

    /// Whether what waits at the same time may be sent together, as arrays. A stricter isolation lets transactions fail
    /// the more often the more they do, and some of the family take no arrays: they need another isolation anyway.
    fn takes_arrays(&self) -> bool {
        self.options.isolation == Isolation::ReadCommitted
    }

    /// Waits for the next try, or says why there is none.
    async fn try_again(&self, failure: Failure, patience: &mut Patience) -> Result<(), Error> {
        match failure {
            Failure::Final(error) => Err(error),
            Failure::Again(cause, reason) => {
                self.counters.count_retry(cause);
                if matches!(cause, Cause::ReadOnly | Cause::Connection) {
                    // The leader may be another server now, and none of the idle connections leads there. One that
                    // stands still would cost each of the next requests its patience. Those that were made meanwhile
                    // are good: to throw them away, too, would keep everybody busy with making connections.
                    let since = patience.since.into_std();
                    self.pool.retain(|_, metrics| metrics.created > since);
                }
                tracing::debug!(?cause, reason, tries = patience.tries, "the database is asked again");
                // A try that was cut short by the end of patience says less than the one before it.
                let is_cut_short = Instant::now() >= patience.until;
                let (cause, reason) = patience.failed.take().filter(|_| is_cut_short).unwrap_or((cause, reason));
                if !patience.pause().await {
                    return Err(given_up(cause, reason));
                }
                patience.failed = Some((cause, reason));
                Ok(())
            }
        }
    }

    /// Runs a statement that is a transaction of its own and may be repeated, for somebody who wants to know whether it
    /// works now: again only once, on a new connection, because an idle one may be dead without having been used.
    pub(crate) async fn execute_now(&self, sql: &str, params: &[Param<'_>], patience: Duration) -> Result<u64, Error> {
        let mut patience = Patience::new(patience);
        match self.execute_alone(sql, params, &patience).await {
            Ok(rows) => return Ok(rows),
            Err(failure) => self.try_again(failure, &mut patience).await?,
        }
        self.execute_alone(sql, params, &patience).await.map_err(told)
    }

    /// A number that differs from call to call, to spread counts over rows.
    pub(crate) fn next_shard(&self) -> u64 {
        self.shard.fetch_add(1, Ordering::Relaxed)
    }

    /// How far sweeping has come.
    pub(crate) const fn progress(&self) -> &tokio::sync::Mutex<Progress> {
        &self.progress
    }

    /// Where the counters stand.
    pub(crate) fn statistics(&self) -> Statistics {
        let status = self.pool.status();
        let pool =
            PoolUse { most: status.max_size, open: status.size, idle: status.available, waiting: status.waiting };
        Statistics { pool: Some(pool), ..self.counters.snapshot() }
    }

    /// The pool of connections to the database that takes writes.
    pub(crate) const fn pool(&self) -> &Pool {
        &self.pool
    }

    /// How the database is used.
    pub(crate) const fn options(&self) -> &PostgresOptions {
        &self.options
    }
}

/// The nouns in rows.
fn read_all<T>(query: &Query<T>, rows: &[Row], params: &[Param<'_>]) -> Result<Vec<T>, Error> {
    rows.iter().map(|row| query.read(&Found::Postgres(row), params)).collect()
}

/// What a request is told when patience is at its end.
fn given_up(cause: Cause, reason: String) -> Error {
    match cause {
        Cause::Serialization | Cause::Deadlock => Error::Busy,
        Cause::Connection | Cause::ReadOnly | Cause::Exhausted => Error::Unavailable(reason),
    }
}

/// What somebody is told who does not wait for another try.
fn told(failure: Failure) -> Error {
    match failure {
        Failure::Final(error) => error,
        Failure::Again(cause, reason) => given_up(cause, reason),
    }
}
