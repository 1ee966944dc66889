//! What the tests have proved, by operation and answer. `cargo xtask test` runs them with `POOLKEEPER_COVERAGE` set,
//! each call notes `operation outcome test`, and this gathers the notes into docs/compatibility.md and the list of
//! errors that the model knows and no test has seen, less those of which model/unanswered.toml says why none ever will.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    path::Path,
};

use anyhow::{Context, bail};

use crate::{
    members,
    model::Model,
    output::{File, write_or_check},
    unanswered::Unanswered,
};

const UNPROVED: &str = "model/unproved.txt";

/// Errors that any operation may answer and that belong to a later part or to the front end: they are tested once,
/// not per operation.
const COMMON: [&str; 4] =
    ["InternalErrorException", "ForbiddenException", "OperationNotEnabledException", "InternalServerException"];

/// Writes, or checks, the table and the list.
pub fn run(root: &Path, model: &Model, check: bool) -> anyhow::Result<()> {
    let members = members::tables(root, model)?;
    let seen = gather(&root.join("target/coverage"))?;
    let unanswered = Unanswered::read(root, model)?;
    unanswered.check(&seen)?;
    let not_built = std::fs::read_to_string(root.join("model/not-built.txt"))?;
    let not_built: BTreeSet<&str> = not_built.lines().filter(|line| !line.starts_with('#')).collect();
    let none = BTreeMap::new();
    let mut table = String::from(HEAD);
    let mut unproved = Vec::new();
    for (name, operation) in &model.operations {
        if not_built.contains(name.as_str()) {
            continue;
        }
        let outcomes = seen.get(name).unwrap_or(&none);
        let errors = operation.errors.iter().map(String::as_str).filter(|error| !COMMON.contains(error));
        let wanted = std::iter::once("ok").chain(errors);
        let missing = wanted.filter(|answer| !outcomes.contains_key(*answer) && !unanswered.has(name, answer));
        unproved.extend(missing.map(|answer| format!("{name} {answer}")));
        let errors: Vec<&str> = outcomes.keys().map(String::as_str).filter(|outcome| *outcome != "ok").collect();
        writeln!(table, "| {name} | {} |", errors.join(", "))?;
    }
    let built = model.operations.len() - not_built.len();
    writeln!(
        table,
        "\n{built} of {} operations are built. The others answer an error that names them:\n",
        model.operations.len()
    )?;
    let names: Vec<&str> =
        model.operations.keys().map(String::as_str).filter(|name| not_built.contains(name)).collect();
    writeln!(table, "{}.", names.join(", "))?;
    writeln!(table, "\n{}", unanswered.section()?)?;
    writeln!(table, "{members}")?;
    let notes =
        std::fs::read_to_string(root.join("docs/compatibility-notes.md")).context("docs/compatibility-notes.md")?;
    writeln!(table, "\n{notes}")?;
    only_shrinks(root, &unproved)?;
    let list = unproved.iter().fold(
        "# Answers that the model lists and no test has seen. Written by `cargo xtask coverage`; it may only shrink.\n"
            .to_owned(),
        |list, line| list + line + "\n",
    );
    let files = vec![
        File { path: "docs/compatibility.md", text: table.trim_end().to_owned() + "\n" },
        File { path: UNPROVED, text: list },
    ];
    write_or_check(root, files, check, "cargo xtask test --no-clients; cargo xtask coverage")
}

const HEAD: &str = "<!-- Written by `cargo xtask coverage` from what the tests prove, and from compatibility-notes.md. Do not edit. -->\n\n\
# Compatibility\n\nOperations that are built, and the errors that tests have made them answer.\n\n\
| Operation | Proved errors |\n|---|---|\n";

/// Notes of the last test run: operation → outcome → tests.
fn gather(folder: &Path) -> anyhow::Result<BTreeMap<String, BTreeMap<String, BTreeSet<String>>>> {
    let mut seen: BTreeMap<String, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    let entries = std::fs::read_dir(folder).context("no notes of a test run: run `cargo xtask test` first")?;
    for entry in entries {
        for line in std::fs::read_to_string(entry?.path())?.lines() {
            let mut words = line.splitn(3, ' ');
            let (Some(operation), Some(outcome), Some(test)) = (words.next(), words.next(), words.next()) else {
                bail!("a note that is not `operation outcome test`: {line}")
            };
            // Whether a test meets such an error depends on the machine.
            if COMMON.contains(&outcome) {
                continue;
            }
            seen.entry(operation.to_owned())
                .or_default()
                .entry(outcome.to_owned())
                .or_default()
                .insert(test.to_owned());
        }
    }
    Ok(seen)
}

/// The committed list may lose lines; new ones are allowed only for operations that it does not know yet.
fn only_shrinks(root: &Path, unproved: &[String]) -> anyhow::Result<()> {
    let Ok(committed) = std::fs::read_to_string(root.join(UNPROVED)) else { return Ok(()) };
    let docs = std::fs::read_to_string(root.join("docs/compatibility.md")).unwrap_or_default();
    let before: BTreeSet<&str> = committed.lines().collect();
    let grown: Vec<&String> = unproved
        .iter()
        .filter(|line| !before.contains(line.as_str()))
        .filter(|line| line.split(' ').next().is_some_and(|name| docs.contains(&format!("\n| {name} |"))))
        .collect();
    if !grown.is_empty() {
        bail!("these answers were proved before and are not any more: {grown:?}");
    }
    Ok(())
}
