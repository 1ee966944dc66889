//! `--apart`: the database has half of the cores to itself, and all others share the other half.
//!
//! Where everything shares all cores, a rate on PostgreSQL tells as much of the driver and the nodes, which cost
//! `pgbench` nothing, as of the database. In production the database has a machine of its own.

use std::process::Command;

use anyhow::Context;

use crate::process;

/// Which cores are meant.
#[derive(Clone, Copy, Debug)]
pub enum Half {
    /// Those of the driver, its `pgbench`, and the nodes.
    First,
    /// Those of the database.
    Second,
}

impl Half {
    /// As `taskset` wants them, of so many.
    fn list(self, cores: usize) -> String {
        match self {
            Self::First => format!("0-{}", cores / 2 - 1),
            Self::Second => format!("{}-{}", cores / 2, cores - 1),
        }
    }
}

/// Keeps a process, its threads and its children on one half of `cores` cores, and so whatever they start.
///
/// # Errors
/// When there is only one core, or `taskset` is not there or refuses.
pub fn keep(id: u32, half: Half, cores: usize) -> anyhow::Result<()> {
    anyhow::ensure!(cores > 1, "--apart: this machine has one core, which cannot be halved");
    for id in [vec![id], process::children(id)?].concat() {
        let arguments = ["--all-tasks", "--cpu-list", "--pid", &half.list(cores), &id.to_string()];
        let output = Command::new("taskset").args(arguments).output().context("starting taskset (util-linux)")?;
        let reason = String::from_utf8_lossy(&output.stderr);
        // One that has ended meanwhile needs no core.
        let is_there = std::path::Path::new("/proc").join(id.to_string()).exists();
        anyhow::ensure!(output.status.success() || !is_there, "taskset: {}", reason.trim_end());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Half;

    #[test]
    fn halves_are_whole_and_apart() {
        let lists = |cores| [Half::First, Half::Second].map(|half| half.list(cores));
        assert_eq!(lists(2), ["0-0", "1-1"]);
        assert_eq!(lists(5), ["0-1", "2-4"]);
        assert_eq!(lists(8), ["0-3", "4-7"]);
    }
}
