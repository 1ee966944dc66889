//! What became of a COMMIT whose answer was lost.
//!
//! Every transaction writes a row of its own, its stamp. To learn what became of it, we try to write the same row as a
//! fence. The unique key makes the database wait for the end of the lost transaction if it still runs. If that was
//! kept, its stamp is there. If not, our fence is, and the lost transaction can never be kept any more, because its
//! stamp is taken: the same changes may be tried again.
//!
//! Where the stamp is there, the fence changes it a little, because a change of our own is only answered when the
//! standbys have it, and then they also have all that came before. A transaction whose server was torn from it while
//! it waited for them shows at once, and could still be lost with its server.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Patience, PostgresStore, failure::Failure, sqltypes};
use crate::{
    Error,
    compile::{Param, Step},
    read, sql,
};

/// How long stamps stay, in milliseconds: far longer than anybody tries to settle anything.
const LIFETIME: i64 = 60 * 60 * 1_000;
/// How long settling may go on, beside the patience that the transaction has had: there is nothing that a caller
/// wants to hear less than "perhaps".
const LONGEST: Duration = Duration::from_secs(15);

/// The step that writes a transaction's stamp.
pub(super) fn mark(stamp: &str) -> Step {
    Step::any(sql::STAMP, vec![stamp.to_owned().into(), 0.into(), ends_at().into()])
}

#[expect(clippy::disallowed_methods, reason = "when a stamp may be forgotten is decided by nothing but real time")]
fn ends_at() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX - LIFETIME).saturating_add(LIFETIME)
}

impl PostgresStore {
    /// Whether the transaction with this stamp was kept.
    ///
    /// # Errors
    /// [`Error::Unconfirmed`] when the database stays away for too long.
    pub(super) async fn settle(&self, stamp: &str, reason: String) -> Result<bool, Error> {
        let mut patience = Patience::new(LONGEST.max(self.options().patience));
        loop {
            match self.try_to_settle(stamp, &patience).await {
                Ok(was_kept) => {
                    self.counters.count_settled(was_kept);
                    tracing::info!(reason, was_kept, "a COMMIT without an answer was settled");
                    return Ok(was_kept);
                }
                Err(failure) => match self.try_again(failure, &mut patience).await {
                    Ok(()) => {}
                    Err(error) => {
                        self.counters.count_unsettled();
                        tracing::error!(reason, %error, "it stays unknown what became of a COMMIT");
                        return Err(Error::Unconfirmed(reason));
                    }
                },
            }
        }
    }

    async fn try_to_settle(&self, stamp: &str, patience: &Patience) -> Result<bool, Failure> {
        let fence: [Param<'_>; 3] = [stamp.into(), 1.into(), ends_at().into()];
        self.execute_alone(sql::FENCE, &fence, patience).await?;
        let rows = self.try_read(self.pool(), sql::SETTLED, &[stamp.into()], patience.answer()).await?;
        let fence = rows.first().and_then(|row| read::Found::Postgres(row).integer(0));
        fence.map(|fence| fence == 0).ok_or_else(|| Failure::Final(Error::Engine("a stamp is gone".to_owned())))
    }

    /// Runs a statement that is a transaction of its own.
    pub(super) async fn execute_alone(
        &self,
        sql: &str,
        params: &[Param<'_>],
        patience: &Patience,
    ) -> Result<u64, Failure> {
        use super::{Session, failure};
        use tokio::time::timeout_at;

        let object = match timeout_at(patience.answer(), self.pool().get()).await {
            Ok(object) => object.map_err(|error| failure::of_pool(&error))?,
            Err(_elapsed) => return Err(Failure::silent()),
        };
        let mut session = Session::writing(object);
        let client = session.client().map_err(Failure::Final)?;
        let typed = sqltypes::typed(params);
        let execution = sqltypes::execute(client, sql, &typed, self.options().prepared_statements);
        match timeout_at(patience.answer(), execution).await {
            Ok(Ok(rows)) => {
                session.in_order();
                Ok(rows)
            }
            Ok(Err(error)) => Err(failure::of(&error)),
            Err(_elapsed) => Err(Failure::silent()),
        }
    }
}
