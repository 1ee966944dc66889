//! Does at the start what the first sign-in would otherwise wait for, so that it is as fast as those that follow.
//!
//! By `perf`, a first sign-in took 3 ms where later ones took one: 0.6 ms went into parsing the pool's two signing keys,
//! 1 ms into what the library of cryptography puts off until a key's first signature, 0.2 ms into compiling the patterns
//! of its request, 0.1 ms into preparing statements, 0.4 ms into memory and pages of the program that nobody had touched
//! before. So keys, clients and statements are made ready, and a sign-in is rehearsed. Nothing is counted, nothing is
//! written and no function of a pool is called, and what fails here fails again, and is answered for, where a request
//! needs it.
//!
//! On a database across a network, most is waited for by whoever comes first over a new connection: that of making it, and
//! the process behind it, which knows no table and no statement yet. So a few are made, and asked what sign-ins ask.
//!
//! A server says that it is ready when this is done, or has taken a while; then the rest is done while requests come, and
//! one that comes sooner does its share itself. The table of powers for SRP is made by `crypto::warm_up`, which needs no
//! data and so begins even earlier, and memory is touched by each thread when it starts.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use domain::{Client, Pool, pool::SignInSettings, session::SignIn};
use serde_json::{Value, json};
use store::Stored;
use tokio::{runtime::Handle, task::JoinSet};
use tokio_util::sync::CancellationToken;
use wire::{AuthFlowType, Operation};

use crate::{
    ApiError, App, Ctx, OwnWishes, dispatch, lookup, memory,
    tokens::{self, Grant, Occasion},
};

/// How many pools' keys are made ready: about 2 ms of one processor each, which requests may want meanwhile. Most servers
/// have fewer pools. Of more than these, the first by id are as good as any: which pools are busy is written nowhere.
const POOLS: usize = 16;
/// How many clients of each of them are read.
const CLIENTS: usize = 8;
/// Who signs in at rehearsals. Somebody may have that name; nothing becomes of it.
const NAME: &str = "nobody";

/// Gets ready for the first sign-ins, then ends; sooner at `shutdown`. What fails is logged and left to the requests.
pub async fn run(app: Arc<App>, shutdown: CancellationToken) {
    // First, and alone: whoever asks the database meanwhile makes one more connection, which nobody makes ready.
    if let Err(error) = app.store.warm_up().await {
        tracing::debug!(%error, "statements could not be prepared before the first sign-in");
    }
    if app.store.is_shared() {
        // What is in memory before the first look counts for nothing.
        memory::look(&app).await;
    }
    let pools = app.store.current_pools(None, POOLS).await.unwrap_or_else(|error| {
        tracing::debug!(%error, "pools could not be read before the first sign-in");
        Vec::new()
    });
    if shutdown.is_cancelled() {
        return;
    }
    let ids: Arc<[String]> = pools.into_iter().map(|pool| pool.value.id).collect();
    // The first pool is the one to rehearse with; most servers have no other.
    let client = match ids.first() {
        Some(id) => make_ready(&app, id).await,
        None => None,
    };
    if let Err(error) = rehearse(&app, client.as_deref()).await {
        tracing::debug!(%error, cause = error.cause.as_deref(), "no sign-in could be rehearsed");
    }
    let next = Arc::new(AtomicUsize::new(1));
    let mut threads = JoinSet::new();
    // The other half is for the start itself, and for requests that come in the meantime.
    for _ in 0..Handle::current().metrics().num_workers().div_ceil(2) {
        let (app, ids, next, shutdown) = (app.clone(), ids.clone(), next.clone(), shutdown.clone());
        threads.spawn(async move { make_others_ready(&app, &ids, &next, &shutdown).await });
    }
    while threads.join_next().await.is_some() {}
}

/// Takes pools into memory that no other thread has taken yet.
async fn make_others_ready(app: &App, ids: &[String], next: &AtomicUsize, shutdown: &CancellationToken) {
    while let Some(id) = ids.get(next.fetch_add(1, Ordering::Relaxed)) {
        // What else waits for this thread goes first.
        tokio::task::yield_now().await;
        if shutdown.is_cancelled() {
            break;
        }
        make_ready(app, id).await;
    }
}

/// Takes a pool, its clients and its keys into memory; one of the clients, if there are any.
async fn make_ready(app: &App, id: &str) -> Option<Arc<Stored<Client>>> {
    read_pool(app, id).await.unwrap_or_else(|error| {
        let cause = error.cause.as_deref();
        tracing::warn!(pool = id, cause, "a pool could not be made ready; its sign-ins may fail");
        None
    })
}

async fn read_pool(app: &App, id: &str) -> Result<Option<Arc<Stored<Client>>>, ApiError> {
    app.tokens.warm_up(app, id).await?;
    app.pool(id).await?;
    let mut any = None;
    for client in app.store.clients(id, None, CLIENTS).await? {
        any = app.client(&client.id).await?;
    }
    Ok(any)
}

