//! Imports, whichever server does the work (accounts.md §18).

use std::time::Duration;

use axum::body::Body;
use http::{Method, Request};
use serde_json::{Value, json};
use testkit::Server;
use tokio::time::Instant;

use crate::support::{on_postgres, until};

const USERS: usize = 20_000;

/// A job with a file of so many users, started.
async fn start(server: &Server) -> (String, String) {
    let pool = server.pool(json!({"AutoVerifiedAttributes": ["email"]})).await;
    let header = server.call("GetCSVHeader", json!({"UserPoolId": pool})).await.ok();
    let header: Vec<&str> = header["CSVHeader"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    let mut file = header.join(",") + "\n";
    for number in 0..USERS {
        let value = |name: &&str| match *name {
            "cognito:username" => format!("user-{number}"),
            "email" => format!("user-{number}@example.com"),
            "email_verified" => "TRUE".to_owned(),
            "cognito:mfa_enabled" => "FALSE".to_owned(),
            _ => String::new(),
        };
        file += &header.iter().map(value).collect::<Vec<_>>().join(",");
        file.push('\n');
    }
    let role = "arn:aws:iam::123456789012:role/CloudWatchLogs";
    let request = json!({"UserPoolId": pool, "JobName": "x", "CloudWatchLogsRoleArn": role});
    let job = server.call("CreateUserImportJob", request).await.ok()["UserImportJob"].clone();
    let url = job["PreSignedUrl"].as_str().unwrap().strip_prefix("http://127.0.0.1:9229").unwrap();
    let request = Request::builder().method(Method::PUT).uri(url).header("x-amz-server-side-encryption", "aws:kms");
    assert_eq!(server.request(request.body(Body::from(file)).unwrap()).await.status, 200);
    let job = job["JobId"].as_str().unwrap().to_owned();
    server.call("StartUserImportJob", json!({"UserPoolId": pool, "JobId": job})).await.ok();
    (pool, job)
}

async fn describe(server: &Server, pool: &str, job: &str) -> Value {
    server.call("DescribeUserImportJob", json!({"UserPoolId": pool, "JobId": job})).await.ok()["UserImportJob"].clone()
}

fn imported(job: &Value) -> usize {
    usize::try_from(job["ImportedUsers"].as_u64().unwrap()).unwrap()
}

/// Users in the database, different names among those that they own, and the estimate.
fn counted(server: &Server) -> String {
    let query = "SELECT (SELECT count(*) FROM users), (SELECT count(DISTINCT name) FROM names), \
                 (SELECT count(*) FROM search_keys WHERE kind = 0), (SELECT sum(users) FROM user_counts)";
    server.scratch().sql(query).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_goes_on_when_its_server_dies() {
    let Some(builder) = on_postgres(Server::builder()) else { return };
    let mut a = builder.start().await;
    let mut b = a.sibling().start().await;
    let (pool, job) = start(&a).await;
    a.import_users();
    until("some users are there", async || imported(&describe(&a, &pool, &job).await) > 0).await;
    b.import_users();
    a.kill_jobs();
    let before = describe(&b, &pool, &job).await;
    println!("{} of {USERS} users when the server died", imported(&before));
    assert_eq!(before["Status"], "InProgress", "it died in the middle");
    assert!(imported(&before) < USERS);

    let died = Instant::now();
    until("another server goes on", async || imported(&describe(&b, &pool, &job).await) > imported(&before) + 2_000)
        .await;
    println!("taken over after {:?}", died.elapsed());
    assert!(died.elapsed() < Duration::from_secs(25), "{:?}", died.elapsed());
    until("the job ends", async || !describe(&b, &pool, &job).await["CompletionDate"].is_null()).await;
    let after = describe(&a, &pool, &job).await;
    assert_eq!((after["Status"].as_str(), imported(&after)), (Some("Succeeded"), USERS));
    assert_eq!((after["SkippedUsers"].as_i64(), after["FailedUsers"].as_i64()), (Some(0), Some(0)));
    assert_eq!(counted(&b), format!("{USERS}|{USERS}|{USERS}|{USERS}"));
    b.stop_jobs().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_at_one_import_make_no_user_twice() {
    let Some(builder) = on_postgres(Server::builder()) else { return };
    let a = builder.start().await;
    let b = a.sibling().start().await;
    let (pool, job) = start(&a).await;
    // As if neither knew of the other: a lease is a promise about effort, not about safety.
    let go_on = tokio_util::sync::CancellationToken::new();
    let work = async |server: &Server| {
        while describe(server, &pool, &job).await["CompletionDate"].is_null() {
            service::import::work_off(&server.app, &go_on).await.unwrap();
        }
    };
    tokio::join!(work(&a), work(&b));
    let after = describe(&a, &pool, &job).await;
    assert_eq!((after["Status"].as_str(), imported(&after)), (Some("Succeeded"), USERS));
    assert_eq!(counted(&b), format!("{USERS}|{USERS}|{USERS}|{USERS}"));
}
