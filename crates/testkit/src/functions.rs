//! Functions of the test's own process, which pools name as triggers.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use domain::Entropy;
use serde_json::{Value, json};
use service::triggers::{CodeKeys, Encrypting, Failure, Invocation, RunFunctions, Running};

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

/// Keys that encrypt nothing: what a function is told is JSON in base64 that says with which key, for which pool, and
/// which code. Every key is known but those whose ARN ends in `unknown`.
#[derive(Debug)]
pub struct ReadableKeys;

impl CodeKeys for ReadableKeys {
    fn knows(&self, key_arn: &str) -> bool {
        !key_arn.ends_with("unknown")
    }

    fn encrypt(&self, key_arn: &str, pool_id: &str, plaintext: String, _: Arc<dyn Entropy>) -> Encrypting {
        let readable = json!({"key": key_arn, "pool": pool_id, "code": plaintext});
        Box::pin(std::future::ready(Ok(STANDARD.encode(readable.to_string()))))
    }
}
