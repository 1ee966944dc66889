//! A database across a network: how it is reached, and whether it keeps what it acknowledges.

use std::time::Duration;

use domain::time::SECOND;
use store::{Facts, Isolation, PostgresOptions, PostgresStore, Prepared};
use tokio::time::Instant;

use super::finding::{Finding, Report};
use crate::system;

/// How many answers are timed.
const PINGS: usize = 9;
/// From this long an answer on, requests are slow: each takes several.
const FAR: Duration = Duration::from_millis(10);
/// How far the clocks may be apart, in milliseconds, and how far they must not be.
const APART: i64 = SECOND;
const FAR_APART: i64 = 30 * SECOND;
/// How old the last change on a replica may be, in milliseconds.
const STALE: i64 = 30 * SECOND;

/// Whether the database answers, and which one it is.
///
/// # Errors
/// What is in the way.
pub async fn reached(store: &PostgresStore, options: &PostgresOptions) -> Result<(Facts, Finding), Finding> {
    // The first answer takes a connection, too.
    store.ping().await.map_err(|error| Finding::of_store(&error))?;
    let mut times = Vec::new();
    for _ in 0..PINGS {
        let began = Instant::now();
        store.ping().await.map_err(|error| Finding::of_store(&error))?;
        times.push(began.elapsed());
    }
    times.sort();
    let usual = times.get(PINGS / 2).copied().unwrap_or_default();
    let facts = store.facts().await.map_err(|error| Finding::of_store(&error))?;
    let mut findings = vec![Finding::ok(&format!("{options} is {}", brief(&facts.version)))];
    findings.push(role(&facts));
    let found = format!("answers in {:.1} ms", usual.as_secs_f64() * 1_000.0);
    findings.push(if usual >= FAR {
        Finding::warning(
            &found,
            "Bring servers and database nearer to one another: a request waits for several answers",
        )
    } else {
        Finding::ok(&found)
    });
    findings.push(protection(options));
    Ok((facts, Finding::together(findings)))
}

/// The first words of what an engine says about itself: name and version.
fn brief(version: &str) -> String {
    let words: Vec<&str> = version.split(" on ").next().unwrap_or_default().split_whitespace().take(4).collect();
    if words.is_empty() { "an unknown engine".to_owned() } else { words.join(" ") }
}

fn role(facts: &Facts) -> Finding {
    if facts.is_standby == Some(true) {
        return Finding::problem(
            "it is a standby, which takes no changes",
            "Name the primary in store.url, or all hosts of the cluster with commas between them",
        );
    }
    if facts.default_transaction_read_only.as_deref() == Some("on") {
        let found = "its transactions write nothing (default_transaction_read_only is on)";
        return Finding::problem(found, "Set default_transaction_read_only = off for this database and this role");
    }
    Finding::ok(if facts.is_standby.is_some() { "takes changes" } else { "does not say whether it is a standby" })
}

fn protection(options: &PostgresOptions) -> Finding {
    if options.address.is_encrypted() {
        Finding::ok("TLS with a checked certificate")
    } else if options.address.is_near() {
        Finding::ok("in clear, on this machine")
    } else {
        let found = "in clear: passwords' verifiers and messages can be read on their way";
        Finding::warning(found, "Take sslmode=disable out of the URL")
    }
}

/// Each host of the database where there are several, and the replica where there is one.
pub async fn hosts(report: &mut Report, options: &PostgresOptions) -> anyhow::Result<()> {
    let alone = |address| PostgresOptions {
        replica: None,
        prepared_statements: false,
        max_connections: 1,
        patience: super::PATIENCE,
        ..PostgresOptions::new(address)
    };
    let each = options.address.each_host();
    if each.len() > 1 {
        let mut findings = Vec::new();
        for address in each {
            findings.push(host(&alone(address)).await);
        }
        report.add("hosts", Finding::together(findings))?;
    }
    if let Some(address) = &options.replica {
        report.add("replica", replica(&alone(address.clone())).await)?;
    }
    Ok(())
}

async fn facts(options: &PostgresOptions) -> Result<Facts, store::Error> {
    let store = store::Store::open_to_read(&store::Options::postgres(options.clone()))?;
    match &store {
        store::Store::Postgres(engine) => engine.facts().await,
        store::Store::Sqlite(_) => Err(store::Error::Closed),
    }
}

async fn host(options: &PostgresOptions) -> Finding {
    match facts(options).await {
        Err(error) => {
            let reason = Finding::of_store(&error).found;
            Finding::warning(&format!("{options}: {reason}"), "Mend this host, or take it out of store.url")
        }
        Ok(facts) => Finding::ok(&match facts.is_standby {
            Some(true) => format!("{options} is a standby"),
            Some(false) => format!("{options} takes changes"),
            None => format!("{options} answers"),
        }),
    }
}

