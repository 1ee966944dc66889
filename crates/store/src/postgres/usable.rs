//! Whether a database, and what stands on the way to it, does what the options say, found out before anything is asked
//! of it: transactions begin, and what was prepared is still there after a transaction of somebody else. Otherwise the
//! first requests would be who finds out.

use std::time::Duration;

use tokio::time::{timeout, timeout_at};

use super::{
    Patience, PostgresStore, Session,
    failure::{self, Failure},
    migrate::COMPARES_BYTES,
    pipeline::in_order,
    sqltypes,
};
use crate::Error;

/// How long a statement may wait for a connection that a pooler has to find. It finds none when it has only one, and
/// then nothing gets lost either.
const OTHER_CONNECTION: Duration = Duration::from_secs(1);

/// What was found out.
enum Found {
    /// Everything is as it should be.
    Usable,
    /// The database does not begin a transaction, in its own words.
    NoTransaction(String),
}

/// Takes as long as the database's patience while it cannot be reached; otherwise, beside the connections that it makes
/// and leaves in the pool, one round trip, or where statements are prepared two more than the first question of
/// `migrate` would take without it.
pub(super) async fn check(store: &PostgresStore) -> Result<(), Error> {
    let mut patience = Patience::new(store.options().patience);
    loop {
        let tried = timeout_at(patience.answer(), try_it(store)).await;
        match tried.unwrap_or_else(|_elapsed| Err(Failure::silent())) {
            Ok(Found::Usable) => return Ok(()),
            // A standby refuses some isolations for a reason of its own. Servers may start on one that will lead.
            Ok(Found::NoTransaction(_)) if store.is_standby().await? == Some(true) => return Ok(()),
            Ok(Found::NoTransaction(reason)) => return Err(refused(store.options().isolation.begin(), &reason)),
            Err(failure) => store.try_again(failure, &mut patience).await?,
        }
    }
}

async fn try_it(store: &PostgresStore) -> Result<Found, Failure> {
    let options = store.options();
    if options.prepared_statements && options.max_connections >= 2 {
        let (first, second) = tokio::join!(store.session(), store.session());
        return match second {
            Ok(second) => try_both(first?, second, options.isolation.begin()).await,
            // The last connection that is left will have to do.
            Err(_) => try_transaction(first?, options.isolation.begin()).await,
        };
    }
    try_transaction(store.session().await?, options.isolation.begin()).await
}

/// Begins a transaction, and ends it.
async fn try_transaction(mut session: Session, begin: &str) -> Result<Found, Failure> {
    let client = session.client().map_err(Failure::Final)?;
    let answers = in_order(vec![client.batch_execute(begin), client.batch_execute("ROLLBACK")]).await;
    for answer in answers {
        if let Err(error) = answer {
            return not_begun(&error);
        }
    }
    session.in_order();
    Ok(Found::Usable)
}

/// Prepares a statement on the first connection, has the second one take what a pooler would give to the first one
/// next, by beginning a transaction, and runs the statement. A pooler that knows nothing of prepared statements runs it
/// where nobody has prepared it. When others are at work on the same pooler it may go well by chance.
async fn try_both(mut first: Session, mut second: Session, begin: &str) -> Result<Found, Failure> {
    let client = first.client().map_err(Failure::Final)?;
    let prepared = sqltypes::prepare(client, COMPARES_BYTES).await.map_err(|error| failure::of(&error))?;
    let other = second.client().map_err(Failure::Final)?;
    if let Err(error) = other.batch_execute(begin).await {
        return not_begun(&error);
    }
    let ran = timeout(OTHER_CONNECTION, client.query(&prepared, &[])).await;
    // Nobody has to wait for this.
    tokio::spawn(async move {
        if let Ok(client) = second.client()
            && client.batch_execute("ROLLBACK").await.is_ok()
        {
            second.in_order();
        }
    });
    match ran {
        Ok(Ok(_rows)) => first.in_order(),
        Ok(Err(error)) => return Err(failure::of(&error)),
        Err(_elapsed) => tracing::warn!(
            "a pooler in front of the database had no second connection to give, so that nobody knows whether it keeps \
             prepared statements apart; `poolkeeper doctor` looks again"
        ),
    }
    Ok(Found::Usable)
}

/// What it means that no transaction was begun.
fn not_begun(error: &tokio_postgres::Error) -> Result<Found, Failure> {
    match failure::of(error) {
        Failure::Final(Error::Engine(text)) => Ok(Found::NoTransaction(text)),
        failure => Err(failure),
    }
}

/// What an operator is told.
fn refused(begin: &str, reason: &str) -> Error {
    Error::Refused(format!(
        "it does not begin a transaction with \"{begin}\": {reason}. Set store.postgres.isolation = \"database\", or take \
         out of the way what stands in front of the database and refuses transactions"
    ))
}
