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

use crate::{populate::Scene, postgres::Reached, scenarios::Scenario};

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

/// What a run has shown.
pub struct Run {
    /// Answers that were successes.
    done: u64,
    errors: u64,
    elapsed: Duration,
    latencies: Vec<f32>,
}

impl Run {
    /// Successes per second.
    pub fn rate(&self) -> f64 {
        self.done as f64 / self.elapsed.as_secs_f64()
    }

    fn percentile(&self, share: f64) -> f32 {
        let last = self.latencies.len().saturating_sub(1);
        self.latencies.get((last as f64 * share) as usize).copied().unwrap_or_default()
    }

    /// A line of the table. By CPU: the rate if the nodes and the database had the machine to themselves, whatever the
    /// driver's own work (for SRP the client's half is dearer than the server's). By database CPU: what the database
    /// spends on a transaction of `pgbench`, over what it spends on a request; so it is the ratio of the rates where
    /// nothing but the database's cores is scarce, because nodes can be added.
    pub fn row(&self, scenario: Scenario, cpu: Cpu, bound: Reached) -> String {
        let milliseconds = |seconds: f64| seconds / (self.done.max(1)) as f64 * 1_000.0;
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "–".to_owned());
        let per_request = cpu.database.map(milliseconds);
        let by_database = bound.database_cpu.zip(per_request).map(|(bound, own)| 100.0 * bound * 1_000.0 / own);
        let by_cpu = crate::cores() as f64 * 1_000.0 / milliseconds(cpu.nodes + cpu.database.unwrap_or_default());
        format!(
            "| {} | {:.0} | {:.2} | {:.2} | {:.2} | {} | {:.3} | {} | {:.0} | {:.0} % | {:.0} % | {} |",
            scenario.name(),
            self.rate(),
            self.percentile(0.50),
            self.percentile(0.95),
            self.percentile(0.99),
            self.errors,
            milliseconds(cpu.nodes),
            or_dash(per_request.map(|cost| format!("{cost:.3}"))),
            bound.rate,
            100.0 * self.rate() / bound.rate,
            100.0 * by_cpu / bound.rate,
            or_dash(by_database.map(|ratio| format!("{ratio:.0} %"))),
        )
    }
}

/// Runs a scenario for `time` over `connections`, which lead to the nodes in turn.
pub async fn run(scene: &Arc<Scene>, scenario: Scenario, time: Duration, connections: usize) -> anyhow::Result<Run> {
    let numbers = Arc::new(AtomicU64::new(0));
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
                if scenario.step(&scene, &mut connection, number).await? {
                    latencies.push(sent.elapsed().as_secs_f32() * 1_000.0);
                } else {
                    errors += 1;
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
    latencies.sort_by(f32::total_cmp);
    Ok(Run { done: latencies.len() as u64, errors, elapsed, latencies })
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
