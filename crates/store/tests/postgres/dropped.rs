//! Callers that go away in the middle. What they began goes on or ends; no connection is left in the middle of it.

use std::{future::poll_fn, pin::pin, task::Poll};

use crate::{
    rows::POOL,
    support::{blocking, open, options, register, scratch, sign_up, subs, wait_for},
};

/// Looks at a future so many times, and drops it.
async fn leave<F: Future>(future: F, looks: usize) {
    let mut future = pin!(future);
    for _ in 0..looks {
        if poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_ready())).await {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_goes_away_leaves_no_connection_in_the_middle() {
    let Some(scratch) = scratch() else { return };
    let store = open(options(&scratch.url())).await;
    let mut expected = Vec::new();
    for round in 0..8 {
        let (mut tasks, mut begun) = (Vec::new(), Vec::new());
        for number in 0..24_usize {
            let (store, sub) = (store.clone(), format!("{round}-{number:02}"));
            // From barely begun to almost done, on a connection that is new or has seen others leave.
            let looks = 1 + number * number;
            begun.push(sub.clone());
            // Half of them alone, half in groups.
            let changes = if number % 2 == 0 { sign_up(POOL, &sub) } else { register(POOL, &sub) };
            tasks.push(tokio::spawn(async move {
                leave(store.commit(changes), looks).await;
                leave(store.user(POOL, &sub), looks / 2).await;
                leave(store.users(POOL, None, 1_000), looks).await;
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        // At once, without a pause: everybody gets their own answer and nobody's left-over one.
        let tasks: Vec<_> = (0..16)
            .map(|number| {
                let (store, sub) = (store.clone(), format!("{round}-after-{number:02}"));
                tokio::spawn(async move {
                    store.commit(sign_up(POOL, &sub)).await.unwrap();
                    assert_eq!(store.user(POOL, &sub).await.unwrap().unwrap().sub, sub);
                    assert_eq!(store.user(POOL, "nobody").await.unwrap(), None);
                    assert_eq!(store.epoch().await.unwrap(), 0);
                    sub
                })
            })
            .collect();
        for task in tasks {
            begun.push(task.await.unwrap());
        }
        expected.extend(begun);
    }
    expected.sort();
    wait_for("a changeset that was begun is not done", async || (subs(&store, POOL).await == expected).then_some(()))
        .await;
    assert_eq!(store.estimated_users(POOL).await.unwrap(), 8 * (12 + 16), "done once");
    let states = "SELECT DISTINCT state FROM pg_stat_activity WHERE datname = current_database() \
                  AND application_name = 'poolkeeper'";
    wait_for("a connection is in a transaction", async || (blocking(|| scratch.sql(states)) == "idle").then_some(()))
        .await;
    let statistics = store.statistics();
    assert_eq!((statistics.failures, statistics.unsettled), (0, 0), "{statistics:?}");
}
