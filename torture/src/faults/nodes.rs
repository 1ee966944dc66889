//! Faults of the nodes, and of their ways to the database.

use std::time::Instant;

use anyhow::{Context, Result};
use cluster::{Node, Proxy};

use super::{Fault, Lane, Tolls};
use crate::{record::Record, world::StoreKind};

/// The nodes and their ways to the database.
pub struct Nodes {
    /// The nodes.
    pub nodes: Vec<Node>,
    /// For each node, its ways to the database's servers.
    pub links: Vec<Vec<Proxy>>,
    /// The one that is chosen for a fault.
    pub target: usize,
}

/// Of the process.
const DEATH: &[Fault<Nodes>] = &[Fault { weight: 30, name: "node killed", make: kill }];
/// Of the process among others, and of the network.
const OTHERS: &[Fault<Nodes>] = &[
    Fault { weight: 25, name: "node paused", make: pause },
    Fault { weight: 20, name: "node cut off from the database", make: cut },
    Fault { weight: 10, name: "node refused by the database", make: refuse },
    Fault { weight: 15, name: "slow way to the database", make: slow },
];

/// Lets nodes fail until the run is over; the network is whole afterwards.
pub fn torture(lane: Lane, mut machines: Nodes, kind: StoreKind) -> (Nodes, Tolls) {
    let faults: &[&[Fault<Nodes>]] = if kind == StoreKind::Sqlite { &[DEATH] } else { &[DEATH, OTHERS] };
    let choose = |lane: &mut Lane, machines: &mut Nodes| {
        machines.target = lane.chance.below(machines.nodes.len());
    };
    let tolls = lane.run(&mut machines, faults, choose, answers, |_| Ok(()));
    (machines, tolls)
}

/// Whether the node has done something since then. It is started when it does not run, as a service manager does it:
/// while the database is away, a start may fail.
fn answers(record: &Record, machines: &mut Nodes, since: Instant) -> Result<bool> {
    let target = machines.target;
    let node = machines.node()?;
    if node.has_ended().is_some() {
        drop(node.restart());
    }
    Ok(record.has_succeeded_at_since(target, since))
}

impl Nodes {
    fn node(&mut self) -> Result<&mut Node> {
        self.nodes.get_mut(self.target).context("there is such a node")
    }

    fn links(&self) -> impl Iterator<Item = &Proxy> {
        self.links.get(self.target).into_iter().flatten()
    }
}

fn kill(lane: &mut Lane, machines: &mut Nodes) -> Result<Instant> {
    machines.node()?.kill()?;
    lane.wait(0.0, 3.0);
    let undone = Instant::now();
    drop(machines.node()?.restart());
    Ok(undone)
}

fn pause(lane: &mut Lane, machines: &mut Nodes) -> Result<Instant> {
    machines.node()?.pause()?;
    lane.wait(0.5, 8.0);
    machines.node()?.resume()?;
    Ok(Instant::now())
}

fn cut(lane: &mut Lane, machines: &mut Nodes) -> Result<Instant> {
    machines.links().for_each(Proxy::cut);
    lane.wait(0.5, 10.0);
    machines.links().for_each(Proxy::mend);
    Ok(Instant::now())
}

fn refuse(lane: &mut Lane, machines: &mut Nodes) -> Result<Instant> {
    machines.links().for_each(Proxy::refuse);
    lane.wait(0.5, 8.0);
    machines.links().for_each(Proxy::mend);
    Ok(Instant::now())
}

/// For all nodes at once.
fn slow(lane: &mut Lane, machines: &mut Nodes) -> Result<Instant> {
    let delay = lane.chance.seconds(0.005, 0.1);
    machines.links.iter().flatten().for_each(|link| link.delay(delay));
    lane.wait(1.0, 8.0);
    machines.links.iter().flatten().for_each(Proxy::mend);
    Ok(Instant::now())
}
