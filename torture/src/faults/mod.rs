//! What goes wrong: one fault at a time of the nodes and their network, and one at a time of the database. Each is
//! undone, and must be over by itself soon after: nothing here does what an operator would have to do, except that a
//! process that has ended is started again, as every service manager does.

mod database;
mod nodes;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

pub use self::{
    database::torture as torture_database,
    nodes::{Nodes, torture as torture_nodes},
};
use crate::{chance::Chance, record::Record};

/// How long everything may take to work again after a fault.
const RECOVERY: Duration = Duration::from_secs(120);
/// Between two looks at whether it does.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// What faults of one kind did.
#[derive(Clone, Debug, Default)]
pub struct Toll {
    /// How many there were.
    pub count: usize,
    /// How long they were on together, until all worked again.
    pub total: Duration,
    /// The longest time without any success.
    pub longest_silence: Duration,
    /// The longest time from the end of the fault until all worked again.
    pub longest_recovery: Duration,
}

/// Faults by kind.
pub type Tolls = BTreeMap<&'static str, Toll>;

/// A fault of some machines.
struct Fault<M> {
    /// How often it is chosen, beside others.
    weight: usize,
    /// In words.
    name: &'static str,
    /// Makes it and undoes it, and tells when it began to undo it.
    make: fn(&mut Lane, &mut M) -> Result<Instant>,
}

/// One fault after another.
pub struct Lane {
    /// The place among the lanes.
    pub number: usize,
    /// What the run has shown.
    pub record: Arc<Record>,
    /// Ends all lanes.
    pub stop: Arc<AtomicBool>,
    /// What decides.
    pub chance: Chance,
    /// Faults have this in their names.
    pub only: String,
}

impl Lane {
    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Waits so many seconds, but not beyond the end of the run.
    fn wait(&mut self, least: f64, most: f64) {
        let end = Instant::now() + self.chance.seconds(least, most);
        while Instant::now() < end && !self.is_over() {
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// Makes faults until the run is over. `prepare` comes before each. After each, `works` must hold soon; then `mend`
    /// waits for what is nobody's fault here.
    fn run<M>(
        mut self,
        machines: &mut M,
        faults: &[&[Fault<M>]],
        prepare: fn(&mut Self, &mut M),
        works: fn(&Record, &mut M, Instant) -> Result<bool>,
        mend: fn(&mut M) -> Result<()>,
    ) -> Tolls {
        let known = faults.iter().flat_map(|faults| faults.iter()).filter(|fault| fault.name.contains(&self.only));
        let choices: Vec<(usize, &Fault<M>)> = known.map(|fault| (fault.weight, fault)).collect();
        let mut tolls = Tolls::new();
        if choices.is_empty() {
            return tolls;
        }
        loop {
            self.wait(1.0, 6.0);
            if self.is_over() {
                return tolls;
            }
            let Some(fault) = self.chance.weighted(&choices) else { return tolls };
            prepare(&mut self, machines);
            let outcome = self.fault(machines, fault, works, &mut tolls).and_then(|()| mend(machines));
            self.record.mended(self.number);
            if let Err(error) = outcome {
                // A fault could not be made or undone: the run ends here, and the audit looks at what there is.
                self.record.finding(&format!("the run ended early: {error:#}"));
                self.stop.store(true, Ordering::Relaxed);
            }
        }
    }

    fn fault<M>(
        &mut self,
        machines: &mut M,
        fault: &Fault<M>,
        works: fn(&Record, &mut M, Instant) -> Result<bool>,
        tolls: &mut Tolls,
    ) -> Result<()> {
        let name = fault.name;
        self.record.fault_begins(self.number, name);
        let undone = (fault.make)(self, machines).with_context(|| format!("the fault: {name}"))?;
        while !works(&self.record, machines, undone).with_context(|| format!("after the fault: {name}"))? {
            // When the load has ended, nobody asks any more.
            if self.is_over() {
                break;
            }
            if undone.elapsed() > RECOVERY {
                let seconds = RECOVERY.as_secs();
                self.record.finding(&format!("{seconds} s after the fault '{name}' not all works again"));
                break;
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        let recovery = undone.elapsed();
        let (total, silence) = self.record.fault_ends(self.number);
        let toll = tolls.entry(name).or_default();
        toll.count += 1;
        toll.total += total;
        toll.longest_silence = toll.longest_silence.max(silence);
        toll.longest_recovery = toll.longest_recovery.max(recovery);
        Ok(())
    }
}
