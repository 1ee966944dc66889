//! What goes wrong: one fault at a time of the nodes and their network, and one at a time of the database. Each is
//! undone, and must be over by itself soon after: nothing here does what an operator would have to do, except that a
//! process that has ended is started again, as every service manager does.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use cluster::{Node, Patroni, Postgres, Proxy, Stop};

use crate::{
    chance::Chance,
    record::Record,
    world::{Database, StoreKind},
};

/// How long everything may take to work again after a fault.
const RECOVERY: Duration = Duration::from_secs(120);
/// Between two looks at whether it does.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Connections that the database still grants when there are few.
const FEW_CONNECTIONS: u32 = 6;

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

/// What both lanes share.
pub struct Lane {
    number: usize,
    record: Arc<Record>,
    stop: Arc<AtomicBool>,
    chance: Chance,
    tolls: Tolls,
}

impl Lane {
    /// Lane 0 is for the nodes, lane 1 for the database.
    pub const fn new(number: usize, record: Arc<Record>, stop: Arc<AtomicBool>, chance: Chance) -> Self {
        Self { number, record, stop, chance, tolls: BTreeMap::new() }
    }

    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// A fault could not be made or undone: the run ends here, and the audit looks at what there is.
    fn breaks(&self, error: &anyhow::Error) {
        self.record.finding(&format!("the run ended early: {error:#}"));
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Waits, but not beyond the end of the run.
    fn wait(&mut self, least: f64, most: f64) {
        let end = Instant::now() + self.chance.seconds(least, most);
        while Instant::now() < end && !self.is_over() {
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// One fault: `make` makes it and undoes it, and tells when it began to undo it; `works` must hold soon after that.
    fn fault<M>(
        &mut self,
        name: &'static str,
        machines: &mut M,
        make: impl FnOnce(&mut Self, &mut M) -> Result<Instant>,
        works: impl Fn(&Record, &mut M, Instant) -> Result<bool>,
    ) -> Result<()> {
        self.record.fault_begins(self.number, name);
        let undone = make(self, machines).with_context(|| format!("the fault: {name}"))?;
        while !works(&self.record, machines, undone).with_context(|| format!("after the fault: {name}"))? {
            // When the load has ended, nobody asks any more.
            if self.is_over() {
                break;
            }
            if undone.elapsed() > RECOVERY {
                self.record.finding(&format!("{} s after the fault '{name}' not all works again", RECOVERY.as_secs()));
                break;
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        let recovery = undone.elapsed();
        let (total, silence) = self.record.fault_ends(self.number);
        let toll = self.tolls.entry(name).or_default();
        toll.count += 1;
        toll.total += total;
        toll.longest_silence = toll.longest_silence.max(silence);
        toll.longest_recovery = toll.longest_recovery.max(recovery);
        Ok(())
    }
}

/// Faults of a node.
#[derive(Clone, Copy)]
enum NodeFault {
    Kill,
    Pause,
    Cut,
    Refuse,
    Slow,
}

/// The nodes and their ways to the database.
pub struct Nodes {
    /// The nodes.
    pub nodes: Vec<Node>,
    /// For each node, its ways to the database's servers.
    pub links: Vec<Vec<Proxy>>,
}

/// Lets nodes fail until the run is over; the network is whole afterwards.
pub fn torture_nodes(mut lane: Lane, mut machines: Nodes, kind: StoreKind) -> (Nodes, Tolls) {
    let choices: &[(usize, NodeFault)] = if kind == StoreKind::Sqlite {
        &[(1, NodeFault::Kill)]
    } else {
        &[
            (30, NodeFault::Kill),
            (25, NodeFault::Pause),
            (20, NodeFault::Cut),
            (10, NodeFault::Refuse),
            (15, NodeFault::Slow),
        ]
    };
    loop {
        lane.wait(1.0, 5.0);
        if lane.is_over() {
            return (machines, lane.tolls);
        }
        let node = lane.chance.below(machines.nodes.len());
        let outcome = match lane.chance.weighted(choices) {
            Some(fault) => torture_node(&mut lane, &mut machines, node, fault),
            None => Ok(()),
        };
        if let Err(error) = outcome {
            lane.breaks(&error);
        }
    }
}

fn torture_node(lane: &mut Lane, machines: &mut Nodes, index: usize, fault: NodeFault) -> Result<()> {
    let works = |record: &Record, machines: &mut Nodes, undone| {
        let node = machines.nodes.get_mut(index).context("there is such a node")?;
        if node.has_ended().is_some() {
            // What a service manager does. While the database is away a start may fail.
            drop(node.restart());
        }
        Ok(record.has_succeeded_at_since(index, undone))
    };
    match fault {
        NodeFault::Kill => {
            let make = |lane: &mut Lane, machines: &mut Nodes| {
                let node = machines.nodes.get_mut(index).context("there is such a node")?;
                node.kill()?;
                lane.wait(0.0, 3.0);
                let undone = Instant::now();
                // While the database is away this may fail; it is tried again below.
                drop(node.restart());
                Ok(undone)
            };
            lane.fault("node killed", machines, make, works)
        }
        NodeFault::Pause => {
            let make = |lane: &mut Lane, machines: &mut Nodes| {
                let node = machines.nodes.get(index).context("there is such a node")?;
                node.pause()?;
                lane.wait(0.5, 8.0);
                node.resume()?;
                Ok(Instant::now())
            };
            lane.fault("node paused", machines, make, works)
        }
        NodeFault::Cut => {
            let make = |lane: &mut Lane, machines: &mut Nodes| {
                each_link(machines, index, Proxy::cut);
                lane.wait(0.5, 10.0);
                each_link(machines, index, Proxy::mend);
                Ok(Instant::now())
            };
            lane.fault("node cut off from the database", machines, make, works)
        }
        NodeFault::Refuse => {
            let make = |lane: &mut Lane, machines: &mut Nodes| {
                each_link(machines, index, Proxy::refuse);
                lane.wait(0.5, 8.0);
                each_link(machines, index, Proxy::mend);
                Ok(Instant::now())
            };
            lane.fault("node refused by the database", machines, make, works)
        }
        NodeFault::Slow => {
            let delay = lane.chance.seconds(0.005, 0.1);
            let make = |lane: &mut Lane, machines: &mut Nodes| {
                let all = 0..machines.nodes.len();
                all.clone().for_each(|index| each_link(machines, index, |link| link.delay(delay)));
                lane.wait(1.0, 8.0);
                all.for_each(|index| each_link(machines, index, Proxy::mend));
                Ok(Instant::now())
            };
            lane.fault("slow way to the database", machines, make, works)
        }
    }
}

fn each_link(machines: &Nodes, node: usize, change: impl Fn(&Proxy)) {
    machines.links.get(node).into_iter().flatten().for_each(change);
}

/// Faults of the database.
#[derive(Clone, Copy)]
enum DatabaseFault {
    EndConnections,
    FewConnections,
    // Of one server.
    Restart,
    StopAtOnce,
    Kill,
    // Of a pair.
    KillLeader,
    KillStandby,
    SwitchOver,
    PauseLeader,
    PauseStandby,
}

/// Lets the database fail until the run is over; it is whole afterwards.
pub fn torture_database(mut lane: Lane, mut database: Database) -> (Database, Tolls) {
    use DatabaseFault::{
        EndConnections, FewConnections, Kill, KillLeader, KillStandby, PauseLeader, PauseStandby, Restart, StopAtOnce,
        SwitchOver,
    };
    let choices: &[(usize, DatabaseFault)] = match database {
        Database::Sqlite(_) => return (database, Tolls::new()),
        Database::Postgres(_) => {
            &[(20, Restart), (15, StopAtOnce), (25, Kill), (20, EndConnections), (20, FewConnections)]
        }
        Database::Patroni(_) => &[
            (25, KillLeader),
            (10, KillStandby),
            (20, SwitchOver),
            (20, PauseLeader),
            (5, PauseStandby),
            (10, EndConnections),
            (10, FewConnections),
        ],
    };
    loop {
        lane.wait(2.0, 8.0);
        if lane.is_over() {
            return (database, lane.tolls);
        }
        let outcome = match lane.chance.weighted(choices) {
            Some(fault) => torture_server(&mut lane, &mut database, fault),
            None => Ok(()),
        };
        if let Err(error) = outcome {
            lane.breaks(&error);
        }
    }
}

fn torture_server(lane: &mut Lane, database: &mut Database, fault: DatabaseFault) -> Result<()> {
    let works = |record: &Record, _: &mut Database, undone| Ok(record.has_succeeded_since(undone));
    match (fault, &mut *database) {
        (DatabaseFault::EndConnections, _) => {
            let make = |_: &mut Lane, database: &mut Database| {
                database.administer(END_CONNECTIONS)?;
                Ok(Instant::now())
            };
            lane.fault("database connections ended", database, make, works)
        }
        (DatabaseFault::FewConnections, _) => {
            let make = |lane: &mut Lane, database: &mut Database| {
                database.administer(&format!("ALTER ROLE poolkeeper CONNECTION LIMIT {FEW_CONNECTIONS}"))?;
                database.administer(END_CONNECTIONS)?;
                lane.wait(2.0, 8.0);
                database.administer("ALTER ROLE poolkeeper CONNECTION LIMIT -1")?;
                Ok(Instant::now())
            };
            lane.fault("database grants few connections", database, make, works)
        }
        (_, Database::Postgres(server)) => torture_one(lane, server, fault),
        (_, Database::Patroni(pair)) => torture_pair(lane, pair, fault),
        (_, Database::Sqlite(_)) => Ok(()),
    }
}

const END_CONNECTIONS: &str =
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'poolkeeper'";

fn torture_one(lane: &mut Lane, server: &mut Postgres, fault: DatabaseFault) -> Result<()> {
    let works = |record: &Record, _: &mut Postgres, undone| Ok(record.has_succeeded_since(undone));
    let (name, how) = match fault {
        DatabaseFault::Restart => ("PostgreSQL restarted", Stop::Fast),
        DatabaseFault::StopAtOnce => ("PostgreSQL stopped without a checkpoint", Stop::Immediate),
        _ => ("PostgreSQL killed", Stop::Kill),
    };
    let make = |lane: &mut Lane, server: &mut Postgres| {
        server.stop(how)?;
        lane.wait(0.0, 6.0);
        let undone = Instant::now();
        server.restart()?;
        Ok(undone)
    };
    lane.fault(name, server, make, works)
}

fn torture_pair(lane: &mut Lane, pair: &mut Patroni, fault: DatabaseFault) -> Result<()> {
    // The next fault waits until the pair is one again; that is Patroni's work, and its time is not counted.
    let works = |record: &Record, _: &mut Patroni, undone| Ok(record.has_succeeded_since(undone));
    let (name, make): (_, fn(&mut Lane, &mut Patroni) -> Result<Instant>) = match fault {
        DatabaseFault::KillLeader => ("leader killed", |lane, pair| {
            let leader = pair.wait_for_leader(RECOVERY)?;
            kill_member(lane, pair, leader)
        }),
        DatabaseFault::KillStandby => ("standby killed", |lane, pair| {
            let leader = pair.wait_for_leader(RECOVERY)?;
            kill_member(lane, pair, 1 - leader)
        }),
        DatabaseFault::SwitchOver => ("lead handed over", |_, pair| {
            let began = Instant::now();
            pair.switchover()?;
            Ok(began)
        }),
        DatabaseFault::PauseStandby => ("standby paused", |lane, pair| {
            let leader = pair.wait_for_leader(RECOVERY)?;
            pair.pause_member(1 - leader)?;
            lane.wait(1.0, 8.0);
            pair.resume_member(1 - leader)?;
            Ok(Instant::now())
        }),
        _ => ("leader paused until another one leads", |lane, pair| {
            let leader = pair.wait_for_leader(RECOVERY)?;
            pair.pause_member(leader)?;
            let outcome = wait_for_other_leader(pair, leader);
            // Requests meet the new leader while the old one does not know yet that it is none.
            lane.wait(0.0, 3.0);
            pair.resume_member(leader)?;
            outcome?;
            Ok(Instant::now())
        }),
    };
    lane.fault(name, pair, make, works)?;
    pair.wait_until_healthy(RECOVERY)
}

fn kill_member(lane: &mut Lane, pair: &mut Patroni, member: usize) -> Result<Instant> {
    pair.kill_member(member)?;
    lane.wait(0.0, 15.0);
    pair.start_member(member)?;
    Ok(Instant::now())
}

fn wait_for_other_leader(pair: &Patroni, old: usize) -> Result<()> {
    let began = Instant::now();
    loop {
        match pair.leader()? {
            Some(leader) if leader != old => return Ok(()),
            _ if began.elapsed() > RECOVERY => anyhow::bail!("nobody took over from a leader that was paused"),
            _ => std::thread::sleep(LOOK_AGAIN),
        }
    }
}
