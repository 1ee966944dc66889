//! `cargo xtask bench`: how fast the server is, as ratios to bounds that are measured in the same run on the same
//! machine: signatures, modular exponentiations and whole SRP proofs per second, what an HTTP server of the same
//! stack answers when it does nothing, and the rate at which the bare database engine commits the same rows durably.
//!
//! Order: bounds; then for each number of users: a fresh database is filled, the server is started on it, each
//! scenario runs for a while with the driver beside it; then the table.

#![expect(clippy::disallowed_methods, reason = "a bench measures real time")]
#![expect(clippy::indexing_slicing, reason = "indexing JSON by name answers null where there is nothing")]

mod bounds;
mod driver;
mod populate;
mod scenarios;
mod server;

use std::{path::PathBuf, time::Duration};

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Rates of the server as ratios to bounds measured in the same run")]
struct Arguments {
    #[command(subcommand)]
    inner: Option<Inner>,
    /// The server's binary
    #[arg(long, default_value = "target/release/poolkeeper")]
    binary: PathBuf,
    /// Users in the pool; give several to see how rates grow with them
    #[arg(long, value_delimiter = ',', default_value = "1000")]
    users: Vec<usize>,
    /// Seconds per scenario
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Connections of the driver, each with one request at a time
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Only these scenarios (see the table for names)
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
}

#[derive(Subcommand)]
enum Inner {
    /// The server that does nothing, for the HTTP bound
    #[command(hide = true)]
    Hello,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if matches!(arguments.inner, Some(Inner::Hello)) {
        return server::hello().await;
    }
    let time = Duration::from_secs_f64(arguments.seconds);
    println!("measuring the bounds of this machine ({} cores)", cores());
    let bounds = bounds::measure(time.min(Duration::from_secs(3)), arguments.connections).await?;
    bounds.print();
    for users in &arguments.users {
        println!("\n{users} users, {} connections, {} s per scenario", arguments.connections, arguments.seconds);
        let scene = populate::scene(&arguments.binary, *users).await?;
        println!(
            "| scenario | per second | p50 ms | p95 ms | p99 ms | errors | server CPU ms | bound per second | ratio | ratio by CPU |\n\
             |---|---|---|---|---|---|---|---|---|---|"
        );
        for scenario in scenarios::ALL {
            if !arguments.only.is_empty() && !arguments.only.iter().any(|name| name == scenario.name()) {
                continue;
            }
            let before = scene.server.cpu_seconds()?;
            let run = driver::run(&scene, *scenario, time, arguments.connections).await?;
            let cpu = scene.server.cpu_seconds()? - before;
            println!("{}", run.row(*scenario, cpu, scenario.bound(&bounds)));
        }
        println!("resident memory of the server: {:.1} MiB", scene.server.resident_mebibytes()?);
    }
    Ok(())
}

/// Cores that the machine offers.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
