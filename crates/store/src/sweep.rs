//! Clears away what nobody needs any more, a little at a time: rows that have expired, and what belonged to deleted
//! pools.
//!
//! Expired rows are found by walking each table in the order of its primary key, a slice for every call, instead of
//! by an index on the expiry: the index would cost every request, the walk costs only the sweeper. Where the walk
//! stands is kept in memory; after a start it begins anew.

use std::collections::BTreeMap;

use domain::{Timestamp, time::MINUTE};

use crate::{
    Error, PurgeKind, Store,
    compile::{Param, Step},
    read::{self, Expiring, Query},
    sql,
};

/// Rows removed by one changeset, so that requests get their turn in between.
const AT_ONCE: usize = 64;
/// How long the row of a deleted pool stays after everything else of the pool is gone, in milliseconds. Other servers
/// remember a pool for up to a second, and what they have begun by then may take as long as a request can: its rows
/// are still to be found by the pool that they belong to.
const POOL_STAYS: i64 = MINUTE;

/// What a call of [`Store::sweep`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Swept {
    /// Rows removed.
    pub removed: usize,
    /// Whether this call ended a pass: every table was walked once to its end, and nothing of a deleted pool is left
    /// but its own row, which goes in a pass that finds nothing of it a minute later. The next call begins a new pass.
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
    user_parts: Position,
    revocations: Position,
    spent: Position,
    stamps: Position,
    pools: Pools,
}

/// How far the clearing away of deleted pools has come.
#[derive(Debug, Default)]
struct Pools {
    /// The pool that this pass has dealt with last.
    after: String,
    /// Whether this pass has dealt with all of them.
    is_over: bool,
    /// The message of the next pool that was looked at last, if its messages are being looked for.
    message: Option<String>,
    /// Since when nothing has been left of a pool but its own row. Kept from pass to pass; a server that takes over, or
    /// starts, looks for itself.
    empty_since: BTreeMap<String, Timestamp>,
}

impl Pools {
    /// A new pass.
    fn begin(&mut self) {
        self.after.clear();
        self.is_over = false;
    }

    /// This pass is done with a pool.
    fn leave(&mut self, pool_id: &str) {
        pool_id.clone_into(&mut self.after);
        self.message = None;
    }

    /// Whether a pool's row may go, now that nothing else was found of it.
    fn may_go(&mut self, pool_id: &str, now: Timestamp) -> bool {
        let since = *self.empty_since.entry(pool_id.to_owned()).or_insert(now);
        if since > now {
            // The clock was set back.
            self.empty_since.insert(pool_id.to_owned(), now);
        }
        now.since(since) >= POOL_STAYS
    }
}

impl Progress {
    /// Whether every walk is at its end.
    fn is_over(&self) -> bool {
        let walks = [&self.codes, &self.attempts, &self.user_parts, &self.revocations, &self.spent, &self.stamps];
        walks.into_iter().all(|position| matches!(position, Position::End)) && self.pools.is_over
    }

    /// A new pass.
    fn begin(&mut self) {
        let mut pools = std::mem::take(&mut self.pools);
        pools.begin();
        *self = Self { pools, ..Self::default() };
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
const USER_PARTS: Walk = Walk {
    slice: &read::USER_PARTS_SLICE,
    remove: sql::SWEEP_USER_PART,
    start: || vec!["".into(), "".into(), 0.into(), "".into()],
};
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
    sql::PURGE_PARTS,
    sql::PURGE_USER_PARTS,
    sql::PURGE_DOMAINS,
    sql::PURGE_MEMBERS,
    sql::PURGE_SEARCH_KEYS,
    sql::PURGE_CHUNKS,
    sql::PURGE_PURGES,
];

/// What of a deleted pool is removed after that, all at once, because there is little of it.
const REST_OF_A_POOL: &[&str] = &[sql::PURGE_SIGNING_KEYS, sql::PURGE_COUNTS];

impl Store {
    /// Removes codes, attempts, parts of users, revocations and marks that expired by `now`, and what belonged to deleted pools. One
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
        removed += self.walk(&USER_PARTS, &mut progress.user_parts, now, limit).await?;
        removed += self.walk(&REVOCATIONS, &mut progress.revocations, now, limit).await?;
        removed += self.walk(&SPENT, &mut progress.spent, now, limit).await?;
        removed += self.walk(&STAMPS, &mut progress.stamps, now, limit).await?;
        removed += self.purge_next(limit).await?;
        removed += self.purge_deleted(&mut progress.pools, now, limit).await?;
        let complete = progress.is_over() && self.first(&read::NEXT_PURGE, &["".into()]).await?.is_none();
        if complete {
            progress.begin();
        }
        Ok(Swept { removed, complete })
    }

