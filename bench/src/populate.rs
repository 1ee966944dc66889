//! A pool with as many users as the run wants, and nodes on it.

use std::{
    net::SocketAddr,
    ops::Range,
    path::Path,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use crypto::{
    random::SystemEntropy,
    seal::{KeyRing, MasterKey, Purpose},
    srp,
};
use domain::{Password, PasswordHash, User, names::NameKind, search};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use store::{Changes, Store};
use tokio::task::JoinSet;
use wire::{Timestamp, UserStatusType};

use crate::{
    driver::{Connection, Cpu},
    listing,
    process::{NodeOptions, Process},
    target::{Database, Target},
};

/// Everybody's password.
pub const PASSWORD: &str = "Bench-Passw0rd";
/// Users who sign in. Their passwords are real, the others' are not: a verifier costs a modular exponentiation, and a
/// million of them a quarter of an hour.
const ACTIVE: usize = 256;

/// A user who signs in.
pub struct Active {
    /// Username.
    pub name: String,
    /// A token that is good for the whole run.
    pub access_token: String,
    /// The same.
    pub refresh_token: String,
}

/// Users whom one changeset makes.
const BATCH: usize = 500;
/// Changesets under way at once: a database across a network has several processes.
const AT_ONCE: usize = 8;

/// Everything that scenarios need.
pub struct Scene {
    /// The nodes under test.
    nodes: Vec<Process>,
    /// The pool.
    pub pool: String,
    /// A client without a secret that may use every flow.
    pub client: String,
    /// Users who can sign in.
    pub active: Vec<Active>,
    /// The driver's half of SRP; one secret exponent for all, since it is the server that is measured.
    pub srp: Arc<srp::client::Client>,
    /// Distinguishes the names that this run signs up.
    pub run: u64,
    /// Where ListUsers goes on for a page that lies deep.
    pub deep_page: Option<String>,
    users: usize,
    _folder: tempfile::TempDir,
}

impl Scene {
    /// Some user of the pool; consecutive numbers give users that lie far apart.
    pub fn any_user(&self, number: u64) -> String {
        let users = self.users as u64;
        user_name((number.wrapping_mul(2_654_435_761) % users) as usize)
    }

    /// Where the nodes listen.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.nodes.iter().map(Process::address).collect()
    }

    /// Processor time that nodes and database have used.
    pub fn cpu(&self, target: &Target) -> anyhow::Result<Cpu> {
        let nodes = self.nodes.iter().map(Process::cpu_seconds).sum::<anyhow::Result<f64>>()?;
        Ok(Cpu { nodes, database: target.cpu_seconds()? })
    }

    /// Resident memory of each node, in mebibytes.
    pub fn memory(&self) -> anyhow::Result<Vec<f64>> {
        self.nodes.iter().map(Process::resident_mebibytes).collect()
    }
}

fn user_name(index: usize) -> String {
    format!("user-{index:07}")
}

/// Fills a fresh database and starts nodes on it.
pub async fn scene(binary: &Path, database: &Database<'_>, nodes: usize, users: usize) -> anyhow::Result<Arc<Scene>> {
    let folder = tempfile::tempdir()?;
    // The guards against guessing would stop a driver that asks for the same users again and again.
    let configuration = "[store]\ndurability = \"full\"\n\n[limits]\nreset_requests_per_hour = 1000000\n";
    std::fs::write(folder.path().join("bench.toml"), configuration)?;
    let key = MasterKey::generate(&SystemEntropy).to_text();
    std::fs::write(folder.path().join("master.key"), key.as_bytes())?;
    let options = NodeOptions { binary: binary.to_owned(), store: database.url(), folder: folder.path().to_owned() };
    let (pool, client) = {
        let server = Process::start(&options)?;
        let mut connection = Connection::open(server.address()).await?;
        let created = connection
            .json("CreateUserPool", json!({"PoolName": "bench", "AutoVerifiedAttributes": ["email"]}))
            .await?;
        let pool = created["UserPool"]["Id"].as_str().unwrap_or_default().to_owned();
        let flows = ["ALLOW_USER_PASSWORD_AUTH", "ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"];
        let request = json!({"UserPoolId": pool, "ClientName": "bench", "ExplicitAuthFlows": flows});
        let created = connection.json("CreateUserPoolClient", request).await?;
        (pool, created["UserPoolClient"]["ClientId"].as_str().unwrap_or_default().to_owned())
    };
    fill(database, KeyRing::parse(&key)?, &pool, users).await?;
    database.settle()?;
    let nodes = (0..nodes).map(|_| Process::start(&options)).collect::<anyhow::Result<Vec<_>>>()?;
    let mut active = Vec::new();
    for (index, node) in (0..ACTIVE.min(users)).zip(nodes.iter().cycle()) {
        let mut connection = Connection::open(node.address()).await?;
        let name = user_name(index);
        let parameters = json!({"USERNAME": name, "PASSWORD": PASSWORD});
        let request = json!({"ClientId": client, "AuthFlow": "USER_PASSWORD_AUTH", "AuthParameters": parameters});
        let result = connection.json("InitiateAuth", request).await?["AuthenticationResult"].clone();
        let token = |name: &str| result[name].as_str().unwrap_or_default().to_owned();
        active.push(Active { name, access_token: token("AccessToken"), refresh_token: token("RefreshToken") });
    }
    let run = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let srp = Arc::new(srp::client::Client::new(&[0x5A; 32]));
    let first = nodes.first().context("there is a node")?.address();
    let deep_page = listing::deep(&mut Connection::open(first).await?, &pool, users).await?;
    Ok(Arc::new(Scene { nodes, pool, client, active, srp, run, deep_page, users, _folder: folder }))
}

