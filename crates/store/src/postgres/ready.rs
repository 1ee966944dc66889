//! Makes connections before they are wanted, and asks each of them what sign-ins ask: a process of the database that has
//! just begun knows no table and no statement, and the first request on it would wait until it does.

use futures_util::future::try_join_all;
use tokio::time::timeout;

use super::{
    ANSWER, PostgresStore, Session,
    failure::{self, Failure},
    pipeline::in_order,
    sqltypes, told,
};
use crate::{Error, first_reads::FIRST_READS};

/// How many connections are made ready at most: as many as sign-ins that come together take on a few cores. More are made
/// when they are wanted, as always.
const READY: usize = 4;
/// How often each statement is run: PostgreSQL plans one anew the first five times, and then sees that it need not.
const RUNS: usize = 6;

impl PostgresStore {
    /// Makes a few connections ready, all at once; half of those that may be open stay free for others meanwhile.
    ///
    /// # Errors
    /// When the database cannot be reached, or refuses. It is tried once: requests are more patient.
    pub(crate) async fn warm_up(&self) -> Result<(), Error> {
        let count = (self.options().max_connections / 2).clamp(1, READY);
        // Each is held until all are there, so that they are different ones.
        let sessions = try_join_all((0..count).map(|_| self.ready_session()));
        timeout(ANSWER, sessions).await.unwrap_or_else(|_elapsed| Err(Failure::silent())).map(drop).map_err(told)
    }

    async fn ready_session(&self) -> Result<Session, Failure> {
        let mut session = self.session().await?;
        let client = session.client().map_err(Failure::Final)?;
        let is_prepared = self.options().prepared_statements;
        if is_prepared {
            // All at once; `query` would wait for each of them.
            let prepared = FIRST_READS.iter().map(|(sql, _)| sqltypes::prepare(client, sql)).collect();
            in_order(prepared).await.into_iter().collect::<Result<Vec<_>, _>>().map_err(|error| failure::of(&error))?;
        }
        let asked = FIRST_READS.iter().cycle().take(FIRST_READS.len() * RUNS).map(async |(sql, params)| {
            sqltypes::query(client, sql, &sqltypes::typed(params), is_prepared).await.map(drop)
        });
        in_order(asked.collect()).await.into_iter().collect::<Result<(), _>>().map_err(|error| failure::of(&error))?;
        session.in_order();
        Ok(session)
    }
}
