//! Who runs functions.

use std::{fmt, pin::Pin};

use serde_json::Value;

/// Runs the functions that pools name, as the operator has configured it.
pub trait RunFunctions: fmt::Debug + Send + Sync {
    /// Whether the configuration says how the function `arn` is run.
    fn knows(&self, arn: &str) -> bool;

    /// What metrics call the function `arn`: the entry of the configuration that says how it is run. Nothing where it is
    /// not known.
    fn entry<'a>(&'a self, arn: &'a str) -> Option<&'a str> {
        self.knows(arn).then_some(arn)
    }

    /// How many processes of its own each entry has now.
    fn processes(&self) -> Vec<(String, usize)> {
        Vec::new()
    }

    /// Calls the function `arn` with an event; answers what it returns, which should be JSON. Dropping the future
    /// gives the call up. `request_id` appears in the function's log.
    fn run(&self, arn: &str, event: Value, invocation: Invocation, request_id: &str) -> Running;
}

/// A call that is under way.
pub type Running = Pin<Box<dyn Future<Output = Result<String, Failure>> + Send>>;

/// How a function is called (triggers-security.md §13.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invocation {
    /// What it returns is waited for.
    RequestResponse,
    /// It is only told; what it returns is of no interest.
    Event,
}

/// Why a function returned nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It threw an error with this message.
    Threw(String),
    /// It could not be called; the name of the error, such as `ResourceNotFoundException`.
    NotCalled(String),
}

/// Nobody runs functions: whatever a pool names cannot be called.
#[derive(Debug)]
pub struct NoFunctions;

impl RunFunctions for NoFunctions {
    fn knows(&self, _arn: &str) -> bool {
        false
    }

    fn run(&self, _arn: &str, _event: Value, _invocation: Invocation, _request_id: &str) -> Running {
        Box::pin(std::future::ready(Err(Failure::not_found())))
    }
}

impl Failure {
    /// Nobody knows how to run that function.
    #[must_use]
    pub fn not_found() -> Self {
        Self::NotCalled("ResourceNotFoundException".to_owned())
    }
}
