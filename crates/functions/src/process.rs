//! Functions in processes of our own, which ask our Lambda Runtime API for work (triggers-security.md §13.2).
//!
//! [`Processes`] is a queue of calls and the processes that take from it: whichever is free takes the oldest call. A
//! process does one call at a time. One that is needed and not there is started, up to `concurrency`; one whose call
//! was given up is killed, because nobody knows what it is doing. What ends before it has done anything is started again
//! only after a while, and calls fail at once meanwhile. Of several that wait, the one that has waited for the shortest
//! time gets the next call, so that those which are not needed any more wait for long, and are ended.

mod child;
mod environment;
mod files;
mod output;
mod peer;
mod runtime_api;

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use domain::Secret;
use service::triggers::Failure;
use tokio::{
    sync::{Notify, oneshot, watch},
    time::{Instant, sleep_until, timeout_at},
};
use wire::Timestamp;

use crate::Call;
use files::Files;

/// How long a process may take from its start until it asks for work. Reading large packages from a slow disk takes a
/// while; a process that stands still takes a place.
const LONGEST_START: Duration = Duration::from_secs(60);
/// How long a process may take from its answer until it asks for more work.
const LONGEST_RETURN: Duration = Duration::from_secs(5);
/// The first pause after a process that ended before it had done anything; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest of these pauses.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A function's processes.
#[derive(Clone, Debug)]
pub struct Options {
    /// The function's name, for its environment and our log.
    pub name: String,
    /// `_HANDLER`, such as `index.handler`.
    pub handler: String,
    /// What runs it, such as `nodejs`, for `AWS_EXECUTION_ENV`.
    pub runtime: String,
    /// `AWS_REGION`.
    pub region: String,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Where the function's files are: the working directory.
    pub folder: PathBuf,
    /// Further variables; they replace those that are set otherwise.
    pub environment: BTreeMap<String, Secret<String>>,
    /// Names of variables that are handed on from our own environment.
    pub inherit: Vec<String>,
    /// Processes at most.
    pub concurrency: usize,
    /// Processes that are kept ready.
    pub warm: usize,
    /// How long a process beyond those may wait for work before it is ended.
    pub idle: Duration,
    /// Megabytes (2^20 bytes) of memory for data that each process may have; any number where there is none. Linux only.
    pub memory_megabytes: Option<u64>,
    /// Calls that may wait for a process; more are turned away.
    pub queue: usize,
    /// Whether processes are replaced when a file in the folder changes.
    pub reload: bool,
}

/// A function's processes and the calls that wait for them.
pub(crate) struct Processes {
    options: Options,
    clock: fn() -> Timestamp,
    state: Mutex<State>,
    /// Wakes a process that waits for work.
    work: Notify,
    /// A process has ended.
    ended: Notify,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Work>,
    processes: BTreeMap<u64, Process>,
    /// The last number that was given to a process or a call.
    last: u64,
    /// Processes in a row that ended before they had done anything.
    failures: u32,
    /// Until when none is started, and why.
    pause: Option<(Instant, Trouble)>,
    files: Files,
    is_stopping: bool,
}

/// A call that waits, or that a process is busy with.
struct Work {
    number: u64,
    call: Call,
    answer: oneshot::Sender<Result<String, Failure>>,
}

struct Process {
    phase: Phase,
    since: Instant,
    /// Calls that it has answered.
    answered: u64,
    /// The version of the files that it was started with.
    version: u64,
    order: watch::Sender<Order>,
    /// The call that it does or did last, for its log.
    label: output::Label,
}

enum Phase {
    /// It has not asked for work yet.
    Starting,
    /// It waits for work.
    Idle,
    Busy(Work),
    /// It has answered and not yet asked for more.
    Returning,
    /// It was told to end.
    Leaving,
}

/// What a process is told to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Order {
    #[default]
    Stay,
    /// End by itself; it is being asked to (SIGTERM), and killed when that takes long.
    Leave,
    /// It has said that it is about to end, and is killed when that takes long.
    Finish,
    /// Be killed.
    Die,
}

