//! A database that is away: whoever asks gets an error that clients retry, soon, and learns nothing about the database;
//! the log says it.

use std::{
    io::Write,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use testkit::{Answer, Server};
use tokio::time::Instant;

use crate::support::*;

/// How long the server under test waits for its database.
const PATIENCE: Duration = Duration::from_millis(250);

/// What is logged, in a text.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Requests of every sort, good ones all of them. Answers them in the same order.
async fn ask(server: &Server, requests: &[(&str, Value)]) -> Vec<(Answer, Duration)> {
    let mut answers = Vec::new();
    for (operation, request) in requests {
        let began = Instant::now();
        let answer = server.call(operation, request.clone()).await;
        answers.push((answer, began.elapsed()));
    }
    answers
}

// On one thread, which the log belongs to.
#[tokio::test]
async fn a_database_that_is_away_is_an_error_that_clients_retry() {
    let Some(builder) = on_postgres(Server::builder()) else { return };
    let a = builder.start().await;
    let network = network(&a);
    let b = sibling_through(&a, &network, PATIENCE).start().await;
    let (pool, client) = scene(&a).await;
    let Tokens { access, refresh } = tokens(&b, &client, "alice", PASSWORD).await;
    let named = json!({"UserPoolId": pool, "Username": "alice"});
    let sign_in =
        |flow: &str, parameters: Value| json!({"AuthFlow": flow, "ClientId": client, "AuthParameters": parameters});
    let requests = [
        ("GetUser", json!({"AccessToken": access})),
        ("AdminGetUser", named.clone()),
        ("InitiateAuth", sign_in("USER_PASSWORD_AUTH", json!({"USERNAME": "alice", "PASSWORD": PASSWORD}))),
        ("InitiateAuth", testkit::srp::initiate(&client, "alice")),
        ("InitiateAuth", sign_in("REFRESH_TOKEN_AUTH", json!({"REFRESH_TOKEN": refresh}))),
        ("SignUp", json!({"ClientId": client, "Username": "bob", "Password": PASSWORD})),
        ("ForgotPassword", json!({"ClientId": client, "Username": "alice"})),
        (
            "AdminSetUserPassword",
            json!({"UserPoolId": pool, "Username": "alice", "Password": PASSWORD, "Permanent": true}),
        ),
        ("AdminUserGlobalSignOut", named),
        ("RevokeToken", json!({"ClientId": client, "Token": refresh})),
        ("CreateUserPool", json!({"PoolName": "test"})),
        ("UpdateUserPool", json!({"UserPoolId": pool})),
        ("DescribeUserPoolClient", json!({"UserPoolId": pool, "ClientId": client})),
        ("ListUsers", json!({"UserPoolId": pool})),
    ];
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let guard = tracing::subscriber::set_default(subscriber);
    for (fault, outage) in [("cut off", true), ("refused", false)] {
        if outage {
            network.cut()
        } else {
            network.refuse()
        }
        for ((answer, lasted), (operation, _)) in ask(&b, &requests).await.iter().zip(&requests) {
            assert_eq!((answer.status, answer.error().as_str()), (500, INTERNAL), "{operation}, {fault}");
            let told = format!("{answer:?}").to_lowercase();
            for secret in ["database", "postgres", "127.0.0.1", "connect", "scratch"] {
                assert!(!told.contains(secret), "{operation}: {told}");
            }
            assert!(*lasted < PATIENCE + Duration::from_secs(2), "{operation}, {fault}: {lasted:?}");
        }
        network.mend();
    }
    drop(guard);
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let failures = logged.lines().filter(|line| line.contains("the request failed"));
    let told = failures.filter(|line| line.contains("the database cannot be reached")).count();
    assert_eq!(told, 2 * requests.len(), "{logged}");
    assert!(!logged.contains("secret@") && !logged.contains(PASSWORD), "{logged}");

    // Nothing has to be done for it to work again, and nothing of what failed was kept. Clients repeat what was answered
    // 500, which may be needed on a slow machine: this server has little patience.
    for (operation, request) in &requests {
        until(operation, async || {
            let outcome = outcome(&b.call(operation, request.clone()).await);
            assert!(["ok", INTERNAL].contains(&outcome.as_str()), "{operation}: {outcome}");
            outcome == "ok"
        })
        .await;
    }
}
