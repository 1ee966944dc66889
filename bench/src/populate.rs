//! A pool with as many users as the run wants, and nodes on it.

use std::{net::SocketAddr, ops::Range, path::Path, sync::Arc, time::Duration};

use anyhow::Context;
use crypto::{
    random::SystemEntropy,
    seal::{KeyRing, MasterKey, Purpose},
    srp, totp,
};
use domain::{
    MfaMethod, MfaPreference, Password, PasswordHash, SoftwareToken, User, names::NameKind, search,
    software_token::secret_identity,
};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use store::{Changes, Store};
use tokio::task::JoinSet;
use wire::{Timestamp, UserStatusType};

use crate::{
    driver::{Connection, Cpu},
    listing,
    process::{NodeOptions, Process},
    scenarios::password_sign_in,
    srp::{TokenUser, now},
    target::{Database, Target},
};

/// Everybody's password.
pub const PASSWORD: &str = "Bench-Passw0rd";
/// Users who sign in. Their passwords are real, the others' are not: a verifier costs a modular exponentiation, and a
/// million of them a quarter of an hour.
pub const ACTIVE: usize = 256;
/// Users after those, as far as the pool has so many, whose passwords are real as well and whose apps make codes.
const WITH_TOKENS: usize = 4_096;
/// What the apps of all of them make codes from.
pub const TOKEN_SECRET: [u8; totp::SECRET_LENGTH] = [0x2B; totp::SECRET_LENGTH];
/// The guards against guessing would stop a driver that asks for the same users again and again.
const CONFIGURATION: &str = "[store]\ndurability = \"full\"\n\n[limits]\nreset_requests_per_hour = 1000000\n";
/// Until when every node has seen a change of the pool: they look once in a second.
pub const SEEN: Duration = Duration::from_secs(2);

/// A user who signs in.
pub struct Active {
    /// Username.
    pub name: String,
    /// A token that is good for the whole run.
    pub access_token: String,
    /// The same.
    pub refresh_token: String,
    /// The last one of a chain of rotated tokens, of the client that rotates them.
    pub rotated_token: tokio::sync::Mutex<String>,
}

/// Users whom one changeset makes.
const BATCH: usize = 500;
/// Changesets under way at once: a database across a network has several processes.
const AT_ONCE: usize = 8;

/// Everything that scenarios need.
pub struct Scene {
    /// The nodes under test, and how they are started.
    nodes: Vec<Process>,
    options: NodeOptions,
    /// The pool.
    pub pool: String,
    /// A client without a secret that may use every flow.
    pub client: String,
    /// One whose refresh tokens are rotated.
    pub rotating_client: String,
    /// Users who can sign in.
    pub active: Vec<Active>,
    /// Users who can sign in with a code after the password, while the pool asks for second factors.
    pub token_users: Vec<TokenUser>,
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

    /// Ends the nodes and starts as many again on the same database, with these lines at the end of their configuration.
    ///
    /// # Errors
    /// When they do not start, or while a scenario runs.
    pub fn restart(scene: &mut Arc<Self>, more: &str) -> anyhow::Result<()> {
        let scene = Arc::get_mut(scene).context("no scenario runs")?;
        let count = scene.nodes.len();
        scene.nodes.clear();
        scene.nodes = start(&scene.options, count, more)?;
        Ok(())
    }

    /// How long the first node took from its start to its first line of output.
    pub fn ready_after(&self) -> anyhow::Result<Duration> {
        Ok(self.nodes.first().context("there is a node")?.ready_after())
    }

    /// A connection to the first node.
    pub async fn connect(&self) -> anyhow::Result<Connection> {
        Connection::open(self.nodes.first().context("there is a node")?.address()).await
    }

