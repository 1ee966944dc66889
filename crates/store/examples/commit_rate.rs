//! How many changesets of three rows (counter, code, message: what a ForgotPassword writes) the store commits a
//! second with 64 clients, and how fast it reads. Beside it the rate of the bare engine: the same statements in
//! groups of 64 on one thread, without queues and answers.
//!
//! Run with `cargo run --release -p poolkeeper-store --example commit_rate [SECONDS]`.

#![expect(clippy::disallowed_methods, reason = "a measuring tool")]

use std::time::{Duration, Instant};

use domain::{
    AttemptPurpose, Attempts, Code, CodePurpose, Medium, Message, MessagePurpose, MessageState, Revocation, Sealed,
    Timestamp,
};
use poolkeeper_store::{Changes, Durability, Options, Store};

type Anyhow = Result<(), Box<dyn std::error::Error + Send + Sync>>;

const CLIENTS: u64 = 64;
const NOW: Timestamp = Timestamp(1_700_000_000_000);

/// Random-looking, so that rows arrive at random places as they do in life.
fn id(number: u64) -> String {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    format!("{:016x}-{number:019x}", mixed ^ (mixed >> 31))
}

fn changes(number: u64) -> Changes {
    let (pool_id, sub) = ("eu-west-1_Aaaaaaaa1".to_owned(), id(number));
    let mut attempts = Attempts::none(&pool_id, &sub, AttemptPurpose::ResetRequest, NOW);
    attempts.record(NOW, 3_600_000);
    let mut changes = Changes::new();
    changes.insert(attempts);
    changes.insert(Code {
        pool_id: pool_id.clone(),
        sub: sub.clone(),
        purpose: CodePurpose::Reset,
        hash: "x".repeat(44),
        medium: Medium::Email,
        destination: "somebody@example.com".to_owned(),
        is_pending: false,
        issued_at: NOW,
        expires_at: NOW.plus(3_600_000),
    });
    changes.insert(Message {
        id: sub.clone(),
        pool_id,
        username: sub.clone(),
        sub,
        purpose: MessagePurpose::ForgotPassword,
        medium: Medium::Email,
        content: Sealed("x".repeat(600)),
        created_at: NOW,
        state: MessageState::Pending,
        due_at: NOW,
        tries: 0,
        last_error: None,
    });
    changes
}

async fn commits(store: &Store, length: Duration) -> Anyhow {
    let before = store.statistics();
    let began = Instant::now();
    let mut clients = Vec::new();
    for client in 0..CLIENTS {
        let store = store.clone();
        clients.push(tokio::spawn(async move {
            let mut latencies = Vec::new();
            let mut number = client << 32;
            while began.elapsed() < length {
                let sent = Instant::now();
                store.commit(changes(number)).await?;
                latencies.push(sent.elapsed());
                number += 1;
            }
            Ok::<_, poolkeeper_store::CommitError>(latencies)
        }));
    }
    let mut latencies = Vec::new();
    for client in clients {
        latencies.extend(client.await??);
    }
    let took = began.elapsed().as_secs_f64();
    latencies.sort_unstable();
    let at = |share: f64| latencies.get((latencies.len() as f64 * share) as usize).copied().unwrap_or_default();
    let statistics = store.statistics();
    println!(
        "  {:>8.0} changesets/s ({:.0} rows/s), {:.1} in a group, p50 {:?}, p99 {:?}",
        latencies.len() as f64 / took,
        3.0 * latencies.len() as f64 / took,
        (statistics.commits - before.commits) as f64 / (statistics.groups - before.groups).max(1) as f64,
        at(0.5),
        at(0.99),
    );
    Ok(())
}

/// The same rows in groups of 64, by the engine alone.
fn bare(length: Duration, synchronous: &str) -> Anyhow {
    let directory = tempfile::tempdir()?;
    let connection = rusqlite::Connection::open(directory.path().join("bare.db"))?;
    connection.execute_batch(&format!(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous}; PRAGMA cache_size = -8192; \
         CREATE TABLE attempts (id TEXT PRIMARY KEY, version BIGINT NOT NULL, doc TEXT NOT NULL); \
         CREATE TABLE codes (id TEXT PRIMARY KEY, version BIGINT NOT NULL, doc TEXT NOT NULL); \
         CREATE TABLE messages (id TEXT PRIMARY KEY, version BIGINT NOT NULL, doc TEXT NOT NULL);"
    ))?;
    let began = Instant::now();
    let mut count = 0_u64;
    while began.elapsed() < length {
        connection.prepare_cached("BEGIN IMMEDIATE")?.raw_execute()?;
        for _ in 0..64 {
            for (table, size) in [("attempts", 170), ("codes", 290), ("messages", 930)] {
                let sql = format!("INSERT INTO {table} (id, version, doc) VALUES (?1, 1, ?2)");
                connection.prepare_cached(&sql)?.execute((id(count), "x".repeat(size)))?;
            }
            count += 1;
        }
        connection.prepare_cached("COMMIT")?.raw_execute()?;
    }
    println!("  {:>8.0} changesets/s by the bare engine in groups of 64", count as f64 / began.elapsed().as_secs_f64());
    Ok(())
}

async fn reads(store: &Store, length: Duration) -> Anyhow {
    let mut changes = Changes::new();
    for number in 0..1_000 {
        let row = Revocation { pool_id: "r_1".to_owned(), origin_jti: id(number), expires_at: NOW };
        changes.insert(row);
    }
    store.commit(changes).await?;
    let subs: Vec<String> = (0..1_000_u64).map(id).collect();
    let began = Instant::now();
    let mut count = 0_u64;
    while began.elapsed() < length {
        for sub in &subs {
            store.revocation("r_1", sub).await?.ok_or("a row is missing")?;
            count += 1;
        }
    }
    let marks = began.elapsed().as_nanos() as f64 / count as f64;
    let began = Instant::now();
    let mut count = 0_u64;
    while began.elapsed() < length {
        for number in 0..64_u64 {
            let found = store.code("eu-west-1_Aaaaaaaa1", &id(number << 32), CodePurpose::Reset).await?;
            found.ok_or("a row is missing")?;
            count += 1;
        }
    }
    let documents = began.elapsed().as_nanos() as f64 / count as f64;
    println!("  {marks:>8.0} ns a read of a mark, {documents:.0} ns of a document");
    Ok(())
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Anyhow {
    let seconds = std::env::args().nth(1).map_or(Ok(3), |text| text.parse())?;
    let length = Duration::from_secs(seconds);
    for (durability, name) in [(Durability::Full, "FULL"), (Durability::Normal, "NORMAL")] {
        let directory = tempfile::tempdir()?;
        let options = Options { durability, ..Options::file(directory.path().join("poolkeeper.db")) };
        let began = Instant::now();
        drop(Store::open(&options).await?);
        let made = began.elapsed();
        let began = Instant::now();
        let store = Store::open(&options).await?;
        println!("{name}: made in {made:?}, opened in {:?}", began.elapsed());
        commits(&store, length).await?;
        bare(length, name)?;
        reads(&store, Duration::from_millis(500)).await?;
    }
    println!("memory:");
    let store = Store::open(&Options::memory()).await?;
    commits(&store, length).await?;
    reads(&store, Duration::from_millis(500)).await
}
