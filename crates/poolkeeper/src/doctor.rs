//! `poolkeeper doctor`: goes through everything that a server needs, changes nothing, and says what to do about what is
//! not in order. No check stops another one.

mod data;
mod files;
mod finding;
mod postgres;
mod receivers;
mod server;

use std::{future::Future, time::Duration};

use anyhow::bail;
use crypto::seal::KeyRing;
use store::{Location, Options, PostgresOptions, Store};

use self::finding::{Finding, Report};
use crate::{
    arguments::RunOptions,
    configuration::Configuration,
    master_key::{self, Source},
    mode::Mode,
    print,
};

/// How long the database may take for each answer: somebody waits for the whole report.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long one check may take.
const LONGEST_CHECK: Duration = Duration::from_secs(60);

/// Goes through all checks and prints what they find, line by line or as one JSON object.
///
/// # Errors
/// When there is a problem, after everything was printed.
pub async fn run(options: &RunOptions, as_json: bool) -> anyhow::Result<()> {
    let mut report = Report::new(as_json);
    let configuration = match Configuration::for_store(&options.store) {
        Ok(configuration) => configuration,
        Err(error) => {
            report.add("configuration", Finding::of_error(&error, "Correct the configuration"))?;
            let finding = Finding::skipped("nothing else was looked at", "Correct the configuration first");
            report.add("everything_else", finding)?;
            return end(&report);
        }
    };
    // What is wrong in it keeps nobody from looking at the rest.
    let (configuration, finding) = match Configuration::for_running(options) {
        Ok(complete) => {
            let finding = server::configuration(&complete, options);
            (complete, finding)
        }
        Err(error) => (configuration, Finding::of_error(&error, "Correct the configuration")),
    };
    report.add("configuration", finding)?;
    report.add("base_url", server::base_url(&configuration))?;
    if configuration.server.tls_certificate.is_some() || configuration.server.tls_key.is_some() {
        report.add("tls_certificate", server::certificate(&configuration))?;
    }
    let (ring, finding) = master_key(&configuration);
    report.add("master_key", finding)?;
    match configuration.store.options(Mode::Serve) {
        Ok(options) => database(&mut report, &configuration, &options, ring.as_ref()).await?,
        Err(error) => report.add("database", Finding::of_error(&error, "Correct [store] in the configuration"))?,
    }
    receivers(&mut report, &configuration).await?;
    end(&report)
}

/// Who takes messages, events and logs, and who has keys.
async fn receivers(report: &mut Report, configuration: &Configuration) -> anyhow::Result<()> {
    match receivers::email(configuration).await {
        Some((check, finding)) => report.add(check, finding)?,
        None => report.add("smtp", bounded(server::smtp(configuration)).await)?,
    }
    report.add("sms", bounded(receivers::sms(configuration)).await)?;
    if !configuration.kms_keys.is_empty() {
        report.add("kms_keys", bounded(receivers::kms_keys(&configuration.kms_keys)).await)?;
    }
    if let Some(section) = &configuration.analytics {
        report.add("analytics", bounded(receivers::destination(section)).await)?;
    }
    if !configuration.log_destinations.is_empty() {
        let finding = bounded(receivers::log_destinations(&configuration.log_destinations)).await;
        report.add("log_destinations", finding)?;
    }
    Ok(())
}

fn end(report: &Report) -> anyhow::Result<()> {
    if let Some(json) = report.json() {
        print(&json.to_string())?;
    }
    match report.problems() {
        0 => Ok(()),
        1 => bail!("there is a problem"),
        problems => bail!("there are {problems} problems"),
    }
}

