//! What this machine can do at best.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context;
use crypto::{bignum::Residue, random::SystemEntropy, srp, token::SigningKey};
use domain::{AttemptPurpose, Attempts, Code, CodePurpose, Medium, Message, MessagePurpose, MessageState, Sealed};
use rusqlite::Connection;
use wire::Timestamp;

use crate::{cores, driver, durable, process::Process};

/// Users whose rows the bare engine writes again and again, as the scenario does.
const USERS: usize = 1_000;

/// Operations per second of the whole machine.
#[derive(Clone, Copy)]
pub struct Bounds {
    /// RSA-2048 signatures.
    pub signatures: f64,
    /// 3072-bit modular exponentiations with a 256-bit exponent.
    pub exponentiations: f64,
    /// The same for base 2, from a table: what making and checking a password costs.
    pub base_two: f64,
    /// Server's halves of an SRP sign-in.
    pub proofs: f64,
    /// Requests that do nothing.
    pub hello: f64,
    /// ForgotPassword's rows, committed durably by the bare engine in groups of 64.
    pub rows: f64,
    /// Two signatures and a durable row.
    pub rotations: f64,
    /// A server's half of an SRP sign-in and a durable row, then two signatures and another.
    pub two_steps: f64,
}

impl Bounds {
    /// The mean of two measurements.
    pub const fn between(before: Self, after: Self) -> Self {
        let Self { signatures, exponentiations, base_two, proofs, hello, rows, rotations, two_steps } = before;
        Self {
            signatures: f64::midpoint(signatures, after.signatures),
            exponentiations: f64::midpoint(exponentiations, after.exponentiations),
            base_two: f64::midpoint(base_two, after.base_two),
            proofs: f64::midpoint(proofs, after.proofs),
            hello: f64::midpoint(hello, after.hello),
            rows: f64::midpoint(rows, after.rows),
            rotations: f64::midpoint(rotations, after.rotations),
            two_steps: f64::midpoint(two_steps, after.two_steps),
        }
    }

    /// Prints them.
    pub fn print(&self) {
        println!("| bound | per second |\n|---|---|");
        println!("| RSA-2048 signatures | {:.0} |", self.signatures);
        println!("| 3072-bit modexp, 256-bit exponent | {:.0} |", self.exponentiations);
        println!("| 3072-bit modexp, base 2 from a table | {:.0} |", self.base_two);
        println!("| SRP proofs (server) | {:.0} |", self.proofs);
        println!("| HTTP requests that do nothing | {:.0} |", self.hello);
        println!("| ForgotPassword's rows by the bare engine, 64 per commit, durable | {:.0} |", self.rows);
        println!("| two signatures and then a durable row by the bare engine | {:.0} |", self.rotations);
        println!(
            "| an SRP proof and a durable row, then two signatures and a durable row, by the bare engine | {:.0} |",
            self.two_steps
        );
    }
}

/// Measures them, one after another.
pub async fn measure(time: Duration, connections: usize) -> anyhow::Result<Bounds> {
    let der = crypto::token::generate_rsa_2048()?;
    let signing = Arc::new(SigningKey::from_pkcs8("bench", &der)?);
    let sign = move || drop(std::hint::black_box(signing.sign(&[b'x'; 600])));
    let signatures = on_all_cores(time, sign.clone());
    let base = Residue::from_bytes(&[7; 384]);
    let exponentiations = on_all_cores(time, move || drop(std::hint::black_box(base.power(&[0xA5; 32]))));
    let base_two = on_all_cores(time, || drop(std::hint::black_box(Residue::generator_power(&[0xA5; 32]))));
    let verifier = Arc::new(srp::make_verifier(&SystemEntropy, "pool", "user", "Passw0rd!"));
    let client = Arc::new(srp::client::Client::new(&[0x5A; 32]));
    let prove = move || {
        let challenge = srp::challenge(&SystemEntropy, &verifier);
        if let Ok(public) = srp::parse_client_public(&client.srp_a()) {
            drop(std::hint::black_box(srp::proof_key(&public, &challenge, &verifier)));
        }
    };
    let proofs = on_all_cores(time, prove.clone());
    let sign_twice = || {
        sign();
        sign();
    };
    let rotations = durable::rate(time, connections, &[&sign_twice])?;
    let two_steps = durable::rate(time, connections, &[&prove, &sign_twice])?;
    let rows = rows(time)?;
    let hello = Process::hello()?;
    let hello = driver::hello(hello.address(), time, connections).await?;
    Ok(Bounds { signatures, exponentiations, base_two, proofs, hello, rows, rotations, two_steps })
}