/// Why a process does not work.
#[derive(Clone, Debug)]
enum Trouble {
    /// How it ended.
    Ended(String),
    /// What it said of itself.
    Said(String),
    /// There is none: the program cannot be started.
    NotStarted,
}

impl Trouble {
    fn failure(&self, call: &Call) -> Failure {
        match self {
            Self::Ended(how) => Failure::Threw(format!("RequestId: {} Error: {how}", call.id)),
            Self::Said(message) => Failure::Threw(message.clone()),
            Self::NotStarted => Failure::NotCalled("InvalidRuntimeException".to_owned()),
        }
    }
}

/// What becomes of a process that asks for work.
enum Asked {
    Work(Call),
    /// There is none yet, and after this moment it has waited for too long.
    Wait {
        until: Instant,
    },
    /// There will be none: it is to end.
    Never,
    /// It has not answered the last call.
    Busy,
}

impl Processes {
    pub(crate) fn new(options: Options, clock: fn() -> Timestamp) -> Self {
        Self { options, clock, state: Mutex::default(), work: Notify::new(), ended: Notify::new() }
    }

    /// Starts those that are kept ready.
    pub(crate) fn start(self: &Arc<Self>) {
        self.tend(&mut self.lock());
    }

    /// Processes that there are, whatever they do.
    pub(crate) fn running(&self) -> usize {
        self.lock().processes.len()
    }

    /// Does a call. Dropping the future gives it up.
    pub(crate) async fn call(self: &Arc<Self>, call: Call) -> Result<String, Failure> {
        self.look_at_files().await;
        let (answer, answered) = oneshot::channel();
        let given_up = {
            let mut state = self.lock();
            if state.is_stopping {
                return Err(Failure::NotCalled("ServiceException".to_owned()));
            }
            if state.queue.len() >= self.options.queue {
                return Err(Failure::NotCalled("TooManyRequestsException".to_owned()));
            }
            let number = state.number();
            state.queue.push_back(Work { number, call, answer });
            self.tend(&mut state);
            GiveUp { processes: self, number }
        };
        self.work.notify_last();
        let outcome = answered.await;
        given_up.not_needed();
        outcome.unwrap_or_else(|_dropped| Err(Failure::NotCalled("ServiceException".to_owned())))
    }

    /// Tells all to end; none is started any more.
    pub(crate) fn leave(&self) {
        let mut state = self.lock();
        state.is_stopping = true;
        state.queue.clear();
        state.processes.values_mut().for_each(|process| process.leave(Order::Leave));
    }

    /// Waits until all have ended.
    pub(crate) async fn stopped(&self) {
        let mut ended = std::pin::pin!(self.ended.notified());
        loop {
            ended.as_mut().enable();
            if self.lock().processes.is_empty() {
                return;
            }
            ended.as_mut().await;
            ended.set(self.ended.notified());
        }
    }

    /// Starts what is missing, kills what stands still.
    fn tend(self: &Arc<Self>, state: &mut State) {
        let now = Instant::now();
        let mut busy = 0;
        for process in state.processes.values_mut() {
            let longest = match process.phase {
                Phase::Starting => LONGEST_START,
                Phase::Returning => LONGEST_RETURN,
                Phase::Idle | Phase::Busy(_) | Phase::Leaving => Duration::MAX,
            };
            if now.duration_since(process.since) > longest {
                tracing::warn!(function = self.options.name, "a process has not asked for work in time and is killed");
                process.leave(Order::Die);
            }
            busy += usize::from(matches!(process.phase, Phase::Busy(_)));
        }
        if state.is_stopping {
            return;
        }
        if state.pause.as_ref().is_some_and(|(until, _)| *until > now) {
            state.refuse_if_alone();
            return;
        }
        let wanted = (busy + state.queue.len()).max(self.options.warm).min(self.options.concurrency);
        for _ in state.present()..wanted {
            let number = state.number();
            let (order, orders) = watch::channel(Order::Stay);
            let label = output::Label::default();
            let process = Process {
                phase: Phase::Starting,
                since: now,
                answered: 0,
                version: state.files.version(),
                order,
                label: label.clone(),
            };
            state.processes.insert(number, process);
            tokio::spawn(child::supervise(self.clone(), number, orders, label));
        }
    }

