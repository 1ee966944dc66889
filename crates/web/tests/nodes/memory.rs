//! Pools, clients and signing keys are kept in memory, and what another server changes is seen within a second.
//!
//! The bound is on requests: one that begins a second or more after the change was acknowledged sees it. So what is
//! measured is when the last request that saw the old state began, and no machine is too slow for that.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use cluster::Scratch;
use domain::{SigningKeyState, SigningKeyUse};
use serde_json::{Value, json};
use store::{Changes, Key};
use testkit::{Answer, Server};
use tokio::time::Instant;

use crate::support::*;

/// How long others may see the old state after a change was acknowledged.
const BOUND: Duration = Duration::from_secs(1);
const INVALID: &str = "NotAuthorizedException: Invalid Access Token";

/// Asks until the new state is seen, which was acknowledged at `changed`.
pub async fn seen(what: &str, changed: Instant, is_new: impl AsyncFn() -> bool) {
    let mut last = Duration::ZERO;
    loop {
        let began = Instant::now();
        if is_new().await {
            println!("{what}: the old state was seen for {last:?}");
            return;
        }
        last = began - changed;
        assert!(last < BOUND, "{what}: a request that began {last:?} after the change saw the old state");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The name of a client as this server's requests find it.
async fn name(server: &Server, client: &str) -> String {
    server.app.client(client).await.unwrap().unwrap().name.clone()
}

async fn rename(server: &Server, pool: &str, client: &str, name: &str) {
    let request = json!({"UserPoolId": pool, "ClientId": client, "ClientName": name});
    server.call("UpdateUserPoolClient", request).await.ok();
}

/// Renames the only client behind the backs of all servers: none of them is told.
fn rename_secretly(server: &Server, name: &str) {
    let sql = format!("UPDATE clients SET doc = regexp_replace(doc, '\"name\":\"[^\"]*\"', '\"name\":\"{name}\"')");
    server.scratch().sql(&sql).unwrap();
}

/// Waits until this server answers from memory, which shows in that it misses what nobody tells it. Says how the client
/// is really called then.
async fn remembers(server: &Server, client: &str) -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let began = Instant::now();
    loop {
        name(server, client).await;
        let secret = format!("secret-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        rename_secretly(server, &secret);
        if name(server, client).await != secret {
            return secret;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "the server never answers from memory");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_seen_within_a_second() {
    let Some([a, b]) = servers().await else { return };
    let (pool, client) = scene(&a).await;
    // Sign-ups by users are allowed or not: what a request of theirs finds.
    let is_closed =
        async || sign_up(&b, &client, "bob", &[("email", "no address")]).await.error().contains("not permitted");
    for round in 0..3 {
        remembers(&b, &client).await;
        let new = format!("client-{round}");
        rename(&a, &pool, &client, &new).await;
        seen("a client", Instant::now(), async || name(&b, &client).await == new).await;

        let closing = !is_closed().await;
        let members = json!({"UserPoolId": pool, "AdminCreateUserConfig": {"AllowAdminCreateUserOnly": closing}});
        a.call("UpdateUserPool", members).await.ok();
        seen("a pool", Instant::now(), async || is_closed().await == closing).await;
    }
}

/// Header of a token.
pub fn kid(token: &str) -> String {
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_signing_key_is_used_within_a_second() {
    let Some([a, b]) = servers().await else { return };
    let (pool, client) = scene(&a).await;
    for _ in 0..3 {
        let old = tokens(&b, &client, "alice", PASSWORD).await.access;
        get_user(&b, &old).await.ok();
        let keys = a.app.store.signing_keys(&pool).await.unwrap();
        let former = keys.iter().find(|key| key.usage == Some(SigningKeyUse::Access)).unwrap();
        let mut next = a.app.store.stock_keys(1).await.unwrap().pop().unwrap();
        next.value.pool_id.clone_from(&pool);
        next.value.usage = Some(SigningKeyUse::Access);
        next.value.state = SigningKeyState::Active;
        let new = next.kid.clone();
        let mut changes = Changes::new();
        changes.delete(Key::SigningKey { kid: former.kid.clone() }, former.version);
        changes.save(next.value, Some(next.version));
        a.app.store.commit(changes).await.unwrap();
        let changed = Instant::now();
        tokio::join!(
            seen("a key that signs", changed, async || {
                kid(&tokens(&b, &client, "alice", PASSWORD).await.access) == new
            }),
            seen("a key that was withdrawn", changed, async || {
                let answer = get_user(&b, &old).await;
                answer.status != 200 && answer.error() == INVALID
            }),
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_deleted_is_refused_within_a_second() {
    let Some([a, b]) = servers().await else { return };
    let (pool, client) = scene(&a).await;
    let doomed = a.client_id(&pool, json!({})).await;
    let access = tokens(&b, &doomed, "alice", PASSWORD).await.access;
    let refused = |answer: Answer, expected: &str| answer.status != 200 && answer.error().starts_with(expected);
    let gone = "ResourceNotFoundException: User pool";
    a.call("DeleteUserPoolClient", json!({"UserPoolId": pool, "ClientId": doomed})).await.ok();
    seen("a deleted client", Instant::now(), async || {
        refused(b.sign_in(&doomed, "alice", PASSWORD).await, gone) && refused(get_user(&b, &access).await, INVALID)
    })
    .await;

    let access = tokens(&b, &client, "alice", PASSWORD).await.access;
    a.call("DeleteUserPool", json!({"UserPoolId": pool})).await.ok();
    seen("a deleted pool", Instant::now(), async || {
        refused(b.sign_in(&client, "alice", PASSWORD).await, gone)
            && refused(get_user(&b, &access).await, INVALID)
            && refused(administer(&b, "AdminGetUser", &pool, "alice").await, gone)
    })
    .await;
}

/// Many requests at one server while the other one changes things: none of them sees what was replaced more than a
/// second before it began.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_server_is_not_late() {
    let Some([a, b]) = servers().await else { return };
    let (pool, client) = pool_and_client(&a, json!({}), json!({"ClientName": "0"})).await;
    let changes = 12;
    let acknowledged = Arc::new(std::sync::Mutex::new(vec![Instant::now()]));
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let (b, client, acknowledged) = (b.clone(), client.clone(), acknowledged.clone());
            tokio::spawn(async move {
                let mut reads = 0;
                loop {
                    let began = Instant::now();
                    let seen: usize = name(&b, &client).await.parse().unwrap();
                    let known = acknowledged.lock().unwrap().clone();
                    let must_see = known.iter().rposition(|moment| *moment + BOUND <= began).unwrap_or(0);
                    assert!(seen >= must_see, "saw {seen} and not {must_see}");
                    reads += 1;
                    if seen == changes {
                        return reads;
                    }
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for change in 1..=changes {
        rename(&a, &pool, &client, &change.to_string()).await;
        acknowledged.lock().unwrap().push(Instant::now());
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    for reader in readers {
        let reads = tokio::time::timeout(Duration::from_secs(20), reader).await.unwrap().unwrap();
        assert!(reads > changes, "{reads} reads are too few to show anything");
    }
}

/// A session that holds something in the database.
struct Holder(std::thread::JoinHandle<std::process::Output>);

impl Holder {
    fn start(database: &Scratch, statement: &str) -> Self {
        let (url, statement) = (database.url(), statement.to_owned());
        Self(std::thread::spawn(move || {
            let mut psql = std::process::Command::new("psql");
            psql.args(["-X", "-q", "-d", &url, "-c", "SET application_name = 'holder'", "-c", "BEGIN"]);
            psql.args(["-c", &statement, "-c", "SELECT pg_sleep(60)"]).output().unwrap()
        }))
    }

    fn end(self, database: &Scratch) {
        let holders = "FROM pg_stat_activity WHERE application_name = 'holder' AND datname = current_database()";
        database.sql(&format!("SELECT pg_terminate_backend(pid) {holders}")).unwrap();
        self.0.join().unwrap();
    }
}

/// A server that cannot look at what others have changed asks the database for everything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_counts_only_while_the_epoch_can_be_looked_at() {
    let Some(builder) = on_postgres(Server::builder()) else { return };
    let a = builder.start().await;
    let network = network(&a);
    let mut b = sibling_through(&a, &network, Duration::from_secs(3)).start().await;
    let (pool, client) = pool_and_client(&a, json!({}), json!({})).await;
    // Before the first look, too.
    for round in 0..3 {
        let new = format!("client-{round}");
        rename(&a, &pool, &client, &new).await;
        assert_eq!(name(&b, &client).await, new);
    }
    b.follow();
    let secret = remembers(&b, &client).await;

    // The rest of the database answers, but not this.
    let holder = Holder::start(a.scratch(), "LOCK TABLE epochs IN ACCESS EXCLUSIVE MODE");
    let is_locked = "SELECT count(*) FROM pg_locks JOIN pg_class ON pg_class.oid = relation \
                     WHERE relname = 'epochs' AND mode = 'AccessExclusiveLock' AND granted";
    until("the table is locked", async || a.scratch().sql(is_locked).unwrap() == "1").await;
    seen("without the epoch", Instant::now(), async || name(&b, &client).await == secret).await;
    holder.end(a.scratch());
    remembers(&b, &client).await;

    // Nothing answers at all: then nothing is claimed. A request that needs no more than this is refused.
    let flow = async || {
        let request = json!({"AuthFlow": "CUSTOM_AUTH", "ClientId": client, "AuthParameters": {}});
        b.call("InitiateAuth", request).await.error()
    };
    let known = flow().await;
    assert!(known.starts_with("InvalidParameterException: "), "{known}");
    network.cut();
    seen("without a database", Instant::now(), async || flow().await == INTERNAL).await;
    network.mend();
    until("the database is back", async || flow().await == known).await;
    remembers(&b, &client).await;
}

/// Administrators see what they have changed at whichever server they ask next, and change it again there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn administrators_see_their_own_changes_everywhere_at_once() {
    let Some([a, b]) = servers().await else { return };
    let (pool, client) = pool_and_client(&a, json!({}), json!({})).await;
    let named = json!({"UserPoolId": pool, "ClientId": client});
    for round in 0..6 {
        let (one, two) = if round % 2 == 0 { (&a, &b) } else { (&b, &a) };
        name(two, &client).await;
        let new = format!("client-{round}");
        rename(one, &pool, &client, &new).await;
        let described = two.call("DescribeUserPoolClient", named.clone()).await.ok();
        assert_eq!(described["UserPoolClient"]["ClientName"], json!(new));
        rename(two, &pool, &client, "again").await;

        let protect = |state: &str| json!({"UserPoolId": pool, "DeletionProtection": state});
        one.call("UpdateUserPool", protect("ACTIVE")).await.ok();
        let refused = two.call("DeleteUserPool", json!({"UserPoolId": pool})).await.error();
        assert!(refused.starts_with("InvalidParameterException: The user pool cannot be deleted"), "{refused}");
        two.call("UpdateUserPool", protect("INACTIVE")).await.ok();
        let described = one.call("DescribeUserPool", json!({"UserPoolId": pool})).await.ok();
        assert_eq!(described["UserPool"]["DeletionProtection"], "INACTIVE");

        let attribute = format!("round{round}");
        let added = json!([{"Name": attribute, "AttributeDataType": "String"}]);
        one.call("AddCustomAttributes", json!({"UserPoolId": pool, "CustomAttributes": added})).await.ok();
        // A client may only read what the schema has.
        let doomed = two.client_id(&pool, json!({"ReadAttributes": [format!("custom:{attribute}")]})).await;
        let doomed = json!({"UserPoolId": pool, "ClientId": doomed});
        one.call("DeleteUserPoolClient", doomed.clone()).await.ok();
        let gone = two.call("DescribeUserPoolClient", doomed).await.error();
        assert!(gone.starts_with("ResourceNotFoundException"), "{gone}");
    }
    a.call("DeleteUserPool", json!({"UserPoolId": pool})).await.ok();
    for operation in ["DescribeUserPool", "ListUserPoolClients"] {
        let gone = b.call(operation, json!({"UserPoolId": pool})).await.error();
        assert!(gone.starts_with("ResourceNotFoundException"), "{gone}");
    }
}
