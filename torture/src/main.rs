//! `cargo xtask torture`: several nodes on one database, under load and under faults, and an audit of all that was
//! acknowledged. docs/reliability.md says what is tested and keeps the last report.
//!
//! Order: database, network and nodes are started; tasks of the load and two lanes of faults work side by side until
//! the time is over; everything is made whole; the audit asks for all that was acknowledged; the report.

#![expect(clippy::disallowed_methods, reason = "a torture test works in real time")]

mod audit;
mod chance;
mod client;
mod faults;
mod load;
mod model;
mod record;
mod report;
mod rows;
mod scene;
mod smtp;
mod world;

use std::{
    path::PathBuf,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, bail};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::{
    signal::unix::{SignalKind, signal},
    task::JoinSet,
};

use crate::{
    chance::Chance,
    client::Client,
    faults::{Lane, Nodes, Tolls, torture_database, torture_nodes},
    load::{Actor, keep_asking, keep_changing_settings},
    record::{LANES, Record},
    report::Report,
    scene::Scene,
    smtp::Mailbox,
    world::{Database, StoreKind, World},
};

/// How long the nodes may take to be ready when all faults are undone.
const RECOVERY: Duration = Duration::from_secs(120);

/// Without a terminal, how it goes is said once in so many seconds.
const PLAIN_LINE: u64 = 30;

