//! What the tests of this target share: servers, stores, and waiting for something to become true.

use std::{env, fmt::Debug, time::Duration};

use cluster::{Postgres, Scratch, scratch};
use domain::NameKind;
use poolkeeper_store::{Address, Changes, CommitError, Error, Options, PostgresOptions, Store};
use tokio::{
    task::block_in_place,
    time::{Instant, sleep},
};

use crate::rows;

/// Longer than anything takes that works.
pub const LONG: Duration = Duration::from_secs(120);

/// A database for a test that needs no faults; none where the environment names no server.
pub fn scratch() -> Option<Scratch> {
    Scratch::from_environment().unwrap()
}

/// Whether tests may start servers of their own. They do where the environment names a server, which they do not use,
/// so that a test run without PostgreSQL stays quick.
pub fn may_start_servers() -> bool {
    let is_wanted = env::var(scratch::VARIABLE).is_ok_and(|url| !url.is_empty());
    if !is_wanted {
        println!("Nothing was tested: set {} to the URL of a PostgreSQL server", scratch::VARIABLE);
    }
    is_wanted
}

/// A server of a test's own, with a database called `main`; none where no servers may be started.
pub fn server(options: &cluster::PostgresOptions) -> Option<Postgres> {
    if !may_start_servers() {
        return None;
    }
    cluster::packages::postgresql().unwrap();
    let server = Postgres::start(options).unwrap();
    server.create_database("main").unwrap();
    Some(server)
}

/// The usual options for a database.
pub fn options(url: &str) -> PostgresOptions {
    PostgresOptions::new(Address::parse(url).unwrap())
}

pub async fn try_to_open(options: PostgresOptions) -> Result<Store, Error> {
    Store::open(&Options::postgres(options)).await
}

pub async fn open(options: PostgresOptions) -> Store {
    try_to_open(options).await.unwrap()
}

/// Runs what blocks, such as a cluster's calls, without holding up the other tasks of this thread.
pub fn blocking<T, E: Debug>(work: impl FnOnce() -> Result<T, E>) -> T {
    block_in_place(work).unwrap()
}

/// Asks every 20 milliseconds until there is an answer.
pub async fn wait_for<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(started.elapsed() < LONG, "{what}: not within {LONG:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// A changeset that shows when it is done twice, or half: a user, and one more in the count.
pub fn sign_up(pool: &str, sub: &str) -> Changes {
    let mut changes = Changes::new();
    changes.insert(rows::user(pool, sub)).count_users(pool, 1);
    changes
}

/// A changeset that may share a transaction with others. It is refused when it is done twice.
pub fn register(pool: &str, sub: &str) -> Changes {
    let mut changes = Changes::new();
    changes.insert(rows::user(pool, sub)).claim(pool, sub, NameKind::Username, sub);
    changes
}

/// Whether an error says that nothing was kept and that the same may succeed in a moment.
pub fn is_transient(error: &CommitError) -> bool {
    matches!(error, CommitError::Store(error) if error.is_transient() && !error.is_ambiguous())
}

/// All users of a pool, in order.
pub async fn subs(store: &Store, pool: &str) -> Vec<String> {
    let mut subs: Vec<String> = Vec::new();
    loop {
        let page = store.users(pool, subs.last().map(String::as_str), 1_000).await.unwrap();
        if page.is_empty() {
            return subs;
        }
        subs.extend(page.into_iter().map(|user| user.value.sub));
    }
}