async fn replica(options: &PostgresOptions) -> Finding {
    let advice = "Lists are read from the first database meanwhile: mend the replica, or take it out of \
                  store.postgres.replica_url";
    match facts(options).await {
        Err(error) => Finding::warning(&format!("{options}: {}", Finding::of_store(&error).found), advice),
        Ok(Facts { replayed_milliseconds: Some(age), .. }) if age > STALE => {
            let found = format!("{options}: its last change is {} seconds old", age / SECOND);
            Finding::warning(&found, "It lags behind, unless no server is at work: look after its replication")
        }
        Ok(facts) => Finding::ok(&match facts.is_standby {
            Some(true) => format!("{options} is a standby and follows"),
            Some(false) => format!("{options} answers; it is no standby"),
            None => format!("{options} answers"),
        }),
    }
}

/// Whether what was acknowledged survives.
pub fn durability(facts: &Facts, options: &PostgresOptions) -> Finding {
    let mut findings = Vec::new();
    match facts.fsync.as_deref() {
        Some("off") => findings.push(Finding::problem(
            "fsync is off: a loss of power destroys the database",
            "Set fsync = on, whatever it costs",
        )),
        Some(value) => findings.push(Finding::ok(&format!("fsync is {value}"))),
        None => findings.push(Finding::ok("fsync: the engine does not say")),
    }
    match facts.synchronous_commit.as_deref() {
        Some("off") => findings.push(Finding::problem(
            "synchronous_commit is off: what was acknowledged may be lost",
            "Set synchronous_commit = on for this database and this role",
        )),
        Some(value) => findings.push(Finding::ok(&format!("synchronous_commit is {value}"))),
        None => findings.push(Finding::ok("synchronous_commit: the engine does not say")),
    }
    let waits = facts.synchronous_standby_names.as_deref().filter(|names| !names.is_empty());
    let has_others = facts.standbys.unwrap_or_default() > 0 || options.address.each_host().len() > 1;
    match (waits, facts.synchronous_commit.as_deref()) {
        (Some(names), Some("local")) => findings.push(Finding::warning(
            &format!("standbys are named ({names}), but a COMMIT does not wait for them"),
            "Set synchronous_commit = on, or a failover may lose what was acknowledged",
        )),
        (Some(names), _) => findings.push(Finding::ok(&format!("a COMMIT waits for {names}"))),
        (None, _) if has_others => findings.push(Finding::warning(
            "no COMMIT waits for a standby: a failover may lose what was acknowledged a moment before",
            "Set synchronous_standby_names, with Patroni synchronous_mode: true",
        )),
        (None, _) => {}
    }
    Finding::together(findings)
}

/// Whether the database has connections enough.
pub fn connections(facts: &Facts, options: &PostgresOptions) -> Finding {
    let ours = i64::try_from(options.max_connections).unwrap_or(i64::MAX);
    let Some(theirs) = facts.max_connections else {
        let found = format!("{ours} for each server; how many the database takes it does not say");
        return Finding::skipped(&found, "See to it that it takes as many as all servers together");
    };
    let servers = theirs / ours.max(1);
    let found = format!("{ours} for each server, and the database takes {theirs}: enough for {servers} servers");
    match servers {
        0 => Finding::problem(&found, "Raise the database's max_connections, or lower store.postgres.max_connections"),
        1 => Finding::warning(
            &found,
            "Raise the database's max_connections, or lower store.postgres.max_connections: while one server replaces \
             another, both need theirs",
        ),
        _ => Finding::ok(&found),
    }
}

/// Whether the database takes the isolation that changes ask for.
pub async fn isolation(store: &PostgresStore, options: &PostgresOptions) -> Finding {
    match store.isolation_in_force().await {
        Ok(isolation) => Finding::ok(&format!("changes run at {isolation}")),
        Err(error) if options.isolation == Isolation::Database => Finding::of_store(&error),
        Err(error) => {
            let found = format!("the database does not begin a transaction as it is asked to: {error}");
            Finding::problem(&found, "Set store.postgres.isolation to another one, or to \"database\"")
        }
    }
}

/// Whether prepared statements work, where they are used.
pub async fn prepared_statements(store: &PostgresStore, options: &PostgresOptions) -> Finding {
    if !options.prepared_statements {
        return Finding::ok("not used");
    }
    match store.prepared_statements().await {
        Prepared::Work { through_pooler: true } => Finding::ok("they work, through a pooler that keeps them apart"),
        Prepared::Work { through_pooler: false } => Finding::ok("they work"),
        Prepared::MixedUp(reason) => {
            let found = format!("a pooler in front of the database mixes them up ({reason})");
            let advice = "Set store.postgres.prepared_statements = false, or max_prepared_statements in PgBouncer 1.21 \
                          or newer";
            Finding::problem(&found, advice)
        }
        Prepared::Unknown(reason) => {
            let advice = "If a pooler stands in front of the database, set store.postgres.prepared_statements = false";
            Finding::skipped(&reason, advice)
        }
    }
}