#[derive(Parser)]
#[command(about = "Nodes on one database under load and faults, and an audit of all that was acknowledged")]
struct Arguments {
    /// How long the load and the faults go on
    #[arg(long, default_value_t = 2.0)]
    minutes: f64,
    /// Decides what the tasks of the load and the faults choose [default: another one each time; it is printed]
    #[arg(long)]
    seed: Option<u64>,
    /// What the nodes keep their data in; what is missing of it is installed from Debian's packages
    #[arg(long, value_enum, default_value = "patroni")]
    store: StoreKind,
    /// The server's binary
    #[arg(long, default_value = "target/release/poolkeeper")]
    binary: PathBuf,
    /// Only faults with this in their names (those of the report)
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Tasks of the load
    #[arg(long, default_value_t = 12)]
    tasks: u64,
    /// Write the report into this file, below what it says before its last report
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Copy the nodes' logs into this folder, and write there when faults began and ended
    #[arg(long, value_name = "FOLDER")]
    logs: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let time = Duration::try_from_secs_f64(arguments.minutes * 60.0).context("--minutes must be a positive number")?;
    let seed = match arguments.seed {
        Some(seed) => seed,
        None => u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos() % 1_000_000)?,
    };
    println!("seed {seed}: {} on {}", nodes(arguments.store), arguments.store.described());
    let date = jiff::Timestamp::now().strftime("%F %R UTC").to_string();

    let (mailbox, mail) = Mailbox::start().await?;
    let (kind, binary) = (arguments.store, arguments.binary.clone());
    let mut world = tokio::task::spawn_blocking(move || World::start(kind, &binary, mail)).await??;
    let record = Arc::new(Record::new(world.nodes.len()));
    let client = Client::new(&world.addresses, world.key.clone(), record.clone());
    let scene = Arc::new(Scene::new(client, mailbox, record.clone()).await?);

    let began = Instant::now();
    let (nodes, links) = (std::mem::take(&mut world.nodes), std::mem::take(&mut world.links));
    let machines = Nodes { nodes, links, target: 0 };
    let run = torture(&scene, machines, world.database, &arguments, seed, time).await?;
    (world.nodes, world.links, world.database) = (run.machines.nodes, run.machines.links, run.database);
    let duration = began.elapsed();
    if let Some(folder) = &arguments.logs {
        world.keep_logs(folder, &record)?;
    }
    if run.was_interrupted {
        bail!("interrupted: nothing was audited");
    }

    if let Some(only) = arguments.only.filter(|_| run.tolls.is_empty()) {
        bail!("no fault with '{only}' in its name has come: a report lists their names, a longer run has more of them");
    }

    println!("{} requests; everything is whole again, now the audit", record.requests());
    let (audited, database) = audit::run(&scene, world.database, seed).await?;
    world.database = database;
    if let Some(folder) = &arguments.logs {
        world.keep_logs(folder, &record)?;
    }
    let report = Report {
        date,
        store: kind,
        seed,
        duration,
        tasks: arguments.tasks,
        record: &record,
        mailbox: &scene.mailbox,
        tolls: &run.tolls,
        audited: &audited,
    };
    let text = report.text()?;
    println!("\n{text}");
    if let Some(path) = &arguments.report {
        report::put(path, &text)?;
    }
    tokio::task::spawn_blocking(move || drop(world)).await?;
    Ok(if record.findings().0.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn nodes(kind: StoreKind) -> String {
    let count = kind.nodes();
    if count == 1 { "one node".to_owned() } else { format!("{count} nodes") }
}

/// What is left when load and faults have ended.
struct Run {
    machines: Nodes,
    database: Database,
    tolls: Tolls,
    was_interrupted: bool,
}

/// Load and faults, until the time is over; then everything is made whole.
async fn torture(
    scene: &Arc<Scene>,
    machines: Nodes,
    database: Database,
    arguments: &Arguments,
    seed: u64,
    time: Duration,
) -> anyhow::Result<Run> {
    let record = &scene.record;
    // The faults end first, so that the load meets what they leave behind.
    let stop = Arc::new(AtomicBool::new(false));
    let lane = |number: usize| Lane {
        number,
        record: record.clone(),
        stop: stop.clone(),
        chance: Chance::new(seed, u64::MAX - number as u64),
        only: arguments.only.clone().unwrap_or_default(),
    };
    let (kind, tasks) = (arguments.store, arguments.tasks);
    let [first, second]: [Lane; LANES] = [lane(0), lane(1)];
    let of_nodes = tokio::task::spawn_blocking(move || torture_nodes(first, machines, kind));
    let of_database = tokio::task::spawn_blocking(move || torture_database(second, database));
    let mut load = JoinSet::new();
    for number in 0..tasks {
        load.spawn(Actor::new(scene.clone(), Chance::new(seed, number)).run());
    }
    load.spawn({
        let (scene, chance) = (scene.clone(), Chance::new(seed, tasks));
        async move {
            keep_changing_settings(scene, chance).await;
            Ok(())
        }
    });
    for node in 0..scene.client.nodes() {
        let scene = scene.clone();
        load.spawn(async move {
            keep_asking(scene, node).await;
            Ok(())
        });
    }

    let was_interrupted = watch(record, &of_nodes, &of_database, time).await?;
    stop.store(true, Ordering::Relaxed);
    let (mut machines, mut tolls) = of_nodes.await?;
    let (database, of_database) = of_database.await?;
    tolls.extend(of_database);
    scene.stop.store(true, Ordering::Relaxed);
    while let Some(done) = load.join_next().await {
        done??;
    }
    let (machines, ready) = tokio::task::spawn_blocking(move || {
        let ready = machines.nodes.iter_mut().try_for_each(|node| {
            if node.has_ended().is_some() {
                node.restart()?;
            }
            node.wait_until_ready(RECOVERY)
        });
        (machines, ready)
    })
    .await?;
    if let Err(error) = ready {
        record.finding(&format!("a node does not become ready when all is whole: {error:#}"));
    }
    Ok(Run { machines, database, tolls, was_interrupted })
}

/// Shows how it goes until the time is over, somebody ends the program, or a lane breaks; whether it was interrupted.
async fn watch<A, B>(
    record: &Record,
    of_nodes: &tokio::task::JoinHandle<A>,
    of_database: &tokio::task::JoinHandle<B>,
    time: Duration,
) -> anyhow::Result<bool> {
    let style = ProgressStyle::with_template("{elapsed_precise} {bar:30} {msg}")?;
    let bar = ProgressBar::new(time.as_secs()).with_style(style);
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let (began, mut before) = (Instant::now(), 0);
    while began.elapsed() < time {
        let was_interrupted = tokio::select! {
            _ = interrupt.recv() => true,
            _ = terminate.recv() => true,
            () = tokio::time::sleep(Duration::from_secs(1)) => false,
        };
        if was_interrupted {
            return Ok(true);
        }
        // The lane of a database without faults ends at once; one that breaks ends the other one.
        if of_nodes.is_finished() && of_database.is_finished() {
            break;
        }
        let (requests, (findings, more)) = (record.requests(), record.findings());
        let (rate, findings, faults) = (requests - before, findings.len() + more, record.faults());
        let message = format!("{requests} requests, {rate}/s, {findings} findings, fault {faults}");
        before = requests;
        let seconds = began.elapsed().as_secs();
        if bar.is_hidden() && seconds.is_multiple_of(PLAIN_LINE) {
            println!("after {seconds} s: {message}");
        }
        bar.set_position(seconds);
        bar.set_message(message);
    }
    bar.finish_and_clear();
    Ok(false)
}
