//! Does beside the start what the first sign-in would otherwise wait for, so that it is as fast as those that follow.
//!
//! By `perf`, a first sign-in took 3 ms where later ones took one: 0.6 ms went into parsing the pool's two signing keys,
//! 1 ms into what the library of cryptography puts off until a key's first signature, 0.2 ms into compiling the patterns
//! of its request, 0.1 ms into preparing statements. All of it is done here, while requests come; one that comes sooner
//! does its share itself. Nothing is counted, nothing is written and no function of a pool is called, and what fails here
//! fails again, and is answered for, where a request needs it.
//!
//! The table of powers for SRP is made by `crypto::warm_up`, which needs no data and so begins even earlier.

use std::sync::Arc;

use serde_json::json;
use tokio_util::sync::CancellationToken;
use wire::Operation;

use crate::{ApiError, App, memory};

/// How many pools' keys are made ready: about 2 ms of one processor each, which requests may want meanwhile. Most servers
/// have fewer pools. Of more than these, the first by id are as good as any: which pools are busy is written nowhere.
const POOLS: usize = 16;
/// How many clients of each of them are read.
const CLIENTS: usize = 8;

/// Gets ready for the first sign-ins, then ends; sooner at `shutdown`. What fails is logged and left to the requests.
///
/// The keys come first: a request that is quicker than the rest does a third of a millisecond's work itself.
pub async fn run(app: Arc<App>, shutdown: CancellationToken) {
    if app.store.is_shared() {
        // What is in memory before the first look counts for nothing.
        memory::look(&app).await;
    }
    if let Err(error) = read_pools(&app, &shutdown).await {
        tracing::debug!(%error, "pools could not be read before the first sign-in");
    }
    if let Err(error) = app.store.warm_up() {
        tracing::debug!(%error, "statements could not be prepared before the first sign-in");
    }
    compile_patterns();
}

/// Checks what nobody sent: patterns of requests are compiled when they are first needed.
fn compile_patterns() {
    let client = "0".repeat(26);
    let begins =
        json!({"AuthFlow": "USER_PASSWORD_AUTH", "ClientId": client, "AuthParameters": {"USERNAME": "nobody"}});
    let goes_on = json!({
        "ChallengeName": "PASSWORD_VERIFIER", "ClientId": client, "ChallengeResponses": {"USERNAME": "nobody"},
        "Session": "-".repeat(20),
    });
    for (operation, request) in [(Operation::InitiateAuth, begins), (Operation::RespondToAuthChallenge, goes_on)] {
        if let Err(rejection) = wire::check(operation.input(), &request) {
            tracing::debug!(message = rejection.message, "the request that nobody sent is wrong");
        }
    }
}

async fn read_pools(app: &App, shutdown: &CancellationToken) -> Result<(), store::Error> {
    for pool in app.store.current_pools(None, POOLS).await? {
        // Requests that have come in the meantime go first.
        tokio::task::yield_now().await;
        if shutdown.is_cancelled() {
            break;
        }
        if let Err(error) = read_pool(app, &pool.id).await {
            tracing::warn!(
                pool = pool.id,
                cause = error.cause.as_deref(),
                "a pool could not be made ready; its sign-ins may fail"
            );
        }
    }
    Ok(())
}

