//! Servers that belong together, and what the tests ask of them.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use cluster::Proxy;
use serde_json::{Value, json};
use store::Address;
use testkit::{Answer, Builder, Server};
use tokio::{task::JoinSet, time::Instant};

pub const PASSWORD: &str = "Passw0rd!";
pub const NEW: &str = "New-Passw0rd1";
pub const INCORRECT: &str = "NotAuthorizedException: Incorrect username or password.";
pub const LOCKED: &str = "NotAuthorizedException: Password attempts exceeded";
pub const LIMIT: &str = "LimitExceededException: Attempt limit exceeded, please try after some time.";
pub const MISMATCH: &str = "CodeMismatchException: Invalid verification code provided, please try again.";
pub const EXPIRED: &str = "ExpiredCodeException: Invalid code provided, please request a code again.";
/// What a client is told when the database is away: nothing about the database.
pub const INTERNAL: &str = "InternalErrorException: Something went wrong on the server. Please try again.";

/// Longer than anything takes that works.
const LONG: Duration = Duration::from_secs(30);

/// A server on a database that others can share; nothing, and a note, where there is none.
pub fn on_postgres(builder: Builder) -> Option<Builder> {
    let builder = builder.on_postgres();
    if builder.is_none() {
        println!("Nothing was tested: set {} to the URL of a PostgreSQL server", cluster::scratch::VARIABLE);
    }
    builder
}

/// Servers on one database, each of which follows what the others change.
pub async fn servers<const COUNT: usize>() -> Option<[Arc<Server>; COUNT]> {
    servers_like(Server::builder()).await
}

/// The same with these settings.
pub async fn servers_like<const COUNT: usize>(builder: Builder) -> Option<[Arc<Server>; COUNT]> {
    let mut first = on_postgres(builder)?.start().await;
    let mut servers = Vec::new();
    for _ in 1..COUNT {
        let mut sibling = first.sibling().start().await;
        sibling.follow();
        servers.push(Arc::new(sibling));
    }
    first.follow();
    servers.insert(0, Arc::new(first));
    servers.try_into().ok()
}

/// A pool made by this server, and a client of it.
pub async fn pool_and_client(server: &Server, pool: Value, client: Value) -> (String, String) {
    let pool = server.pool(pool).await;
    let client = server.client_id(&pool, client).await;
    (pool, client)
}

/// A pool, a client, and the confirmed user `alice`.
pub async fn scene(server: &Server) -> (String, String) {
    let (pool, client) = pool_and_client(server, json!({}), json!({})).await;
    server.confirmed_user(&pool, "alice", PASSWORD, json!({"email": "alice@example.com"})).await;
    (pool, client)
}

/// The tokens of a sign-in.
pub struct Tokens {
    pub access: String,
    pub refresh: String,
}

pub async fn tokens(server: &Server, client: &str, username: &str, password: &str) -> Tokens {
    let answer = server.sign_in(client, username, password).await.ok();
    let token = |name: &str| answer["AuthenticationResult"][name].as_str().unwrap().to_owned();
    Tokens { access: token("AccessToken"), refresh: token("RefreshToken") }
}

pub async fn get_user(server: &Server, access_token: &str) -> Answer {
    server.call("GetUser", json!({"AccessToken": access_token})).await
}

pub async fn refresh(server: &Server, client: &str, token: &str) -> Answer {
    let parameters = json!({"REFRESH_TOKEN": token});
    let request = json!({"AuthFlow": "REFRESH_TOKEN_AUTH", "ClientId": client, "AuthParameters": parameters});
    server.call("InitiateAuth", request).await
}

/// An operation that names a pool and a user of it, and nothing else.
pub async fn administer(server: &Server, operation: &str, pool: &str, username: &str) -> Answer {
    server.call(operation, json!({"UserPoolId": pool, "Username": username})).await
}

pub async fn set_password(server: &Server, pool: &str, username: &str, password: &str, permanent: bool) -> Answer {
    let request = json!({"UserPoolId": pool, "Username": username, "Password": password, "Permanent": permanent});
    server.call("AdminSetUserPassword", request).await
}

