//! What operators watch: counters that are kept, and what is read when somebody looks, as OpenMetrics text. A test
//! holds docs/metrics.md against all of them.

mod observed;
mod process;
mod queues;

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::Registry,
};
use wire::{EventFilterType, RiskLevelType};

use self::{observed::Observed, process::Process, queues::Queues};
use crate::App;

/// Labels of a finished request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabels {
    /// Operation name.
    pub operation: &'static str,
    /// `ok`, the error's name, or `abandoned`.
    pub outcome: &'static str,
}

/// Labels of a duration.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OperationLabels {
    /// Operation name.
    pub operation: &'static str,
}

/// Labels of a job that one server at a time does.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct LeaseLabels {
    /// The job.
    pub lease: String,
}

/// Labels of what leaves the server for analytics and logs.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RecordLabels {
    /// `analytics` or `log`.
    pub kind: &'static str,
    /// `delivered`, `full`, `failed` or `no_destination`.
    pub outcome: &'static str,
}

/// Labels of what threat protection has found.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RiskLabels {
    /// `SignIn`, `SignUp` or `PasswordChange`.
    pub operation: &'static str,
    /// As [`RiskKind`] says.
    pub kind: &'static str,
    /// `Low`, `Medium`, `High`, or `none` where a risk has no level.
    pub level: &'static str,
}

/// What threat protection has found where it has looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RiskKind {
    /// Nothing.
    None,
    /// A password that is known to be stolen.
    CompromisedCredentials,
    /// Somebody who may be somebody else.
    AccountTakeover,
    /// An address that is always refused.
    OverrideBlock,
}

/// Labels of how long calls of functions take.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct FunctionLabels {
    /// The entry of the configuration that says how it is run, or `unknown`.
    pub function: String,
}

/// Labels of a call of a function.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct FunctionOutcomeLabels {
    /// As in [`FunctionLabels`].
    pub function: String,
    /// `ok`, `threw`, `invalid_response`, `not_called`, `timed_out` or `abandoned`.
    pub outcome: &'static str,
}

