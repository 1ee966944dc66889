//! One process from its start to its end, with everything that it has started.
//!
//! A process leads a group of its own, and the group is killed with it. Whether it has ended is looked at without taking
//! note of its end, so that its number cannot become another process's before the group is killed. When this server is
//! killed itself, nobody is left to do that: functions end by themselves then, because their Runtime API is gone.

use std::{process::Stdio, sync::Arc, time::Duration};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitIdStatus, kill_process_group, waitid};
use tokio::{
    net::TcpListener,
    process::{Child, Command},
    signal::unix::{SignalKind, signal},
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

use super::{Order, Processes, Trouble, environment, output, runtime_api};

/// How long a process that was asked to end may take.
const GRACE: Duration = Duration::from_secs(2);
/// How long what was printed last may take to arrive after the end.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Starts a process, obeys orders about it, and reports its end.
pub(super) async fn supervise(
    processes: Arc<Processes>,
    number: u64,
    orders: watch::Receiver<Order>,
    label: output::Label,
) {
    let name = processes.options.name.clone();
    let trouble = match Running::start(&processes, number, &label).await {
        Ok(mut running) => {
            let trouble = running.obey(orders).await;
            // The caller has waited long enough; the last words may follow.
            processes.gone(number, trouble.clone());
            running.end().await;
            trouble
        }
        Err(error) => {
            let command = processes.options.command.first().cloned().unwrap_or_default();
            tracing::error!(
                function = name,
                command,
                folder = %processes.options.folder.display(),
                %error,
                "the function's program cannot be started: correct its command or folder in the configuration"
            );
            processes.gone(number, Trouble::NotStarted);
            return;
        }
    };
    if let Trouble::Ended(how) = trouble {
        tracing::info!(function = name, how, "a process has ended");
    }
}

struct Running {
    child: Child,
    group: Pid,
    /// Runtime API and log.
    tasks: JoinSet<()>,
    logs: JoinSet<()>,
}

impl Running {
    async fn start(processes: &Arc<Processes>, number: u64, label: &output::Label) -> std::io::Result<Self> {
        let options = &processes.options;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let [program, arguments @ ..] = options.command.as_slice() else {
            return Err(std::io::Error::other("the command is empty"));
        };
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(&options.folder)
            .env_clear()
            .envs(environment::variables(options, address, number, (processes.clock)()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        let mut child = command.spawn()?;
        let id = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let group = id.ok_or_else(|| std::io::Error::other("it has no process id"))?;
        if let Some(megabytes) = options.memory_megabytes {
            limit_memory(group, megabytes)
                .map_err(|error| std::io::Error::other(format!("memory_megabytes: {error}")))?;
        }
        let mut logs = JoinSet::new();
        if let Some(stream) = child.stdout.take() {
            let (name, label) = (options.name.clone(), label.clone());
            logs.spawn(async move { output::log(stream, "stdout", &name, &label).await });
        }
        if let Some(stream) = child.stderr.take() {
            let (name, label) = (options.name.clone(), label.clone());
            logs.spawn(async move { output::log(stream, "stderr", &name, &label).await });
        }
        let mut tasks = JoinSet::new();
        tasks.spawn(runtime_api::serve(processes.clone(), number, listener, address));
        Ok(Self { child, group, tasks, logs })
    }

    /// Waits for the process's end and brings it about when it is ordered. Its group is killed by then.
    async fn obey(&mut self, mut orders: watch::Receiver<Order>) -> Trouble {
        let mut deadline = None;
        let ended = ended(self.group);
        tokio::pin!(ended);
        let how = loop {
            let killed_at = deadline;
            tokio::select! {
                how = &mut ended => break how,
                changed = orders.changed(), if deadline.is_none() => {
                    let order = if changed.is_ok() { *orders.borrow_and_update() } else { Order::Die };
                    let grace = match order {
                        Order::Stay => continue,
                        Order::Leave => {
                            self.signal(Signal::TERM);
                            GRACE
                        }
                        Order::Finish => GRACE,
                        Order::Die => Duration::ZERO,
                    };
                    deadline = Some(Instant::now() + grace);
                }
                () = async { sleep_until(killed_at.unwrap_or_else(Instant::now)).await }, if killed_at.is_some() => {
                    self.signal(Signal::KILL);
                    // What cannot be killed at once, because it waits for a disk, is waited for.
                    break ended.await;
                }
            }
        };
        self.signal(Signal::KILL);
        Trouble::Ended(how)
    }

    /// Takes note of the end, and waits for the last words.
    async fn end(mut self) {
        _ = self.child.wait().await;
        self.tasks.shutdown().await;
        let logs = async { while self.logs.join_next().await.is_some() {} };
        // Whoever has left the group may still hold the other end.
        _ = timeout(LAST_WORDS, logs).await;
    }

    fn signal(&self, signal: Signal) {
        // Its leader is there until its end is taken note of.
        _ = kill_process_group(self.group, signal);
    }
}

/// Limits the memory for data of a process, and of each that it starts from now on. Address space is not limited: some
/// runtimes, Node.js among them, reserve far more of it than they ever use.
#[cfg(target_os = "linux")]
fn limit_memory(process: Pid, megabytes: u64) -> std::io::Result<()> {
    use rustix::process::{Resource, Rlimit, prlimit};

    let bytes = Some(megabytes.saturating_mul(1 << 20));
    prlimit(Some(process), Resource::Data, Rlimit { current: bytes, maximum: bytes })?;
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn limit_memory(_: Pid, _: u64) -> std::io::Result<()> {
    Err(std::io::Error::other("this system can limit the memory of no other process; leave it out"))
}

/// Waits until a child has ended, without taking note of it; answers how, in Lambda's words.
async fn ended(id: Pid) -> String {
    // Before the first look, so that no end falls between look and wait.
    let mut children = signal(SignalKind::child()).ok();
    loop {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        match waitid(WaitId::Pid(id), options) {
            Ok(Some(status)) => return described(&status),
            Ok(None) => {}
            Err(error) => return format!("Runtime exited: {error}"),
        }
        match &mut children {
            Some(children) => _ = children.recv().await,
            None => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

fn described(status: &WaitIdStatus) -> String {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(0), _) => "Runtime exited without providing a reason".to_owned(),
        (Some(code), _) => format!("Runtime exited with error: exit status {code}"),
        (None, Some(signal)) => format!("Runtime exited with error: signal: {}", signal_name(signal)),
        (None, None) => "Runtime exited".to_owned(),
    }
}

/// As Lambda calls it.
fn signal_name(signal: i32) -> String {
    let name = match signal {
        1 => "hangup",
        2 => "interrupt",
        3 => "quit",
        4 => "illegal instruction",
        6 => "aborted",
        8 => "floating point exception",
        9 => "killed",
        11 => "segmentation fault",
        13 => "broken pipe",
        15 => "terminated",
        other => return format!("signal {other}"),
    };
    name.to_owned()
}
