//! Faults of the database.

use std::time::Instant;

use anyhow::{Result, bail};
use cluster::{Patroni, Postgres, Stop};

use super::{Fault, LOOK_AGAIN, Lane, RECOVERY, Tolls};
use crate::{record::Record, world::Database};

/// Connections that the database still grants when there are few.
const FEW_CONNECTIONS: u32 = 6;
const END_CONNECTIONS: &str =
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'poolkeeper'";

/// Of PostgreSQL, however many servers there are.
const ANY: &[Fault<Database>] = &[
    Fault { weight: 10, name: "database connections ended", make: end_connections },
    Fault { weight: 10, name: "database grants few connections", make: few_connections },
];
/// Of one server.
const SERVER: &[Fault<Database>] = &[
    Fault { weight: 10, name: "PostgreSQL restarted", make: restart },
    Fault { weight: 10, name: "PostgreSQL stopped without a checkpoint", make: stop_at_once },
    Fault { weight: 15, name: "PostgreSQL killed", make: kill },
];
/// Of a pair.
const PAIR: &[Fault<Database>] = &[
    Fault { weight: 25, name: "leader killed", make: kill_leader },
    Fault { weight: 10, name: "standby killed", make: kill_standby },
    Fault { weight: 20, name: "lead handed over", make: switch_over },
    Fault { weight: 20, name: "leader paused until another one leads", make: pause_leader },
    Fault { weight: 5, name: "standby paused", make: pause_standby },
];

/// Lets the database fail until the run is over; it is whole afterwards.
pub fn torture(lane: Lane, mut database: Database) -> (Database, Tolls) {
    let record = lane.record.clone();
    let faults: &[&[Fault<Database>]] = match database {
        Database::Sqlite(_) => &[],
        Database::Postgres(_) => &[ANY, SERVER],
        Database::Patroni(_) => &[ANY, PAIR],
    };
    let works = |record: &Record, _: &mut Database, since| Ok(record.has_succeeded_since(since));
    if let Err(error) = become_whole(&mut database) {
        record.finding(&format!("{error:#}"));
    }
    let tolls = lane.run(&mut database, faults, |_, _| (), works, become_whole);
    (database, tolls)
}

/// A pair becomes a pair again after each fault. That is Patroni's work, and its time is not counted; while the standby
/// comes back and catches up, PostgreSQL may let changes wait for it.
fn become_whole(database: &mut Database) -> Result<()> {
    match database {
        Database::Patroni(pair) => pair.wait_until_healthy(RECOVERY),
        Database::Postgres(_) | Database::Sqlite(_) => Ok(()),
    }
}

fn end_connections(_: &mut Lane, database: &mut Database) -> Result<Instant> {
    database.administer(END_CONNECTIONS)?;
    Ok(Instant::now())
}

fn few_connections(lane: &mut Lane, database: &mut Database) -> Result<Instant> {
    database.administer(&format!("ALTER ROLE poolkeeper CONNECTION LIMIT {FEW_CONNECTIONS}"))?;
    database.administer(END_CONNECTIONS)?;
    lane.wait(2.0, 8.0);
    database.administer("ALTER ROLE poolkeeper CONNECTION LIMIT -1")?;
    Ok(Instant::now())
}

fn server(database: &mut Database) -> Result<&mut Postgres> {
    match database {
        Database::Postgres(server) => Ok(server),
        Database::Patroni(_) | Database::Sqlite(_) => bail!("the database is not one server"),
    }
}

fn restart(lane: &mut Lane, database: &mut Database) -> Result<Instant> {
    start_again(lane, server(database)?, Stop::Fast)
}

fn stop_at_once(lane: &mut Lane, database: &mut Database) -> Result<Instant> {
    start_again(lane, server(database)?, Stop::Immediate)
}

fn kill(lane: &mut Lane, database: &mut Database) -> Result<Instant> {
    start_again(lane, server(database)?, Stop::Kill)
}

fn start_again(lane: &mut Lane, server: &mut Postgres, how: Stop) -> Result<Instant> {
    server.stop(how)?;
    lane.wait(0.0, 6.0);
    let undone = Instant::now();
    server.restart()?;
    Ok(undone)
}

/// The pair and the member that leads.
fn pair(database: &mut Database) -> Result<(&mut Patroni, usize)> {
    match database {
        Database::Patroni(pair) => {
            let leader = pair.wait_for_leader(RECOVERY)?;
            Ok((pair, leader))
        }
        Database::Postgres(_) | Database::Sqlite(_) => bail!("the database is not a pair"),
    }
}

fn kill_leader(lane: &mut Lane, database: &mut Database) -> Result<Instant> {
    let (pair, leader) = pair(database)?;
    kill_member(lane, pair, leader)
}

fn kill_standby(lane: &mut Lane, database: &mut Database) -> Result<Instant> {
    let (pair, leader) = pair(database)?;
    kill_member(lane, pair, 1 - leader)
}

fn kill_member(lane: &mut Lane, pair: &mut Patroni, member: usize) -> Result<Instant> {
    pair.kill_member(member)?;
    lane.wait(0.0, 15.0);
    pair.start_member(member)?;
    Ok(Instant::now())
}

fn switch_over(_: &mut Lane, database: &mut Database) -> Result<Instant> {
    let began = Instant::now();
    pair(database)?.0.switchover()?;
    Ok(began)
}

fn pause_standby(lane: &mut Lane, database: &mut Database) -> Result<Instant> {
    let (pair, leader) = pair(database)?;
    pair.pause_member(1 - leader)?;
    lane.wait(1.0, 8.0);
    pair.resume_member(1 - leader)?;
    Ok(Instant::now())
}

fn pause_leader(lane: &mut Lane, database: &mut Database) -> Result<Instant> {
    let (pair, leader) = pair(database)?;
    pair.pause_member(leader)?;
    let outcome = wait_for_other_leader(pair, leader);
    // The old leader comes back when things have been acknowledged that it knows nothing of, and does not know yet that
    // it leads no more.
    let elected = Instant::now();
    while !lane.record.has_succeeded_since(elected) && elected.elapsed() < RECOVERY && !lane.is_over() {
        std::thread::sleep(LOOK_AGAIN);
    }
    lane.wait(0.0, 2.0);
    pair.resume_member(leader)?;
    outcome?;
    Ok(Instant::now())
}

fn wait_for_other_leader(pair: &Patroni, old: usize) -> Result<()> {
    let began = Instant::now();
    loop {
        match pair.leader()? {
            Some(leader) if leader != old => return Ok(()),
            _ if began.elapsed() > RECOVERY => bail!("nobody took over from a leader that was paused"),
            _ => std::thread::sleep(LOOK_AGAIN),
        }
    }
}
