//! What the run has shown so far: requests by kind and outcome, what was found wrong, and how long nothing worked
//! while faults were on.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::client::Outcome;

/// Faults that can be on at the same time: one of the nodes and their network, one of the database.
pub const LANES: usize = 2;
/// How long after the end of the last fault failures are still put down to it.
const GRACE: Duration = Duration::from_secs(5);
/// Findings that are kept in words; more are counted.
const MOST_FINDINGS: usize = 200;

/// How requests of one kind ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// With success.
    pub acknowledged: u64,
    /// With a definite error.
    pub refused: u64,
    /// Nobody knows how.
    pub unknown: u64,
}

/// What the run has shown so far.
pub struct Record {
    began: Instant,
    state: Mutex<State>,
}

struct State {
    operations: BTreeMap<&'static str, Counts>,
    unknown: BTreeMap<String, u64>,
    findings: Vec<String>,
    more_findings: usize,
    last_success: Instant,
    success_of_node: Vec<Instant>,
    faults: [Option<Fault>; LANES],
    is_mending: [bool; LANES],
    calm_since: Instant,
    changes_seen: Option<(usize, Duration)>,
    events: Vec<String>,
}

struct Fault {
    name: &'static str,
    began: Instant,
    longest_silence: Duration,
}

impl Record {
    /// Nothing yet, of so many nodes.
    pub fn new(nodes: usize) -> Self {
        let began = Instant::now();
        let state = State {
            operations: BTreeMap::new(),
            unknown: BTreeMap::new(),
            findings: Vec::new(),
            more_findings: 0,
            last_success: began,
            success_of_node: vec![began; nodes],
            faults: [const { None }; LANES],
            is_mending: [false; LANES],
            calm_since: began,
            changes_seen: None,
            events: Vec::new(),
        };
        Self { began, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Seconds since the beginning.
    pub fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// Notes that something is wrong.
    pub fn finding(&self, text: &str) {
        let mut state = self.state();
        let faults = state.faults();
        let text = format!("at {:.1} s, fault {faults}: {text}", self.seconds());
        if state.findings.len() < MOST_FINDINGS {
            state.findings.push(text);
        } else {
            state.more_findings += 1;
        }
    }

    /// Counts a request. Failures for which there is no fault to blame are findings.
    pub fn outcome(&self, node: usize, operation: &'static str, started: Instant, outcome: &Outcome) {
        let mut state = self.state();
        let counts = state.operations.entry(operation).or_default();
        match outcome {
            Outcome::Acknowledged(_) => {
                counts.acknowledged += 1;
                state.succeeded(node, Instant::now());
            }
            Outcome::Refused { .. } => counts.refused += 1,
            Outcome::Unknown { class, is_excused } => {
                counts.unknown += 1;
                *state.unknown.entry(class.clone()).or_default() += 1;
                let is_calm = state.is_whole() && started >= state.calm_since + GRACE;
                drop(state);
                if is_calm && !is_excused {
                    self.finding(&format!("{operation} at node {node} failed with {class} while no fault was on"));
                }
            }
        }
    }

    /// A fault of that lane begins.
    pub fn fault_begins(&self, lane: usize, name: &'static str) {
        let fault = Fault { name, began: Instant::now(), longest_silence: Duration::ZERO };
        let mut state = self.state();
        if let Some(place) = state.faults.get_mut(lane) {
            *place = Some(fault);
        }
        self.event(&mut state, &format!("{name} begins"));
    }

    fn event(&self, state: &mut State, text: &str) {
        let moment = jiff::Timestamp::now().strftime("%FT%T%.3fZ");
        state.events.push(format!("{moment} {:8.3} s  {text}\n", self.seconds()));
    }

    /// When faults began and ended, a line each.
    pub fn events(&self) -> String {
        self.state().events.concat()
    }

    /// The fault of that lane is over: how long it took, and the longest time in it without any success.
    pub fn fault_ends(&self, lane: usize) -> (Duration, Duration) {
        let mut state = self.state();
        let now = Instant::now();
        let last_success = state.last_success;
        if let Some(is_mending) = state.is_mending.get_mut(lane) {
            *is_mending = true;
        }
        let Some(fault) = state.faults.get_mut(lane).and_then(Option::take) else { return Default::default() };
        let silence = fault.longest_silence.max(now.saturating_duration_since(last_success.max(fault.began)));
        let text = format!("{} is over; {:.1} s without any success", fault.name, silence.as_secs_f64());
        self.event(&mut state, &text);
        (now.saturating_duration_since(fault.began), silence)
    }

    /// What the last fault of that lane has left behind is mended: failures that begin later are not put down to it.
    pub fn mended(&self, lane: usize) {
        let mut state = self.state();
        state.calm_since = Instant::now();
        if let Some(is_mending) = state.is_mending.get_mut(lane) {
            *is_mending = false;
        }
        self.event(&mut state, "mended");
    }

    /// Names of the faults that are on.
    pub fn faults(&self) -> String {
        self.state().faults()
    }

    /// Whether anything has succeeded since that moment.
    pub fn has_succeeded_since(&self, moment: Instant) -> bool {
        self.state().last_success >= moment
    }

    /// Whether anything has succeeded at this node since that moment.
    pub fn has_succeeded_at_since(&self, node: usize, moment: Instant) -> bool {
        self.state().success_of_node.get(node).is_some_and(|last| *last >= moment)
    }

    /// Another node showed a change of settings when it was asked so long after the acknowledgement.
    pub fn change_seen(&self, after: Duration) {
        let mut state = self.state();
        let (count, longest) = state.changes_seen.unwrap_or_default();
        state.changes_seen = Some((count + 1, longest.max(after)));
    }

    /// How often that was, and the longest time that it took.
    pub fn changes_seen(&self) -> Option<(usize, Duration)> {
        self.state().changes_seen
    }

    /// Requests so far.
    pub fn requests(&self) -> u64 {
        self.state().operations.values().map(|counts| counts.acknowledged + counts.refused + counts.unknown).sum()
    }

    /// Requests by operation.
    pub fn operations(&self) -> BTreeMap<&'static str, Counts> {
        self.state().operations.clone()
    }

    /// Unknown outcomes by their reasons.
    pub fn unknown(&self) -> BTreeMap<String, u64> {
        self.state().unknown.clone()
    }

    /// What was found wrong, and how much more of it.
    pub fn findings(&self) -> (Vec<String>, usize) {
        let state = self.state();
        (state.findings.clone(), state.more_findings)
    }
}

impl State {
    fn is_whole(&self) -> bool {
        self.faults.iter().all(Option::is_none) && !self.is_mending.contains(&true)
    }