    /// Has the pool ask for second factors, or not. It does so for the scenario that needs it only, because it costs every
    /// sign-in a read.
    pub async fn ask_for_codes(&self, asks: bool) -> anyhow::Result<()> {
        let factors = json!({
            "UserPoolId": self.pool, "MfaConfiguration": if asks { "OPTIONAL" } else { "OFF" },
            "SoftwareTokenMfaConfiguration": {"Enabled": asks},
        });
        self.connect().await?.json("SetUserPoolMfaConfig", factors).await?;
        tokio::time::sleep(SEEN).await;
        Ok(())
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
    let key = MasterKey::generate(&SystemEntropy).to_text();
    std::fs::write(folder.path().join("master.key"), key.as_bytes())?;
    let options = NodeOptions { binary: binary.to_owned(), store: database.url(), folder: folder.path().to_owned() };
    let (pool, client, rotating_client) = {
        let servers = start(&options, 1, "")?;
        let server = servers.first().context("there is a node")?;
        let mut connection = Connection::open(server.address()).await?;
        let created = connection
            .json("CreateUserPool", json!({"PoolName": "bench", "AutoVerifiedAttributes": ["email"]}))
            .await?;
        let pool = created["UserPool"]["Id"].as_str().unwrap_or_default().to_owned();
        let flows = ["ALLOW_USER_PASSWORD_AUTH", "ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"];
        let request = json!({"UserPoolId": pool, "ClientName": "bench", "ExplicitAuthFlows": flows});
        let client = made_client(&mut connection, request).await?;
        // Without a grace period, in which the token before is still good.
        let rotation = json!({"Feature": "ENABLED", "RetryGracePeriodSeconds": 0});
        let request = json!({
            "UserPoolId": pool, "ClientName": "rotating", "ExplicitAuthFlows": ["ALLOW_USER_PASSWORD_AUTH"],
            "RefreshTokenRotation": rotation,
        });
        let rotating_client = made_client(&mut connection, request).await?;
        (pool, client, rotating_client)
    };
    fill(database, KeyRing::parse(&key)?, &pool, users).await?;
    database.settle()?;
    let nodes = start(&options, nodes, "")?;
    let mut active = Vec::new();
    for (index, node) in (0..ACTIVE.min(users)).zip(nodes.iter().cycle()) {
        let mut connection = Connection::open(node.address()).await?;
        let name = user_name(index);
        let (access_token, refresh_token) = tokens(&mut connection, &client, &name).await?;
        let (_, rotated_token) = tokens(&mut connection, &rotating_client, &name).await?;
        active.push(Active { name, access_token, refresh_token, rotated_token: rotated_token.into() });
    }
    let token_users = with_tokens().take_while(|index| *index < users).map(user_name).map(TokenUser::new).collect();
    let run = now()?.seconds().unsigned_abs();
    let srp = Arc::new(srp::client::Client::new(&[0x5A; 32]));
    let first = nodes.first().context("there is a node")?.address();
    let deep_page = listing::deep(&mut Connection::open(first).await?, &pool, users).await?;
    Ok(Arc::new(Scene {
        nodes,
        options,
        pool,
        client,
        rotating_client,
        active,
        token_users,
        srp,
        run,
        deep_page,
        users,
        _folder: folder,
    }))
}

/// Starts nodes with these lines at the end of their configuration.
fn start(options: &NodeOptions, nodes: usize, more: &str) -> anyhow::Result<Vec<Process>> {
    std::fs::write(options.folder.join("bench.toml"), format!("{CONFIGURATION}\n{more}"))?;
    (0..nodes).map(|_| Process::start(options)).collect()
}

async fn made_client(connection: &mut Connection, request: serde_json::Value) -> anyhow::Result<String> {
    let created = connection.json("CreateUserPoolClient", request).await?;
    Ok(created["UserPoolClient"]["ClientId"].as_str().unwrap_or_default().to_owned())
}

/// Access and refresh token of a user.
async fn tokens(connection: &mut Connection, client: &str, name: &str) -> anyhow::Result<(String, String)> {
    let result = connection.json("InitiateAuth", password_sign_in(client, name)).await?["AuthenticationResult"].clone();
    let token = |name: &str| result[name].as_str().unwrap_or_default().to_owned();
    Ok((token("AccessToken"), token("RefreshToken")))
}

/// Numbers of the users with software tokens.
const fn with_tokens() -> Range<usize> {
    ACTIVE..ACTIVE + WITH_TOKENS
}

/// Writes the users straight into the store, while no node has it.
async fn fill(database: &Database<'_>, ring: KeyRing, pool: &str, users: usize) -> anyhow::Result<()> {
    let store = Store::open(&database.options()?).await?;
    let bar =
        ProgressBar::new(users as u64).with_style(ProgressStyle::with_template("filling {bar:40} {pos}/{len} {eta}")?);
    let now = now()?;
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
        let has_token = with_tokens().contains(&index);
        if index < ACTIVE || has_token {
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
        let mut mfa = MfaPreference::default();
        if has_token {
            mfa = MfaPreference { software_token: true, preferred: Some(MfaMethod::SoftwareToken), ..mfa };
            let identity = secret_identity(pool, &sub);
            changes.insert_user_part(SoftwareToken {
                pool_id: pool.to_owned(),
                sub: sub.clone(),
                secret: ring.seal(&SystemEntropy, Purpose::SoftwareToken, &identity, &TOKEN_SECRET),
                friendly_name: None,
                last_step: None,
                created_at: now,
            });
        }
        changes.claim(pool, &name, NameKind::Username, &sub);
        let attributes = attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let mut user = User::new(pool, &sub, &name, UserStatusType::Confirmed, attributes, now);
        user.mfa = mfa;
        for key in search::keys(&user) {
            changes.search(pool, key, &user.sub, true);
        }
        changes.insert(user);
    }
    // Last, because others wait for this row.
    changes.count_users(pool, count);
    changes
}