/// Writes the users straight into the store, while no node has it.
async fn fill(database: &Database<'_>, ring: KeyRing, pool: &str, users: usize) -> anyhow::Result<()> {
    let store = Store::open(&database.options()?).await?;
    let bar =
        ProgressBar::new(users as u64).with_style(ProgressStyle::with_template("filling {bar:40} {pos}/{len} {eta}")?);
    let now = Timestamp::from_seconds(i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())?);
    let (pool, ring) = (Arc::<str>::from(pool), Arc::new(ring));
    let mut under_way = JoinSet::new();
    for first in (0..users).step_by(BATCH) {
        if under_way.len() == AT_ONCE {
            under_way.join_next().await.transpose()?.transpose()?;
        }
        let (store, bar, pool, ring) = (store.clone(), bar.clone(), pool.clone(), ring.clone());
        let last = (first + BATCH).min(users);
        under_way.spawn(async move {
            store.commit(batch(&ring, &pool, now, first..last)).await?;
            bar.inc((last - first) as u64);
            anyhow::Ok(())
        });
    }
    while let Some(done) = under_way.join_next().await {
        done??;
    }
    bar.finish_and_clear();
    Ok(())
}

/// The changeset that makes some of the users.
fn batch(ring: &KeyRing, pool: &str, now: Timestamp, users: Range<usize>) -> Changes {
    let mut changes = Changes::new();
    let count = i64::try_from(users.len()).unwrap_or_default();
    for index in users {
        let (sub, name) = (crypto::random::uuid_v4(&SystemEntropy), user_name(index));
        let attributes = [
            ("email", format!("{name}@example.com")),
            ("email_verified", "true".to_owned()),
            ("name", "Some Body".to_owned()),
        ];
        if index < ACTIVE {
            let verifier = srp::make_verifier(&SystemEntropy, domain::pool::short_name(pool), &name, PASSWORD);
            let identity = format!("{pool}/{sub}");
            let sealed = ring.seal(&SystemEntropy, Purpose::PasswordVerifier, &identity, &verifier.verifier);
            let current = PasswordHash::Srp { salt: srp::to_hex(&verifier.salt), verifier: sealed };
            changes.insert(Password {
                pool_id: pool.to_owned(),
                sub: sub.clone(),
                current,
                expires_at: None,
                history: Vec::new(),
            });
        }
        changes.claim(pool, &name, NameKind::Username, &sub);
        let user = User {
            pool_id: pool.to_owned(),
            sub,
            username: name,
            status: UserStatusType::Confirmed,
            enabled: true,
            attributes: attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            created_at: now,
            modified_at: now,
            tokens_not_before: None,
            identities: Vec::new(),
            mfa: Default::default(),
        };
        for key in search::keys(&user) {
            changes.search(pool, key, &user.sub, true);
        }
        changes.insert(user);
    }
    // Last, because others wait for this row.
    changes.count_users(pool, count);
    changes
}
