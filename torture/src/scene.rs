//! What the load and the audit share: pools, the client, the mail server, and all users of the run.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::Context;
use serde_json::{Value, json};

use crate::{
    client::{Client, Outcome},
    model::{PoolKind, Tally, User},
    record::Record,
    smtp::Mailbox,
};

/// The limits of a default configuration (docs/configuration.md).
pub const MOST_WRONG_CODES: usize = 5;
/// Requests for a reset code in an hour.
pub const MOST_RESET_REQUESTS: usize = 5;

/// A pool and a client of it.
pub struct Pool {
    /// The pool.
    pub id: String,
    /// A client without a secret.
    pub client: String,
}

impl Pool {
    /// The body of an InitiateAuth with a password.
    pub fn sign_in(&self, name: &str, password: &str) -> Value {
        self.initiate("USER_PASSWORD_AUTH", json!({"USERNAME": name, "PASSWORD": password}))
    }

    /// The body of an InitiateAuth with a refresh token.
    pub fn refresh(&self, token: &str) -> Value {
        self.initiate("REFRESH_TOKEN_AUTH", json!({"REFRESH_TOKEN": token}))
    }

    fn initiate(&self, flow: &str, parameters: Value) -> Value {
        json!({"ClientId": self.client, "AuthFlow": flow, "AuthParameters": parameters})
    }

    /// The body of a ConfirmForgotPassword.
    pub fn reset(&self, name: &str, code: &str, password: &str) -> Value {
        json!({"ClientId": self.client, "Username": name, "ConfirmationCode": code, "Password": password})
    }

    /// The body of a ConfirmSignUp.
    pub fn confirmation(&self, name: &str, code: &str) -> Value {
        json!({"ClientId": self.client, "Username": name, "ConfirmationCode": code})
    }

    /// What an administrator's request about a user has in common.
    pub fn admin(&self, name: &str) -> Value {
        json!({"UserPoolId": self.id, "Username": name})
    }
}

/// What the load and the audit share.
pub struct Scene {
    /// Sends requests.
    pub client: Client,
    /// Where messages arrive.
    pub mailbox: Arc<Mailbox>,
    /// What the run has shown.
    pub record: Arc<Record>,
    /// Set when the load must end.
    pub stop: AtomicBool,
    /// The pool whose settings change all the time; it has no users.
    pub settings: Pool,
    aliases: Pool,
    addresses: Pool,
    users: Mutex<Vec<User>>,
    strangers: Mutex<Vec<(String, Tally)>>,
    names: AtomicU64,
}

impl Scene {
    /// Makes the pools.
    ///
    /// # Errors
    /// When a node refuses; nothing has failed yet, so each request must succeed.
    pub async fn new(client: Client, mailbox: Arc<Mailbox>, record: Arc<Record>) -> anyhow::Result<Self> {
        let aliases = make_pool(&client, json!({"AliasAttributes": ["email"]})).await?;
        let addresses = make_pool(&client, json!({"UsernameAttributes": ["email"]})).await?;
        let settings = make_pool(&client, json!({})).await?;
        Ok(Self {
            client,
            mailbox,
            record,
            stop: AtomicBool::new(false),
            settings,
            aliases,
            addresses,
            users: Mutex::default(),
            strangers: Mutex::default(),
            names: AtomicU64::new(0),
        })
    }

    /// The pool of that kind.
    pub const fn pool(&self, kind: PoolKind) -> &Pool {
        match kind {
            PoolKind::Aliases => &self.aliases,
            PoolKind::Addresses => &self.addresses,
        }
    }

    /// Whether the load must end.
    pub fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// A number that was not given before in this run.
    pub fn number(&self) -> u64 {
        self.names.fetch_add(1, Ordering::Relaxed)
    }

    /// Keeps a user for the audit.
    pub fn keep(&self, user: User) {
        locked(&self.users).push(user);
    }

    /// Keeps what may have been sent to an address that belongs to no user.
    pub fn keep_stranger(&self, address: &str, mails: Tally) {
        locked(&self.strangers).push((address.to_owned(), mails));
    }

    /// All users and strangers.
    pub fn kept(&self) -> (Vec<User>, Vec<(String, Tally)>) {
        (std::mem::take(&mut *locked(&self.users)), std::mem::take(&mut *locked(&self.strangers)))
    }

    /// Notes that something is wrong about a user.
    pub fn finding(&self, user: &mut User, text: &str) {
        user.is_spoilt = true;
        self.record.finding(&format!("{} {text}\n    history: {}", user.name, user.history.join("; ")));
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Settings of every pool, which each update has to repeat.
pub fn pool_settings() -> Value {
    json!({"AutoVerifiedAttributes": ["email"]})
}

/// `first` with the members of `second`.
pub fn merged(mut first: Value, second: Value) -> Value {
    if let (Value::Object(first), Value::Object(second)) = (&mut first, second) {
        first.extend(second);
    }
    first
}

async fn make_pool(client: &Client, more: Value) -> anyhow::Result<Pool> {
    let names = json!({"PoolName": "torture", "UsernameConfiguration": {"CaseSensitive": false}});
    let made = must(client, "CreateUserPool", merged(merged(names, pool_settings()), more)).await?;
    let id = text(&made, "/UserPool/Id").context("a pool has an id")?;
    let flows = ["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"];
    let request = json!({"UserPoolId": id, "ClientName": "torture", "ExplicitAuthFlows": flows});
    let made = must(client, "CreateUserPoolClient", request).await?;
    let client = text(&made, "/UserPoolClient/ClientId").context("a client has an id")?;
    Ok(Pool { id, client })
}

/// A call before anything is made to fail. The first pool may have to wait for its keys.
async fn must(client: &Client, operation: &'static str, body: Value) -> anyhow::Result<Value> {
    match client.call(0, operation, &body).await {
        Outcome::Acknowledged(answer) => Ok(answer),
        other => anyhow::bail!("{operation} before the run: {}", other.summary()),
    }
}

/// The text at a JSON pointer.
pub fn text(value: &Value, pointer: &str) -> Option<String> {
    value.pointer(pointer).and_then(Value::as_str).map(str::to_owned)
}

/// A pause that lets a fault go on for a while instead of asking again at once.
pub async fn breathe() {
    tokio::time::sleep(Duration::from_millis(100)).await;
}
