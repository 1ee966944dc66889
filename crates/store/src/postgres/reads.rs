//! Reads by keys that wait at the same time share a statement.
//!
//! To wake up the process behind a connection, whose caches have gone cold meanwhile, to start a statement and to send an
//! answer costs the database more than to look a few rows up. So whoever comes while others run the same statement waits
//! for one of them to end, and is then looked up together with all who have come meanwhile: the statement stands in a
//! LATERAL subquery, for each row of one array per placeholder. Who comes alone goes at once, and nobody is answered by a
//! statement that was sent before the question came.
//!
//! What holds one of these statements up, a lock on a table or a database that does not answer, must not hold up those
//! who come later. Whoever has waited for a moment in vain goes alone, on a connection of its own. So does everybody of a
//! group that fails, each with its own patience.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::oneshot,
    time::{Instant, timeout},
};
use tokio_postgres::Row;

use super::{
    Patience, PostgresStore, batch,
    failure::{Cause, Failure},
    queue::Queue,
    sqltypes,
};
use crate::compile::Param;

/// Groups of one statement under way at once: one is on its way while the next one is being run.
const AT_ONCE: usize = 2;
/// Reads in one group at most.
const LARGEST: usize = 64;
/// How long a read waits while no group ends before it goes alone. Longer than a group takes where nothing is wrong.
const STANDSTILL: Duration = Duration::from_millis(50);

/// The rows of one read. Or why there are none, as far as it is known: whoever asked goes alone then.
type Answer = Result<Vec<Row>, Option<Failure>>;

/// The reads that wait, by their statement.
#[derive(Debug, Default)]
pub(super) struct Reads {
    lanes: RwLock<HashMap<&'static str, Arc<Lane>>>,
    number: AtomicU64,
}

/// The reads of one statement.
#[derive(Debug)]
struct Lane {
    alone: &'static str,
    /// The statement for many reads.
    together: String,
    queue: Queue<Read>,
    /// Groups that have ended.
    ended: AtomicU64,
}

/// A read that waits.
struct Read {
    number: u64,
    params: Vec<Param<'static>>,
    /// When its answer must be there.
    until: Instant,
    answer: oneshot::Sender<Answer>,
}

/// A place among those under way. Those who have come meanwhile go when it is given back.
struct Turn {
    store: Arc<PostgresStore>,
    lane: Arc<Lane>,
}

impl Reads {
    fn lane(&self, sql: &'static str, params: &[Param<'_>]) -> Arc<Lane> {
        if let Some(lane) = self.lanes.read().unwrap_or_else(PoisonError::into_inner).get(sql) {
            return lane.clone();
        }
        let mut lanes = self.lanes.write().unwrap_or_else(PoisonError::into_inner);
        let made =
            || Lane { alone: sql, together: together(sql, params), queue: Queue::default(), ended: AtomicU64::new(0) };
        lanes.entry(sql).or_insert_with(|| Arc::new(made())).clone()
    }
}

/// A statement for many reads; the last column of each row says whose it is. It takes an array for each placeholder, one
/// of the reads' numbers, and how many they are.
fn together(sql: &str, params: &[Param<'_>]) -> String {
    let number = params.len() + 1;
    let numbered: Vec<_> = params.iter().chain([&Param::Integer(0)]).collect();
    let rows = batch::rows_of_arrays(&numbered);
    format!("SELECT found.*, batch.p{number} FROM {rows}, LATERAL ({}) AS found", batch::of_batch(sql))
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.lane.ended.fetch_add(1, Ordering::Relaxed);
        let next = |waiting: &mut VecDeque<Read>| {
            // Who has gone away needs no answer.
            waiting.retain(|read| !read.answer.is_closed());
            waiting.drain(..waiting.len().min(LARGEST)).collect()
        };
        let Some(reads) = self.lane.queue.next(next) else { return };
        // Without a runtime everybody's task has ended, or is about to.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let turn = Self { store: self.store.clone(), lane: self.lane.clone() };
            runtime.spawn(async move { turn.store.read_group(&turn.lane, reads).await });
        }
    }
}

