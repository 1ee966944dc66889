//! What the operating system knows of the process. The names are those that all Prometheus clients give these metrics.

use std::fs;

use prometheus_client::{metrics::gauge::ConstGauge, registry::Registry};
use wire::Timestamp;

use super::observed::{count, gauge};

/// The process; `None` is what this system does not tell in /proc.
#[derive(Debug)]
pub struct Process {
    /// When it began.
    pub started_at: Timestamp,
    /// Memory that it has in RAM.
    pub resident_bytes: Option<u64>,
    /// Open files and sockets.
    pub open_files: Option<u64>,
    /// How many of those it may have.
    pub most_open_files: Option<u64>,
}

impl Process {
    /// Looks. Takes some microseconds, and one more for every ten open files or so.
    pub fn read(started_at: Timestamp) -> Self {
        Self {
            started_at,
            resident_bytes: resident_bytes(),
            // Looking opens one more.
            open_files: fs::read_dir("/proc/self/fd").ok().map(|files| (files.count() as u64).saturating_sub(1)),
            most_open_files: most_open_files(),
        }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        let seconds = self.started_at.milliseconds() as f64 / 1_000.0;
        let help = "When the process began, in seconds since 1970";
        registry.register("process_start_time_seconds", help, ConstGauge::new(seconds));
        let gauges = [
            ("process_resident_memory_bytes", "Memory that the process has in RAM (Linux)", self.resident_bytes),
            ("process_open_fds", "Open files and sockets (Linux)", self.open_files),
            ("process_max_fds", "Open files and sockets that the process may have (Linux)", self.most_open_files),
        ];
        for (name, help, value) in gauges {
            if let Some(value) = value {
                gauge(registry, name, help, count(value));
            }
        }
    }
}

/// From a line such as `VmRSS:     14236 kB`.
fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kibibytes| kibibytes * 1_024)
}

/// From a line such as `Max open files            1024                 524288               files`. Without a limit,
/// there is none to tell.
fn most_open_files() -> Option<u64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use wire::Timestamp;

    use super::Process;

    #[test]
    fn linux_tells_what_the_process_uses() {
        let before = Process::read(Timestamp(0));
        let file = std::fs::File::open("/proc/self/status").unwrap();
        let after = Process::read(Timestamp(0));
        assert_eq!(after.open_files.unwrap(), before.open_files.unwrap() + 1);
        drop(file);
        assert!((1_000_000..10_000_000_000).contains(&after.resident_bytes.unwrap()), "{after:?}");
        assert!(after.most_open_files.unwrap() >= after.open_files.unwrap());
    }
}
