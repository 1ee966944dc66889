//! Runs the functions that pools name as triggers (triggers-security.md §3, §13), as the operator has configured it.
//!
//! [`Functions`] finds the way by the function's ARN: the first entry of the configuration whose pattern matches. A way
//! is a group of supervised processes that speak to our own Lambda Runtime API ([`process`]), a URL ([`url`]), or another
//! user pool ([`migrate_from`]).

mod documents;
pub mod migrate_from;
mod pattern;
mod payload;
pub mod process;
pub mod url;
mod webhook;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hyper::body::Bytes;
use serde_json::Value;
use service::triggers::{Failure, Invocation, RunFunctions, Running};
use tokio::time::{Instant, timeout};
use wire::Timestamp;

pub use documents::Documents;
use migrate_from::Source;
pub use pattern::ArnPattern;
use process::Processes;
use url::Endpoint;
pub use webhook::Webhook;

/// How long the caller waits for an answer that it needs (§3).
const PATIENCE: Duration = Duration::from_secs(5);

/// How long the end of processes is waited for. Those that do not end by themselves are killed after two seconds; only
/// what waits for a disk takes longer.
const LONGEST_STOP: Duration = Duration::from_secs(10);

/// How a function is run.
#[derive(Debug)]
pub struct Definition {
    /// Which functions this is about.
    pub arn: ArnPattern,
    /// How long a call may take. Whoever waits for an answer gives up after five seconds in any case.
    pub timeout: Duration,
    /// How they are run.
    pub way: Way,
}

/// How functions are run.
#[derive(Debug)]
pub enum Way {
    /// By processes that are started here.
    Process(process::Options),
    /// By an HTTP request.
    Url(url::Options),
    /// Without a function: users come from another user pool.
    MigrateFrom(migrate_from::Options),
    /// By somebody else.
    Other(Arc<dyn RunFunctions>),
}

/// A definition cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// TLS cannot be set up.
    #[error(transparent)]
    Url(#[from] url::Error),
}

/// All functions that the configuration names.
pub struct Functions {
    routes: Vec<Arc<Route>>,
    clock: fn() -> Timestamp,
    calls: AtomicU64,
}

#[derive(Debug)]
struct Route {
    arn: ArnPattern,
    timeout: Duration,
    runner: Runner,
}

#[derive(Debug)]
enum Runner {
    Processes(Arc<Processes>),
    Endpoint(Box<Endpoint>),
    Source(Box<Source>),
    Other(Arc<dyn RunFunctions>),
}

/// One call of a function.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// The function.
    pub arn: String,
    /// The event as JSON.
    pub event: Bytes,
    /// Whether anybody waits for the answer.
    pub invocation: Invocation,
    /// The id of this call, which no other call has: handlers use it to recognise what they have seen before.
    pub id: String,
    /// The request that caused it.
    pub request_id: String,
    /// When it began.
    pub began: Timestamp,
    /// When nobody waits for it any more.
    pub deadline: Timestamp,
}

impl Functions {
    /// Functions by these definitions, of which the first that fits counts. `clock` is the system's: handlers compare
    /// their deadlines with it, and whoever checks a signature its age. Nothing is started yet.
    ///
    /// # Errors
    /// When a file with certificates cannot be used.
    pub fn new(definitions: Vec<Definition>, clock: fn() -> Timestamp) -> Result<Self, Error> {
        let route = |definition: Definition| {
            let runner = match definition.way {
                Way::Process(options) => Runner::Processes(Arc::new(Processes::new(options, clock))),
                Way::Url(options) => Runner::Endpoint(Box::new(Endpoint::new(options)?)),
                Way::MigrateFrom(options) => Runner::Source(Box::new(Source::new(options)?)),
                Way::Other(runner) => Runner::Other(runner),
            };
            Ok(Arc::new(Route { arn: definition.arn, timeout: definition.timeout, runner }))
        };
        let routes = definitions.into_iter().map(route).collect::<Result<_, Error>>()?;
        Ok(Self { routes, clock, calls: AtomicU64::new(0) })
    }

    /// Starts the processes that are to be ready before the first call. They get ready in the background.
    pub fn start(&self) {
        self.groups().for_each(|(_, processes)| processes.start());
    }

    /// Ends all processes and waits until they have ended, ten seconds at most. Calls fail from now on.
    pub async fn stop(&self) {
        // All are told first, so that they take their time together.
        self.groups().for_each(|(_, processes)| processes.leave());
        let stopped = async {
            for (_, processes) in self.groups() {
                processes.stopped().await;
            }
        };
        if timeout(LONGEST_STOP, stopped).await.is_err() {
            tracing::warn!("some functions were killed and have not ended yet");
        }
    }

