//! A pool with as many users as the run wants, and a server on it.

use std::{
    path::Path,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use crypto::{
    random::SystemEntropy,
    seal::{KeyRing, Purpose},
    srp,
};
use domain::{Password, PasswordHash, User, names::NameKind};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use store::{Changes, Durability, Location, Store};
use wire::{Timestamp, UserStatusType};

use crate::{driver::Connection, server::Process};

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

/// Everything that scenarios need.
pub struct Scene {
    /// The server under test.
    pub server: Process,
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
    users: usize,
    _folder: tempfile::TempDir,
}

impl Scene {
    /// Some user of the pool; consecutive numbers give users that lie far apart.
    pub fn any_user(&self, number: u64) -> String {
        let users = self.users as u64;
        user_name((number.wrapping_mul(2_654_435_761) % users) as usize)
    }
}

fn user_name(index: usize) -> String {
    format!("user-{index:07}")
}

/// Fills a fresh database and starts the server on it.
pub async fn scene(binary: &Path, users: usize) -> anyhow::Result<Arc<Scene>> {
    let folder = tempfile::tempdir()?;
    let (data, configuration) = (folder.path().join("data"), folder.path().join("bench.toml"));
    // The guards against guessing would stop a driver that asks for the same users again and again.
    std::fs::write(&configuration, "[store]\ndurability = \"full\"\n\n[limits]\nreset_requests_per_hour = 1000000\n")?;
    let (pool, client) = {
        let server = Process::start(binary, &data, &configuration).await?;
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
    fill(&data, &pool, users).await?;
    let server = Process::start(binary, &data, &configuration).await?;
    let mut connection = Connection::open(server.address()).await?;
    let mut active = Vec::new();
    for index in 0..ACTIVE.min(users) {
        let name = user_name(index);
        let parameters = json!({"USERNAME": name, "PASSWORD": PASSWORD});
        let request = json!({"ClientId": client, "AuthFlow": "USER_PASSWORD_AUTH", "AuthParameters": parameters});
        let result = connection.json("InitiateAuth", request).await?["AuthenticationResult"].clone();
        let token = |name: &str| result[name].as_str().unwrap_or_default().to_owned();
        active.push(Active { name, access_token: token("AccessToken"), refresh_token: token("RefreshToken") });
    }
    let run = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let srp = Arc::new(srp::client::Client::new(&[0x5A; 32]));
    Ok(Arc::new(Scene { server, pool, client, active, srp, run, users, _folder: folder }))
}

/// Writes the users straight into the store, while no server has it.
async fn fill(data: &Path, pool: &str, users: usize) -> anyhow::Result<()> {
    let ring = KeyRing::parse(&std::fs::read_to_string(data.join("master.key"))?)?;
    let location = Location::File(data.join("poolkeeper.db"));
    let store =
        Store::open(&store::Options { location, durability: Durability::Normal, ..store::Options::memory() }).await?;
    let bar =
        ProgressBar::new(users as u64).with_style(ProgressStyle::with_template("filling {bar:40} {pos}/{len} {eta}")?);
    let now = Timestamp::from_seconds(i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())?);
    for first in (0..users).step_by(500) {
        let mut changes = Changes::new();
        let last = (first + 500).min(users);
        for index in first..last {
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
            changes.insert(User {
                pool_id: pool.to_owned(),
                sub,
                username: name,
                status: UserStatusType::Confirmed,
                enabled: true,
                attributes: attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
                created_at: now,
                modified_at: now,
                tokens_not_before: None,
            });
        }
        changes.count_users(pool, i64::try_from(last - first)?);
        store.commit(changes).await?;
        bar.set_position(last as u64);
    }
    bar.finish_and_clear();
    Ok(())
}