/// How often `work` can be done per second when every core does nothing else.
fn on_all_cores(time: Duration, work: impl Fn() + Send + Sync + 'static) -> f64 {
    let (work, stop, count) = (Arc::new(work), Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let started = Instant::now();
    let threads: Vec<_> = (0..cores())
        .map(|_| {
            let (work, stop, count) = (work.clone(), stop.clone(), count.clone());
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    work();
                    count.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    while started.elapsed() < time {
        std::thread::sleep(Duration::from_millis(20));
    }
    stop.store(true, Ordering::Relaxed);
    for thread in threads {
        drop(thread.join());
    }
    count.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64()
}

/// SQLite itself, with nothing around it: a new file in which every commit waits for fsync.
///
/// # Errors
/// When the file cannot be made.
pub fn bare_engine(path: &Path) -> anyhow::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}

/// The rows of a ForgotPassword, written by SQLite itself with nothing around it.
fn rows(time: Duration) -> anyhow::Result<f64> {
    let folder = tempfile::tempdir()?;
    let connection = bare_engine(&folder.path().join("bare.db"))?;
    connection.execute_batch(
        "CREATE TABLE attempts (pool_id TEXT, sub TEXT, purpose BIGINT, expires_at BIGINT, doc TEXT, version BIGINT, \
         PRIMARY KEY (pool_id, sub, purpose)) WITHOUT ROWID; \
         CREATE TABLE codes (pool_id TEXT, sub TEXT, purpose BIGINT, expires_at BIGINT, doc TEXT, version BIGINT, \
         PRIMARY KEY (pool_id, sub, purpose)) WITHOUT ROWID; \
         CREATE TABLE messages (id TEXT PRIMARY KEY, pool_id TEXT, state BIGINT, due_at BIGINT, created_at BIGINT, doc TEXT, \
         version BIGINT) WITHOUT ROWID; \
         CREATE INDEX messages_due ON messages (state, due_at); CREATE INDEX messages_created ON messages (created_at, id);",
    )?;
    let (attempts, code, message) = documents()?;
    let subs: Vec<String> = (0..USERS).map(|_| crypto::random::uuid_v4(&SystemEntropy)).collect();
    let (mut requests, started) = (0_u64, Instant::now());
    while started.elapsed() < time {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        for _ in 0..64 {
            requests += 1;
            let sub = subs.get(usize::try_from(requests.wrapping_mul(2_654_435_761))? % USERS).context("a user")?;
            let id = crypto::random::uuid_v4(&SystemEntropy);
            let now = i64::try_from(requests)?;
            let upsert =
                "ON CONFLICT DO UPDATE SET expires_at = excluded.expires_at, doc = excluded.doc, version = version + 1";
            connection
                .prepare_cached(&format!(
                    "INSERT INTO attempts VALUES ('us-east-1_AbCdEfGh1', ?1, 2, ?2, ?3, 1) {upsert}"
                ))?
                .execute((&sub, now, &attempts))?;
            connection
                .prepare_cached(&format!(
                    "INSERT INTO codes VALUES ('us-east-1_AbCdEfGh1', ?1, 2, ?2, ?3, 1) {upsert}"
                ))?
                .execute((&sub, now, &code))?;
            connection
                .prepare_cached("INSERT INTO messages VALUES (?1, 'us-east-1_AbCdEfGh1', 1, ?2, ?2, ?3, 1)")?
                .execute((&id, now, &message))?;
        }
        connection.execute_batch("COMMIT")?;
    }
    Ok(requests as f64 / started.elapsed().as_secs_f64())
}

/// Documents of the size that the server writes.
fn documents() -> anyhow::Result<(String, String, String)> {
    let (now, sub) = (Timestamp(1_767_323_045_000), crypto::random::uuid_v4(&SystemEntropy));
    let mut attempts = Attempts::none("us-east-1_AbCdEfGh1", &sub, AttemptPurpose::ResetRequest, now);
    attempts.record(now, 3_600_000);
    let code = Code {
        pool_id: "us-east-1_AbCdEfGh1".to_owned(),
        sub: sub.clone(),
        purpose: CodePurpose::Reset,
        hash: "x".repeat(44),
        medium: Medium::Email,
        destination: "someone@example.com".to_owned(),
        is_pending: false,
        issued_at: now,
        expires_at: now,
    };
    let message = Message {
        id: sub.clone(),
        pool_id: "us-east-1_AbCdEfGh1".to_owned(),
        sub,
        username: "someone".to_owned(),
        purpose: MessagePurpose::ForgotPassword,
        medium: Medium::Email,
        content: Sealed("x".repeat(500)),
        created_at: now,
        state: MessageState::Sent,
        due_at: now,
        tries: 0,
        last_error: None,
    };
    Ok((serde_json::to_string(&attempts)?, serde_json::to_string(&code)?, serde_json::to_string(&message)?))
}
