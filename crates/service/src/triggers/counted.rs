//! Calls of functions, as metrics count them.

use tokio::time::Instant;

use crate::{
    App,
    metrics::{FunctionLabels, FunctionOutcomeLabels},
};

/// What calls of functions are counted under that nobody runs.
const UNKNOWN: &str = "unknown";

/// A call that is under way. It is counted at its end: as `abandoned` where whoever asked has gone.
pub(super) struct Counted<'a> {
    app: &'a App,
    function: String,
    began: Instant,
    outcome: &'static str,
}

impl<'a> Counted<'a> {
    /// A call that begins now.
    pub(super) fn begin(app: &'a App, arn: &str) -> Self {
        let function = app.runner.entry(arn).unwrap_or(UNKNOWN).to_owned();
        Self { app, function, began: Instant::now(), outcome: "abandoned" }
    }

    /// The call has ended like this.
    pub(super) fn end(mut self, outcome: &'static str) {
        self.outcome = outcome;
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        let metrics = &self.app.metrics;
        let function = || self.function.clone();
        let labels = FunctionOutcomeLabels { function: function(), outcome: self.outcome };
        metrics.function_calls.get_or_create(&labels).inc();
        let seconds = self.began.elapsed().as_secs_f64();
        metrics.function_seconds.get_or_create(&FunctionLabels { function: function() }).observe(seconds);
    }
}
