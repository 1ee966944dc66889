//! The engines that the suite runs on.

use poolkeeper_store::{Durability, Options, Store};
use tempfile::TempDir;

/// Runs a test on every engine, each with an empty database.
pub fn on_every_engine(test: impl AsyncFn(Store)) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        test(Store::open(&Options::memory()).await.unwrap()).await;
        for durability in [Durability::Normal, Durability::Full] {
            let directory = TempDir::new().unwrap();
            let options = Options { durability, ..Options::file(directory.path().join("poolkeeper.db")) };
            test(Store::open(&options).await.unwrap()).await;
        }
    });
}
