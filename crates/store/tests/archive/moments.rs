//! One moment of a database that goes on changing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use domain::Timestamp;
use poolkeeper_store::{Changes, Store, archive};

use crate::{
    databases::{Database, crowd, engines, restore},
    rows::{self, NOW, POOL},
};

/// Adds one to a pool's tag and to a mark's expiry, which lie in the first and in the last table, in one changeset.
async fn advance(store: &Store, number: i64) {
    let (pool, mark) = (store.pool(POOL).await.unwrap().unwrap(), store.spent("mark").await.unwrap().unwrap());
    let mut changes = Changes::new();
    let mut row = pool.value.clone();
    row.name = number.to_string();
    changes.replace(&pool, row);
    let mut row = mark.value.clone();
    row.expires_at = Timestamp(number);
    changes.replace(&mark, row);
    store.commit(changes).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[expect(clippy::disallowed_methods, reason = "waits for another thread, with a deadline")]
async fn a_backup_shows_one_moment_while_rows_change_together() {
    for engine in engines() {
        let (source, target) = (Database::new(engine), Database::new(engine));
        let store = source.open().await;
        crowd(&store, 3_000).await;
        let mut changes = Changes::new();
        changes.insert(rows::pool(POOL)).insert(rows::spent("mark"));
        store.commit(changes).await.unwrap();
        advance(&store, 0).await;

        let (is_over, number) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let writer = tokio::spawn({
            let (store, is_over, number) = (store.clone(), is_over.clone(), number.clone());
            async move {
                while !is_over.load(Ordering::SeqCst) {
                    let next = number.load(Ordering::SeqCst) + 1;
                    advance(&store, i64::try_from(next).unwrap()).await;
                    number.store(next, Ordering::SeqCst);
                }
            }
        });
        // The backup goes on only after the writer has: between any two pages rows change.
        let mut seen = 0;
        let mut wait = |_progress: &archive::Progress| {
            let deadline = Instant::now() + Duration::from_secs(20);
            while number.load(Ordering::SeqCst) <= seen + 1 {
                assert!(Instant::now() < deadline, "the writer stands still");
                std::thread::sleep(Duration::from_millis(1));
            }
            seen = number.load(Ordering::SeqCst);
        };
        let mut bytes = Vec::new();
        archive::backup(&source.options, &mut bytes, NOW, &mut wait).await.unwrap();
        assert!(seen >= 12, "{seen}");
        is_over.store(true, Ordering::SeqCst);
        writer.await.unwrap();

        restore(&bytes, &target, false).await.unwrap();
        let copy = target.open().await;
        let pool = copy.pool(POOL).await.unwrap().unwrap();
        let mark = copy.spent("mark").await.unwrap().unwrap();
        assert_eq!(pool.name, mark.expires_at.milliseconds().to_string(), "{engine:?}");
        assert_ne!(pool.name, number.load(Ordering::SeqCst).to_string(), "the source went on");
        drop((store, copy));
    }
}
