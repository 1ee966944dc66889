//! One process that was started here: its log, its end, signals to it and to everything below it.

use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process, kill_process_group};

use crate::folder::Folder;

/// How much of a log is shown, in bytes.
const LOG_END: u64 = 16 * 1_024;

/// How long the kernel may take to make an end of killed processes.
const LAST_BREATH: Duration = Duration::from_secs(30);

/// A process in a group of its own, so that Ctrl-C in the terminal reaches the tests and not their servers first. It is
/// killed when it is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    name: String,
    log: PathBuf,
    pid_file: PathBuf,
    status: Option<ExitStatus>,
}

impl Process {
    /// Starts a command; what it prints goes to the end of `name.log` in the folder.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn start(folder: &Folder, name: &str, mut command: Command) -> Result<Self> {
        let log = folder.path().join(format!("{name}.log"));
        let output = File::options().create(true).append(true).open(&log)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).process_group(0);
        let child = command.spawn().with_context(|| format!("starting {}", command.get_program().display()))?;
        let pid_file = folder.path().join(format!("{name}.pid"));
        let process = Self { child, name: name.to_owned(), log, pid_file, status: None };
        fs::write(&process.pid_file, process.id().to_string())?;
        Ok(process)
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Where its log is.
    pub fn log_file(&self) -> &Path {
        &self.log
    }

    /// How it ended, when it has.
    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        if self.status.is_none()
            && let Ok(Some(status)) = self.child.try_wait()
        {
            self.status = Some(status);
            // The id may soon be somebody else's: the guard must not find it any more.
            drop(fs::remove_file(&self.pid_file));
        }
        self.status
    }

    /// Sends a signal to it alone; nothing once its end was seen.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        if self.status.is_none() {
            kill_process(Pid::from_child(&self.child), signal)
                .with_context(|| format!("sending {signal:?} to {}", self.name))?;
        }
        Ok(())
    }

    /// Stops it alone (SIGSTOP); returns when it stands still. Nothing happens once its end was seen.
    ///
    /// # Errors
    /// When it does not stand still.
    pub fn pause(&self) -> Result<()> {
        if self.status.is_none() { stop_all(&[self.id()]) } else { Ok(()) }
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it has not ended in time.
    pub fn wait(&mut self, timeout: Duration) -> Result<ExitStatus> {
        wait_until(timeout, || Ok(self.has_ended())).map_err(|error| self.with_log("does not end", &error))
    }

    /// Kills its group and waits for its end.
    ///
    /// # Errors
    /// When it does not end.
    pub fn kill(&mut self) -> Result<ExitStatus> {
        if let Some(status) = self.has_ended() {
            return Ok(status);
        }
        kill_process_group(Pid::from_child(&self.child), Signal::KILL)
            .with_context(|| format!("killing {}", self.name))?;
        self.wait(LAST_BREATH)
    }

    /// Waits until `ready` answers something other than `None`.
    ///
    /// # Errors
    /// When the process ends before, or the time is over: with the end of its log.
    pub fn wait_until_ready<T>(&mut self, timeout: Duration, mut ready: impl FnMut() -> Option<T>) -> Result<T> {
        let outcome = wait_until(timeout, || match (ready(), self.has_ended()) {
            (Some(answer), _) => Ok(Some(answer)),
            (None, Some(status)) => anyhow::bail!("it ended with {status}"),
            (None, None) => Ok(None),
        });
        outcome.map_err(|error| self.with_log("is not ready", &error))
    }

    /// An error that ends with the end of the log.
    pub fn with_log(&self, what: &str, error: &anyhow::Error) -> anyhow::Error {
        anyhow::anyhow!("{} {what}: {error:#}; {}", self.name, self.log_end())
    }

    /// The end of its log, under a heading.
    pub fn log_end(&self) -> String {
        format!("the log of {} ends:\n{}", self.name, tail(&self.log).trim_end())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.kill());
    }
}

/// Asks every 10 milliseconds until there is an answer.
///
/// # Errors
/// When asking fails, or the time is over.
pub fn wait_until<T>(timeout: Duration, mut ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        anyhow::ensure!(started.elapsed() < timeout, "nothing after {} seconds", timeout.as_secs_f32());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The end of a log file as text; empty where there is none.
pub fn tail(log: &Path) -> String {
    let mut text = Vec::new();
    if let Ok(mut file) = File::open(log) {
        let length = file.metadata().map_or(0, |metadata| metadata.len());
        drop(file.seek(SeekFrom::Start(length.saturating_sub(LOG_END))));
        drop(file.read_to_end(&mut text));
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// The process and all processes below it, parents first.
fn family(id: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|process| Some((process, parent_of_running(process)?)))
        .collect();
    let mut family = vec![id];
    let mut at = 0;
    while let Some(&parent) = family.get(at) {
        family.extend(parents.iter().filter(|(_, above)| *above == parent).map(|(process, _)| *process));
        at += 1;
    }
    family
}

/// The parent of a process that has not ended. One that ended and that nobody has asked about is still listed.
fn parent_of_running(id: u32) -> Option<u32> {
    let (state, parent) = state_and_parent(format!("/proc/{id}/stat"))?;
    if has_ended(state) { None } else { Some(parent) }
}

/// Whether each thread of a process is stopped or has ended.
fn stands_still(id: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
    let mut states = threads.filter_map(|thread| state_and_parent(thread.path().join("stat")));
    states.all(|(state, _)| state == 'T' || has_ended(state))
}

const fn has_ended(state: char) -> bool {
    matches!(state, 'Z' | 'X')
}

fn state_and_parent(stat: impl AsRef<Path>) -> Option<(char, u32)> {
    let text = fs::read_to_string(stat).ok()?;
    // The name before them is in parentheses and may contain anything.
    let mut fields = text.rsplit(')').next()?.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

/// Sends a signal to each; those that have ended meanwhile are passed over.
pub fn signal_all(processes: &[u32], signal: Signal) {
    for id in processes.iter().filter_map(|id| Pid::from_raw(id.cast_signed())) {
        let _ended = kill_process(id, signal);
    }
}

/// Stops (SIGSTOP) each; returns when all their threads stand still.
///
/// # Errors
/// When one does not.
pub fn stop_all(processes: &[u32]) -> Result<()> {
    signal_all(processes, Signal::STOP);
    wait_until(LAST_BREATH, || Ok(processes.iter().all(|id| stands_still(*id)).then_some(())))
        .context("waiting for stopped processes to stand still")
}

/// Stops the process and all processes below it, and answers their ids. Looks again until it has found no new ones: what
/// runs may start more.
///
/// # Errors
/// When one does not stand still.
pub fn freeze(id: u32) -> Result<Vec<u32>> {
    let mut frozen = Vec::new();
    loop {
        let found = family(id);
        stop_all(&found)?;
        if found == frozen {
            return Ok(frozen);
        }
        frozen = found;
    }
}

/// Kills each and waits until all have ended.
///
/// # Errors
/// When one does not end.
pub fn kill_all(processes: &[u32]) -> Result<()> {
    signal_all(processes, Signal::KILL);
    wait_until(LAST_BREATH, || {
        let running = processes.iter().any(|id| parent_of_running(*id).is_some());
        Ok((!running).then_some(()))
    })
    .context("waiting for killed processes to end")
}