    /// Where it is wanted, replaces the processes when a file has changed.
    async fn look_at_files(self: &Arc<Self>) {
        if !self.options.reload {
            return;
        }
        let Some(look) = self.lock().files.next_look() else { return };
        let found = look.take(self.options.folder.clone()).await;
        let mut state = self.lock();
        if !state.files.note(found) {
            return;
        }
        tracing::info!(function = self.options.name, "its files have changed: it is started anew");
        (state.failures, state.pause) = (0, None);
        for process in state.processes.values_mut() {
            // The others end when they ask for more work.
            if matches!(process.phase, Phase::Starting | Phase::Idle) {
                process.leave(Order::Leave);
            }
        }
    }

    /// The next call for a process; waits until there is one. `None` when it has not answered the one that it has.
    async fn next(self: &Arc<Self>, process: u64) -> Option<Call> {
        // Whoever hangs up while it waits is no longer waiting.
        let _hung_up = HangUp { processes: self, process };
        let mut woken = std::pin::pin!(self.work.notified());
        loop {
            woken.as_mut().enable();
            match self.ask(process) {
                Asked::Work(call) => return Some(call),
                Asked::Busy => return None,
                Asked::Wait { until } => {
                    if timeout_at(until, woken.as_mut()).await.is_err() {
                        self.retire(process);
                    }
                }
                // Its end is on the way. What it may have been woken for is for another to do.
                Asked::Never => {
                    woken.set(self.work.notified());
                    self.work.notify_last();
                    std::future::pending().await
                }
            }
            woken.set(self.work.notified());
        }
    }

    fn ask(self: &Arc<Self>, process: u64) -> Asked {
        let mut state = self.lock();
        let State { queue, processes, files, .. } = &mut *state;
        let Some(process) = processes.get_mut(&process) else { return Asked::Never };
        if matches!(process.phase, Phase::Busy(_)) {
            return Asked::Busy;
        }
        if matches!(process.phase, Phase::Leaving) {
            return Asked::Never;
        }
        if process.version != files.version() {
            process.leave(Order::Leave);
            self.tend(&mut state);
            return Asked::Never;
        }
        let now = Instant::now();
        if matches!(process.phase, Phase::Starting) {
            let milliseconds = now.duration_since(process.since).as_millis();
            tracing::info!(function = self.options.name, milliseconds, "a process is ready");
        }
        if !matches!(process.phase, Phase::Idle) {
            process.since = now;
        }
        while let Some(work) = queue.pop_front() {
            if !work.answer.is_closed() {
                let call = work.call.clone();
                process.label.set(&call);
                process.phase = Phase::Busy(work);
                return Asked::Work(call);
            }
        }
        process.phase = Phase::Idle;
        Asked::Wait { until: process.since + self.options.idle }
    }

    /// Ends a process that has waited for too long, unless it is one of those that are kept ready.
    fn retire(&self, process: u64) {
        let mut state = self.lock();
        let is_needed = !state.queue.is_empty() || state.present() <= self.options.warm;
        let Some(found) = state.processes.get_mut(&process) else { return };
        if !matches!(found.phase, Phase::Idle) {
            return;
        }
        if is_needed {
            found.since = Instant::now();
        } else {
            tracing::info!(function = self.options.name, "a process has not been needed for a while and is ended");
            found.leave(Order::Leave);
        }
    }

    /// A process answers a call. False when that is not the call that it has.
    fn answer(&self, process: u64, id: &str, outcome: Result<String, Failure>) -> bool {
        let mut state = self.lock();
        let Some(found) = state.processes.get_mut(&process) else { return false };
        if !matches!(&found.phase, Phase::Busy(work) if work.call.id == id) {
            return false;
        }
        if let Phase::Busy(work) = std::mem::replace(&mut found.phase, Phase::Returning) {
            // Whoever asked may have gone.
            _ = work.answer.send(outcome);
        }
        found.since = Instant::now();
        found.answered += 1;
        state.failures = 0;
        true
    }