/// Goes the ways of a sign-in with a password, as far as they change nothing, so that pages of the program are there and
/// what libraries put off until they are used is done. Without a client it is not far.
async fn rehearse(app: &Arc<App>, client: Option<&Stored<Client>>) -> Result<(), ApiError> {
    // Beyond the quotas, as what seeds.
    let own = OwnWishes { is_seeding: true, ..OwnWishes::default() };
    let ctx = Ctx { own, ..Ctx::of_the_server(app) };
    for (operation, request) in of_a_stranger() {
        drop(dispatch::call(&ctx, operation, request.to_string().as_bytes()).await);
    }
    let Some(client) = client else { return Ok(()) };
    let pool = lookup::pool(&ctx, &client.pool_id).await?;
    let (sub, _) = lookup::sign_in_by_name(&ctx, &pool, NAME).await?;
    lookup::sign_in_snapshot(&ctx, &pool, &sub).await?;
    // The tokens of somebody who is not there go nowhere. The pool is like the real one, but without functions, and
    // without keeping track of who is signed in.
    let pool = Pool { sign_in: SignInSettings::default(), ..pool.value.clone() };
    let user = app.stand_in.user(&pool.id, &sub);
    let grant = Grant::new(&ctx, &user, &SignIn::new(AuthFlowType::UserPasswordAuth));
    tokens::issue(&ctx, &pool, client, &user, &grant, &Occasion::sign_in(None, None)).await.map(drop)
}

/// Requests of a client that there is not. By refusing them, the patterns of sign-ins are compiled.
fn of_a_stranger() -> [(Operation, Value); 2] {
    let client = "0".repeat(26);
    let begins = json!({"AuthFlow": "USER_PASSWORD_AUTH", "ClientId": client, "AuthParameters": {"USERNAME": NAME}});
    let goes_on = json!({
        "ChallengeName": "PASSWORD_VERIFIER", "ClientId": client, "ChallengeResponses": {"USERNAME": NAME},
        "Session": "-".repeat(20),
    });
    [(Operation::InitiateAuth, begins), (Operation::RespondToAuthChallenge, goes_on)]
}

#[cfg(test)]
mod tests {
    use crypto::random::SystemEntropy;
    use domain::{Client, Pool, Sealed};
    use store::Changes;
    use wire::{ErrorKind, LambdaConfigType};

    use super::*;
    use crate::{
        messages::{
            Sender,
            testing::{START, app, ctx, pool},
        },
        quotas::{Category, Rates},
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
        // The list, of each pool the keys (these have none, so nothing more is read), and the client of both requests.
        assert_eq!(app.store.statistics().reads - before, 1 + POOLS as u64 + 2);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn several_threads_make_all_pools_ready() {
        let app = with_pools().await;
        run(app.clone(), CancellationToken::new()).await;
        assert_eq!((queries(&app, ONE).await, queries(&app, OTHER).await), (0, 0));
    }

    /// The pool has functions that nobody can run, and keeps track of sign-ins, which takes a commit.
    #[tokio::test]
    async fn a_rehearsal_ends_with_tokens_and_leaves_no_trace() {
        let mut app = with_pools().await;
        let pool = app.store.pool(ONE).await.unwrap().unwrap();
        let mut changed = pool.value.clone();
        let function = || Some("arn:aws:lambda:us-east-1:000000000000:function:f".to_owned());
        changed.sign_in.triggers = Some(LambdaConfigType {
            pre_authentication: function(),
            post_authentication: function(),
            pre_token_generation: function(),
            user_migration: function(),
            ..LambdaConfigType::default()
        });
        changed.sign_in.tracked_sessions = Some(1);
        let mut changes = Changes::new();
        changes.replace(&pool, changed);
        app.commit(changes).await.unwrap();
        let client = app.client(&client(ONE).id).await.unwrap();
        let mut rates = Rates::off();
        rates.set(Category::UserAuthentication, 1);
        Arc::get_mut(&mut app).unwrap().settings.quotas.rates = rates;

        let (counted, committed) = (app.metrics.text(), app.store.statistics().commits);
        rehearse(&app, client.as_deref()).await.unwrap();
        assert_eq!((app.metrics.text(), app.store.statistics().commits), (counted, committed));
        // One request was allowed, and still is.
        let [(operation, request), _] = of_a_stranger();
        for expected in [ErrorKind::ResourceNotFound, ErrorKind::TooManyRequests] {
            let refused = dispatch::call(&ctx(&app), operation, request.to_string().as_bytes()).await;
            assert_eq!(refused.unwrap_err().kind, expected);
        }
    }

    #[tokio::test]
    async fn the_requests_of_a_stranger_are_right_but_for_their_client() {
        let app = app(Sender::Inbox, true).await;
        for (operation, request) in of_a_stranger() {
            let refused = dispatch::call(&ctx(&app), operation, request.to_string().as_bytes()).await.unwrap_err();
            assert_eq!(refused.kind, ErrorKind::ResourceNotFound, "{refused}");
            let input = format!("{:?}", operation.input());
            assert!(input.contains("compiled: OnceLock(Some"), "{operation:?}");
        }
    }
}
