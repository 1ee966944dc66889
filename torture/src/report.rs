//! The report of a run, in Markdown.

use std::{collections::BTreeMap, fmt::Write, path::Path, time::Duration};

use anyhow::{Context, Result};

use crate::{audit::Audited, faults::Tolls, record::Record, smtp::Mailbox, world::StoreKind};

/// The heading under which a file keeps the last report; what stands above it stays.
const HEADING: &str = "## Last report";

/// What a run was, and what came of it.
pub struct Report<'a> {
    /// When it began.
    pub date: String,
    /// What the nodes kept their data in.
    pub store: StoreKind,
    /// The seed.
    pub seed: u64,
    /// How long the load ran.
    pub duration: Duration,
    /// The tasks of the load.
    pub tasks: u64,
    /// What was seen.
    pub record: &'a Record,
    /// Messages.
    pub mailbox: &'a Mailbox,
    /// Faults.
    pub tolls: &'a Tolls,
    /// The audit.
    pub audited: &'a Audited,
}

impl Report<'_> {
    /// The report.
    ///
    /// # Errors
    /// None that happens.
    pub fn text(&self) -> Result<String> {
        let mut text = String::new();
        let (findings, more) = self.record.findings();
        let nodes = self.store.nodes();
        let operations = self.record.operations();
        let requests: u64 = self.record.requests();
        let faults: usize = self.tolls.values().map(|toll| toll.count).sum();
        let (mails, copies) = self.mailbox.count();
        writeln!(text, "{HEADING}\n")?;
        writeln!(text, "- Date: {}", self.date)?;
        writeln!(text, "- Under test: {nodes} {} on {}", plural(nodes, "node"), self.store.described())?;
        writeln!(
            text,
            "- Load: {} tasks for {:.1} minutes, seed {}",
            self.tasks,
            self.duration.as_secs_f64() / 60.0,
            self.seed
        )?;
        writeln!(text, "- Requests: {requests}, of them {} of the audit", self.audited.questions)?;
        writeln!(text, "- Faults: {faults}")?;
        writeln!(text, "- Users looked at: {}, {} of them exist", self.audited.users, self.audited.existing)?;
        writeln!(text, "- Messages: {mails}, and {copies} {} of a message that had come before", copies_word(copies))?;
        if let Some((count, longest)) = self.record.changes_seen() {
            writeln!(
                text,
                "- Settings: {count} times another node was seen to follow a change, within {:.0} ms",
                longest.as_secs_f64() * 1_000.0
            )?;
        }
        writeln!(text, "- Findings: {}", findings.len() + more)?;

        writeln!(text, "\n| Operation | Acknowledged | Refused | Unknown |\n|---|--:|--:|--:|")?;
        for (operation, counts) in operations {
            let (acknowledged, refused, unknown) = (counts.acknowledged, counts.refused, counts.unknown);
            writeln!(text, "| {operation} | {acknowledged} | {refused} | {unknown} |")?;
        }
        self.unknown(&mut text, &self.record.unknown())?;
        self.faults(&mut text)?;
        if !findings.is_empty() {
            writeln!(text, "\nFindings:\n")?;
            for finding in &findings {
                writeln!(text, "- {finding}")?;
            }
            if more > 0 {
                writeln!(text, "- and {more} more")?;
            }
        }
        Ok(text)
    }

    fn unknown(&self, text: &mut String, classes: &BTreeMap<String, u64>) -> Result<()> {
        if !classes.is_empty() {
            writeln!(text, "\n| Why an outcome is unknown | Requests |\n|---|--:|")?;
        }
        for (class, count) in classes {
            writeln!(text, "| {class} | {count} |")?;
        }
        Ok(())
    }

    fn faults(&self, text: &mut String) -> Result<()> {
        if self.tolls.is_empty() {
            return Ok(());
        }
        writeln!(
            text,
            "\n| Fault | Times | Lasted on average, s | Longest time without any success, s | Longest recovery after its end, s |\n\
             |---|--:|--:|--:|--:|"
        )?;
        for (name, toll) in self.tolls {
            let mean = toll.total.as_secs_f64() / toll.count.max(1) as f64;
            writeln!(
                text,
                "| {name} | {} | {mean:.1} | {:.1} | {:.1} |",
                toll.count,
                toll.longest_silence.as_secs_f64(),
                toll.longest_recovery.as_secs_f64()
            )?;
        }
        Ok(())
    }
}

fn plural(count: usize, noun: &str) -> String {
    if count == 1 { noun.to_owned() } else { format!("{noun}s") }
}

const fn copies_word(count: usize) -> &'static str {
    if count == 1 { "copy" } else { "copies" }
}

/// Puts a report into a file in place of the last one; what stands above it stays.
///
/// # Errors
/// When the file cannot be read or written.
pub fn put(path: &Path, report: &str) -> Result<()> {
    let before = if path.exists() { std::fs::read_to_string(path)? } else { String::new() };
    std::fs::write(path, replaced(&before, report)).with_context(|| format!("writing {}", path.display()))
}

fn replaced(before: &str, report: &str) -> String {
    let kept = before.split(HEADING).next().unwrap_or_default().trim_end();
    if kept.is_empty() { report.to_owned() } else { format!("{kept}\n\n{report}") }
}

#[cfg(test)]
mod tests {
    use super::replaced;

    #[test]
    fn a_new_report_takes_the_place_of_the_last_one() {
        assert_eq!(replaced("# Title\n\nText.\n\n## Last report\n\nold\n", "## Last report\n\nnew\n"), {
            "# Title\n\nText.\n\n## Last report\n\nnew\n"
        });
        assert_eq!(replaced("# Title\n", "## Last report\n"), "# Title\n\n## Last report\n");
        assert_eq!(replaced("", "## Last report\n"), "## Last report\n");
    }
}
