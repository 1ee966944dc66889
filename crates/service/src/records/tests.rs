//! Queues that are full, and destinations that fail.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use tokio_util::sync::CancellationToken;
use wire::{LogLevel, Timestamp};

use super::{Destination, LONGEST_QUEUE, NotTaken, Record, Records, Taking, run, tell_analytics, tell_log};
use crate::{
    App,
    messages::{Sender, testing},
};

/// Fails so often, and then takes everything.
#[derive(Debug, Default)]
struct Failing {
    failures: usize,
    tries: AtomicUsize,
    taken: Mutex<Vec<i64>>,
}

impl Destination for Failing {
    fn take(&self, records: Arc<[Record]>) -> Taking {
        let outcome = if self.tries.fetch_add(1, Ordering::SeqCst) < self.failures {
            Err(NotTaken::all(records, "not now".to_owned()))
        } else {
            self.taken.lock().unwrap().extend(records.iter().map(|record| record.moment.milliseconds()));
            Ok(())
        };
        Box::pin(std::future::ready(outcome))
    }
}

/// Takes even numbers, puts those off that end in 5 once, and refuses the others.
#[derive(Debug, Default)]
struct Choosy {
    taken: Mutex<Vec<i64>>,
    tried: Mutex<Vec<i64>>,
}

impl Destination for Choosy {
    fn take(&self, records: Arc<[Record]>) -> Taking {
        let number = |record: &Record| record.moment.milliseconds();
        let mut tried = self.tried.lock().unwrap();
        let is_late = |number: i64| number % 10 == 5 && !tried.contains(&number);
        let is_good = |number: i64| number % 2 == 0 || number % 10 == 5 && tried.contains(&number);
        let (mut again, mut refused) = (Vec::new(), 0);
        for record in records.iter() {
            match number(record) {
                late if is_late(late) => again.push(record.clone()),
                good if is_good(good) => self.taken.lock().unwrap().push(good),
                _ => refused += 1,
            }
        }
        tried.extend(records.iter().map(number));
        let is_all = again.is_empty() && refused == 0;
        let left = NotTaken { reason: "odd".to_owned(), again: again.into(), refused };
        Box::pin(std::future::ready(if is_all { Ok(()) } else { Err(left) }))
    }
}

#[tokio::test]
async fn only_what_was_put_off_is_tried_again() {
    let destination = Arc::new(Choosy::default());
    let app = app(Records::new(Some(destination.clone()), vec![])).await;
    (0..20).for_each(|number| tell_analytics(&app, record(number)));
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(run(app.clone(), shutdown.clone()));
    until(|| counted(&app, "delivered") + counted(&app, "failed") == 20).await;
    assert_eq!((counted(&app, "delivered"), counted(&app, "failed")), (12, 8));
    assert_eq!(*destination.taken.lock().unwrap(), [0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 5, 15]);
    assert_eq!(destination.tried.lock().unwrap().len(), 22);
    shutdown.cancel();
    running.await.unwrap();
}

/// Never answers.
#[derive(Debug)]
struct Hanging;

impl Destination for Hanging {
    fn take(&self, _records: Arc<[Record]>) -> Taking {
        Box::pin(std::future::pending())
    }
}

async fn app(records: Records) -> Arc<App> {
    let app = testing::app(Sender::Nobody, false).await;
    Arc::new(Arc::into_inner(app).unwrap().with_records(records))
}

fn record(number: i64) -> Record {
    let body = json!({"number": number});
    let (pool_id, moment) = ("p".to_owned(), Timestamp(number));
    Record { name: "test", pool_id, arn: None, moment, level: LogLevel::Info, body }
}

/// How many records of analytics came to this.
fn counted(app: &App, outcome: &str) -> u64 {
    let text = app.metrics.text();
    let start = format!("poolkeeper_records_total{{kind=\"analytics\",outcome=\"{outcome}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&start)).map_or(0, |number| number.parse().unwrap())
}

async fn until(what: impl Fn() -> bool) {
    let waiting = async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("it happens");
}

#[tokio::test]
async fn what_does_not_fit_is_dropped_and_the_rest_arrives_in_order() {
    let destination = Arc::new(Failing::default());
    let app = app(Records::new(Some(destination.clone()), vec![])).await;
    let most = i64::try_from(LONGEST_QUEUE).unwrap();
    // Nobody works on the queue yet.
    (0..most + 7).for_each(|number| tell_analytics(&app, record(number)));
    assert_eq!(counted(&app, "full"), 7);
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(run(app.clone(), shutdown.clone()));
    until(|| counted(&app, "delivered") == LONGEST_QUEUE as u64).await;
    // There is room again.
    tell_analytics(&app, record(most + 7));
    until(|| counted(&app, "delivered") == LONGEST_QUEUE as u64 + 1).await;
    shutdown.cancel();
    running.await.unwrap();
    let expected: Vec<i64> = (0..most).chain([most + 7]).collect();
    assert_eq!(*destination.taken.lock().unwrap(), expected);
    // The server is at its end.
    tell_analytics(&app, record(0));
    assert_eq!((counted(&app, "failed"), counted(&app, "full")), (1, 7));
}

#[tokio::test]
async fn three_tries_are_made() {
    for (failures, delivered, failed) in [(0, 1, 0), (2, 1, 0), (3, 0, 1)] {
        let destination = Arc::new(Failing { failures, ..Failing::default() });
        let app = app(Records::new(Some(destination.clone()), vec![])).await;
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(run(app.clone(), shutdown.clone()));
        tell_analytics(&app, record(1));
        until(|| counted(&app, "delivered") + counted(&app, "failed") == 1).await;
        assert_eq!((counted(&app, "delivered"), counted(&app, "failed")), (delivered, failed));
        assert_eq!(destination.tries.load(Ordering::SeqCst), 3.min(failures + 1));
        // The next ones have three tries of their own.
        tell_analytics(&app, record(2));
        until(|| counted(&app, "delivered") == delivered + 1).await;
        shutdown.cancel();
        running.await.unwrap();
    }
}

#[tokio::test]
async fn a_destination_that_hangs_holds_up_neither_others_nor_the_end() {
    let log = Arc::new(Failing::default());
    let known = Box::new(|arn: &str| arn == "known");
    let app = app(Records::new(Some(Arc::new(Hanging)), vec![(known, log.clone())])).await;
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(run(app.clone(), shutdown.clone()));
    (0..300).for_each(|number| tell_analytics(&app, record(number)));
    tell_log(&app, "known", record(1));
    tell_log(&app, "unknown", record(2));
    until(|| !log.taken.lock().unwrap().is_empty()).await;
    assert!(app.metrics.text().contains("poolkeeper_records_total{kind=\"log\",outcome=\"no_destination\"} 1\n"));
    assert_eq!(counted(&app, "delivered"), 0);
    // What is told at the very end still goes where somebody takes it.
    tell_log(&app, "known", record(3));
    shutdown.cancel();
    let began = tokio::time::Instant::now();
    running.await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(9), "{:?}", began.elapsed());
    assert_eq!(counted(&app, "failed"), 300);
    assert_eq!(*log.taken.lock().unwrap(), [1, 3]);
}
