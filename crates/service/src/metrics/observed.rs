//! What is read at the moment when somebody looks.

use prometheus_client::{
    metrics::{
        counter::{ConstCounter, Counter},
        family::Family,
        gauge::{ConstGauge, Gauge},
    },
    registry::Registry,
};
use store::Statistics;
use wire::Timestamp;

use super::{FunctionLabels, process::Process, queues::Waiting};

/// What is read at the moment when somebody looks.
#[derive(Debug)]
pub struct Observed {
    /// What the store has done so far, and its connections.
    pub store: Statistics,
    /// The outbox; `None` when it could not be read.
    pub queues: Option<Waiting>,
    /// Processes of functions, by entry of the configuration.
    pub functions: Vec<(String, usize)>,
    /// The process.
    pub process: Process,
}

/// A family with one label.
type Labelled<M> = Family<[(&'static str, &'static str); 1], M>;

impl Observed {
    /// As metrics: Poolkeeper's own, and those of the process, which have the names that all programs use.
    pub fn registries(&self, now: Timestamp) -> [Registry; 2] {
        let mut own = Registry::with_prefix("poolkeeper");
        self.changesets(&mut own);
        self.network(&mut own);
        self.outbox(&mut own, now);
        self.functions(&mut own);
        let mut process = Registry::default();
        self.process.register(&mut process);
        [own, process]
    }

    fn changesets(&self, registry: &mut Registry) {
        let store = &self.store;
        counter(registry, "store_reads", "Queries answered", store.reads);
        counter(registry, "store_commits", "Changesets applied", store.commits);
        counter(registry, "store_conflicts", "Changesets refused because a row had changed", store.conflicts);
        let help = "Changesets refused because a name or a one-time thing was taken";
        counter(registry, "store_taken", help, store.taken);
        counter(registry, "store_failures", "Changesets that the engine failed to apply", store.failures);
        counter(registry, "store_groups", "Groups of changesets made durable together", store.groups);
        counter(registry, "store_grouped_changesets", "Changesets in all groups", store.grouped);
        let help = "Changesets in the largest group so far";
        gauge(registry, "store_largest_group", help, count(store.largest_group));
    }

    /// What there is across a network only.
    fn network(&self, registry: &mut Registry) {
        let Some(pool) = self.store.pool else { return };
        let in_use = pool.open.saturating_sub(pool.idle);
        let connections = Labelled::<Gauge>::default();
        for (state, number) in [("idle", pool.idle), ("in_use", in_use)] {
            connections.get_or_create_owned(&[("state", state)]).set(count(number));
        }
        registry.register("store_connections", "PostgreSQL: open connections by state", connections);
        let help = "PostgreSQL: connections that this server may have open";
        gauge(registry, "store_connections_limit", help, count(pool.most));
        let help = "PostgreSQL: requests that wait for a connection";
        gauge(registry, "store_connection_waiters", help, count(pool.waiting));

        let help = "PostgreSQL: statements that were sent for several reads at once";
        counter(registry, "store_read_groups", help, self.store.read_groups);
        counter(registry, "store_grouped_reads", "PostgreSQL: reads in all of them", self.store.grouped_reads);

        let again = &self.store.retries;
        let retries = [
            ("connection", again.connection),
            ("deadlock", again.deadlock),
            ("exhausted", again.exhausted),
            ("read_only", again.read_only),
            ("serialization", again.serialization),
        ];
        let help = "PostgreSQL: what was tried again, by cause";
        counters(registry, "store_retries", help, "cause", &retries);
        let settled =
            [("kept", self.store.settled_kept), ("lost", self.store.settled_lost), ("unknown", self.store.unsettled)];
        let help = "PostgreSQL: COMMITs without an answer, by what was found to have come of them";
        counters(registry, "store_settled_commits", help, "outcome", &settled);
    }

    fn functions(&self, registry: &mut Registry) {
        let processes = Family::<FunctionLabels, Gauge>::default();
        for (function, number) in &self.functions {
            processes.get_or_create(&FunctionLabels { function: function.clone() }).inc_by(count(*number));
        }
        registry.register("function_processes", "Processes of functions, by entry of the configuration", processes);
    }

    fn outbox(&self, registry: &mut Registry, now: Timestamp) {
        let Some(Waiting { pending, dead }) = &self.queues else { return };
        let help = "Messages on their way, counted up to 10,000";
        gauge(registry, "messages_pending", help, count(pending.messages));
        let milliseconds = pending.oldest.map_or(0, |oldest| now.since(oldest).max(0));
        let seconds = std::time::Duration::from_millis(milliseconds.unsigned_abs()).as_secs_f64();
        let help = "How long the oldest message on its way has waited";
        registry.register("messages_oldest_pending_seconds", help, ConstGauge::new(seconds));
        gauge(registry, "messages_dead", "Messages that were given up, counted up to 10,000", count(dead.messages));
    }
}

fn counter(registry: &mut Registry, name: &str, help: &str, value: u64) {
    registry.register(name, help, ConstCounter::new(value));
}

pub(super) fn gauge(registry: &mut Registry, name: &str, help: &str, value: i64) {
    registry.register(name, help, ConstGauge::new(value));
}

fn counters(registry: &mut Registry, name: &str, help: &str, label: &'static str, values: &[(&'static str, u64)]) {
    let family = Labelled::<Counter>::default();
    for (value, number) in values {
        family.get_or_create_owned(&[(label, *value)]).inc_by(*number);
    }
    registry.register(name, help, family);
}

/// A number as gauges hold it.
pub(super) fn count(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}
