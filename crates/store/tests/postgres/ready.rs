//! Connections are there, and know what sign-ins ask, before the first sign-in comes.

use poolkeeper_store::{Options, PostgresOptions, Store};

use crate::support::{open, options, scratch};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_few_connections_are_made_ready() {
    let Some(scratch) = scratch() else { return };
    for prepared_statements in [true, false] {
        for (max_connections, ready) in [(16, 4), (4, 2), (1, 1)] {
            let options = PostgresOptions { max_connections, prepared_statements, ..options(&scratch.url()) };
            let store = open(options).await;
            store.warm_up().await.unwrap();
            let pool = store.statistics().pool.unwrap();
            assert_eq!((pool.open, pool.idle), (ready, ready), "{max_connections} {prepared_statements}");
            // What each was asked last. The tables are empty, and stay so.
            let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle' \
                       AND query LIKE '%FROM revocations%'";
            assert_eq!(scratch.sql(sql).unwrap(), ready.to_string());
            drop(store);
            let sql = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity \
                       WHERE datname = current_database() AND pid <> pg_backend_pid()";
            scratch.sql(sql).unwrap();
        }
    }
}

#[tokio::test]
async fn a_database_that_is_not_there_keeps_nobody_waiting() {
    let store = Store::open_to_read(&Options::postgres(options("postgres://u:p@127.0.0.1:1/none"))).unwrap();
    let error = tokio::time::timeout(std::time::Duration::from_secs(10), store.warm_up()).await.unwrap();
    assert!(error.unwrap_err().is_transient());
}
