//! One try at a changeset.

use std::{borrow::Cow, collections::BTreeSet};

use deadpool_postgres::Object;
use tokio::time::timeout_at;

use super::{
    Patience, PostgresStore, Session,
    failure::{self, Cause, Failure},
    pipeline::in_order,
    settle, sqltypes,
};
use crate::{
    Error, Taken,
    compile::{Expect, Param, Step},
    sql,
};

/// What became of one try.
pub(super) enum Outcome {
    /// It is kept, and changed so many rows in steps that may change any number.
    Applied(u64),
    /// A step did not do what was expected: a conflict, or something was taken. Nothing was kept.
    Lost(Option<Taken>),
    /// Nothing was kept.
    Failed(Failure),
    /// COMMIT was sent, and nobody knows what came of it. With the reason, and with what it changed if it was kept.
    Unanswered(String, u64),
}

impl From<Failure> for Outcome {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl PostgresStore {
    /// Runs the steps and a stamp in one transaction.
    pub(super) async fn transact(&self, steps: &[Step], stamp: &str, patience: &Patience) -> Outcome {
        if !steps.iter().all(|step| sqltypes::can_be_stored(&step.params)) {
            let text = "a text with a NUL character cannot be stored".to_owned();
            return Failure::Final(Error::Engine(text)).into();
        }
        let object = match timeout_at(patience.answer(), self.pool.get()).await {
            Ok(Ok(object)) => object,
            Ok(Err(error)) => return failure::of_pool(&error).into(),
            Err(_elapsed) => {
                return Failure::Again(Cause::Exhausted, "no connection in time".to_owned()).into();
            }
        };
        let mut session = Session::writing(object);
        let client = match session.client() {
            Ok(client) => client,
            Err(error) => return Failure::Final(error).into(),
        };
        let (outcome, is_in_order) =
            match timeout_at(patience.answer(), self.prepare_commit(client, steps, stamp)).await {
                Err(_elapsed) => (Failure::silent().into(), false),
                Ok(Err(error)) => {
                    // The server still listens when it could say no; then the transaction only has to be ended.
                    let is_alive = error.as_db_error().is_some() && roll_back(client, patience).await;
                    (failure::of(&error).into(), is_alive)
                }
                Ok(Ok(Decided::Lost(taken))) => (Outcome::Lost(taken), roll_back(client, patience).await),
                Ok(Ok(Decided::Scattered(reason))) => (Failure::Final(Error::Unconfirmed(reason)).into(), false),
                Ok(Ok(Decided::Commit(changed))) => commit(client, changed, patience).await,
            };
        if is_in_order {
            session.in_order();
        }
        outcome
    }

    /// Sends BEGIN and all steps, and decides what comes next.
    async fn prepare_commit(
        &self,
        client: &Object,
        steps: &[Step],
        stamp: &str,
    ) -> Result<Decided, tokio_postgres::Error> {
        let is_prepared = self.options().prepared_statements;
        let mark = settle::mark(stamp);
        let statements: Vec<(Cow<'static, str>, &[Param<'static>])> =
            steps.iter().chain([&mark]).map(|step| (statement(step), step.params.as_slice())).collect();
        if is_prepared {
            // Preparing waits for an answer, which must not happen while the others are being sent. All at once: on a
            // slow network a new connection would otherwise have used up its time before it has done anything.
            let distinct: BTreeSet<&str> = statements.iter().map(|(sql, _)| sql.as_ref()).collect();
            let prepared = distinct.into_iter().map(|sql| sqltypes::prepare(client, sql));
            in_order(prepared.collect()).await.into_iter().collect::<Result<Vec<_>, _>>()?;
        }
        let begin = self.options().isolation.begin();
        let mut requests: Vec<Option<(&str, &[Param<'static>])>> = vec![None];
        requests.extend(statements.iter().map(|(sql, params)| Some((sql.as_ref(), *params))));
        let sent = requests.into_iter().map(async |request| match request {
            None => client.batch_execute(begin).await.map(|()| 0),
            Some((sql, params)) => sqltypes::execute(client, sql, params, is_prepared).await,
        });
        let mut answers = in_order(sent.collect()).await.into_iter();
        if let Some(Err(error)) = answers.next() {
            return not_begun(error, steps, answers.collect());
        }
        let rows = answers.collect::<Result<Vec<_>, _>>()?;
        let mut changed = 0;
        for (step, rows) in steps.iter().zip(rows) {
            match step.expect {
                Expect::Any => changed += rows,
                _ if (rows == 1) == step.expect.wants_a_row() => {}
                Expect::Claimed { .. } => return Ok(Decided::Lost(self.owner(client, step).await?)),
                _ => return Ok(Decided::Lost(step.lost(|| Ok(None)).unwrap_or(None))),
            }
        }
        Ok(Decided::Commit(changed))
    }

    /// Who owns the name that a step could not claim.
    async fn owner(&self, client: &Object, step: &Step) -> Result<Option<Taken>, tokio_postgres::Error> {
        // A claim binds pool, name and kind first, which are what finds the owner.
        let key = step.params.get(..3).unwrap_or_default();
        let rows = sqltypes::query(client, sql::NAME_OWNER, key, self.options().prepared_statements).await?;
        let owner = rows.first().and_then(|row| row.try_get(0).ok());
        Ok(step.lost(|| Ok(owner)).unwrap_or(None))
    }
}

/// What the answers to the first round trip mean.
enum Decided {
    /// All is as expected.
    Commit(u64),
    /// A step lost.
    Lost(Option<Taken>),
    /// There was no transaction, and each statement was one of its own. With the reason.
    Scattered(String),
}

/// What it means that BEGIN was refused, given the answers to what was sent with it.
fn not_begun(
    error: tokio_postgres::Error,
    steps: &[Step],
    answers: Vec<Result<u64, tokio_postgres::Error>>,
) -> Result<Decided, tokio_postgres::Error> {
    let writes = steps.iter().map(|step| !step.expect.only_reads()).chain([true]);
    if writes.zip(&answers).any(|(writes, answer)| writes && answer.is_ok()) {
        return Ok(Decided::Scattered(format!("BEGIN was refused: {}", failure::told(&error))));
    }
    // A standby refuses BEGIN at SERIALIZABLE for a reason of its own; the writes say that it takes none.
    Err(answers.into_iter().filter_map(Result::err).find(failure::is_read_only).unwrap_or(error))
}

/// A step's statement. What was read and must still hold is locked until the end: at READ COMMITTED it could otherwise
/// change before COMMIT.
fn statement(step: &Step) -> Cow<'static, str> {
    match step.expect {
        Expect::Found => Cow::Owned(format!("{} FOR UPDATE", step.sql)),
        _ => Cow::Borrowed(step.sql),
    }
}

/// Ends a transaction without keeping anything; whether the connection is in order afterwards.
async fn roll_back(client: &Object, patience: &Patience) -> bool {
    matches!(timeout_at(patience.answer(), client.batch_execute("ROLLBACK")).await, Ok(Ok(())))
}

/// Keeps what was done; and whether the connection is in order afterwards.
async fn commit(client: &Object, changed: u64, patience: &Patience) -> (Outcome, bool) {
    match timeout_at(patience.answer(), client.batch_execute("COMMIT")).await {
        Ok(Ok(())) => (Outcome::Applied(changed), true),
        Ok(Err(error)) if failure::is_definite(&error) => (failure::of(&error).into(), true),
        Ok(Err(error)) => (Outcome::Unanswered(failure::told(&error), changed), false),
        Err(_elapsed) => (Outcome::Unanswered("no answer in time".to_owned(), changed), false),
    }
}