pub async fn update(server: &Server, pool: &str, username: &str, attributes: &[(&str, &str)]) -> Answer {
    let attributes = listed(attributes);
    let request = json!({"UserPoolId": pool, "Username": username, "UserAttributes": attributes});
    server.call("AdminUpdateUserAttributes", request).await
}

pub async fn sign_up(server: &Server, client: &str, username: &str, attributes: &[(&str, &str)]) -> Answer {
    let attributes = listed(attributes);
    let request = json!({"ClientId": client, "Username": username, "Password": PASSWORD, "UserAttributes": attributes});
    server.call("SignUp", request).await
}

pub async fn confirm_sign_up(server: &Server, client: &str, username: &str, code: &str) -> Answer {
    server.call("ConfirmSignUp", json!({"ClientId": client, "Username": username, "ConfirmationCode": code})).await
}

pub async fn forgot(server: &Server, client: &str, username: &str) -> Answer {
    server.call("ForgotPassword", json!({"ClientId": client, "Username": username})).await
}

pub async fn confirm_forgot(server: &Server, client: &str, username: &str, code: &str, password: &str) -> Answer {
    let request = json!({"ClientId": client, "Username": username, "ConfirmationCode": code, "Password": password});
    server.call("ConfirmForgotPassword", request).await
}

/// Attributes as requests list them.
pub fn listed(attributes: &[(&str, &str)]) -> Value {
    attributes.iter().map(|(name, value)| json!({"Name": name, "Value": value})).collect()
}

/// An attribute of a user as AdminGetUser shows it.
pub async fn attribute(server: &Server, pool: &str, username: &str, name: &str) -> Option<String> {
    let user = administer(server, "AdminGetUser", pool, username).await.ok();
    let attributes = user["UserAttributes"].as_array().unwrap();
    let found = attributes.iter().find(|attribute| attribute["Name"] == name)?;
    found["Value"].as_str().map(str::to_owned)
}

/// A code that is not this one.
pub fn other(code: &str) -> String {
    code.chars().map(|digit| if digit == '9' { '0' } else { char::from(digit as u8 + 1) }).collect()
}

/// `ok`, or the error.
pub fn outcome(answer: &Answer) -> String {
    if answer.status == 200 { "ok".to_owned() } else { answer.error() }
}

/// Runs calls at the same time, and answers what came of each, in their order.
pub async fn at_once<F>(calls: impl IntoIterator<Item = F>) -> Vec<String>
where
    F: Future<Output = Answer> + Send + 'static,
{
    let mut running = JoinSet::new();
    for (number, call) in calls.into_iter().enumerate() {
        running.spawn(async move { (number, outcome(&call.await)) });
    }
    let mut outcomes = running.join_all().await;
    outcomes.sort();
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

/// How often each outcome came.
pub fn tally(outcomes: &[String]) -> BTreeMap<&str, usize> {
    let mut tally = BTreeMap::new();
    for outcome in outcomes {
        *tally.entry(outcome.as_str()).or_default() += 1;
    }
    tally
}

/// How often these servers together had to decide again, because another one was quicker.
pub fn conflicts(servers: &[Arc<Server>]) -> u64 {
    servers.iter().map(|server| server.app.metrics.conflicts.get()).sum()
}

/// Waits until the condition holds.
pub async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let began = Instant::now();
    while !condition().await {
        assert!(began.elapsed() < LONG, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A network in front of this server's database.
pub fn network(server: &Server) -> Proxy {
    let url = server.scratch().url();
    let (_, address) = url.rsplit_once('@').unwrap();
    let port = address.split(['/', '?']).next().unwrap().rsplit_once(':').unwrap().1.parse().unwrap();
    Proxy::start(port).unwrap()
}

/// A sibling of this server that reaches the database through this network, and waits for it no longer than this.
pub fn sibling_through(server: &Server, network: &Proxy, patience: Duration) -> Builder {
    let url = cluster::through(&server.scratch().url(), network.port()).unwrap();
    let address = Address::parse(&url).unwrap();
    server.sibling().database(|options| {
        options.address = address;
        options.patience = patience;
    })
}
