//! `cargo xtask bench`: how fast the server is, as ratios to bounds that are measured in the same run on the same
//! machine: signatures, modular exponentiations and whole SRP proofs per second, what an HTTP server of the same
//! stack answers when it does nothing, and the rate at which the bare database engine commits the same rows durably.
//!
//! On PostgreSQL, writes and reads of rows are compared with what `pgbench` reaches on the same server.
//!
//! Scenarios that sign in or refresh and commit as well are compared with their arithmetic alone in the table, and with
//! both together below it.
//!
//! Order: bounds; then for each store, number of users and number of nodes: a fresh database is filled, the nodes are
//! started on it, each scenario runs for a while with the driver beside them, and the bounds are measured again before and
//! after it; then the table. Below it stands what is no rate: an import, and scenarios for which the nodes are started
//! again, some with another configuration.

#![expect(clippy::disallowed_methods, reason = "a bench measures real time")]
#![expect(clippy::indexing_slicing, reason = "indexing JSON by name answers null where there is nothing")]

mod apart;
mod bounds;
mod cold_start;
mod custom_message;
mod driver;
mod durable;
mod import;
mod known_unknown;
mod listing;
mod outbox;
mod populate;
mod postgres;
mod process;
mod scenarios;
mod srp;
mod target;

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context;
use clap::{Parser, Subcommand};

use crate::{
    bounds::{Bound, Bounds},
    driver::{Cpu, Run},
    populate::Scene,
    postgres::Reached,
    scenarios::Scenario,
    target::Target,
};

/// How long each bound of a scenario is measured before, between and after its parts.
const BRIEFLY: Duration = Duration::from_millis(500);
/// Parts of a scenario.
const PARTS: u32 = 3;

#[derive(Parser)]
#[command(about = "Rates of the server as ratios to bounds measured in the same run")]
struct Arguments {
    #[command(subcommand)]
    inner: Option<Inner>,
    /// The server's binary
    #[arg(long, default_value = "target/release/poolkeeper")]
    binary: PathBuf,
    /// Where the data is: sqlite: (a temporary file), sqlite:PATH (a new file), postgres: (a private server is started),
    /// or postgres://USER:PASSWORD@HOST:PORT/DATABASE (databases are made beside that one and removed again). Give
    /// several to compare them
    #[arg(long, default_value = "sqlite:")]
    store: Vec<String>,
    /// Nodes on one PostgreSQL; give several numbers to compare them. SQLite serves one
    #[arg(long, value_delimiter = ',', default_value = "1,2")]
    nodes: Vec<usize>,
    /// With --store postgres:, the database has the second half of the cores to itself, and the driver, the nodes and
    /// pgbench share the first
    #[arg(long)]
    apart: bool,
    /// Users in the pool; give several to see how rates grow with them
    #[arg(long, value_delimiter = ',', default_value = "1000")]
    users: Vec<usize>,
    /// Seconds per scenario
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Connections of the driver, each with one request at a time
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Users that the scenario import brings in
    #[arg(long, default_value_t = 100_000)]
    import: usize,
    /// Requests of each group of users in the scenario known-unknown
    #[arg(long, default_value_t = 4_000, value_parser = clap::value_parser!(u64).range(10..))]
    samples: u64,
    /// Only these scenarios: those of the table by their names there; import, cold-start, outbox and custom-message,
    /// which stand below it; known-unknown, which runs only when it is named here
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
}

#[derive(Subcommand)]
enum Inner {
    /// The server that does nothing, for the HTTP bound
    #[command(hide = true)]
    Hello,
    /// The handler of the scenario custom-message
    #[command(hide = true)]
    Handler,
}

/// Scenarios that stand below the table.
const OTHERS: [&str; 5] = [import::NAME, cold_start::NAME, outbox::NAME, custom_message::NAME, known_unknown::NAME];

impl Arguments {
    fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == name)
    }

    /// Refuses scenarios that there are not, and those that need more users.
    fn check(&self) -> anyhow::Result<()> {
        let known: Vec<_> = scenarios::ALL.iter().map(|scenario| scenario.name()).chain(OTHERS).collect();
        for name in &self.only {
            anyhow::ensure!(known.contains(&name.as_str()), "--only {name}: choose among {}", known.join(", "));
        }
        let codes = Scenario::SrpTotpSignIn.name();
        anyhow::ensure!(
            !self.wants(codes) || self.users.iter().all(|users| *users > populate::ACTIVE),
            "the users with software tokens come after the first {}: give more --users, or name others than {codes} with \
             --only",
            populate::ACTIVE
        );
        Ok(())
    }

    fn time(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    match arguments.inner {
        Some(Inner::Hello) => return process::hello().await,
        Some(Inner::Handler) => return custom_message::handle(),
        None => arguments.check()?,
    }
    // Before anything is measured: what cannot be opened should not cost minutes.
    let apart_on = arguments.apart.then(cores);
    if let Some(cores) = apart_on {
        apart::keep(std::process::id(), apart::Half::First, cores)?;
    }
    let targets =
        arguments.store.iter().map(|text| Target::open(text, apart_on)).collect::<anyhow::Result<Vec<_>>>()?;
    println!("measuring the bounds of this machine ({} cores)", cores());
    let mut bounds = Bounds::of(&Bound::ALL, arguments.connections)?;
    bounds.measure(arguments.time().min(Duration::from_secs(3))).await?;
    bounds.print();
    for target in &targets {
        for users in &arguments.users {
            let nodes: &[usize] = if target.is_shared() { &arguments.nodes } else { &[1] };
            for nodes in nodes {
                measure(&arguments, target, *nodes, *users).await?;
            }
        }
    }
    Ok(())
}

