//! One Poolkeeper process.

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    time::Duration,
};

use anyhow::Result;

use crate::{
    account::Account,
    folder::Folder,
    http, port,
    process::{Process, Signal, tail, wait_until},
};

/// How long a start may take, and how long an orderly end.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a node may take to say whether it is ready.
const ANSWER: Duration = Duration::from_secs(2);

/// What is started.
#[derive(Clone)]
pub struct NodeOptions {
    /// The built program.
    pub binary: PathBuf,
    /// `serve` or `dev`.
    pub command: String,
    /// The configuration in TOML. `{listen}` and `{admin_listen}` stand for addresses with ports of this node (the first
    /// is also given on the command line), `{folder}` for its folder.
    pub config: String,
    /// Variables, besides those of the caller that do not begin with `POOLKEEPER_`.
    pub environment: Vec<(String, String)>,
}

impl std::fmt::Debug for NodeOptions {
    /// Without configuration and environment, which hold passwords.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("NodeOptions")
            .field("binary", &self.binary)
            .field("command", &self.command)
            .finish_non_exhaustive()
    }
}

/// A node with a folder and ports that it keeps when it is started again. It is killed, and its folder removed, when it
/// is dropped.
#[derive(Debug)]
pub struct Node {
    // First: before the folder goes.
    process: Process,
    options: NodeOptions,
    listen_port: u16,
    admin_port: u16,
    folder: Folder,
}

impl Node {
    /// Starts a node; returns when it says that it is ready.
    ///
    /// # Errors
    /// When it ends, or is not ready within a minute: with the end of its log.
    pub fn start(options: NodeOptions) -> Result<Self> {
        let mut node = Self::spawn(options)?;
        node.become_ready()?;
        Ok(node)
    }

    /// Starts a node without waiting.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn spawn(options: NodeOptions) -> Result<Self> {
        let folder = Folder::new(None)?;
        let (listen_port, admin_port) = (port::free()?, port::free()?);
        let config = options
            .config
            .replace("{listen}", &address(listen_port))
            .replace("{admin_listen}", &address(admin_port))
            .replace("{folder}", &folder.path().display().to_string());
        // It may hold the database's password.
        folder.write("poolkeeper.toml", &config, Account::caller())?;
        let admin_port = if options.config.contains("{admin_listen}") { admin_port } else { listen_port };
        let process = launch(&folder, &options, listen_port)?;
        Ok(Self { process, options, listen_port, admin_port, folder })
    }

    fn become_ready(&mut self) -> Result<()> {
        let port = self.admin_port;
        self.process.wait_until_ready(PATIENCE, || says_ready(port).then_some(()))
    }

    /// Where clients reach it: `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", address(self.listen_port))
    }

    /// Where its health and metrics are: as [`Self::endpoint`], unless the configuration has `{admin_listen}`.
    pub fn admin_endpoint(&self) -> String {
        format!("http://{}", address(self.admin_port))
    }

    /// Its folder, with `poolkeeper.toml` and `node.log`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The id of its process, the last one's when it does not run.
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// SIGKILL; returns when it has ended.
    ///
    /// # Errors
    /// When it does not end.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill().map(drop)
    }

    /// SIGTERM; returns how it ended.
    ///
    /// # Errors
    /// When it does not end within a minute.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        self.process.signal(Signal::TERM)?;
        self.process.wait(PATIENCE)
    }

    /// SIGSTOP; returns when it stands still. Its connections stay open.
    ///
    /// # Errors
    /// When it does not stand still.
    pub fn pause(&self) -> Result<()> {
        self.process.pause()
    }

    /// SIGCONT, after [`Self::pause`].
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn resume(&self) -> Result<()> {
        self.process.signal(Signal::CONT)
    }

    /// Starts it again, killing it first when it runs; returns when it says that it is ready.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn restart(&mut self) -> Result<()> {
        self.kill()?;
        self.process = launch(&self.folder, &self.options, self.listen_port)?;
        self.become_ready()
    }

    /// Waits until it says that it is ready, however often it says no.
    ///
    /// # Errors
    /// When the time is over.
    pub fn wait_until_ready(&self, timeout: Duration) -> Result<()> {
        let ready = wait_until(timeout, || Ok(self.is_ready().then_some(())));
        ready.map_err(|error| self.process.with_log("is not ready", &error))
    }

    /// Whether it answers that it is ready.
    pub fn is_ready(&self) -> bool {
        says_ready(self.admin_port)
    }

    /// The end of what it has printed, up to 16 KiB.
    pub fn log(&self) -> String {
        tail(self.process.log_file())
    }

    /// How it ended, when it has.
    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        self.process.has_ended()
    }
}

fn address(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

fn launch(folder: &Folder, options: &NodeOptions, listen_port: u16) -> Result<Process> {
    let mut command = Command::new(&options.binary);
    command.arg(&options.command).arg("--config").arg(folder.path().join("poolkeeper.toml"));
    command.args(["--listen", &address(listen_port)]).current_dir(folder.path());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"POOLKEEPER_")) {
        command.env_remove(name);
    }
    command.envs(options.environment.iter().map(|(name, value)| (name, value)));
    Process::start(folder, "node", command)
}

fn says_ready(port: u16) -> bool {
    http::request(port, "GET", "/_poolkeeper/ready", "", ANSWER).is_ok_and(|(status, _)| status == 200)
}
