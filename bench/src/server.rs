//! Servers that the bench starts: the one under test, and the one that does nothing.

use std::{
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::Context;

/// A server in a process of its own, stopped by its id when this is dropped.
pub struct Process {
    child: Child,
    address: SocketAddr,
}

impl Process {
    /// The server under test, on a free port.
    pub async fn start(binary: &Path, data: &Path, configuration: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(binary);
        command.args(["dev", "--listen", "127.0.0.1:0", "--data-dir"]).arg(data).arg("--config").arg(configuration);
        Self::spawn(command)
    }

    /// The server that does nothing.
    pub async fn hello() -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("hello");
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> anyhow::Result<Self> {
        use std::io::BufRead;
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().context("starting a server")?;
        let output = child.stdout.take().context("a server has an output")?;
        let mut first = String::new();
        let mut reader = std::io::BufReader::new(output);
        reader.read_line(&mut first)?;
        // What else it prints must not fill the pipe.
        std::thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
        let address = first.split("http://").nth(1).and_then(|rest| rest.split_whitespace().next());
        let address = address.with_context(|| format!("no address in the first line: {first:?}"))?.parse()?;
        Ok(Self { child, address })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Processor time that it has used, in seconds.
    pub fn cpu_seconds(&self) -> anyhow::Result<f64> {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or_default();
        Ok((ticks(11) + ticks(12)) / 100.0)
    }

    /// Resident memory.
    pub fn resident_mebibytes(&self) -> anyhow::Result<f64> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = text.lines().find(|line| line.starts_with("VmRSS")).context("a process has a size")?;
        let kibibytes: f64 = line.split_whitespace().nth(1).context("a size is a number")?.parse()?;
        Ok(kibibytes / 1_024.0)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Answers every request with two bytes, on the listener that the server uses.
pub async fn hello() -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on http://{}", listener.local_addr()?);
    let router = axum::Router::new().fallback(async || "{}");
    web::listen(listener, router, web::ListenOptions::default(), tokio_util::sync::CancellationToken::new()).await;
    Ok(())
}