impl PostgresStore {
    /// The rows of a statement that finds a few by keys, by one try that may be shared with others.
    ///
    /// # Errors
    /// When the read has to go alone: with the reason, if there is one that counts as a failure.
    pub(super) async fn read_in_turn(
        self: &Arc<Self>,
        sql: &'static str,
        params: &[Param<'_>],
        patience: &Patience,
    ) -> Answer {
        let (lane, until) = (self.reads.lane(sql, params), patience.answer());
        let number = self.reads.number.fetch_add(1, Ordering::Relaxed);
        let (answer, mut answered) = oneshot::channel();
        let read = || Read { number, params: params.iter().map(Param::to_static).collect(), until, answer };
        if !lane.queue.wait(AT_ONCE.min(self.options.max_connections / 2).max(1), read) {
            let _turn = Turn { store: self.clone(), lane };
            return self.try_read(&self.pool, sql, params, until).await.map_err(Some);
        }
        let answer = loop {
            let ended = lane.ended.load(Ordering::Relaxed);
            match timeout(STANDSTILL, &mut answered).await {
                Ok(answer) => break answer,
                Err(_elapsed) if ended != lane.ended.load(Ordering::Relaxed) => {}
                Err(_elapsed) if lane.queue.withdraw(|read| read.number == number) => return Err(None),
                // It is under way, and waits for its own rows.
                Err(_elapsed) => break answered.await,
            }
        };
        answer.unwrap_or(Err(None))
    }

    async fn read_group(&self, lane: &Lane, reads: Vec<Read>) {
        let until = reads.iter().map(|read| read.until).min().unwrap_or_else(Instant::now);
        let answers = match reads.as_slice() {
            [read] => self.try_read(&self.pool, lane.alone, &read.params, until).await.map(|rows| vec![rows]),
            reads => self.try_read_group(&lane.together, reads, until).await,
        };
        let (answers, mut failure) = match answers {
            Ok(answers) => (answers, None),
            Err(failure) => (Vec::new(), Some(failure)),
        };
        let mut answers = answers.into_iter();
        for read in reads {
            // Whoever stopped waiting does not want to know. What has happened to all of them is counted once.
            let _unwanted = read.answer.send(answers.next().ok_or_else(|| failure.take()));
        }
    }

    /// The rows of each of several reads.
    async fn try_read_group(&self, sql: &str, reads: &[Read], until: Instant) -> Result<Vec<Vec<Row>>, Failure> {
        self.counters.count_read_group(reads.len());
        let params: Vec<_> = reads.iter().map(|read| read.params.as_slice()).collect();
        let mut columns = batch::columns(&params);
        columns.push(batch::Column::Integers((0_i64..).take(reads.len()).collect()));
        let count = i64::try_from(reads.len()).unwrap_or(i64::MAX);
        let rows = self.try_rows(&self.pool, sql, &sqltypes::typed_arrays(&columns, &count), until).await?;
        let mut answers: Vec<_> = reads.iter().map(|_| Vec::new()).collect();
        for row in rows {
            let number: i64 = row.try_get(row.len() - 1).unwrap_or(-1);
            match usize::try_from(number).ok().and_then(|number| answers.get_mut(number)) {
                Some(answer) => answer.push(row),
                None => return Err(Failure::Again(Cause::Connection, "a row is nobody's".to_owned())),
            }
        }
        Ok(answers)
    }
}

#[cfg(test)]
mod tests {
    use super::together;
    use crate::sql;

    #[test]
    fn a_statement_for_many_reads() {
        assert_eq!(
            together(sql::CODE, &["p".into(), "s".into(), 1.into()]),
            "SELECT found.*, batch.p4 FROM (SELECT p1, p2, p3, p4 FROM unnest(CAST($1 AS TEXT[]), CAST($2 AS TEXT[]), \
             CAST($3 AS BIGINT[]), CAST($4 AS BIGINT[])) AS arrays (p1, p2, p3, p4) LIMIT $5) AS batch, LATERAL (SELECT \
             doc, version FROM codes WHERE pool_id = batch.p1 AND sub = batch.p2 AND purpose = batch.p3) AS found"
        );
    }
}
