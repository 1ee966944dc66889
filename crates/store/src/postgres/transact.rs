//! One try at one or several changesets.

use std::collections::BTreeSet;

use deadpool_postgres::Object;
use tokio::time::timeout_at;

use super::{
    Patience, PostgresStore, Session,
    batch::{Statement, together},
    failure::{self, Cause, Failure},
    pipeline::in_order,
    settle, sqltypes,
};
use crate::{
    Error, Taken,
    compile::{Expect, Param, Step},
    sql,
};

/// How the steps of changesets are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Run {
    /// Each as a statement of its own, in their order.
    OneByOne,
    /// Those with the same statement as one. For plain changesets alone (see `batch`).
    Together,
}

/// What became of one try.
pub(super) enum Outcome {
    /// It is kept, and changed so many rows in steps that may change any number.
    Applied(u64),
    /// Steps did not do what was expected. Nothing was kept. What the first of them found taken, if it is not a
    /// conflict, and the changesets that they belong to; neither is known of steps that were run together.
    Lost(Option<Taken>, Vec<usize>),
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
    /// Runs all steps and a stamp in one transaction: one by one, or those together that have the same statement.
    pub(super) async fn transact(&self, changesets: &[&[Step]], run: Run, stamp: &str, patience: &Patience) -> Outcome {
        if !changesets.iter().copied().flatten().all(|step| sqltypes::can_be_stored(&step.params)) {
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
            match timeout_at(patience.answer(), self.prepare_commit(client, changesets, run, stamp)).await {
                Err(_elapsed) => (Failure::silent().into(), false),
                Ok(Err(error)) => {
                    // The server still listens when it could say no; then the transaction only has to be ended.
                    let is_alive = error.as_db_error().is_some() && roll_back(client, patience).await;
                    (failure::of(&error).into(), is_alive)
                }
                Ok(Ok(Decided::Lost(first, losers))) => self.lose(client, first, losers, patience).await,
                Ok(Ok(Decided::Scattered(reason))) => (Failure::Final(Error::Unconfirmed(reason)).into(), false),
                Ok(Ok(Decided::Commit(changed))) => commit(client, changed, patience).await,
            };
        if is_in_order {
            session.in_order();
        }
        outcome
    }

    /// Sends BEGIN and all steps, and decides what comes next.
    async fn prepare_commit<'a>(
        &self,
        client: &Object,
        changesets: &[&'a [Step]],
        run: Run,
        stamp: &str,
    ) -> Result<Decided<'a>, tokio_postgres::Error> {
        let is_prepared = self.options().prepared_statements;
        let mark = settle::mark(stamp);
        let mut statements = match run {
            Run::OneByOne => changesets.iter().copied().flatten().map(Statement::of).collect(),
            Run::Together => together(changesets),
        };
        let wanted = statements.len();
        statements.push(Statement::of(&mark));
        if is_prepared {
            // Preparing waits for an answer, which must not happen while the others are being sent. All at once: on a
            // slow network a new connection would otherwise have used up its time before it has done anything.
            let distinct: BTreeSet<&str> = statements.iter().map(|statement| statement.sql.as_ref()).collect();
            let prepared = distinct.into_iter().map(|sql| sqltypes::prepare(client, sql));
            in_order(prepared.collect()).await.into_iter().collect::<Result<Vec<_>, _>>()?;
        }
        let begin = self.options().isolation.begin();
        let sent = [None].into_iter().chain(statements.iter().map(Some)).map(async |statement| match statement {
            None => client.batch_execute(begin).await.map(|()| 0),
            Some(statement) => sqltypes::execute(client, &statement.sql, &statement.values(), is_prepared).await,
        });
        let mut answers = in_order(sent.collect()).await.into_iter();
        if let Some(Err(error)) = answers.next() {
            return not_begun(error, &statements, answers.collect());
        }
        let rows = answers.collect::<Result<Vec<_>, _>>()?;
        if run == Run::Together {
            let is_complete = statements.iter().zip(&rows).take(wanted).all(|(sent, rows)| sent.is_satisfied(*rows));
            return Ok(if is_complete { Decided::Commit(0) } else { Decided::Lost(&[], Vec::new()) });
        }
        let mut rows = rows.into_iter();
        let (mut changed, mut lost) = (0, Vec::new());
        for (index, steps) in changesets.iter().enumerate() {
            // The rows run on: the changesets were sent one after another.
            for (position, (step, rows)) in steps.iter().zip(&mut rows).enumerate() {
                match step.expect {
                    Expect::Any => changed += rows,
                    Expect::AtMostOne if rows <= 1 => {}
                    _ if (rows == 1) == step.expect.wants_a_row() => {}
                    _ => lost.push((steps.split_at(position + 1).0, index)),
                }
            }
        }
        let Some((first, _)) = lost.first() else { return Ok(Decided::Commit(changed)) };
        Ok(Decided::Lost(first, lost.into_iter().map(|(_, index)| index).collect()))
    }

