//! What this machine can do at best.

use std::{
    hint::black_box,
    path::Path,
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

/// Something that this machine does so many times per second at best.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// RSA-2048 signatures.
    Signatures,
    /// 3072-bit modular exponentiations with a 256-bit exponent.
    Exponentiations,
    /// The same for base 2, from a table: what making and checking a password costs.
    BaseTwo,
    /// Server's halves of an SRP sign-in.
    Proofs,
    /// Requests that do nothing.
    Hello,
    /// ForgotPassword's rows, committed durably by the bare engine in groups of 64.
    Rows,
    /// Two signatures and a durable row.
    Rotations,
    /// A server's half of an SRP sign-in and a durable row, then two signatures and another.
    TwoSteps,
}

impl Bound {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Signatures,
        Self::Exponentiations,
        Self::BaseTwo,
        Self::Proofs,
        Self::Hello,
        Self::Rows,
        Self::Rotations,
        Self::TwoSteps,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Signatures => "RSA-2048 signatures",
            Self::Exponentiations => "3072-bit modexp, 256-bit exponent",
            Self::BaseTwo => "3072-bit modexp, base 2 from a table",
            Self::Proofs => "SRP proofs (server)",
            Self::Hello => "HTTP requests that do nothing",
            Self::Rows => "ForgotPassword's rows by the bare engine, 64 per commit, durable",
            Self::Rotations => "two signatures and then a durable row by the bare engine",
            Self::TwoSteps => {
                "an SRP proof and a durable row, then two signatures and a durable row, by the bare engine"
            }
        }
    }
}

/// Bounds, each as often as it was measured, in operations per second of the whole machine.
pub struct Bounds {
    arithmetic: Arithmetic,
    connections: usize,
    measured: Vec<(Bound, Vec<f64>)>,
}

impl Bounds {
    /// None of these has been measured yet. Those that serve requests have so many at a time.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn of(bounds: &[Bound], connections: usize) -> anyhow::Result<Self> {
        let measured = bounds.iter().map(|bound| (*bound, Vec::new())).collect();
        Ok(Self { arithmetic: Arithmetic::new()?, connections, measured })
    }

    /// Measures each of them once more, one after another, for so long each.
    ///
    /// # Errors
    /// When a server or an engine fails.
    pub async fn measure(&mut self, time: Duration) -> anyhow::Result<()> {
        for (bound, rates) in &mut self.measured {
            let arithmetic = &self.arithmetic;
            rates.push(match bound {
                Bound::Signatures => on_all_cores(time, &|| arithmetic.sign()),
                Bound::Exponentiations => on_all_cores(time, &|| arithmetic.exponentiate()),
                Bound::BaseTwo => on_all_cores(time, &base_two),
                Bound::Proofs => on_all_cores(time, &|| arithmetic.prove()),
                Bound::Hello => driver::hello(Process::hello()?.address(), time, self.connections).await?,
                Bound::Rows => rows(time)?,
                Bound::Rotations => durable::rate(time, self.connections, &[&|| arithmetic.sign_twice()])?,
                Bound::TwoSteps => {
                    durable::rate(time, self.connections, &[&|| arithmetic.prove(), &|| arithmetic.sign_twice()])?
                }
            });
        }
        Ok(())
    }

    /// The mean of what was measured; endless for what was not.
    pub fn rate(&self, bound: Bound) -> f64 {
        let rates = self.measured.iter().find(|(one, _)| *one == bound).map_or(&[][..], |(_, rates)| rates);
        if rates.is_empty() { f64::INFINITY } else { rates.iter().sum::<f64>() / rates.len() as f64 }
    }

    /// Prints them.
    pub fn print(&self) {
        println!("| bound | per second |\n|---|---|");
        for (bound, _) in &self.measured {
            println!("| {} | {:.0} |", bound.name(), self.rate(*bound));
        }
    }
}

/// What the server computes, with a key and a password of its own.
pub struct Arithmetic {
    key: SigningKey,
    base: Residue,
    verifier: srp::Verifier,
    client: srp::client::Client,
}

impl Arithmetic {
    /// Makes them.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self {
            key: SigningKey::from_pkcs8("bench", &crypto::token::generate_rsa_2048()?)?,
            base: Residue::from_bytes(&[7; 384]),
            verifier: srp::make_verifier(&SystemEntropy, "pool", "user", "Passw0rd!"),
            client: srp::client::Client::new(&[0x5A; 32]),
        })
    }

    fn sign(&self) {
        drop(black_box(self.key.sign(&[b'x'; 600])));
    }

    fn sign_twice(&self) {
        self.sign();
        self.sign();
    }

    /// That of a sign-in with a password.
    pub fn password_sign_in(&self) {
        base_two();
        self.sign_twice();
    }

    fn exponentiate(&self) {
        drop(black_box(self.base.power(&[0xA5; 32])));
    }

    fn prove(&self) {
        let challenge = srp::challenge(&SystemEntropy, &self.verifier);
        if let Ok(public) = srp::parse_client_public(&self.client.srp_a()) {
            drop(black_box(srp::proof_key(&public, &challenge, &self.verifier)));
        }
    }
}

fn base_two() {
    drop(black_box(Residue::generator_power(&[0xA5; 32])));
}

/// How often `work` can be done per second when every core does nothing else.
fn on_all_cores(time: Duration, work: &(dyn Fn() + Sync)) -> f64 {
    let started = Instant::now();
    let done: u64 = std::thread::scope(|scope| {
        let count = || {
            let mut done = 0_u64;
            while started.elapsed() < time {
                work();
                done += 1;
            }
            done
        };
        let threads: Vec<_> = (0..cores()).map(|_| scope.spawn(count)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_default()).sum()
    });
    done as f64 / started.elapsed().as_secs_f64()
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
