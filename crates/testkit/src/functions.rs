//! Functions of the test's own process, which pools name as triggers.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use serde_json::Value;
use service::triggers::{Failure, Invocation, RunFunctions, Running};

/// From an event to what the function returns.
pub type Function = Arc<dyn Fn(Value) -> Running + Send + Sync>;

/// Functions of this process, by ARN.
#[derive(Default)]
pub struct Functions(RwLock<BTreeMap<String, Function>>);

impl Functions {
    /// Adds a function, or replaces the one of that ARN.
    pub fn insert(&self, arn: &str, function: Function) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(arn.to_owned(), function);
    }

    fn get(&self, arn: &str) -> Option<Function> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(arn).cloned()
    }
}

impl RunFunctions for Functions {
    fn knows(&self, arn: &str) -> bool {
        self.get(arn).is_some()
    }

    fn run(&self, arn: &str, event: Value, _invocation: Invocation, _request_id: &str) -> Running {
        match self.get(arn) {
            Some(function) => function(event),
            None => Box::pin(std::future::ready(Err(Failure::not_found()))),
        }
    }
}

impl fmt::Debug for Functions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let functions = self.0.read().unwrap_or_else(PoisonError::into_inner);
        f.debug_set().entries(functions.keys()).finish()
    }
}