/// Runs all scenarios on a fresh database and prints a table.
async fn measure(arguments: &Arguments, target: &Target, nodes: usize, users: usize) -> anyhow::Result<()> {
    let (time, connections) = (arguments.time(), arguments.connections);
    println!(
        "\n{}, {users} users, {nodes} {}, {connections} connections, {} s per scenario",
        target.name(),
        if nodes == 1 { "node" } else { "nodes" },
        arguments.seconds
    );
    let database = target.database()?;
    let mut scene = populate::scene(&arguments.binary, &database, nodes, users).await?;
    database.prepare_rates()?;
    println!(
        "| scenario | per second | p50 ms | p95 ms | p99 ms | errors | server CPU ms | database CPU ms | bound per second \
         | ratio | ratio by CPU | ratio by database CPU |\n|---|---|---|---|---|---|---|---|---|---|---|---|"
    );
    let (mut rates, mut with_commits) = (Vec::new(), Vec::new());
    for scenario in scenarios::ALL.iter().copied().filter(|scenario| arguments.wants(scenario.name())) {
        let asks_for_codes = scenario == Scenario::SrpTotpSignIn;
        if asks_for_codes {
            scene.ask_for_codes(true).await?;
        }
        let before = database.reach(scenario.load(), time, connections)?;
        // Where the database's own program is the bound, nothing else is.
        let mut bounds = Bounds::of(if before.is_some() { &[] } else { scenario.bounds() }, connections)?;
        let (run, cpu) = in_parts(&scene, target, scenario, arguments, &mut bounds).await?;
        let after = database.reach(scenario.load(), time, connections)?;
        let bound = match (before, after) {
            (Some(before), Some(after)) => {
                rates.push(format!("{} {before} and {after}", scenario.name()));
                before.between(after)
            }
            _ => Reached { rate: scenario.bound(&bounds), database_cpu: None },
        };
        println!("{}", run.row(scenario, cpu, bound));
        if let Some(bound) = scenario.bound_with_commits(&bounds).filter(|_| !target.is_shared()) {
            with_commits.push(format!("{} {bound:.0} per second, {}", scenario.name(), run.ratios(cpu, bound)));
        }
        if asks_for_codes {
            scene.ask_for_codes(false).await?;
        }
    }
    if !with_commits.is_empty() {
        println!(
            "bounds with what the scenario has to commit, and with its requests where there are several: {}",
            with_commits.join("; ")
        );
    }
    if !rates.is_empty() {
        println!("pgbench before and after: {}", rates.join("; "));
    }
    let memory: Vec<_> = scene.memory()?.iter().map(|size| format!("{size:.1} MiB")).collect();
    println!("resident memory of each node: {}", memory.join(", "));
    if arguments.wants(cold_start::NAME) {
        cold_start::run(&mut scene).await?;
    }
    if arguments.wants(outbox::NAME) {
        outbox::run(&mut scene, time, connections).await?;
    }
    if arguments.wants(custom_message::NAME) {
        custom_message::run(&mut scene, time, connections).await?;
    }
    // Takes minutes, and ends in an error where time tells something: only for those who ask for it.
    if arguments.only.iter().any(|only| only == known_unknown::NAME) {
        known_unknown::run(&mut scene, usize::try_from(arguments.samples)?).await?;
    }
    // Last, because the pool has more users then.
    if arguments.wants(import::NAME) {
        import::run(&scene, target, arguments.import).await?;
    }
    Ok(())
}

/// Runs a scenario in parts, with its bounds measured before, between and after them: a machine that others share is quicker
/// at one moment than at another.
async fn in_parts(
    scene: &Arc<Scene>,
    target: &Target,
    scenario: Scenario,
    arguments: &Arguments,
    bounds: &mut Bounds,
) -> anyhow::Result<(Run, Cpu)> {
    let numbers = Arc::default();
    let mut whole: Option<(Run, Cpu)> = None;
    bounds.measure(BRIEFLY).await?;
    for _ in 0..PARTS {
        let before = scene.cpu(target)?;
        let run = driver::run_on(scene, scenario, arguments.time() / PARTS, arguments.connections, &numbers).await?;
        let cpu = scene.cpu(target)? - before;
        bounds.measure(BRIEFLY).await?;
        whole = Some(match whole {
            Some((so_far, spent)) => (so_far.and(run), spent + cpu),
            None => (run, cpu),
        });
    }
    whole.context("a scenario has parts")
}

/// Cores that the machine offers.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
