//! The engines that the suite runs on: SQLite in memory and in a file, and, where `POOLKEEPER_TEST_POSTGRES` names a
//! server, a database of PostgreSQL's family at each isolation, with prepared statements and without.

use cluster::Scratch;
use poolkeeper_store::{Address, Durability, Isolation, Options, PostgresOptions, Store};
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
        for (isolation, prepared_statements) in
            [(Isolation::ReadCommitted, true), (Isolation::Serializable, true), (Isolation::RepeatableRead, false)]
        {
            let Some(scratch) = Scratch::from_environment().unwrap() else { return };
            let options = PostgresOptions { isolation, prepared_statements, ..postgres(&scratch.url()) };
            test(Store::open(&Options::postgres(options)).await.unwrap()).await;
        }
    });
}

/// The usual options for a database.
pub fn postgres(url: &str) -> PostgresOptions {
    PostgresOptions::new(Address::parse(url).unwrap())
}
