//! Processes that the bench starts: the server under test, and the one that does nothing; and what processes cost.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use axum::extract::Request;
use crypto::random::SystemEntropy;

use crate::bounds::Arithmetic;

/// How the server under test is started.
pub struct NodeOptions {
    /// The built program.
    pub binary: PathBuf,
    /// Where the database is.
    pub store: String,
    /// Folder with `bench.toml`, and with the master key in `master.key`.
    pub folder: PathBuf,
}

/// A server in a process of its own, stopped by its id when this is dropped.
pub struct Process {
    child: Child,
    address: SocketAddr,
    ready_after: Duration,
}

impl Process {
    /// The server under test, on a free port. All nodes share one base URL, because it stands in the tokens.
    pub fn start(options: &NodeOptions) -> anyhow::Result<Self> {
        let mut command = Command::new(&options.binary);
        command.args(["dev", "--listen", "127.0.0.1:0", "--base-url", "http://poolkeeper.test", "--config"]);
        command.arg(options.folder.join("bench.toml"));
        let ours = |name: &std::ffi::OsStr| name.as_encoded_bytes().starts_with(b"POOLKEEPER_");
        for (name, _) in std::env::vars_os().filter(|(name, _)| ours(name)) {
            command.env_remove(name);
        }
        // Not as an argument: those are everybody's to see, and the URL may hold a password.
        command.env("POOLKEEPER_STORE", &options.store).env("POOLKEEPER_DATA_DIR", &options.folder);
        command.env("POOLKEEPER_MASTER_KEY_FILE", options.folder.join("master.key")).env("POOLKEEPER_LOG", "error");
        Self::spawn(command)
    }

    /// The server that does nothing.
    pub fn hello() -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("hello");
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> anyhow::Result<Self> {
        use std::io::BufRead;
        let started = Instant::now();
        let child = command.stdout(Stdio::piped()).spawn().context("starting a server")?;
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut process = Self { child, address, ready_after: Duration::ZERO };
        let output = process.child.stdout.take().context("a server has an output")?;
        let mut first = String::new();
        let mut reader = std::io::BufReader::new(output);
        reader.read_line(&mut first)?;
        process.ready_after = started.elapsed();
        // What else it prints must not fill the pipe.
        std::thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
        let address = first.split("http://").nth(1).and_then(|rest| rest.split_whitespace().next());
        process.address = address.with_context(|| format!("no address in the first line: {first:?}"))?.parse()?;
        Ok(process)
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// How long it took from its start to its first line of output.
    pub const fn ready_after(&self) -> Duration {
        self.ready_after
    }

    /// Processor time that it has used, in seconds.
    pub fn cpu_seconds(&self) -> anyhow::Result<f64> {
        Ok(Costs::of(&folder(self.child.id()))?.own)
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

/// What `/proc` says of a process.
struct Costs {
    parent: u32,
    /// Seconds of processor time.
    own: f64,
    /// The same of its children that have ended.
    ended: f64,
}

impl Costs {
    fn of(folder: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(folder.join("stat"))?;
        // The name before the bracket may hold anything.
        let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let seconds =
            |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or_default() / 100.0;
        let parent = fields.get(1).and_then(|field| field.parse().ok()).unwrap_or_default();
        Ok(Self { parent, own: seconds(11) + seconds(12), ended: seconds(13) + seconds(14) })
    }
}

/// Processor time that a process and its children have used, in seconds.
pub fn family_cpu_seconds(id: u32) -> anyhow::Result<f64> {
    let parent = Costs::of(&folder(id))?;
    // One that ends while we look is counted by its parent the next time.
    let children = children(id)?.into_iter().filter_map(|child| Costs::of(&folder(child)).ok());
    Ok(parent.own + parent.ended + children.map(|child| child.own).sum::<f64>())
}

/// The processes that a process has started and that have not ended.
pub fn children(id: u32) -> anyhow::Result<Vec<u32>> {
    let mut children = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let child = entry?.file_name().to_str().and_then(|name| name.parse().ok());
        if let Some(child) = child
            && Costs::of(&folder(child)).is_ok_and(|costs| costs.parent == id)
        {
            children.push(child);
        }
    }
    Ok(children)
}

/// What `/proc` has about a process.
fn folder(id: u32) -> PathBuf {
    Path::new("/proc").join(id.to_string())
}

/// What a request to the server that does nothing else asks for: the arithmetic of a sign-in with a password.
pub const ARITHMETIC: &str = "Arithmetic";

/// Answers every request with two bytes, on the listener that the server uses; one for [`ARITHMETIC`] after that.
pub async fn hello() -> anyhow::Result<()> {
    let arithmetic = Arc::new(Arithmetic::new()?);
    crypto::warm_up(&SystemEntropy);
    arithmetic.password_sign_in();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on http://{}", listener.local_addr()?);
    let router = axum::Router::new().fallback(async move |request: Request| {
        if request
            .headers()
            .get("x-amz-target")
            .is_some_and(|target| target.as_bytes().ends_with(ARITHMETIC.as_bytes()))
        {
            arithmetic.password_sign_in();
        }
        "{}"
    });
    web::listen(listener, router, web::ListenOptions::default(), tokio_util::sync::CancellationToken::new()).await;
    Ok(())
}
