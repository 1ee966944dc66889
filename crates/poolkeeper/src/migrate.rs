//! `poolkeeper migrate`.

use std::time::Duration;

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use store::{Location, PlannedMigration, Store};

use crate::{configuration::Configuration, mode::Mode, print};

/// Brings the schema up to date, as the start of a server does, and says what was missing. With `is_dry_run`, prints
/// the SQL instead and changes nothing.
///
/// # Errors
/// When the database cannot be read or changed, or its schema is newer than this program.
pub async fn run(configuration: &Configuration, is_dry_run: bool) -> anyhow::Result<()> {
    let options = configuration.store.options(Mode::Serve)?;
    if options.location == Location::Memory {
        bail!("a store in memory has no schema to keep. Name a data directory or a database");
    }
    let pending = Store::planned_migrations(&options).await.context("cannot look at the schema")?;
    let location = &options.location;
    if pending.is_empty() {
        let text = format!("{location}: the schema is up to date");
        return print(&if is_dry_run { format!("-- {text}") } else { text });
    }
    if is_dry_run {
        return print(&script(&pending));
    }
    let waiting = ProgressBar::new_spinner()
        .with_style(ProgressStyle::with_template("{spinner} {msg} {elapsed}")?)
        .with_message("bringing the schema up to date");
    waiting.enable_steady_tick(Duration::from_millis(200));
    let opened = Store::open(&options).await;
    waiting.finish_and_clear();
    opened.context("cannot bring the schema up to date")?;
    for migration in &pending {
        print(&format!("{location}: applied migration {}, {}", migration.number, migration.name))?;
    }
    Ok(())
}

/// As SQL for people.
fn script(pending: &[PlannedMigration]) -> String {
    let mut lines = vec![
        "-- Poolkeeper applies this itself, and keeps account of it in the tables migrations and leases, which it makes"
            .to_owned(),
        "-- when they are missing.".to_owned(),
    ];
    for migration in pending {
        lines.push(format!("-- migration {}: {}", migration.number, migration.name));
        lines.extend(migration.statements.iter().map(|statement| format!("{statement};")));
    }
    lines.join("\n")
}
