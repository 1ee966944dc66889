//! Whether the database does what requests need of it, at this moment.

use std::time::Duration;

use domain::Timestamp;

use crate::{
    Error, Store,
    compile::{Param, Step},
    postgres::unique,
    sql,
};

impl Store {
    /// Reads, and makes a row durable that nobody needs.
    ///
    /// The row is a fence of a transaction that never was, under a name of its own: every server writes another row, so
    /// that none waits for another one's lock, and a server that stands still holds up nobody. It expires at `now`, and
    /// goes with the next [`sweep`](Self::sweep). An insertion is also the first thing that fails when no space is left:
    /// an update would go on for a long time in the space of the row before.
    ///
    /// # Errors
    /// When the database does not do both within `patience`, takes no writes, has no space left, or is being filled by
    /// a restore.
    pub async fn probe(&self, now: Timestamp, patience: Duration) -> Result<(), Error> {
        let probing = async {
            let row: Vec<Param<'static>> = vec![unique().into(), 1.into(), now.milliseconds().into()];
            match self {
                Self::Sqlite(_) => self.change_any(vec![Step::any(sql::FENCE, row)]).await.map(|_rows| ())?,
                Self::Postgres(store) => store.execute_now(sql::FENCE, &row, patience).await.map(|_rows| ())?,
            }
            match self.unfinished_restore().await? {
                None => Ok(()),
                Some(mark) => Err(Error::Unavailable(format!("a restore is under way, {mark}"))),
            }
        };
        let silent = || Error::Unavailable(format!("no answer within {} seconds", patience.as_secs_f64()));
        tokio::time::timeout(patience, probing).await.unwrap_or_else(|_elapsed| Err(silent()))
    }
}