    /// Ends a transaction of which steps lost; and whether the connection is in order afterwards.
    async fn lose(&self, client: &Object, until: &[Step], losers: Vec<usize>, patience: &Patience) -> (Outcome, bool) {
        let is_in_order = roll_back(client, patience).await;
        let Some((step, before)) = until.split_last() else { return (Outcome::Lost(None, losers), is_in_order) };
        let owner = match step.expect {
            Expect::Claimed { .. } if is_in_order => {
                timeout_at(patience.answer(), self.owner(client, step, before)).await
            }
            _ => Ok(Ok(None)),
        };
        match owner {
            Ok(Ok(owner)) => (Outcome::Lost(step.lost(|| Ok(owner)).unwrap_or(None), losers), is_in_order),
            Ok(Err(error)) => (failure::of(&error).into(), error.as_db_error().is_some()),
            Err(_elapsed) => (Failure::silent().into(), false),
        }
    }

    /// Who owned the name when a step could not claim it: whoever claimed it earlier in the same changeset, of which
    /// nothing was kept, or whoever owns it now. It is too late to ask within the transaction, where later steps may
    /// have changed that.
    async fn owner(
        &self,
        client: &Object,
        step: &Step,
        before: &[Step],
    ) -> Result<Option<String>, tokio_postgres::Error> {
        // A claim binds pool, name and kind first, which are what finds the owner, and then whose it is to be.
        let key = step.params.get(..3).unwrap_or_default();
        let earlier = before.iter().rev().find(|step| step.sql == sql::CLAIM && step.params.starts_with(key));
        if let Some(Param::Text(sub)) = earlier.and_then(|step| step.params.get(3)) {
            return Ok(Some(sub.to_string()));
        }
        let rows =
            sqltypes::query(client, sql::NAME_OWNER, &sqltypes::typed(key), self.options().prepared_statements).await?;
        Ok(rows.first().and_then(|row| row.try_get(0).ok()))
    }
}

/// What the answers to the first round trip mean.
enum Decided<'a> {
    /// All is as expected.
    Commit(u64),
    /// Steps lost: the first one with those before it in its changeset, and the changesets that they all belong to.
    Lost(&'a [Step], Vec<usize>),
    /// There was no transaction, and each statement was one of its own. With the reason.
    Scattered(String),
}

/// What it means that BEGIN was refused, given the answers to what was sent with it.
fn not_begun<'a>(
    error: tokio_postgres::Error,
    statements: &[Statement<'_>],
    answers: Vec<Result<u64, tokio_postgres::Error>>,
) -> Result<Decided<'a>, tokio_postgres::Error> {
    let writes = statements.iter().map(Statement::writes);
    if writes.zip(&answers).any(|(writes, answer)| writes && answer.is_ok()) {
        return Ok(Decided::Scattered(format!("BEGIN was refused: {}", failure::told(&error))));
    }
    // A standby refuses BEGIN at SERIALIZABLE for a reason of its own; the writes say that it takes none.
    Err(answers.into_iter().filter_map(Result::err).find(failure::is_read_only).unwrap_or(error))
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
