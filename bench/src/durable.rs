//! Bounds of scenarios that commit: their arithmetic, and a durable row after each part of it, by the bare engine.
//!
//! As in the server, one thread writes and the others compute: each core takes whichever unit is next, and what is done
//! while a commit is under way goes into the next one together. As many units are under way as the driver has connections.

use std::{
    sync::{Mutex, PoisonError, mpsc},
    time::{Duration, Instant},
};

use anyhow::Context;
use crypto::random::SystemEntropy;
use domain::{RefreshFamily, UserPart};
use rusqlite::Connection;
use wire::Timestamp;

use crate::{bounds::bare_engine, cores, populate::ACTIVE};

/// Rows of one commit at most, as in the server.
const GROUP: usize = 64;
const POOL: &str = "us-east-1_AbCdEfGh1";

/// A part of a unit's arithmetic.
pub type Work<'a> = &'a (dyn Fn() + Sync);

/// One of the units that are under way.
struct Unit {
    sub: String,
    /// The part that comes next.
    part: usize,
}

/// How many units are done in a second, of so many at a time, when each part of one is computed and then its user's row
/// is committed.
///
/// # Errors
/// When the engine fails.
pub fn rate(time: Duration, at_a_time: usize, parts: &[Work<'_>]) -> anyhow::Result<f64> {
    let folder = tempfile::tempdir()?;
    let connection = bare_engine(&folder.path().join("bare.db"))?;
    connection.execute_batch(
        "CREATE TABLE user_parts (pool_id TEXT, sub TEXT, kind BIGINT, id TEXT, version BIGINT, expires_at BIGINT, \
         doc TEXT, PRIMARY KEY (pool_id, sub, kind, id))",
    )?;
    let subs = (0..ACTIVE).map(|_| crypto::random::uuid_v4(&SystemEntropy)).cycle();
    let ((ready, next), (computed, waiting)) = (mpsc::channel::<Unit>(), mpsc::channel());
    for sub in subs.take(at_a_time) {
        ready.send(Unit { sub, part: 0 })?;
    }
    let next = &Mutex::new(next);
    let (done, elapsed) = std::thread::scope(|scope| {
        for _ in 0..cores() {
            let computed = computed.clone();
            scope.spawn(move || {
                loop {
                    let unit = next.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok(unit) = unit else { break };
                    parts.get(unit.part).inspect(|work| work());
                    if computed.send(unit).is_err() {
                        break;
                    }
                }
            });
        }
        drop(computed);
        let (started, mut done) = (Instant::now(), 0_u64);
        while started.elapsed() < time {
            let first = waiting.recv().context("nobody computes")?;
            let group: Vec<Unit> = std::iter::once(first).chain(waiting.try_iter().take(GROUP - 1)).collect();
            commit(&connection, &group)?;
            for mut unit in group {
                unit.part += 1;
                if unit.part == parts.len() {
                    unit.part = 0;
                    done += 1;
                }
                ready.send(unit)?;
            }
        }
        let elapsed = started.elapsed();
        // Ends the threads: what they compute now, nobody waits for.
        drop((ready, waiting));
        anyhow::Ok((done, elapsed))
    })?;
    Ok(done as f64 / elapsed.as_secs_f64())
}

/// Writes the row of each unit's user, all of them in one durable commit.
fn commit(connection: &Connection, group: &[Unit]) -> anyhow::Result<()> {
    let now = Timestamp(1_767_323_045_000);
    connection.execute_batch("BEGIN IMMEDIATE")?;
    for unit in group {
        let family = RefreshFamily::new(POOL, &unit.sub, &unit.sub, now).replacing(0, now);
        connection
            .prepare_cached(
                "INSERT INTO user_parts VALUES (?1, ?2, ?3, ?2, 1, ?4, ?5) ON CONFLICT DO UPDATE \
                 SET expires_at = excluded.expires_at, doc = excluded.doc, version = version + 1",
            )?
            .execute((POOL, &unit.sub, RefreshFamily::KIND.number(), now.0, serde_json::to_string(&family)?))?;
    }
    Ok(connection.execute_batch("COMMIT")?)
}