    fn faults(&self) -> String {
        let names: Vec<_> = self.faults.iter().flatten().map(|fault| fault.name).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(" + ") }
    }

    fn succeeded(&mut self, node: usize, now: Instant) {
        for fault in self.faults.iter_mut().flatten() {
            let silence = now.saturating_duration_since(self.last_success.max(fault.began));
            fault.longest_silence = fault.longest_silence.max(silence);
        }
        self.last_success = now;
        if let Some(last) = self.success_of_node.get_mut(node) {
            *last = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn lost() -> Outcome {
        Outcome::Unknown { class: "no answer".to_owned(), is_excused: false }
    }

    #[test]
    fn requests_are_counted_by_outcome() {
        let record = Record::new(1);
        let now = Instant::now();
        record.outcome(0, "SignUp", now, &Outcome::Acknowledged(Value::Null));
        let refused = Outcome::Refused { kind: "UsernameExistsException".to_owned(), message: String::new() };
        record.outcome(0, "SignUp", now, &refused);
        record.fault_begins(1, "something");
        record.outcome(0, "SignUp", now, &lost());
        let counts = Counts { acknowledged: 1, refused: 1, unknown: 1 };
        assert_eq!(record.operations(), BTreeMap::from([("SignUp", counts)]));
        assert_eq!((record.requests(), record.unknown().get("no answer")), (3, Some(&1)));
        assert_eq!(record.findings().0, [] as [String; 0]);
    }

    #[test]
    fn failures_without_a_fault_are_findings() {
        let record = Record::new(1);
        let calm = Instant::now() + GRACE;
        record.outcome(0, "SignUp", calm, &Outcome::Unknown { class: "busy".to_owned(), is_excused: true });
        assert_eq!(record.findings().0.len(), 0);
        record.outcome(0, "SignUp", calm, &lost());
        assert_eq!(record.findings().0.len(), 1);
        record.fault_begins(0, "a fault");
        record.outcome(0, "SignUp", calm, &lost());
        record.fault_ends(0);
        record.outcome(0, "SignUp", Instant::now() + GRACE, &lost());
        assert_eq!(record.findings().0.len(), 1, "what it left behind was not mended");
        record.mended(0);
        record.outcome(0, "SignUp", Instant::now(), &lost());
        assert_eq!(record.findings().0.len(), 1, "it was mended just then");
        record.outcome(0, "SignUp", Instant::now() + GRACE, &lost());
        assert_eq!(record.findings().0.len(), 2);
    }

    #[test]
    fn the_longest_silence_is_between_two_successes_or_at_an_end() {
        let record = Record::new(2);
        record.fault_begins(0, "outage");
        let began = record.state().faults[0].as_ref().unwrap().began;
        for (node, milliseconds) in [(0, 10), (1, 400), (1, 450)] {
            record.state().succeeded(node, began + Duration::from_millis(milliseconds));
        }
        let fault = record.state().faults[0].as_ref().unwrap().longest_silence;
        assert_eq!(fault, Duration::from_millis(390));
        assert_eq!(record.faults(), "outage");
        assert_eq!(record.fault_ends(0).1, Duration::from_millis(390));
        assert_eq!(record.faults(), "none");
        assert!(record.has_succeeded_at_since(1, began + Duration::from_millis(450)));
        assert!(!record.has_succeeded_at_since(0, began + Duration::from_millis(11)));
    }
}
