//! Tasks of the repository: `cargo xtask <task>`. Each that writes files also has `--check`, which fails when the
//! committed files are not what it would write.

mod codegen;
mod coverage;
mod dependencies;
mod dispatch;
mod members;
mod model;
mod output;
mod test;
mod torture;
mod unanswered;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "xtask", about = "Tasks of the Poolkeeper repository")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Write the wire crate and the operation dispatch from model/ and from the operations that exist
    Codegen {
        /// Change nothing; fail when a committed file differs
        #[arg(long)]
        check: bool,
    },
    /// Write docs/compatibility.md and model/unproved.txt from what the last test run has seen
    Coverage {
        /// Change nothing; fail when a committed file differs
        #[arg(long)]
        check: bool,
    },
    /// Hold the licences, names and origins of all crates against deny.toml; needs no network
    Dependencies,
    /// Run every check and every test, installing what they need
    Test(test::Options),
    /// Measure speed, as ratios to bounds measured in the same run
    #[command(disable_help_flag = true)]
    Bench {
        /// Passed on; `--help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Several nodes on one database under load and faults, and an audit of all that was acknowledged
    #[command(disable_help_flag = true)]
    Torture {
        /// Passed on; `--help` lists them. `--debug` builds the server without optimisation
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

fn main() -> anyhow::Result<()> {
    let root = output::repository_root()?;
    match Arguments::parse().task {
        Task::Codegen { check } => {
            let model = model::Model::read(&root)?;
            let mut files = codegen::files(&model)?;
            files.extend(dispatch::files(&model, &root)?);
            output::write_or_check(&root, files, check, "cargo xtask codegen")
        }
        Task::Coverage { check } => coverage::run(&root, &model::Model::read(&root)?, check),
        Task::Dependencies => dependencies::check(&root),
        Task::Test(options) => test::run(&root, &options),
        Task::Bench { arguments } => bench(&root, &arguments),
        Task::Torture { arguments } => torture::run(&root, &arguments),
    }
}

/// Builds and runs the bench, optimised; it starts the servers that it measures.
fn bench(root: &std::path::Path, arguments: &[String]) -> anyhow::Result<()> {
    let build = std::process::Command::new(env!("CARGO"))
        .args(["build", "--release", "--package", "poolkeeper", "--package", "poolkeeper-bench"])
        .current_dir(root)
        .status()?;
    anyhow::ensure!(build.success(), "the release build failed");
    let run = std::process::Command::new(root.join("target/release/poolkeeper-bench"))
        .arg("--binary")
        .arg(root.join("target/release/poolkeeper"))
        .args(arguments)
        .current_dir(root)
        .status()?;
    anyhow::ensure!(run.success(), "the bench failed");
    Ok(())
}
