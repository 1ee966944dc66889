//! Answers that are lost, at exactly the worst moment: a changeset is done once or not at all, and never reported as
//! something that it is not.

use std::time::Duration;

use poolkeeper_store::{CommitError, Error, Isolation, PostgresOptions, Statistics};
use tokio::time::Instant;

use crate::{
    relay::{Relay, Trick},
    rows::POOL,
    support::{blocking, open, options, server, sign_up, subs},
};

/// How stores are opened: whatever the isolation, whether statements are prepared or not.
const WAYS: [(Isolation, bool); 3] =
    [(Isolation::ReadCommitted, true), (Isolation::Serializable, true), (Isolation::RepeatableRead, false)];

/// What came of one changeset at which a trick was played.
struct Case {
    trick: Trick,
    way: (Isolation, bool),
    answer: Result<(), CommitError>,
    took: Duration,
    statistics: Statistics,
    /// What the database holds afterwards, as another server reads it.
    users: Vec<String>,
    count: i64,
}

/// Plays each trick at a database of its own, in each way, all at the same time.
async fn play(server: &cluster::Postgres, tricks: &[Trick]) -> Vec<Case> {
    let mut tasks = Vec::new();
    for trick in tricks.iter().copied() {
        for (number, way) in WAYS.into_iter().enumerate() {
            let database = format!("{trick:?}_{number}").to_lowercase();
            blocking(|| server.create_database(&database));
            let (url, port) = (server.url(&database), server.port());
            tasks.push(tokio::spawn(async move {
                let relay = Relay::start(port).await;
                let (isolation, prepared_statements) = way;
                let through = cluster::through(&url, relay.port()).unwrap();
                let store = open(PostgresOptions { isolation, prepared_statements, ..options(&through) }).await;
                // Nothing is prepared for the first time when it matters.
                store.commit(sign_up("before")).await.unwrap();
                let started = Instant::now();
                relay.play(trick);
                let answer = store.commit(sign_up("sub")).await;
                let took = started.elapsed();
                assert!(relay.has_played(), "{trick:?}");
                let other = open(options(&url)).await;
                let (users, count) = (subs(&other).await, other.estimated_users(POOL).await.unwrap());
                Case { trick, way, answer, took, statistics: store.statistics(), users, count }
            }));
        }
    }
    let mut cases = Vec::new();
    for task in tasks {
        cases.push(task.await.unwrap());
    }
    cases
}

impl Case {
    /// It is reported as done, and was done exactly once.
    fn is_done_once(&self) {
        let Self { trick, way, users, count, .. } = self;
        assert_eq!(self.answer, Ok(()), "{trick:?} {way:?}");
        assert_eq!(users, &["before", "sub"], "{trick:?} {way:?}");
        assert_eq!(*count, 2, "{trick:?} {way:?}");
        assert_eq!(self.statistics.commits, 2, "{trick:?} {way:?}");
    }

    /// How many COMMITs without an answer had been kept, had not, and stayed unknown.
    fn settled(&self) -> [u64; 3] {
        [self.statistics.settled_kept, self.statistics.settled_lost, self.statistics.unsettled]
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_connection_costs_a_repetition_or_a_question() {
    let Some(server) = server(&Default::default()) else { return };
    for case in play(&server, &[Trick::LoseFirstAnswer, Trick::LoseCommit, Trick::LoseAnswer]).await {
        case.is_done_once();
        let (settled, again) = match case.trick {
            Trick::LoseFirstAnswer => ([0, 0, 0], 1),
            Trick::LoseCommit => ([0, 1, 0], 1),
            _ => ([1, 0, 0], 0),
        };
        assert_eq!(case.settled(), settled, "{:?} {:?}", case.trick, case.way);
        assert_eq!(case.statistics.retries.connection, again, "{:?} {:?}", case.trick, case.way);
        assert!(case.took < Duration::from_secs(3), "{:?} {:?}: {:?}", case.trick, case.way, case.took);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_is_outlasted_though_the_server_holds_the_locks_of_who_fell_silent() {
    let Some(server) = server(&Default::default()) else { return };
    for case in play(&server, &[Trick::WithholdFirstAnswer, Trick::WithholdCommit]).await {
        case.is_done_once();
        let settled = if case.trick == Trick::WithholdCommit { [0, 1, 0] } else { [0, 0, 0] };
        assert_eq!(case.settled(), settled, "{:?} {:?}", case.trick, case.way);
        // The usual patience.
        assert!(case.took < Duration::from_secs(10), "{:?} {:?}: {:?}", case.trick, case.way, case.took);
        println!("{:?} {:?}: {:?}", case.trick, case.way, case.took);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_cannot_know_says_so() {
    let Some(server) = server(&Default::default()) else { return };
    for case in play(&server, &[Trick::Vanish, Trick::SpoilBegin]).await {
        let Err(CommitError::Store(error)) = &case.answer else {
            unreachable!("{:?} {:?}: {:?}", case.trick, case.way, case.answer)
        };
        assert!(matches!(error, Error::Unconfirmed(_)), "{:?} {:?}: {error:?}", case.trick, case.way);
        assert!(error.is_ambiguous() && !error.is_transient());
        match case.trick {
            Trick::Vanish => {
                assert_eq!(case.settled(), [0, 0, 1], "{:?}", case.way);
                assert!(case.took < Duration::from_secs(26), "{:?}: {:?}", case.way, case.took);
            }
            // Each statement was a transaction of its own. Doing them again would do them twice.
            _ => assert_eq!(case.settled(), [0, 0, 0], "{:?}", case.way),
        }
        assert_eq!((case.users.as_slice(), case.count), (["before".to_owned(), "sub".to_owned()].as_slice(), 2));
    }
}