    /// A process says that it cannot do its work. False when it has begun to already.
    fn cannot_begin(self: &Arc<Self>, process: u64, message: String) -> bool {
        let mut state = self.lock();
        let Some(found) = state.processes.get_mut(&process) else { return false };
        if !matches!(found.phase, Phase::Starting) {
            return false;
        }
        found.leave(Order::Finish);
        self.pause(&mut state, Trouble::Said(message));
        true
    }

    /// A process is gone.
    fn gone(self: &Arc<Self>, number: u64, trouble: Trouble) {
        let mut state = self.lock();
        let Some(process) = state.processes.remove(&number) else { return };
        self.ended.notify_waiters();
        match process.phase {
            Phase::Busy(work) => _ = work.answer.send(Err(trouble.failure(&work.call))),
            Phase::Starting | Phase::Idle | Phase::Returning if process.answered == 0 => {
                self.pause(&mut state, trouble);
            }
            Phase::Starting | Phase::Idle | Phase::Returning | Phase::Leaving => {}
        }
        self.tend(&mut state);
    }

    /// No process is started for a while; then, those that are kept ready are.
    fn pause(self: &Arc<Self>, state: &mut State, trouble: Trouble) {
        let length = FIRST_PAUSE.saturating_mul(1 << state.failures.min(16)).min(LONGEST_PAUSE);
        let until = Instant::now() + length;
        state.failures += 1;
        state.pause = Some((until, trouble));
        state.refuse_if_alone();
        if self.options.warm > 0 {
            let processes = self.clone();
            tokio::spawn(async move {
                sleep_until(until).await;
                processes.tend(&mut processes.lock());
            });
        }
    }

    /// Nobody waits for a call any more.
    fn give_up(self: &Arc<Self>, number: u64) {
        let mut state = self.lock();
        state.queue.retain(|work| work.number != number);
        let busy = |process: &&mut Process| matches!(&process.phase, Phase::Busy(work) if work.number == number);
        if let Some(process) = state.processes.values_mut().find(busy) {
            tracing::warn!(function = self.options.name, "a process has taken too long and is killed");
            process.leave(Order::Die);
        }
        self.tend(&mut state);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Processes that have not been told to end.
    fn present(&self) -> usize {
        self.processes.values().filter(|process| !matches!(process.phase, Phase::Leaving)).count()
    }

    /// During a pause, calls that no process will ever take fail.
    fn refuse_if_alone(&mut self) {
        let Some((_, trouble)) = &self.pause else { return };
        if self.processes.values().all(|process| matches!(process.phase, Phase::Leaving)) {
            for work in self.queue.drain(..) {
                let failure = trouble.failure(&work.call);
                _ = work.answer.send(Err(failure));
            }
        }
    }
}

impl Process {
    fn leave(&mut self, order: Order) {
        self.phase = Phase::Leaving;
        self.order.send_replace(order);
    }
}

/// Gives a call up when it is dropped.
struct GiveUp<'a> {
    processes: &'a Arc<Processes>,
    number: u64,
}

impl GiveUp<'_> {
    fn not_needed(self) {
        std::mem::forget(self);
    }
}

impl Drop for GiveUp<'_> {
    fn drop(&mut self) {
        self.processes.give_up(self.number);
    }
}

/// Notes that a process no longer waits for work when it has hung up.
struct HangUp<'a> {
    processes: &'a Processes,
    process: u64,
}

impl Drop for HangUp<'_> {
    fn drop(&mut self) {
        let mut state = self.processes.lock();
        if let Some(process) = state.processes.get_mut(&self.process)
            && matches!(process.phase, Phase::Idle)
        {
            (process.phase, process.since) = (Phase::Returning, Instant::now());
        }
    }
}

impl fmt::Debug for Processes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Processes").field("options", &self.options).finish_non_exhaustive()
    }
}
