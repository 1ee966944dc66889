//! The counters of requests, found without a look-up by labels: every request touches them.

use std::sync::OnceLock;

use prometheus_client::metrics::{counter::Counter, histogram::Histogram};
use service::{Metrics, OperationLabels, RequestLabels};
use wire::{ErrorKind, Operation};

/// Outcomes: success, and every kind of error.
const OUTCOMES: usize = ErrorKind::ALL.len() + 1;

/// Handles of the counters that were used so far.
pub(crate) struct Meters {
    /// By operation, then by outcome.
    requests: Vec<OnceLock<Counter>>,
    /// By operation.
    seconds: Vec<OnceLock<Histogram>>,
}

impl Meters {
    /// None used so far.
    pub(crate) fn new() -> Self {
        let operations = Operation::ALL.len();
        Self {
            requests: std::iter::repeat_with(OnceLock::new).take(operations * OUTCOMES).collect(),
            seconds: std::iter::repeat_with(OnceLock::new).take(operations).collect(),
        }
    }

    /// Counts a request that ended, `None` for well, after so many seconds.
    pub(crate) fn count(&self, metrics: &Metrics, operation: Operation, error: Option<ErrorKind>, seconds: f64) {
        let outcome = error.map_or(0, |kind| kind as usize + 1);
        // Every operation and every kind has its place; a table that were too short would only cost the count.
        if let Some(place) = self.requests.get(operation as usize * OUTCOMES + outcome) {
            let labels =
                || RequestLabels { operation: operation.name(), outcome: error.map_or("ok", ErrorKind::as_str) };
            place.get_or_init(|| metrics.requests.get_or_create_owned(&labels())).inc();
        }
        if let Some(place) = self.seconds.get(operation as usize) {
            let labels = || OperationLabels { operation: operation.name() };
            place.get_or_init(|| metrics.seconds.get_or_create_owned(&labels())).observe(seconds);
        }
    }
}

#[cfg(test)]
mod tests {
    use service::Metrics;
    use wire::{ErrorKind, Operation};

    use super::Meters;

    #[test]
    fn every_operation_and_outcome_has_a_counter_of_its_own() {
        let (meters, metrics) = (Meters::new(), Metrics::new());
        for operation in Operation::ALL {
            meters.count(&metrics, *operation, None, 0.1);
            for kind in ErrorKind::ALL {
                meters.count(&metrics, *operation, Some(*kind), 0.1);
            }
        }
        let text = metrics.text();
        let ones = text.lines().filter(|line| line.starts_with("poolkeeper_requests_total{") && line.ends_with(" 1"));
        assert_eq!(ones.count(), Operation::ALL.len() * (ErrorKind::ALL.len() + 1));
        meters.count(&metrics, Operation::GetUser, Some(ErrorKind::UserNotFound), 0.1);
        let line = "poolkeeper_requests_total{operation=\"GetUser\",outcome=\"UserNotFoundException\"} 2\n";
        assert!(metrics.text().contains(line));
    }
}