/// How far this machine's clock and the database's are apart.
pub async fn clock(store: &PostgresStore) -> Finding {
    let mut best: Option<(i64, i64)> = None;
    for _ in 0..3 {
        let before = system::now();
        let theirs = match store.clock().await {
            Ok(Some(theirs)) => theirs,
            Ok(None) => {
                let found = "the database does not say what time it is";
                return Finding::skipped(found, "See to it that all machines take the time from NTP");
            }
            Err(error) => return Finding::of_store(&error),
        };
        let unsure = system::now().since(before) / 2 + 1;
        let ahead = theirs.since(before) - unsure;
        if best.is_none_or(|(_, least)| unsure < least) {
            best = Some((ahead, unsure));
        }
    }
    let (ahead, unsure) = best.unwrap_or_default();
    apart(ahead, unsure)
}

/// Judges by what the difference is at least.
fn apart(ahead: i64, unsure: i64) -> Finding {
    let word = if ahead < 0 { "behind" } else { "ahead of" };
    let found = format!("the database's clock is {} ms {word} this machine's (± {unsure} ms)", ahead.abs());
    let least = ahead.abs().saturating_sub(unsure);
    let advice = "Let all machines take the time from NTP: codes and tokens expire by this machine's clock";
    if least > FAR_APART {
        Finding::problem(&found, advice)
    } else if least > APART {
        Finding::warning(&found, advice)
    } else {
        Finding::ok(&found)
    }
}

#[cfg(test)]
mod tests {
    use store::{Address, Facts, PostgresOptions};

    use super::{apart, brief, connections, durability, protection, role};
    use crate::doctor::finding::Status;

    fn options(hosts: &str) -> PostgresOptions {
        PostgresOptions::new(Address::parse(&format!("postgres://keeper@{hosts}/x?sslmode=disable")).unwrap())
    }

    fn facts(fsync: &str, commit: &str, names: &str) -> Facts {
        let text = |value: &str| Some(value.to_owned());
        Facts {
            version: "PostgreSQL 15.18 (Debian 15.18-0) on x86_64".to_owned(),
            is_standby: Some(false),
            fsync: text(fsync),
            synchronous_commit: text(commit),
            synchronous_standby_names: text(names),
            max_connections: Some(97),
            standbys: Some(0),
            ..Facts::default()
        }
    }

    #[test]
    fn what_may_be_lost_is_told() {
        let status = |facts: &Facts, hosts: &str| durability(facts, &options(hosts)).status;
        let good = facts("on", "on", "");
        assert_eq!(status(&good, "db"), Status::Ok);
        assert_eq!(status(&good, "db1,db2"), Status::Warning);
        assert_eq!(status(&Facts { standbys: Some(1), ..good }, "db"), Status::Warning);
        assert_eq!(status(&facts("on", "on", "ANY 1 (*)"), "db1,db2"), Status::Ok);
        assert_eq!(status(&facts("on", "local", "ANY 1 (*)"), "db1,db2"), Status::Warning);
        assert_eq!(status(&facts("off", "on", ""), "db"), Status::Problem);
        assert_eq!(status(&facts("on", "off", ""), "db"), Status::Problem);
        let silent = durability(&Facts::default(), &options("db"));
        assert!(silent.status == Status::Ok && silent.found.contains("does not say"), "{silent:?}");
    }

    #[test]
    fn connections_must_be_enough_for_a_server_and_its_successor() {
        let status =
            |theirs| connections(&Facts { max_connections: theirs, ..Facts::default() }, &options("db")).status;
        assert_eq!(status(Some(97)), Status::Ok);
        assert_eq!(status(Some(31)), Status::Warning);
        assert_eq!(status(Some(15)), Status::Problem);
        assert_eq!(status(None), Status::Skipped);
    }

    #[test]
    fn a_database_that_takes_no_changes_is_a_problem() {
        let standby = Facts { is_standby: Some(true), ..Facts::default() };
        assert_eq!(role(&standby).status, Status::Problem);
        let read_only = Facts { default_transaction_read_only: Some("on".to_owned()), ..Facts::default() };
        assert_eq!(role(&read_only).status, Status::Problem);
        assert_eq!(role(&facts("on", "on", "")).status, Status::Ok);
        assert_eq!(role(&Facts::default()).status, Status::Ok);
    }

    #[test]
    fn clocks_are_judged_by_what_is_certain() {
        assert_eq!(apart(900, 1).status, Status::Ok);
        assert_eq!(apart(1_500, 600).status, Status::Ok, "it may be the network");
        assert_eq!(apart(-1_500, 1).status, Status::Warning);
        assert_eq!(apart(31_000, 1).status, Status::Problem);
    }

    #[test]
    fn engines_are_named_briefly() {
        assert_eq!(brief(&facts("", "", "").version), "PostgreSQL 15.18 (Debian 15.18-0)");
        assert_eq!(
            brief("CockroachDB CCL v23.1.0 (x86_64-pc-linux-gnu, built 2023)"),
            "CockroachDB CCL v23.1.0 (x86_64-pc-linux-gnu,"
        );
        assert_eq!(brief(""), "an unknown engine");
    }

    #[test]
    fn passwords_in_clear_are_warned_of() {
        assert_eq!(protection(&options("db.example.com")).status, Status::Warning);
        assert_eq!(protection(&options("127.0.0.1")).status, Status::Ok);
    }
}
