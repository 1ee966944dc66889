//! Which of two leaders is the newer one.
//!
//! A server that has stood still (paused, starved, cut off) wakes up as the leader it was, and stays one until it learns
//! that another one leads. Nothing that is written to it meanwhile is kept, but what is read from it is out of date. Each
//! leader of PostgreSQL writes a timeline of its own, with a higher number than the one before it. So whoever has seen a
//! newer one believes no older one: connections to it are refused, and those that were made before are given up.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use tokio_postgres::{Client, SimpleQueryMessage};

/// Names the file that a leader writes to, whose first eight digits are the timeline. A standby refuses to answer, and
/// engines that do not know this have no timelines.
const LOG_FILE: &str = "SELECT pg_walfile_name(pg_current_wal_lsn())";

/// The newest timeline that was seen.
#[derive(Debug, Default)]
pub(super) struct Newest(Mutex<Option<Seen>>);

#[derive(Clone, Copy, Debug)]
struct Seen {
    timeline: u32,
    at: Instant,
}

impl Newest {
    /// Takes down that a leader writes this timeline; answers the newer one that was seen, if there is one.
    pub(super) fn see(&self, timeline: u32, now: Instant) -> Result<(), u32> {
        let mut newest = self.seen();
        match *newest {
            Some(seen) if seen.timeline > timeline => Err(seen.timeline),
            Some(seen) if seen.timeline == timeline => Ok(()),
            _ => {
                *newest = Some(Seen { timeline, at: now });
                Ok(())
            }
        }
    }

    /// Whether a newer timeline than this one was seen.
    pub(super) fn is_past(&self, timeline: u32) -> bool {
        self.seen().is_some_and(|seen| seen.timeline > timeline)
    }

    /// Whether a connection that was made then may lead to a leader from before the newest one.
    pub(super) fn is_newer_than(&self, made: Instant) -> bool {
        self.seen().is_some_and(|seen| made < seen.at)
    }

    fn seen(&self) -> MutexGuard<'_, Option<Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The timeline that the database at the other end writes, where it has one.
pub(super) async fn of(client: &Client) -> Option<u32> {
    let answer = client.simple_query(LOG_FILE).await.ok()?;
    let name = answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    })?;
    u32::from_str_radix(name.get(..8)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_older_leader_is_not_believed_and_older_connections_are_given_up() {
        let (newest, start) = (Newest::default(), tokio::time::Instant::now().into_std());
        let moment = |seconds| start + Duration::from_secs(seconds);
        assert!(!newest.is_newer_than(moment(0)), "nothing was seen yet");
        assert_eq!(newest.see(3, moment(1)), Ok(()));
        assert!(!newest.is_newer_than(moment(1)));
        assert_eq!(newest.see(3, moment(2)), Ok(()));
        assert!(!newest.is_newer_than(moment(1)), "the same leader all the time");
        assert_eq!(newest.see(4, moment(3)), Ok(()));
        assert!(newest.is_newer_than(moment(2)));
        assert!(!newest.is_newer_than(moment(3)));
        assert_eq!(newest.see(3, moment(4)), Err(4));
        assert_eq!([3, 4, 5].map(|timeline| newest.is_past(timeline)), [true, false, false]);
        assert!(!newest.is_newer_than(moment(3)), "what an old leader says changes nothing");
    }
}
