//! Clears away what nobody needs any more, a little at a time: rows that have expired, and what belonged to deleted
//! pools.
//!
//! Expired rows are found by walking each table in the order of its primary key, a slice for every call, instead of
//! by an index on the expiry: the index would cost every request, the walk costs only the sweeper. Where the walk
//! stands is kept in memory; after a start it begins anew.

use domain::Timestamp;

use crate::{
    Error, Store,
    compile::{Param, Step},
    read::{self, Expiring, Query},
    sql,
};

/// Rows removed by one changeset, so that requests get their turn in between.
const AT_ONCE: usize = 64;

/// What a call of [`Store::sweep`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Swept {
    /// Rows removed.
    pub removed: usize,
    /// Whether this call ended a pass: every table was walked once to its end, and nothing of a deleted pool is left.
    /// The next call begins a new pass.
    pub complete: bool,
}

/// How far a walk has come.
#[derive(Debug, Default)]
enum Position {
    #[default]
    Start,
    /// After the row with this key.
    After(Vec<Param<'static>>),
    /// At the end; it waits there for the other walks of the pass.
    End,
}

/// How far the walks have come.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    codes: Position,
    attempts: Position,
    revocations: Position,
    spent: Position,
    stamps: Position,
    /// The deleted pool whose messages are being looked for, and the last message looked at.
    messages: Option<(String, String)>,
}

impl Progress {
    /// Whether every walk is at its end.
    fn is_over(&self) -> bool {
        let walks = [&self.codes, &self.attempts, &self.revocations, &self.spent, &self.stamps];
        walks.into_iter().all(|position| matches!(position, Position::End))
    }
}

/// How the expired rows of one table are found and removed.
struct Walk {
    slice: &'static Query<Expiring>,
    /// Takes the primary key and the moment.
    remove: &'static str,
    /// A key before all others.
    start: fn() -> Vec<Param<'static>>,
}

fn by_purpose() -> Vec<Param<'static>> {
    vec!["".into(), "".into(), 0.into()]
}

const CODES: Walk = Walk { slice: &read::CODES_SLICE, remove: sql::SWEEP_CODE, start: by_purpose };
const ATTEMPTS: Walk = Walk { slice: &read::ATTEMPTS_SLICE, remove: sql::SWEEP_ATTEMPTS, start: by_purpose };
const REVOCATIONS: Walk =
    Walk { slice: &read::REVOCATIONS_SLICE, remove: sql::SWEEP_REVOCATION, start: || vec!["".into(), "".into()] };
const STAMPS: Walk = Walk { slice: &read::STAMPS_SLICE, remove: sql::SWEEP_STAMP, start: || vec!["".into()] };
const SPENT: Walk = Walk { slice: &read::SPENT_SLICE, remove: sql::SWEEP_SPENT, start: || vec!["".into()] };

/// What of a deleted pool is removed, in slices of so many rows: pool first, rows second.
const OF_A_POOL: &[&str] = &[
    sql::PURGE_CLIENTS,
    sql::PURGE_NAMES,
    sql::PURGE_USERS,
    sql::PURGE_PASSWORDS,
    sql::PURGE_CODES,
    sql::PURGE_ATTEMPTS,
    sql::PURGE_REVOCATIONS,
];

impl Store {
    /// Removes codes, attempts, revocations and marks that expired by `now`, and what belonged to deleted pools. One
    /// call looks at about `limit` rows of each table, from where the last call stopped; calls make up a pass, which
    /// walks every table once. Says how many rows it removed, and whether the pass is complete.
    ///
    /// # Errors
    /// When the engine fails. What was removed until then stays removed, and the pass goes on with the next call.
    pub async fn sweep(&self, now: Timestamp, limit: usize) -> Result<Swept, Error> {
        let mut progress = self.progress().lock().await;
        let limit = limit.max(1);
        let mut removed = 0;
        removed += self.walk(&CODES, &mut progress.codes, now, limit).await?;
        removed += self.walk(&ATTEMPTS, &mut progress.attempts, now, limit).await?;
        removed += self.walk(&REVOCATIONS, &mut progress.revocations, now, limit).await?;
        removed += self.walk(&SPENT, &mut progress.spent, now, limit).await?;
        removed += self.walk(&STAMPS, &mut progress.stamps, now, limit).await?;
        if let Some(pool_id) = self.first(&read::DELETED_POOL, &[]).await? {
            removed += self.purge(&pool_id, &mut progress.messages, limit).await?;
        }
        let complete = progress.is_over() && self.first(&read::DELETED_POOL, &[]).await?.is_none();
        if complete {
            *progress = Progress::default();
        }
        Ok(Swept { removed, complete })
    }

    /// Removes what has expired in the next slice of a table, unless the walk is over.
    async fn walk(&self, walk: &Walk, position: &mut Position, now: Timestamp, limit: usize) -> Result<usize, Error> {
        let mut params = match position {
            Position::Start => (walk.start)(),
            Position::After(key) => key.clone(),
            Position::End => return Ok(0),
        };
        params.push(bound(limit));
        let slice = self.all(walk.slice, &params).await?;
        let last = if slice.len() < limit { None } else { slice.last().map(|row| row.key.clone()) };
        let steps = slice.into_iter().filter(|row| row.expires_at <= now).map(|row| {
            let mut params = row.key;
            params.push(now.milliseconds().into());
            Step::any(walk.remove, params)
        });
        let removed = self.remove(steps.collect()).await?;
        *position = last.map_or(Position::End, Position::After);
        Ok(removed)
    }

    /// Removes the next slice of what belonged to a deleted pool, and at the end the pool's own row.
    async fn purge(
        &self,
        pool_id: &str,
        position: &mut Option<(String, String)>,
        limit: usize,
    ) -> Result<usize, Error> {
        let mut removed = 0;
        for sql in OF_A_POOL {
            removed += self.change_any(vec![Step::any(sql, vec![pool_id.to_owned().into(), bound(limit)])]).await?;
        }
        if removed > 0 {
            return Ok(removed);
        }
        // Messages are in no order that helps: all of them are looked at once for every deleted pool.
        let after = match position {
            Some((of, id)) if of == pool_id => id.clone(),
            _ => String::new(),
        };
        let slice = self.all(&read::MESSAGES_SLICE, &[after.into(), bound(limit)]).await?;
        let next = if slice.len() < limit { None } else { slice.last().map(|(id, _)| id.clone()) };
        let steps = slice.into_iter().filter(|(_, of)| of == pool_id);
        removed += self.remove(steps.map(|(id, _)| Step::any(sql::PURGE_MESSAGE, vec![id.into()])).collect()).await?;
        *position = next.map(|id| (pool_id.to_owned(), id));
        if position.is_some() {
            return Ok(removed);
        }
        let last = [sql::PURGE_SIGNING_KEYS, sql::PURGE_COUNTS, sql::PURGE_POOL];
        let steps = last.iter().map(|sql| Step::any(sql, vec![pool_id.to_owned().into()]));
        Ok(removed + self.change_any(steps.collect()).await?)
    }

    /// Runs steps that remove a row each, a few in one changeset.
    async fn remove(&self, mut steps: Vec<Step>) -> Result<usize, Error> {
        let mut removed = 0;
        while !steps.is_empty() {
            let rest = steps.split_off(steps.len().min(AT_ONCE));
            removed += self.change_any(std::mem::replace(&mut steps, rest)).await?;
        }
        Ok(removed)
    }
}

/// A number of rows as a value to bind.
fn bound(limit: usize) -> Param<'static> {
    i64::try_from(limit).unwrap_or(i64::MAX).into()
}
