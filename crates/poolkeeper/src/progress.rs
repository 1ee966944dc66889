//! How far a long command has come, on standard error: a bar for people, a line now and then for files and pipes.

use std::{
    io::{IsTerminal, Write},
    time::Duration,
};

use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};
use store::archive::{Progress, Stage};
use wire::Timestamp;

use crate::system;

/// Milliseconds between two lines where there is no bar.
const PAUSE: i64 = 5_000;
/// Between two looks of a bar, so that it moves while nothing is told.
const TICK: Duration = Duration::from_millis(200);

/// What is shown of the progress.
#[derive(Default)]
pub struct Shown {
    /// The stage that was told last, and its bar where there is one.
    stage: Option<(Stage, Option<ProgressBar>)>,
    /// When the next line is due.
    next_line: Timestamp,
}

impl Shown {
    /// Shows it.
    pub fn tell(&mut self, progress: &Progress) {
        if self.stage.as_ref().is_none_or(|(stage, _)| *stage != progress.stage) {
            self.end();
            let bar = std::io::stderr().is_terminal().then(|| bar(progress));
            self.stage = Some((progress.stage, bar));
            self.next_line = Timestamp(0);
        }
        let Some((_, bar)) = &self.stage else { return };
        match bar {
            Some(bar) => {
                bar.set_position(measure(progress).0);
                bar.set_message(words(progress));
            }
            None => {
                let now = system::now();
                if now >= self.next_line {
                    self.next_line = now.plus(PAUSE);
                    line(&format!("{}: {}", name(progress.stage), words(progress)));
                }
            }
        }
    }

    /// Clears away the bar.
    pub fn end(&mut self) {
        if let Some((_, Some(bar))) = self.stage.take() {
            bar.finish_and_clear();
        }
    }
}

/// A line on standard error. Whoever reads it may have gone.
pub fn line(text: &str) {
    _ = writeln!(std::io::stderr(), "{text}");
}

fn bar(progress: &Progress) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix:>9} {bar:32} {percent:>3} %  {msg}  {eta} left");
    let bar = ProgressBar::new(measure(progress).1)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        .with_prefix(name(progress.stage));
    bar.enable_steady_tick(TICK);
    bar
}

/// What is done and what there is to do: rows, or bytes while the number of rows is not known.
const fn measure(progress: &Progress) -> (u64, u64) {
    match progress.of_rows {
        0 => (progress.bytes, progress.of_bytes),
        rows => (progress.rows, rows),
    }
}

const fn name(stage: Stage) -> &'static str {
    match stage {
        Stage::Reading => "reading",
        Stage::Checking => "checking",
        Stage::Emptying => "emptying",
        Stage::Loading => "loading",
        Stage::Comparing => "comparing",
    }
}

fn words(progress: &Progress) -> String {
    let rows = match progress.of_rows {
        0 => format!("{} rows", HumanCount(progress.rows)),
        all => format!("{} of {} rows", HumanCount(progress.rows), HumanCount(all)),
    };
    match (progress.bytes, progress.of_bytes) {
        (0, _) => rows,
        (bytes, 0) => format!("{rows}, {}", HumanBytes(bytes)),
        (bytes, all) => format!("{rows}, {} of {}", HumanBytes(bytes), HumanBytes(all)),
    }
}

#[cfg(test)]
mod tests {
    use store::archive::{Progress, Stage};

    use super::{measure, words};

    #[test]
    fn rows_count_where_they_are_known() {
        let progress = Progress { stage: Stage::Reading, rows: 1_500, of_rows: 6_000, bytes: 2_048, of_bytes: 0 };
        assert_eq!((measure(&progress), words(&progress).as_str()), ((1_500, 6_000), "1,500 of 6,000 rows, 2.00 KiB"));
        let checking = Progress { stage: Stage::Checking, of_rows: 0, of_bytes: 4_096, ..progress };
        assert_eq!(
            (measure(&checking), words(&checking).as_str()),
            ((2_048, 4_096), "1,500 rows, 2.00 KiB of 4.00 KiB")
        );
        let emptying = Progress { stage: Stage::Emptying, bytes: 0, ..progress };
        assert_eq!(words(&emptying), "1,500 of 6,000 rows");
    }
}
