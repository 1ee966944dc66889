//! The load: connections that each send one request at a time, and the time of every answer.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use http_body_util::{BodyExt, Full};
use hyper::{Request, body::Bytes, client::conn::http1::SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::Value;

use crate::{
    populate::Scene,
    postgres::Reached,
    scenarios::{Scenario, Step},
};

/// A connection to the server.
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    address: SocketAddr,
}

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = tokio::net::TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self { sender, address })
    }

    /// An API call; the status and the answer's body.
    pub async fn call(&mut self, operation: &str, body: String) -> anyhow::Result<(u16, Bytes)> {
        let request = Request::post("/")
            .header("host", self.address.to_string())
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", format!("AWSCognitoIdentityProviderService.{operation}"))
            .body(Full::new(Bytes::from(body)))?;
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let status = response.status().as_u16();
        Ok((status, response.into_body().collect().await?.to_bytes()))
    }

    /// A request to the test controls, which must succeed.
    pub async fn control(&mut self, path: &str, body: Value) -> anyhow::Result<()> {
        let request = Request::post(path)
            .header("host", self.address.to_string())
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body.to_string())))?;
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let status = response.status();
        let answer = response.into_body().collect().await?.to_bytes();
        anyhow::ensure!(status.is_success(), "{path} answered {status}: {}", String::from_utf8_lossy(&answer));
        Ok(())
    }

    /// An API call that must succeed, its answer parsed.
    pub async fn json(&mut self, operation: &str, body: Value) -> anyhow::Result<Value> {
        let (status, answer) = self.call(operation, body.to_string()).await?;
        anyhow::ensure!(status == 200, "{operation} answered {status}: {}", String::from_utf8_lossy(&answer));
        Ok(if answer.is_empty() { Value::Null } else { serde_json::from_slice(&answer)? })
    }
}

/// Processor time, in seconds.
#[derive(Clone, Copy)]
pub struct Cpu {
    /// Of all nodes.
    pub nodes: f64,
    /// Of the database's own processes, where they can be seen. SQLite has none.
    pub database: Option<f64>,
}

impl std::ops::Sub for Cpu {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        let database = self.database.zip(before.database).map(|(now, before)| now - before);
        Self { nodes: self.nodes - before.nodes, database }
    }
}

impl std::ops::Add for Cpu {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let database = self.database.zip(other.database).map(|(one, other)| one + other);
        Self { nodes: self.nodes + other.nodes, database }
    }
}

/// What a run has shown.
pub struct Run {
    /// Answers that were successes.
    pub done: u64,
    errors: u64,
    /// How long it took until the last answer.
    pub elapsed: Duration,
    latencies: Latencies,
}

/// Times of answers in milliseconds, the shortest first.
pub struct Latencies(Vec<f32>);

impl Latencies {
    /// Sorts them.
    pub fn new(mut milliseconds: Vec<f32>) -> Self {
        milliseconds.sort_by(f32::total_cmp);
        Self(milliseconds)
    }

    /// The time that this share of the answers stayed below; 0.5 is the median.
    pub fn percentile(&self, share: f64) -> f32 {
        let last = self.0.len().saturating_sub(1);
        self.0.get((last as f64 * share) as usize).copied().unwrap_or_default()
    }

    /// How many there are.
    pub const fn count(&self) -> usize {
        self.0.len()
    }
}

impl std::fmt::Display for Latencies {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [p50, p95, p99] = [0.50, 0.95, 0.99].map(|share| self.percentile(share));
        write!(formatter, "p50 {p50:.2} ms, p95 {p95:.2} ms, p99 {p99:.2} ms")
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:.0} per second, {}, {} errors", self.rate(), self.latencies, self.errors)
    }
}

impl Run {
    /// Successes per second.
    pub fn rate(&self) -> f64 {
        self.done as f64 / self.elapsed.as_secs_f64()
    }

    /// This run and one after it as one.
    pub fn and(self, after: Self) -> Self {
        let mut latencies = self.latencies.0;
        latencies.extend(after.latencies.0);
        Self {
            done: self.done + after.done,
            errors: self.errors + after.errors,
            elapsed: self.elapsed + after.elapsed,
            latencies: Latencies::new(latencies),
        }
    }

    /// The median, in milliseconds.
    pub fn median(&self) -> f32 {
        self.latencies.percentile(0.50)
    }

