//! A destination of events and logs that keeps what it takes.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use service::records::{Destination, Record, Records, Taking};

/// Keeps what it takes.
#[derive(Clone, Debug, Default)]
pub struct Collector(Arc<Mutex<Vec<Value>>>);

impl Collector {
    /// What was taken so far, in order.
    #[must_use]
    pub fn records(&self) -> Vec<Value> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Events for analytics, and the logs that go to an ARN which begins so, go here.
    #[must_use]
    pub fn everything(&self, arn: &'static str) -> Records {
        let logs = Box::new(move |given: &str| given.starts_with(arn));
        Records::new(Some(Arc::new(self.clone())), vec![(logs, Arc::new(self.clone()))])
    }
}

impl Destination for Collector {
    fn take(&self, records: Arc<[Record]>) -> Taking {
        let bodies = records.iter().map(|record| record.body.clone());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(bodies);
        Box::pin(std::future::ready(Ok(())))
    }
}
