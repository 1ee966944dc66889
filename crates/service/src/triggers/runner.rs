//! Who runs functions.

use std::{
    collections::BTreeMap,
    fmt,
    pin::Pin,
    sync::{Arc, PoisonError, RwLock},
};

use serde_json::Value;

/// Who runs the functions that pools name.
#[derive(Clone, Debug, Default)]
pub enum Runner {
    /// Nobody: pools that name a function are refused.
    #[default]
    None,
    /// Functions of this process.
    Functions(Arc<Functions>),
}

impl Runner {
    /// Whether there is a function of that ARN.
    #[must_use]
    pub fn knows(&self, arn: &str) -> bool {
        match self {
            Self::None => false,
            Self::Functions(functions) => functions.get(arn).is_some(),
        }
    }

    /// Calls the function `arn` with an event; answers what it returns, which should be JSON.
    ///
    /// # Errors
    /// When there is no such function, or it fails.
    pub(super) async fn run(&self, arn: &str, event: Value) -> Result<String, Failure> {
        let function = match self {
            Self::None => None,
            Self::Functions(functions) => functions.get(arn),
        };
        match function {
            Some(function) => function(event).await,
            None => Err(Failure::NotCalled("ResourceNotFoundException".to_owned())),
        }
    }
}

/// Why a function returned nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It threw an error with this message.
    Threw(String),
    /// It could not be called; the name of the error.
    NotCalled(String),
}

/// A function of this process: from an event to what it returns.
pub type Function = Arc<dyn Fn(Value) -> Running + Send + Sync>;
/// A call that is under way.
pub type Running = Pin<Box<dyn Future<Output = Result<String, Failure>> + Send>>;

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

impl fmt::Debug for Functions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let functions = self.0.read().unwrap_or_else(PoisonError::into_inner);
        f.debug_set().entries(functions.keys()).finish()
    }
}
