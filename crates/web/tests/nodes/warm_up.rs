//! What a server has made ready before its first sign-in.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_sign_in_waits_for_no_connection_and_reads_what_later_ones_read() {
    let Some([first]) = servers::<1>().await else { return };
    let (_, client) = scene(&first).await;
    // What is in memory counts for a second after the look; on a slow machine, another server tries again.
    for _ in 0..20 {
        let server = first.sibling().database(|database| database.max_connections = 16).start().await;
        let began = Instant::now();
        service::warm_up::run(server.app.clone(), CancellationToken::new()).await;
        let mut counts = Vec::new();
        for _ in 0..2 {
            let before = server.app.store.statistics();
            let pool = before.pool.unwrap();
            assert_eq!((pool.open, pool.idle), (4, 4));
            tokens(&server, &client, "alice", PASSWORD).await;
            counts.push(server.app.store.statistics().reads - before.reads);
        }
        if began.elapsed() < Duration::from_secs(1) {
            assert_eq!(counts[0], counts[1]);
            return;
        }
    }
    unreachable!("a start and two sign-ins never took less than a second");
}
