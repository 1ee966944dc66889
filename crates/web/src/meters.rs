//! The counters of requests, found without a look-up by labels: every request touches them.

use std::sync::OnceLock;

use prometheus_client::metrics::{counter::Counter, histogram::Histogram};
use service::{Metrics, OperationLabels, RequestLabels};
use tokio::time::Instant;
use wire::{ErrorKind, Operation};

/// Outcomes: success, every kind of error, and [`ABANDONED`].
const OUTCOMES: usize = ErrorKind::ALL.len() + 2;
/// The outcome of a request that nobody waited for to its end: the client left, or the time for requests was over.
const ABANDONED: &str = "abandoned";

/// Handles of the counters that were used so far.
pub(crate) struct Meters {
    /// By operation, then by outcome.
    requests: Vec<OnceLock<Counter>>,
    /// By operation.
    seconds: Vec<OnceLock<Histogram>>,
}

/// How a request ended.
#[derive(Clone, Copy, Debug)]
enum Outcome {
    Ok,
    Error(ErrorKind),
    Abandoned,
}

impl Outcome {
    const fn place(self) -> usize {
        match self {
            Self::Ok => 0,
            Self::Error(kind) => kind as usize + 1,
            Self::Abandoned => OUTCOMES - 1,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error(kind) => kind.as_str(),
            Self::Abandoned => ABANDONED,
        }
    }
}

/// A request that is being answered. It is counted when this goes, whatever becomes of the request: the listener drops
/// what takes too long, and what nobody waits for any more.
pub(crate) struct InFlight<'a> {
    meters: &'a Meters,
    metrics: &'a Metrics,
    operation: Operation,
    began: Instant,
    outcome: Outcome,
}

impl InFlight<'_> {
    /// Takes down how the request ended, `None` for well, and says how many seconds that took.
    pub(crate) fn answered(&mut self, error: Option<ErrorKind>) -> f64 {
        self.outcome = error.map_or(Outcome::Ok, Outcome::Error);
        self.began.elapsed().as_secs_f64()
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.metrics.in_flight.dec();
        let seconds = self.began.elapsed().as_secs_f64();
        self.meters.count(self.metrics, self.operation, self.outcome, seconds);
    }
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

    /// A request begins.
    pub(crate) fn begin<'a>(&'a self, metrics: &'a Metrics, operation: Operation) -> InFlight<'a> {
        metrics.in_flight.inc();
        InFlight { meters: self, metrics, operation, began: Instant::now(), outcome: Outcome::Abandoned }
    }

    fn count(&self, metrics: &Metrics, operation: Operation, outcome: Outcome, seconds: f64) {
        // Every operation and every kind has its place; a table that were too short would only cost the count.
        if let Some(place) = self.requests.get(operation as usize * OUTCOMES + outcome.place()) {
            let labels = || RequestLabels { operation: operation.name(), outcome: outcome.name() };
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

    use super::{Meters, OUTCOMES};

    #[test]
    fn every_operation_and_outcome_has_a_counter_of_its_own() {
        let (meters, metrics) = (Meters::new(), Metrics::new());
        for operation in Operation::ALL {
            meters.begin(&metrics, *operation).answered(None);
            for kind in ErrorKind::ALL {
                meters.begin(&metrics, *operation).answered(Some(*kind));
            }
            drop(meters.begin(&metrics, *operation));
        }
        let text = metrics.text();
        let ones = text.lines().filter(|line| line.starts_with("poolkeeper_requests_total{") && line.ends_with(" 1"));
        assert_eq!(ones.count(), Operation::ALL.len() * OUTCOMES);
        meters.begin(&metrics, Operation::GetUser).answered(Some(ErrorKind::UserNotFound));
        let line = "poolkeeper_requests_total{operation=\"GetUser\",outcome=\"UserNotFoundException\"} 2\n";
        assert!(metrics.text().contains(line));
    }

    #[test]
    fn requests_are_in_flight_until_they_end_however_they_do() {
        let (meters, metrics) = (Meters::new(), Metrics::new());
        let mut first = meters.begin(&metrics, Operation::GetUser);
        let second = meters.begin(&metrics, Operation::GetUser);
        assert!(metrics.text().contains("poolkeeper_requests_in_flight 2\n"));
        first.answered(None);
        drop((first, second));
        let text = metrics.text();
        for line in [
            "poolkeeper_requests_in_flight 0\n",
            "poolkeeper_requests_total{operation=\"GetUser\",outcome=\"ok\"} 1\n",
            "poolkeeper_requests_total{operation=\"GetUser\",outcome=\"abandoned\"} 1\n",
            "poolkeeper_request_seconds_count{operation=\"GetUser\"} 2\n",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