/// Takes a pool, its clients and its keys into memory.
async fn read_pool(app: &App, id: &str) -> Result<(), ApiError> {
    app.tokens.warm_up(app, id).await?;
    app.pool(id).await?;
    for client in app.store.clients(id, None, CLIENTS).await? {
        app.client(&client.id).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crypto::random::SystemEntropy;
    use domain::{Client, Pool, Sealed};
    use store::Changes;

    use super::*;
    use crate::{
        messages::{
            Sender,
            testing::{START, app, pool},
        },
        tokens::rotation::{OldKeys, rotate},
    };

    const ONE: &str = "us-east-1_AbCdEfGh1";
    const OTHER: &str = "us-east-1_AbCdEfGh2";

    /// An app with two pools that have keys and a client each.
    async fn with_pools() -> Arc<App> {
        let app = app(Sender::Inbox, true).await;
        for id in [ONE, OTHER] {
            let mut changes = Changes::new();
            changes.insert(Pool { id: id.to_owned(), ..pool() });
            changes.insert(client(id));
            app.commit(changes).await.unwrap();
            rotate(&app.store, &app.ring, &SystemEntropy, id, OldKeys::Overlap, START).await.unwrap();
        }
        app
    }

    /// Its id begins as the pool's does.
    fn client(pool_id: &str) -> Client {
        serde_json::from_value(json!({
            "id": pool_id.replace('-', ""), "pool_id": pool_id, "name": "c", "created_at": 0.0, "modified_at": 0.0,
            "secrets": [], "refresh_token_validity": 30, "access_token_validity": null, "id_token_validity": null,
            "token_validity_units": null, "read_attributes": null, "write_attributes": null, "explicit_auth_flows": [],
            "prevent_user_existence_errors": null, "enable_token_revocation": true, "auth_session_validity": 3,
        }))
        .unwrap()
    }

    /// How many queries it takes to find a pool, its client and its keys; none where all are in memory.
    async fn queries(app: &App, pool_id: &str) -> u64 {
        let before = app.store.statistics().reads;
        assert!(app.pool(pool_id).await.unwrap().is_some());
        assert!(app.client(&client(pool_id).id).await.unwrap().is_some());
        _ = app.tokens.pool_keys(app, pool_id).await;
        app.store.statistics().reads - before
    }

    #[tokio::test]
    async fn pools_clients_and_keys_are_in_memory_afterwards() {
        let app = with_pools().await;
        run(app.clone(), CancellationToken::new()).await;
        assert_eq!((queries(&app, ONE).await, queries(&app, OTHER).await), (0, 0));
        app.forget_all();
        assert_eq!(queries(&app, ONE).await, 3);
    }

    #[tokio::test]
    async fn keys_that_cannot_be_opened_keep_no_other_pool_waiting() {
        let app = with_pools().await;
        let mut changes = Changes::new();
        for key in app.store.signing_keys(ONE).await.unwrap() {
            let mut damaged = key.value.clone();
            damaged.private = Sealed("1.AAAA".to_owned());
            changes.replace(&key, damaged);
        }
        app.store.commit(changes).await.unwrap();
        run(app.clone(), CancellationToken::new()).await;
        assert!(app.tokens.pool_keys(&app, ONE).await.is_err());
        assert_eq!(queries(&app, OTHER).await, 0);
    }

    #[tokio::test]
    async fn it_ends_at_shutdown() {
        let app = with_pools().await;
        let shutdown = CancellationToken::new();
        shutdown.cancel();
        run(app.clone(), shutdown).await;
        assert_eq!(queries(&app, ONE).await, 3);
    }

    #[tokio::test]
    async fn of_many_pools_some_are_read() {
        let app = app(Sender::Inbox, true).await;
        let mut changes = Changes::new();
        for number in 0..3 * POOLS {
            changes.insert(Pool { id: format!("us-east-1_{number:09}"), ..pool() });
        }
        app.commit(changes).await.unwrap();
        let before = app.store.statistics().reads;
        run(app.clone(), CancellationToken::new()).await;
        // The list, and of each pool the keys: these have none, so nothing more is read.
        assert_eq!(app.store.statistics().reads - before, 1 + POOLS as u64);
    }

    #[test]
    fn the_requests_that_nobody_sent_are_right() {
        let patterns =
            |operation: Operation| format!("{:?}", operation.input()).matches("compiled: OnceLock(Some").count();
        compile_patterns();
        for operation in [Operation::InitiateAuth, Operation::RespondToAuthChallenge] {
            assert!(patterns(operation) > 0, "{operation:?}");
        }
    }
}