/// The data, and what it is kept in.
async fn database(
    report: &mut Report,
    configuration: &Configuration,
    options: &Options,
    ring: Option<&KeyRing>,
) -> anyhow::Result<()> {
    let (store, has_schema) = match &options.location {
        Location::Memory => {
            let found = "the data is in memory and goes with the server";
            return report.add("database", Finding::warning(found, "Name a data directory, or a database, to keep it"));
        }
        Location::File(path) => {
            report.add("data_directory", files::directory(path))?;
            if !path.exists() {
                let found = format!("there is no database at {} yet", options.location);
                let advice = "The first start makes it; if there should be one, name its directory (--data-dir)";
                return report.add("database", Finding::warning(&found, advice));
            }
            report.add("disk", files::disk(path))?;
            let store = match Store::open_to_read(options) {
                Ok(store) => store,
                Err(error) => return report.add("database", Finding::of_store(&error)),
            };
            report.add("database", files::database(&store, options))?;
            let has_schema = schema(report, options).await?;
            (store, has_schema)
        }
        Location::Postgres(given) => {
            let gentle = PostgresOptions {
                replica: None,
                // A pooler that mixes statements up must not spoil the other checks.
                prepared_statements: false,
                max_connections: 2,
                patience: given.patience.min(PATIENCE),
                ..(**given).clone()
            };
            let gentle = Options::postgres(gentle);
            let store = match Store::open_to_read(&gentle) {
                Ok(store) => store,
                Err(error) => return report.add("database", Finding::of_store(&error)),
            };
            let Store::Postgres(engine) = &store else { return Ok(()) };
            let facts = match postgres::reached(engine, given).await {
                Ok((facts, finding)) => {
                    report.add("database", finding)?;
                    facts
                }
                Err(finding) => {
                    report.add("database", finding)?;
                    postgres::hosts(report, given).await?;
                    let finding = Finding::skipped("what is in the database", "Mend the connection first");
                    return report.add("data", finding);
                }
            };
            postgres::hosts(report, given).await?;
            report.add("durability", postgres::durability(&facts, given))?;
            report.add("connections", postgres::connections(&facts, given))?;
            report.add("isolation", bounded(postgres::isolation(engine, given)).await)?;
            report.add("prepared_statements", bounded(postgres::prepared_statements(engine, given)).await)?;
            report.add("clock", bounded(postgres::clock(engine)).await)?;
            let has_schema = schema(report, &gentle).await?;
            (store, has_schema)
        }
    };
    if !has_schema {
        return Ok(());
    }
    report.add("restore", bounded(data::restore(&store)).await)?;
    if let Some(ring) = ring {
        report.add("master_key_of_data", bounded(data::master_key(&store, ring)).await)?;
        report.add("signing_keys", bounded(data::signing_keys(&store, ring, configuration)).await)?;
        report.add("access_keys", bounded(data::access_keys(&store, ring)).await)?;
    } else {
        let finding = Finding::skipped("what is sealed in the data", "Name the master key first");
        report.add("sealed_data", finding)?;
    }
    report.add("named_by_pools", bounded(receivers::named_by_pools(&store, configuration)).await)?;
    report.add("outbox", bounded(data::outbox(&store, configuration)).await)
}

/// Whether the tables are there, up to date or not.
async fn schema(report: &mut Report, options: &Options) -> anyhow::Result<bool> {
    let (has_schema, finding) = data::schema(options).await;
    report.add("schema", finding)?;
    Ok(has_schema)
}

/// The ring, if one can be read.
fn master_key(configuration: &Configuration) -> (Option<KeyRing>, Finding) {
    let advice = "Name the master key";
    let source = match master_key::source(configuration) {
        Ok(source) => source,
        Err(error) => return (None, Finding::of_error(&error, advice)),
    };
    let ring = match source.read() {
        Ok(ring) => ring,
        Err(error) => return (None, Finding::of_error(&error, advice)),
    };
    let finding = match source {
        Source::Environment => Finding::ok("from the environment"),
        Source::File(path) if master_key::others_can_read(&path) => {
            let found = format!("other users of this machine can read {}", path.display());
            Finding::warning(&found, "chmod 600 it")
        }
        Source::File(path) => Finding::ok(&format!("from {}, which nobody else can read", path.display())),
    };
    (Some(ring), finding)
}

/// A check that has an end.
async fn bounded(check: impl Future<Output = Finding>) -> Finding {
    tokio::time::timeout(LONGEST_CHECK, check).await.unwrap_or_else(|_elapsed| {
        let found = format!("no end within {} seconds", LONGEST_CHECK.as_secs());
        Finding::problem(&found, "Look after whatever it waits for")
    })
}