    /// Removes everything that belongs to a pool but its own row and its messages, such as what is left of a pool that
    /// was never finished. Nobody may be using the pool.
    ///
    /// # Errors
    /// When the engine fails. What was removed until then stays removed.
    pub async fn clear_pool(&self, pool_id: &str) -> Result<(), Error> {
        for sql in OF_A_POOL {
            let slice = || vec![Step::any(sql, vec![pool_id.to_owned().into(), bound(AT_ONCE)])];
            while self.change_any(slice()).await? > 0 {}
        }
        let steps = REST_OF_A_POOL.iter().map(|sql| Step::any(sql, vec![pool_id.to_owned().into()]));
        self.change_any(steps.collect()).await.map(|_removed| ())
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

    /// Removes the next slice of what is to be cleared away although its pool lives.
    async fn purge_next(&self, limit: usize) -> Result<usize, Error> {
        let Some((id, pool_id, kind)) = self.first(&read::NEXT_PURGE, &["".into()]).await? else { return Ok(0) };
        let step = if kind == PurgeKind::Group as i64 {
            Step::any(sql::PURGE_GROUP, vec![pool_id.into(), id.clone().into(), bound(limit)])
        } else {
            Step::any(sql::PURGE_FILE, vec![id.clone().into(), bound(limit)])
        };
        let removed = self.change_any(vec![step]).await?;
        if removed == 0 {
            return self.change_any(vec![Step::any(sql::END_PURGE, vec![id.into()])]).await;
        }
        Ok(removed)
    }

    /// Removes the next slice of what belonged to a deleted pool; when nothing of it has been left for long enough, the
    /// pool's own row.
    async fn purge_deleted(&self, pools: &mut Pools, now: Timestamp, limit: usize) -> Result<usize, Error> {
        let Some(pool_id) = self.first(&read::DELETED_POOL, &[pools.after.clone().into()]).await? else {
            pools.is_over = true;
            return Ok(0);
        };
        let mut removed = 0;
        for sql in OF_A_POOL {
            removed += self.change_any(vec![Step::any(sql, vec![pool_id.clone().into(), bound(limit)])]).await?;
        }
        if removed == 0 {
            let steps = REST_OF_A_POOL.iter().map(|sql| Step::any(sql, vec![pool_id.clone().into()]));
            removed += self.change_any(steps.collect()).await?;
        }
        // Messages are in no order that helps: all of them are looked at once for every deleted pool.
        if removed == 0 {
            let after = pools.message.clone().unwrap_or_default();
            let slice = self.all(&read::MESSAGES_SLICE, &[after.into(), bound(limit)]).await?;
            pools.message = if slice.len() < limit { None } else { slice.last().map(|(id, _)| id.clone()) };
            let steps = slice.into_iter().filter(|(_, of)| *of == pool_id);
            let steps = steps.map(|(id, _)| Step::any(sql::PURGE_MESSAGE, vec![id.into()]));
            removed += self.remove(steps.collect()).await?;
        }
        if removed > 0 {
            pools.empty_since.remove(&pool_id);
            return Ok(removed);
        }
        if pools.message.is_some() {
            return Ok(removed);
        }
        if pools.may_go(&pool_id, now) {
            removed += self.change_any(vec![Step::any(sql::PURGE_POOL, vec![pool_id.clone().into()])]).await?;
            pools.empty_since.remove(&pool_id);
        }
        pools.leave(&pool_id);
        Ok(removed)
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
