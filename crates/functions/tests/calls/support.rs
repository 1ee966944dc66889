//! Definitions, calls, and whether a process is still there.

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use domain::Secret;
use poolkeeper_functions::{ArnPattern, Definition, Functions, Way, process};
use serde_json::{Value, json};
use service::triggers::{Failure, Invocation, RunFunctions};
use tokio::time::{Instant, sleep};
use wire::Timestamp;

pub const ARN: &str = "arn:aws:lambda:eu-west-1:123456789012:function:tested";
pub const REQUEST_ID: &str = "8f2b2c5e-3f6a-4a5e-9d0c-0123456789ab";
/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(30);

/// The system's clock.
#[expect(clippy::disallowed_methods, reason = "handlers compare their deadlines with the system's clock")]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp(since.as_millis().try_into().unwrap())
}

/// One process at most, none before it is needed.
pub fn options(folder: &Path) -> process::Options {
    process::Options {
        name: "tested".to_owned(),
        handler: "index.handler".to_owned(),
        runtime: "test".to_owned(),
        region: "eu-west-1".to_owned(),
        command: vec![env!("CARGO_BIN_EXE_poolkeeper-test-function").to_owned()],
        folder: folder.to_owned(),
        environment: BTreeMap::new(),
        inherit: Vec::new(),
        concurrency: 1,
        warm: 0,
        idle: Duration::from_secs(300),
        memory_megabytes: None,
        queue: 100,
        reload: false,
    }
}

/// Options with variables in the function's environment.
pub fn with_environment(folder: &Path, variables: &[(&str, &str)]) -> process::Options {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), Secret::new((*value).to_owned())));
    process::Options { environment: variables.collect(), ..options(folder) }
}

/// Functions of one definition.
pub fn functions(way: Way) -> Functions {
    timed_functions(way, Duration::from_secs(30))
}

/// Functions of one definition, whose calls may take so long.
pub fn timed_functions(way: Way, timeout: Duration) -> Functions {
    let definition = Definition { arn: ArnPattern::new("arn:aws:lambda:*:function:tested"), timeout, way };
    Functions::new(vec![definition], now).unwrap()
}

/// The event with this request.
pub fn event(request: &Value) -> Value {
    json!({
        "version": "1",
        "region": "eu-west-1",
        "userPoolId": "eu-west-1_abcdefghi",
        "userName": "zoë",
        "triggerSource": "DefineAuthChallenge_Authentication",
        "callerContext": {"awsSdkVersion": "aws-sdk-unknown-unknown", "clientId": "client"},
        "request": request,
        "response": {},
    })
}

/// Calls the function; the request of the event is `{act, number, text}`.
pub async fn call(functions: &Functions, request: Value) -> Result<String, Failure> {
    functions.run(ARN, event(&request), Invocation::RequestResponse, REQUEST_ID).await
}

/// `response` of what a call returns.
pub async fn response(functions: &Functions, request: Value) -> Value {
    let output = call(functions, request).await.unwrap_or_else(|failure| panic!("{failure:?}"));
    let event: Value = serde_json::from_str(&output).unwrap();
    event["response"].clone()
}

/// The message of what a call throws.
pub async fn thrown(functions: &Functions, request: Value) -> String {
    match call(functions, request).await {
        Err(Failure::Threw(message)) => message,
        other => panic!("{other:?}"),
    }
}

/// The name of the error of a call that is not carried out.
pub async fn refusal(functions: &Functions, request: Value) -> String {
    match call(functions, request).await {
        Err(Failure::NotCalled(name)) => name,
        other => panic!("{other:?}"),
    }
}

/// The same with the ids in it, which are never the same, taken out.
pub fn without_ids(message: &str) -> String {
    let is_id = |word: &str| word.len() == 36 && word.split('-').map(str::len).eq([8, 4, 4, 4, 12]);
    let words = message.split(' ').map(|word| if is_id(word) { "<id>" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

/// Waits until something is so.
pub async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not so after {PATIENCE:?}: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until a process has ended.
pub async fn until_gone(process: u64) {
    until(&format!("process {process} has ended"), || !is_running(process)).await;
}

/// Whether a process is there and has not ended.
pub fn is_running(process: u64) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().and_then(|fields| fields.trim_start().chars().next());
    state.is_some_and(|state| !matches!(state, 'Z' | 'X'))
}
