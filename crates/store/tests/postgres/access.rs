//! Who is let in, and what those are told who are not. Nothing is tried again that cannot succeed.

use std::{fs, io, net::Ipv4Addr, time::Duration};

use cluster::PostgresOptions;
use poolkeeper_store::{Address, Error};
use tempfile::TempDir;
use tokio::{
    net::{TcpListener, TcpStream},
    time::Instant,
};

use crate::{
    relay::{Relay, Trick},
    rows::POOL,
    support::{blocking, open, options, server, sign_up, try_to_open},
};

/// The words of a refusal, which comes at once.
async fn refusal(options: poolkeeper_store::PostgresOptions) -> String {
    let started = Instant::now();
    let error = try_to_open(options).await.unwrap_err();
    assert!(matches!(error, Error::Refused(_)) && !error.is_transient(), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(5), "{error}: {:?}", started.elapsed());
    error.to_string()
}

/// Another name of this machine, for which the server has no certificate; the port on which it leads to the server.
async fn another_name(upstream: u16) -> io::Result<(Ipv4Addr, u16)> {
    let name = Ipv4Addr::new(127, 0, 0, 2);
    let listener = TcpListener::bind((name, 0)).await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, upstream)).await?;
                tokio::io::copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
    Ok((name, port))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_checked() {
    let Some(server) = server(&PostgresOptions { tls: true, ..Default::default() }) else { return };
    let (plain, authority) = (server.url("main"), server.ca_file().unwrap().display().to_string());
    let verified = format!("{plain}?sslmode=verify-full&sslrootcert={authority}");
    let store = open(options(&verified)).await;
    store.commit(sign_up(POOL, "sub")).await.unwrap();
    let encrypted = "SELECT DISTINCT ssl, version FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                     WHERE application_name = 'poolkeeper'";
    assert_eq!(blocking(|| server.sql("main", encrypted)), "t|TLSv1.3");
    // Naming an authority is enough, and weaker modes are as strict.
    for query in ["", "sslmode=require&", "sslmode=verify-ca&"] {
        open(options(&format!("{plain}?{query}sslrootcert={authority}"))).await;
    }

    // Public authorities did not sign it, and those who did vouch for other names only.
    let (name, port) = another_name(server.port()).await.unwrap();
    let elsewhere = blocking(|| cluster::through(&verified, port)).replace("@127.0.0.1:", &format!("@{name}:"));
    for (url, why) in [(format!("{plain}?sslmode=verify-full"), "UnknownIssuer"), (elsewhere, "not valid for name")] {
        let words = refusal(options(&url)).await;
        assert!(words.contains(why) && words.contains("sslrootcert") && words.contains("host"), "{words}");
    }
    let words = refusal(options(&plain)).await;
    assert!(words.contains("no encryption"), "{words}");

    let folder = TempDir::new().unwrap();
    for (name, content) in [("empty.pem", ""), ("letter.pem", "Dear authority, "), ("missing.pem", "")] {
        let file = folder.path().join(name);
        if name != "missing.pem" {
            fs::write(&file, content).unwrap();
        }
        let words = refusal(options(&format!("{plain}?sslrootcert={}", file.display()))).await;
        assert!(words.contains(name) && words.contains("Name a PEM file in sslrootcert"), "{words}");
    }

    let wrong = Address::parse(&verified).unwrap().with_password("wrong password");
    let words = refusal(poolkeeper_store::PostgresOptions::new(wrong)).await;
    assert!(words.contains("password authentication failed") && !words.contains("wrong password"), "{words}");
    let words = refusal(options(&verified.replace("/main?", "/missing?"))).await;
    assert!(words.contains("database \"missing\" does not exist"), "{words}");
}

#[tokio::test]
async fn who_finds_nobody_is_told_so_when_patience_ends() {
    // A port on which nobody listens, and that nobody else can take.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let port = socket.local_addr().unwrap().port();
    let url = format!("postgres://keeper:secret@127.0.0.1:{port}/main");
    let patience = Duration::from_secs(1);
    let started = Instant::now();
    let error = try_to_open(poolkeeper_store::PostgresOptions { patience, ..options(&url) }).await.unwrap_err();
    let took = started.elapsed();
    assert!(matches!(error, Error::Unavailable(_)) && error.is_transient(), "{error:?}");
    assert!(took > patience / 2 && took < patience * 3, "{took:?}");
    let words = error.to_string();
    assert!(words.contains("cannot be reached") && words.contains("refused") && !words.contains("secret"), "{words}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_cannot_begin_a_transaction_does_not_start() {
    let Some(server) = server(&PostgresOptions::default()) else { return };
    let relay = Relay::start(server.port()).await;
    let through = cluster::through(&server.url("main"), relay.port()).unwrap();
    for prepared_statements in [true, false] {
        relay.play(Trick::SpoilBegin, 0);
        let words = refusal(poolkeeper_store::PostgresOptions { prepared_statements, ..options(&through) }).await;
        assert!(relay.has_played());
        assert!(words.contains("BEGIN ISOLATION LEVEL READ COMMITTED") && words.contains("syntax error"), "{words}");
        assert!(words.contains("store.postgres.isolation = \"database\""), "{words}");
    }
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()";
    assert_eq!(blocking(|| server.sql("main", tables)), "0", "nothing was made");
    // One connection is enough to find out; there are no two to try a pooler with.
    relay.play(Trick::SpoilBegin, 0);
    refusal(poolkeeper_store::PostgresOptions { max_connections: 1, ..options(&through) }).await;
    let store = open(poolkeeper_store::PostgresOptions { max_connections: 1, ..options(&through) }).await;
    store.commit(sign_up(POOL, "sub")).await.unwrap();
}
