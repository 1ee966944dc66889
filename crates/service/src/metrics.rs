//! Counters for operators, in Prometheus text on the admin listener.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::Registry,
};

/// Labels of a finished request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabels {
    /// Operation name.
    pub operation: &'static str,
    /// `ok` or the error's name.
    pub outcome: &'static str,
}

/// Labels of a duration.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OperationLabels {
    /// Operation name.
    pub operation: &'static str,
}

/// Upper bounds of the histogram's buckets.
const SECONDS: [f64; 15] =
    [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

/// Everything that is counted.
pub struct Metrics {
    /// Finished requests.
    pub requests: Family<RequestLabels, Counter>,
    /// Seconds per request.
    pub seconds: Family<OperationLabels, Histogram>,
    /// Decisions taken again because what was read had changed.
    pub conflicts: Counter,
    /// Messages handed over.
    pub messages_sent: Counter,
    /// Failed tries to hand a message over.
    pub messages_failed: Counter,
    registry: Registry,
}

impl Metrics {
    /// All at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("poolkeeper");
        let requests = Family::<RequestLabels, Counter>::default();
        let seconds = Family::<OperationLabels, Histogram>::new_with_constructor(|| Histogram::new(SECONDS));
        let (conflicts, messages_sent, messages_failed) = (Counter::default(), Counter::default(), Counter::default());
        registry.register("requests", "Finished requests by operation and outcome", requests.clone());
        registry.register("request_seconds", "Seconds per request by operation", seconds.clone());
        registry.register("conflicts", "Decisions taken again because what was read had changed", conflicts.clone());
        registry.register("messages_sent", "Messages handed over to their sender", messages_sent.clone());
        registry.register("messages_failed", "Failed tries to hand a message over", messages_failed.clone());
        Self { requests, seconds, conflicts, messages_sent, messages_failed, registry }
    }

    /// The counters in Prometheus text form.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        match prometheus_client::encoding::text::encode(&mut text, &self.registry) {
            Ok(()) => text,
            Err(std::fmt::Error) => String::new(),
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}