/// Upper bounds of the histogram's buckets, in seconds: from a read in memory to the longest that a request may take.
const SECONDS: [f64; 17] =
    [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Everything that is counted.
pub struct Metrics {
    /// Finished requests.
    pub requests: Family<RequestLabels, Counter>,
    /// Seconds per request.
    pub seconds: Family<OperationLabels, Histogram>,
    /// Requests that have begun and not ended.
    pub in_flight: Gauge,
    /// Decisions taken again because what was read had changed.
    pub conflicts: Counter,
    /// Messages handed over.
    pub messages_sent: Counter,
    /// Failed tries to hand a message over.
    pub messages_failed: Counter,
    /// What left the server for analytics and logs, and what was dropped.
    pub records: Family<RecordLabels, Counter>,
    /// What threat protection has found.
    pub risks: Family<RiskLabels, Counter>,
    /// Calls of functions.
    pub function_calls: Family<FunctionOutcomeLabels, Counter>,
    /// Seconds per call of a function.
    pub function_seconds: Family<FunctionLabels, Histogram>,
    /// 1 for the jobs that this server does now, 0 for those that another one does.
    pub leases: Family<LeaseLabels, Gauge>,
    /// Looks for changes of other servers that failed.
    pub epoch_looks_failed: Counter,
    queues: Queues,
    registry: Registry,
}

impl Metrics {
    /// All at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("poolkeeper");
        let metrics = Self {
            requests: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            in_flight: Gauge::default(),
            conflicts: Counter::default(),
            messages_sent: Counter::default(),
            messages_failed: Counter::default(),
            records: Family::default(),
            risks: Family::default(),
            function_calls: Family::default(),
            function_seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            leases: Family::default(),
            epoch_looks_failed: Counter::default(),
            queues: Queues::default(),
            registry: Registry::default(),
        };
        registry.register("build", "The version that runs", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        registry.register("requests", "Finished requests by operation and outcome", metrics.requests.clone());
        registry.register("request_seconds", "Seconds per request by operation", metrics.seconds.clone());
        registry.register("requests_in_flight", "Requests that have begun and not ended", metrics.in_flight.clone());
        let help = "Decisions taken again because what was read had changed";
        registry.register("conflicts", help, metrics.conflicts.clone());
        registry.register("messages_sent", "Messages handed over to their sender", metrics.messages_sent.clone());
        registry.register("messages_failed", "Failed tries to hand a message over", metrics.messages_failed.clone());
        let help = "Events for analytics and logs of pools, by outcome";
        registry.register("records", help, metrics.records.clone());
        let help = "What threat protection has found, by operation, kind and level of the risk";
        registry.register("risks", help, metrics.risks.clone());
        let help = "Calls of the functions that pools name, by entry of the configuration and outcome";
        registry.register("function_calls", help, metrics.function_calls.clone());
        let help = "Seconds per call of a function, by entry of the configuration";
        registry.register("function_seconds", help, metrics.function_seconds.clone());
        let help = "1 for each job that this server does now, 0 for those that are another one's";
        registry.register("lease_held", help, metrics.leases.clone());
        let help = "Looks for what other servers have changed that failed";
        registry.register("epoch_looks_failed", help, metrics.epoch_looks_failed.clone());
        Self { registry, ..metrics }
    }

    /// Counts what threat protection has found on an occasion; with the level, where the risk has one.
    pub fn count_risk(&self, occasion: EventFilterType, kind: RiskKind, level: Option<RiskLevelType>) {
        let operation = match occasion {
            EventFilterType::SignIn => "SignIn",
            EventFilterType::SignUp => "SignUp",
            EventFilterType::PasswordChange => "PasswordChange",
        };
        let kind = match kind {
            RiskKind::None => "none",
            RiskKind::CompromisedCredentials => "compromised_credentials",
            RiskKind::AccountTakeover => "account_takeover",
            RiskKind::OverrideBlock => "override_block",
        };
        let level = level.map_or("none", RiskLevelType::as_str);
        self.risks.get_or_create(&RiskLabels { operation, kind, level }).inc();
    }

    /// What is counted, as text. What is read when somebody looks is in [`scrape`] only.
    #[must_use]
    pub fn text(&self) -> String {
        encoded(&[&self.registry])
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// All metrics as OpenMetrics text. Reads the outbox, but not more often than every ten seconds, and for two seconds at
/// most: its numbers are left out when the database does not answer.
pub async fn scrape(app: &App) -> String {
    let now = app.clock.now();
    let observed = Observed {
        store: app.store.statistics(),
        queues: app.metrics.queues.read(&app.store).await,
        functions: app.runner.processes(),
        process: Process::read(app.started_at),
    };
    let [of_poolkeeper, of_the_process] = observed.registries(now);
    encoded(&[&app.metrics.registry, &of_poolkeeper, &of_the_process])
}

fn encoded(registries: &[&Registry]) -> String {
    let mut out = String::new();
    let written = registries.iter().try_for_each(|registry| text::encode_registry(&mut out, registry));
    // Writing to a string cannot fail.
    match written.and_then(|()| text::encode_eof(&mut out)) {
        Ok(()) => out,
        Err(std::fmt::Error) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use store::{PoolUse, Queue, Statistics};
    use wire::{EventFilterType, RiskLevelType, Timestamp};

    use super::{
        FunctionLabels, FunctionOutcomeLabels, LeaseLabels, Metrics, OperationLabels, RecordLabels, RequestLabels,
        RiskKind, encoded, observed::Observed, process::Process, queues::Waiting,
    };

    /// A text with every metric in it.
    fn everything(pool: Option<PoolUse>) -> String {
        let metrics = Metrics::new();
        metrics.requests.get_or_create(&RequestLabels { operation: "GetUser", outcome: "ok" }).inc();
        metrics.seconds.get_or_create(&OperationLabels { operation: "GetUser" }).observe(0.1);
        metrics.leases.get_or_create(&LeaseLabels { lease: "sweep".to_owned() }).set(1);
        metrics.records.get_or_create(&RecordLabels { kind: "log", outcome: "full" }).inc();
        metrics.count_risk(EventFilterType::SignIn, RiskKind::AccountTakeover, Some(RiskLevelType::High));
        metrics.count_risk(EventFilterType::SignUp, RiskKind::None, None);
        let function = || "arn:aws:lambda:*".to_owned();
        metrics.function_calls.get_or_create(&FunctionOutcomeLabels { function: function(), outcome: "threw" }).inc();
        metrics.function_seconds.get_or_create(&FunctionLabels { function: function() }).observe(0.1);
        let queue = Queue { messages: 3, oldest: Some(Timestamp(1_000)) };
        let observed = Observed {
            store: Statistics { pool, ..Statistics::default() },
            queues: Some(Waiting { pending: queue, dead: queue }),
            functions: vec![(function(), 2)],
            process: Process {
                started_at: Timestamp(0),
                resident_bytes: Some(1),
                open_files: Some(1),
                most_open_files: Some(1),
            },
        };
        let [of_poolkeeper, of_the_process] = observed.registries(Timestamp(2_500));
        encoded(&[&metrics.registry, &of_poolkeeper, &of_the_process])
    }

    /// The first cells of each metric's row in the documentation, from the text of a scrape.
    fn rows(text: &str) -> BTreeMap<String, String> {
        let mut rows = BTreeMap::new();
        let lines: Vec<&str> = text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) else {
                continue;
            };
            let kind = lines[at + 1].strip_prefix(&format!("# TYPE {name} ")).unwrap();
            let shown = match kind {
                "counter" => format!("{name}_total"),
                "info" => format!("{name}_info"),
                _ => name.to_owned(),
            };
            let samples = lines[at + 2..].iter().take_while(|line| !line.starts_with('#'));
            let mut labels = BTreeSet::new();
            for sample in samples {
                assert!(sample.starts_with(&shown), "{sample}");
                let inside =
                    sample.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map_or("", |(all, _)| all);
                let names = inside.split(',').filter_map(|label| label.split_once('=')).map(|(name, _)| name);
                labels.extend(names.filter(|name| *name != "le"));
            }
            let labels: Vec<_> = labels.into_iter().collect();
            rows.insert(shown.clone(), format!("| `{shown}` | {kind} | {} | {help} |", labels.join(", ")));
        }
        rows
    }

    #[test]
    fn every_metric_is_documented_and_nothing_else() {
        let pool = PoolUse { most: 16, open: 3, idle: 1, waiting: 0 };
        let mut expected = rows(&everything(None));
        expected.extend(rows(&everything(Some(pool))));
        let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md")).unwrap();
        let found: Vec<&str> = document.lines().filter(|line| line.starts_with("| `")).collect();
        let wanted = || expected.values().cloned().collect::<Vec<_>>().join("\n");
        for row in expected.values() {
            assert!(found.iter().any(|line| line.starts_with(row)), "docs/metrics.md lacks\n{row}\nAll:\n{}", wanted());
        }
        assert_eq!(found.len(), expected.len(), "docs/metrics.md has other metrics than there are:\n{}", wanted());
    }

    #[test]
    fn help_and_type_come_once_before_the_samples_of_each() {
        let text = everything(None);
        let mut seen = BTreeSet::new();
        for line in text.lines().filter_map(|line| line.strip_prefix("# HELP ")) {
            let name = line.split(' ').next().unwrap();
            assert!(seen.insert(name.to_owned()), "{name} comes twice");
            assert!(text.contains(&format!("\n# TYPE {name} ")), "{name}");
            assert!(line.ends_with('.'), "{line}");
        }
        assert!(text.ends_with("# EOF\n") && text.matches("# EOF").count() == 1, "{text}");
    }

    #[test]
    fn what_is_observed_is_told() {
        let pool = PoolUse { most: 16, open: 3, idle: 1, waiting: 7 };
        let text = everything(Some(pool));
        for line in [
            "poolkeeper_messages_pending 3\n",
            "poolkeeper_messages_dead 3\n",
            "poolkeeper_messages_oldest_pending_seconds 1.5\n",
            "poolkeeper_store_connections{state=\"idle\"} 1\n",
            "poolkeeper_store_connections{state=\"in_use\"} 2\n",
            "poolkeeper_store_connections_limit 16\n",
            "poolkeeper_store_connection_waiters 7\n",
            "poolkeeper_lease_held{lease=\"sweep\"} 1\n",
            "poolkeeper_risks_total{operation=\"SignIn\",kind=\"account_takeover\",level=\"High\"} 1\n",
            "poolkeeper_risks_total{operation=\"SignUp\",kind=\"none\",level=\"none\"} 1\n",
            "poolkeeper_function_calls_total{function=\"arn:aws:lambda:*\",outcome=\"threw\"} 1\n",
            "poolkeeper_function_processes{function=\"arn:aws:lambda:*\"} 2\n",
            "process_start_time_seconds 0",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