    fn groups(&self) -> impl Iterator<Item = (&ArnPattern, &Arc<Processes>)> {
        self.routes.iter().filter_map(|route| match &route.runner {
            Runner::Processes(processes) => Some((&route.arn, processes)),
            Runner::Endpoint(_) | Runner::Source(_) | Runner::Other(_) => None,
        })
    }

    fn route(&self, arn: &str) -> Option<&Arc<Route>> {
        self.routes.iter().find(|route| route.arn.matches(arn))
    }
}

impl RunFunctions for Functions {
    fn knows(&self, arn: &str) -> bool {
        match self.route(arn).map(|route| &route.runner) {
            Some(Runner::Other(runner)) => runner.knows(arn),
            found => found.is_some(),
        }
    }

    fn entry<'a>(&'a self, arn: &'a str) -> Option<&'a str> {
        self.route(arn).map(|route| route.arn.as_str())
    }

    fn processes(&self) -> Vec<(String, usize)> {
        self.groups().map(|(arn, processes)| (arn.as_str().to_owned(), processes.running())).collect()
    }

    fn run(&self, arn: &str, event: Value, invocation: Invocation, request_id: &str) -> Running {
        let Some(route) = self.route(arn) else {
            return Box::pin(std::future::ready(Err(Failure::not_found())));
        };
        if let Runner::Other(runner) = &route.runner {
            return runner.run(arn, event, invocation, request_id);
        }
        let began = (self.clock)();
        let limit = match invocation {
            Invocation::RequestResponse => route.timeout.min(PATIENCE),
            Invocation::Event => route.timeout,
        };
        let call = Call {
            arn: arn.to_owned(),
            event: event.to_string().into(),
            invocation,
            id: self.invocation_id(request_id),
            request_id: request_id.to_owned(),
            began,
            deadline: began.plus(i64::try_from(limit.as_millis()).unwrap_or(i64::MAX)),
        };
        let route = route.clone();
        Box::pin(async move {
            let started = Instant::now();
            let (arn, id, request_id) = (call.arn.clone(), call.id.clone(), call.request_id.clone());
            let outcome = route.call(call).await;
            let milliseconds = started.elapsed().as_millis();
            // The caller warns of failures: it knows what they mean.
            let failure = outcome.as_ref().err().map(tracing::field::debug);
            tracing::debug!(function = arn, request_id, invocation = id, milliseconds, failure, "called");
            outcome
        })
    }
}

impl Functions {
    /// The id of a call: one request may call the same function several times.
    fn invocation_id(&self, request_id: &str) -> String {
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        let hash = crypto::hash::sha256(format!("{request_id} {number}").as_bytes());
        crypto::random::uuid_from(&hash)
    }
}

impl Route {
    async fn call(&self, call: Call) -> Result<String, Failure> {
        let most = match call.invocation {
            Invocation::RequestResponse => payload::LONGEST_EVENT,
            Invocation::Event => payload::LONGEST_TOLD_EVENT,
        };
        if call.event.len() > most {
            return Err(Failure::NotCalled("RequestTooLargeException".to_owned()));
        }
        let timed_out = timed_out(&call, self.timeout);
        let running = async {
            match &self.runner {
                Runner::Processes(processes) => processes.call(call).await,
                Runner::Endpoint(endpoint) => endpoint.call(call).await,
                Runner::Source(source) => source.call(call).await,
                // Handed on before a call is made of it.
                Runner::Other(_) => Err(Failure::not_found()),
            }
        };
        timeout(self.timeout, running).await.unwrap_or(Err(timed_out))
    }
}

/// What Lambda says of a function that has taken longer than its own limit.
fn timed_out(call: &Call, limit: Duration) -> Failure {
    let limit_milliseconds = i64::try_from(limit.as_millis()).unwrap_or(i64::MAX);
    let moment = jiff::Timestamp::from_millisecond(call.began.plus(limit_milliseconds).milliseconds());
    let moment = moment.unwrap_or_default().strftime("%Y-%m-%dT%H:%M:%S%.3fZ");
    Failure::Threw(format!("{moment} {} Task timed out after {:.2} seconds", call.id, limit.as_secs_f64()))
}

impl fmt::Debug for Functions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.routes).finish()
    }
}
