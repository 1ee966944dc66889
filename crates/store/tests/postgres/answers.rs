//! Answers that are lost, at exactly the worst moment: a changeset is done once or not at all, and never reported as
//! something that it is not.

use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};

use domain::NameKind;
use futures_util::future::join_all;
use poolkeeper_store::{CommitError, Error, Isolation, PostgresOptions, Statistics};
use tokio::time::Instant;

use crate::{
    relay::{Relay, Trick},
    support::{blocking, open, options, register, server, sign_up, subs, wait_for},
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

/// Plays each trick in each way, all at the same time, each at a pool of its own.
async fn play(server: &cluster::Postgres, tricks: &[Trick]) -> Vec<Case> {
    let (url, port) = (server.url("main"), server.port());
    let other = open(options(&url)).await;
    let mut tasks = Vec::new();
    for (number, trick) in tricks.iter().copied().enumerate() {
        for way in WAYS {
            let (url, other, pool) = (url.clone(), other.clone(), format!("{number} {way:?}"));
            tasks.push(tokio::spawn(async move {
                let relay = Relay::start(port).await;
                let (isolation, prepared_statements) = way;
                let through = cluster::through(&url, relay.port()).unwrap();
                let store = open(PostgresOptions { isolation, prepared_statements, ..options(&through) }).await;
                // Nothing is prepared for the first time when it matters.
                store.commit(sign_up(&pool, "before")).await.unwrap();
                let started = Instant::now();
                relay.play(trick, 0);
                let answer = store.commit(sign_up(&pool, "sub")).await;
                let took = started.elapsed();
                assert!(relay.has_played(), "{trick:?}");
                let (users, count) = (subs(&other, &pool).await, other.estimated_users(&pool).await.unwrap());
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
    /// How many COMMITs without an answer had been kept, had not, and stayed unknown.
    fn settled(&self) -> [u64; 3] {
        [self.statistics.settled_kept, self.statistics.settled_lost, self.statistics.unsettled]
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_lost_a_changeset_is_done_once_or_said_to_be_unknown() {
    let Some(server) = server(&Default::default()) else { return };
    let (cases, ()) = tokio::join!(play(&server, &Trick::ALL), play_at_groups(&server));
    for case in cases {
        let (at, kept, lost) = (format!("{:?} {:?}", case.trick, case.way), [1, 0, 0], [0, 1, 0]);
        println!("{at}: {:?} {:.1?}", case.answer, case.took);
        // How it was settled, how often a connection was given up, and how long it may take, in seconds.
        let (settled, again, most) = match case.trick {
            Trick::LoseFirstAnswer => ([0; 3], Some(1), 5),
            Trick::LoseCommit => (lost, Some(1), 5),
            Trick::LoseAnswer => (kept, Some(0), 5),
            // Within the usual patience, although the server holds the locks of who fell silent.
            Trick::WithholdFirstAnswer => ([0; 3], None, 10),
            Trick::WithholdCommit => (lost, None, 10),
            // The database stays away: patience, and what settling takes in the worst case.
            Trick::Vanish => ([0, 0, 1], None, 25),
            // Without a transaction each statement is one of its own. Doing them again would do them twice.
            Trick::SpoilBegin => ([0; 3], Some(0), 5),
        };
        assert_eq!(case.settled(), settled, "{at}");
        assert!(again.is_none_or(|again| case.statistics.retries.connection == again), "{at} {:?}", case.statistics);
        assert!(case.took < Duration::from_secs(most), "{at}: {:?}", case.took);
        assert_eq!((case.users.as_slice(), case.count), (["before", "sub"].map(str::to_owned).as_slice(), 2), "{at}");
        if matches!(case.trick, Trick::Vanish | Trick::SpoilBegin) {
            let Err(CommitError::Store(error)) = &case.answer else { unreachable!("{at}: {:?}", case.answer) };
            assert!(matches!(error, Error::Unconfirmed(_)) && error.is_ambiguous(), "{at}: {error:?}");
            assert!(!error.is_transient(), "{at}");
            assert_eq!(case.statistics.failures, 1, "{at}");
        } else {
            assert_eq!(case.answer, Ok(()), "{at}");
            assert_eq!(case.statistics.commits, 2, "{at}");
        }
    }
}

/// What happens to a group of changesets in one transaction happens to none of them.
async fn play_at_groups(server: &cluster::Postgres) {
    blocking(|| server.create_database("groups"));
    let (url, port) = (server.url("groups"), server.port());
    let other = open(options(&url)).await;
    for trick in [Trick::LoseFirstAnswer, Trick::LoseCommit, Trick::LoseAnswer] {
        let relay = Relay::start(port).await;
        let store = open(options(&cluster::through(&url, relay.port()).unwrap())).await;
        let pool = format!("{trick:?}");
        store.commit(register(&pool, "before")).await.unwrap();
        // Two transactions may be under way at once. While both wait for a lock, all others wait to go together.
        let (holder, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        holder.batch_execute("BEGIN; SELECT * FROM names WHERE name = 'before' FOR UPDATE").await.unwrap();
        let waiting = || {
            let sql = "SELECT count(*) FROM pg_stat_activity \
                       WHERE datname = current_database() AND wait_event_type = 'Lock'";
            blocking(|| server.sql("groups", sql)).parse::<usize>().unwrap()
        };
        let mut under_way = Vec::new();
        for number in 0..2 {
            let mut changes = register(&pool, &number.to_string());
            changes.claim(&pool, "before", NameKind::Username, "before");
            let store = store.clone();
            under_way.push(tokio::spawn(async move { store.commit(changes).await }));
            wait_for("it waits for the lock", async || (waiting() == number + 1).then_some(())).await;
        }
        // Looked at once, and each is in the queue.
        let group = (2..40).map(|number| store.commit(register(&pool, &number.to_string())));
        let mut group = pin!(join_all(group));
        assert!(poll_fn(|context| Poll::Ready(group.as_mut().poll(context).is_pending())).await);
        relay.play(trick, if trick == Trick::LoseFirstAnswer { 0 } else { 2 });
        holder.batch_execute("COMMIT").await.unwrap();
        assert_eq!(group.await, vec![Ok(()); 38], "{trick:?}");
        for task in under_way {
            assert_eq!(task.await.unwrap(), Ok(()), "{trick:?}");
        }
        assert!(relay.has_played(), "{trick:?}");
        assert_eq!(subs(&other, &pool).await.len(), 41, "{trick:?}");
        let statistics = store.statistics();
        let settled = [statistics.settled_kept, statistics.settled_lost, statistics.unsettled];
        let expected = match trick {
            Trick::LoseAnswer => [1, 0, 0],
            Trick::LoseCommit => [0, 1, 0],
            _ => [0, 0, 0],
        };
        assert_eq!(settled, expected, "{trick:?}");
        assert!(statistics.largest_group > 30, "{statistics:?}");
    }
}