    /// The rate if the nodes and the database had the machine to themselves, whatever the driver's own work (for SRP the
    /// client's half is dearer than the server's).
    fn rate_by_cpu(&self, cpu: Cpu) -> f64 {
        let seconds = cpu.nodes + cpu.database.unwrap_or_default();
        crate::cores() as f64 * self.done.max(1) as f64 / seconds
    }

    /// What of a bound was reached, by the clock and by CPU.
    pub fn ratios(&self, cpu: Cpu, bound: f64) -> String {
        let by_cpu = 100.0 * self.rate_by_cpu(cpu) / bound;
        format!("of which {:.0} % were reached, {by_cpu:.0} % by CPU", 100.0 * self.rate() / bound)
    }

    /// A line of the table. By CPU: as [`Self::rate_by_cpu`]. By database CPU: what the database spends on a transaction
    /// of `pgbench`, over what it spends on a request; so it is the ratio of the rates where nothing but the database's
    /// cores is scarce, because nodes can be added.
    pub fn row(&self, scenario: Scenario, cpu: Cpu, bound: Reached) -> String {
        let milliseconds = |seconds: f64| seconds / (self.done.max(1)) as f64 * 1_000.0;
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "–".to_owned());
        let per_request = cpu.database.map(milliseconds);
        let by_database = bound.database_cpu.zip(per_request).map(|(bound, own)| 100.0 * bound * 1_000.0 / own);
        format!(
            "| {} | {:.0} | {:.2} | {:.2} | {:.2} | {} | {:.3} | {} | {:.0} | {:.0} % | {:.0} % | {} |",
            scenario.name(),
            self.rate(),
            self.latencies.percentile(0.50),
            self.latencies.percentile(0.95),
            self.latencies.percentile(0.99),
            self.errors,
            milliseconds(cpu.nodes),
            or_dash(per_request.map(|cost| format!("{cost:.3}"))),
            bound.rate,
            100.0 * self.rate() / bound.rate,
            100.0 * self.rate_by_cpu(cpu) / bound.rate,
            or_dash(by_database.map(|ratio| format!("{ratio:.0} %"))),
        )
    }
}

/// Runs a scenario for `time`, or until it is used up, over `connections`, which lead to the nodes in turn.
pub async fn run(scene: &Arc<Scene>, scenario: Scenario, time: Duration, connections: usize) -> anyhow::Result<Run> {
    run_on(scene, scenario, time, connections, &Arc::default()).await
}

/// The same, with units that begin at `numbers`, which counts on: for a scenario that is run in several parts.
pub async fn run_on(
    scene: &Arc<Scene>,
    scenario: Scenario,
    time: Duration,
    connections: usize,
    numbers: &Arc<AtomicU64>,
) -> anyhow::Result<Run> {
    let mut tasks = tokio::task::JoinSet::new();
    let started = Instant::now();
    for address in scene.addresses().into_iter().cycle().take(connections) {
        let (scene, numbers) = (scene.clone(), numbers.clone());
        tasks.spawn(async move {
            let mut connection = Connection::open(address).await?;
            let (mut latencies, mut errors) = (Vec::new(), 0_u64);
            while started.elapsed() < time {
                let number = numbers.fetch_add(1, Ordering::Relaxed);
                let sent = Instant::now();
                match scenario.step(&scene, &mut connection, number).await? {
                    Step::Done => latencies.push(sent.elapsed().as_secs_f32() * 1_000.0),
                    Step::Failed => errors += 1,
                    Step::UsedUp => break,
                }
            }
            anyhow::Ok((latencies, errors))
        });
    }
    let (mut latencies, mut errors) = (Vec::new(), 0);
    while let Some(done) = tasks.join_next().await {
        let (times, failed) = done??;
        latencies.extend(times);
        errors += failed;
    }
    let elapsed = started.elapsed();
    Ok(Run { done: latencies.len() as u64, errors, elapsed, latencies: Latencies::new(latencies) })
}

/// Requests per second of the server that does nothing.
pub async fn hello(address: SocketAddr, time: Duration, connections: usize) -> anyhow::Result<f64> {
    let mut tasks = tokio::task::JoinSet::new();
    let started = Instant::now();
    for _ in 0..connections {
        tasks.spawn(async move {
            let mut connection = Connection::open(address).await?;
            let mut done = 0_u64;
            while started.elapsed() < time {
                connection.call("Hello", "{}".to_owned()).await?;
                done += 1;
            }
            anyhow::Ok(done)
        });
    }
    let mut done = 0;
    while let Some(task) = tasks.join_next().await {
        done += task??;
    }
    Ok(done as f64 / started.elapsed().as_secs_f64())
}
