//! Log delivery (triggers-security.md §18): where the logs of a pool go, and what stands in them.

use std::{sync::Arc, time::Duration};

use insta::{allow_duplicates, assert_json_snapshot};
use serde_json::{Value, json};
use service::{messages::Sender, triggers::Failure};
use testkit::{
    Answer, Collector, Server, both_engines,
    triggers::{arn, lambda_config},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

use crate::pools::update;

const GROUP: &str = "arn:aws:logs:us-east-1:123456789012:log-group:pool";
const STREAM: &str = "arn:aws:firehose:us-east-1:123456789012:deliverystream/pool";
const BUCKET: &str = "arn:aws:s3:::pool-logs";

async fn set(server: &Server, pool: &str, logs: Value) -> Answer {
    server.call("SetLogDeliveryConfiguration", json!({"UserPoolId": pool, "LogConfigurations": logs})).await
}

async fn get(server: &Server, pool: &str) -> Value {
    server.call("GetLogDeliveryConfiguration", json!({"UserPoolId": pool})).await.ok()
}

fn notifications(group: &str) -> Value {
    json!({
        "EventSource": "userNotification", "LogLevel": "ERROR", "CloudWatchLogsConfiguration": {"LogGroupArn": group},
    })
}

/// An entry of activity with the member that names its destination.
fn activity(member: &str, destination: Value) -> Value {
    json!({"EventSource": "userAuthEvents", "LogLevel": "INFO", member: destination})
}

fn all_activity() -> [Value; 3] {
    [
        activity("CloudWatchLogsConfiguration", json!({"LogGroupArn": GROUP})),
        activity("FirehoseConfiguration", json!({"StreamArn": STREAM})),
        activity("S3Configuration", json!({"BucketArn": BUCKET})),
    ]
}

#[tokio::test]
async fn the_configuration_is_kept_until_it_is_cleared() {
    both_engines(async |server| {
        let (pool, other) = (server.pool(json!({})).await, server.pool(json!({})).await);
        assert_eq!(get(&server, &pool).await, json!({}));
        let answer = set(&server, &pool, json!([notifications(GROUP)])).await.ok();
        allow_duplicates! {
            assert_json_snapshot!(answer, {".LogDeliveryConfiguration.UserPoolId" => "[pool]"}, @r#"
            {
              "LogDeliveryConfiguration": {
                "UserPoolId": "[pool]",
                "LogConfigurations": [
                  {
                    "LogLevel": "ERROR",
                    "EventSource": "userNotification",
                    "CloudWatchLogsConfiguration": {
                      "LogGroupArn": "arn:aws:logs:us-east-1:123456789012:log-group:pool"
                    }
                  }
                ]
              }
            }
            "#);
        }
        assert_eq!(answer["LogDeliveryConfiguration"]["UserPoolId"], json!(pool));
        assert_eq!(get(&server, &pool).await, answer);
        assert_eq!(get(&server, &other).await, json!({}));
        // Other settings of the pool have nothing to do with it.
        server.call("UpdateUserPool", json!({"UserPoolId": pool})).await.ok();
        assert_eq!(get(&server, &pool).await, answer);

        let replaced = set(&server, &pool, json!([notifications(&format!("{GROUP}-2"))])).await.ok();
        assert_eq!(get(&server, &pool).await, replaced);
        let cleared = json!({"LogDeliveryConfiguration": {"UserPoolId": pool, "LogConfigurations": []}});
        assert_eq!(set(&server, &pool, json!([])).await.ok(), cleared);
        assert_eq!(get(&server, &pool).await, json!({}));
    })
    .await;
}

#[tokio::test]
async fn every_rule_is_held() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        let before = set(&server, &pool, json!([notifications(GROUP)])).await.ok();
        let notification = |member: &str, value: Value| {
            let mut entry = json!({"EventSource": "userNotification", "LogLevel": "ERROR"});
            entry[member] = value;
            entry
        };
        let mut twice = notifications(GROUP);
        twice["S3Configuration"] = json!({"BucketArn": BUCKET});
        let with_level = |mut entry: Value, level: &str| {
            entry["LogLevel"] = json!(level);
            entry
        };
        let [cloud_watch, _, s3] = all_activity();
        for (logs, message) in [
            (
                json!([notifications(GROUP), notifications(GROUP)]),
                "LogConfigurations has more than one entry for userNotification.",
            ),
            (json!([cloud_watch, s3]), "LogConfigurations has more than one entry for userAuthEvents."),
            (json!([with_level(notifications(GROUP), "INFO")]), "The log level of userNotification must be ERROR."),
            (json!([with_level(s3, "ERROR")]), "The log level of userAuthEvents must be INFO."),
            (
                json!([{"EventSource": "userNotification", "LogLevel": "ERROR"}]),
                "The entry for userNotification must have exactly one destination.",
            ),
            (json!([twice]), "The entry for userNotification must have exactly one destination."),
            (
                json!([{"EventSource": "userAuthEvents", "LogLevel": "INFO"}]),
                "The entry for userAuthEvents must have exactly one destination.",
            ),
            (
                json!([notification("S3Configuration", json!({"BucketArn": BUCKET}))]),
                "Logs of userNotification can go to CloudWatchLogsConfiguration only, not to S3Configuration.",
            ),
            (
                json!([notification("FirehoseConfiguration", json!({"StreamArn": STREAM}))]),
                "Logs of userNotification can go to CloudWatchLogsConfiguration only, not to FirehoseConfiguration.",
            ),
            (
                json!([notification("CloudWatchLogsConfiguration", json!({}))]),
                "CloudWatchLogsConfiguration needs the ARN of a destination of the service logs.",
            ),
            (
                json!([notifications(STREAM)]),
                "CloudWatchLogsConfiguration needs the ARN of a destination of the service logs.",
            ),
            (
                json!([activity("FirehoseConfiguration", json!({"StreamArn": GROUP}))]),
                "FirehoseConfiguration needs the ARN of a destination of the service firehose.",
            ),
            (
                json!([activity("S3Configuration", json!({"BucketArn": "arn:aws:s4:::pool-logs"}))]),
                "S3Configuration needs the ARN of a destination of the service s3.",
            ),
        ] {
            let answer = set(&server, &pool, logs.clone()).await;
            assert_eq!(answer.error(), format!("InvalidParameterException: {message}"), "{logs}");
        }
        for logs in [
            json!([notifications(GROUP), all_activity()[0], all_activity()[1]]),
            json!([notifications("nowhere-in-particular")]),
            json!([activity("S3Configuration", json!({"BucketArn": "no"}))]),
            json!([{"EventSource": "else", "LogLevel": "ERROR"}]),
            json!([{"EventSource": "userNotification", "LogLevel": "DEBUG"}]),
            json!([{"EventSource": "userNotification"}]),
            json!([{"LogLevel": "ERROR"}]),
        ] {
            let error = set(&server, &pool, logs.clone()).await.error();
            assert!(error.starts_with("InvalidParameterException: "), "{logs}: {error}");
            assert!(error.contains("validation error"), "{logs}: {error}");
        }
        assert_eq!(get(&server, &pool).await, before);
        let missing = "ResourceNotFoundException: User pool us-east-1_nosuchone does not exist.";
        assert_eq!(set(&server, "us-east-1_nosuchone", json!([notifications(GROUP)])).await.error(), missing);
        let request = json!({"UserPoolId": "us-east-1_nosuchone"});
        assert_eq!(server.call("GetLogDeliveryConfiguration", request).await.error(), missing);
    })
    .await;
}

#[tokio::test]
async fn activity_belongs_to_the_highest_plan() {
    both_engines(async |server| {
        for (tier, message) in [
            (
                "LITE",
                "The following features need to be disabled for the LITE pricing tier configured: Threat Protection",
            ),
            (
                "ESSENTIALS",
                "The following features need to be disabled for the ESSENTIALS pricing tier configured: Threat Protection",
            ),
            ("PLUS", "Logs of userAuthEvents need threat protection, which is OFF in this user pool."),
        ] {
            let pool = server.pool(json!({"UserPoolTier": tier})).await;
            for entry in all_activity() {
                let answer = set(&server, &pool, json!([notifications(GROUP), entry])).await;
                assert_eq!(answer.error(), format!("FeatureUnavailableInTierException: {message}"));
            }
            assert_eq!(get(&server, &pool).await, json!({}));
            // Messages that are not delivered are logged in any plan.
            set(&server, &pool, json!([notifications(GROUP)])).await.ok();
        }
    })
    .await;

    // Where the operator lifts the plans, it still has to be switched on.
    let server = Server::builder().settings(|settings| settings.lift_tiers = true).start().await;
    let pool = server.pool(json!({"UserPoolTier": "LITE"})).await;
    for entry in all_activity() {
        let answer = set(&server, &pool, json!([entry])).await;
        let off = "FeatureUnavailableInTierException: Logs of userAuthEvents need threat protection, which is OFF in this user pool.";
        assert_eq!(answer.error(), off);
    }
    update(&server, &pool, &json!({"UserPoolTier": "LITE", "UserPoolAddOns": {"AdvancedSecurityMode": "AUDIT"}}))
        .await
        .ok();
    set(&server, &pool, json!([all_activity()[0]])).await.ok();
}

#[tokio::test]
async fn activity_goes_to_any_kind_of_destination_and_keeps_it_while_threat_protection_is_off() {
    both_engines(async |server| {
        for mode in ["AUDIT", "ENFORCED"] {
            let pool = crate::threat::pool(&server, mode, &json!({})).await;
            for entry in all_activity() {
                let logs = json!([notifications(GROUP), entry]);
                let answer = set(&server, &pool, logs.clone()).await.ok();
                let configuration = json!({"UserPoolId": pool, "LogConfigurations": logs});
                assert_eq!(answer, json!({"LogDeliveryConfiguration": configuration}));
                assert_eq!(get(&server, &pool).await, answer);
            }
            let before = get(&server, &pool).await;
            update(&server, &pool, &json!({"UserPoolTier": "PLUS"})).await.ok();
            assert_eq!(get(&server, &pool).await, before);
            // To set it anew it has to be on again; what is there can be taken away.
            let logs = before["LogDeliveryConfiguration"]["LogConfigurations"].clone();
            let off = "FeatureUnavailableInTierException: Logs of userAuthEvents need threat protection, which is OFF in this user pool.";
            assert_eq!(set(&server, &pool, logs).await.error(), off);
            set(&server, &pool, json!([notifications(GROUP)])).await.ok();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn changes_at_the_same_time_end_in_one_of_them() {
    both_engines(async |server| {
        let server = Arc::new(server);
        let pool = server.pool(json!({})).await;
        let mut changing = tokio::task::JoinSet::new();
        for number in 0..6 {
            let (server, pool) = (server.clone(), pool.clone());
            changing.spawn(async move {
                set(&server, &pool, json!([notifications(&format!("{GROUP}-{number}"))])).await.ok()
            });
        }
        let answers = changing.join_all().await;
        assert!(answers.contains(&get(&server, &pool).await));
    })
    .await;
}

/// A mail server that refuses every receiver for good, and says more than it should.
async fn refusing_server() -> Sender {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move { talk(stream).await.ok() });
        }
    });
    testkit::smtp(port, Duration::from_secs(5))
}

async fn talk(stream: TcpStream) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    write.write_all(b"220 test\r\n").await?;
    while let Some(line) = lines.next_line().await? {
        let answer = if line.starts_with("RCPT") { format!("550 {line} is nobody") } else { "250 ok".to_owned() };
        write.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
    Ok(())
}

/// A server whose mails are all refused, a pool of it that logs to this group, and a sign-up in it.
async fn refused(collector: &Collector, group: &str) -> (Server, String) {
    let builder = Server::builder().sender(refusing_server().await).records(collector.everything(GROUP));
    let mut server = builder.start().await;
    server.deliver_records();
    let pool = server.pool(json!({"AutoVerifiedAttributes": ["email"]})).await;
    let client = server.client_id(&pool, json!({})).await;
    set(&server, &pool, json!([notifications(group)])).await.ok();
    crate::sign_up::sign_up(&server, &client, "ana", &[("email", "ana@example.com")]).await.ok();
    server.send_messages();
    (server, pool)
}

async fn until(what: impl Fn() -> bool) {
    let waiting = async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap();
}

#[tokio::test]
async fn a_message_that_cannot_be_delivered_is_logged_without_its_secrets() {
    let collector = Collector::default();
    let (mut server, pool) = refused(&collector, GROUP).await;
    until(|| !collector.records().is_empty()).await;
    server.stop_jobs().await;
    let records = collector.records();
    let [record] = records.as_slice() else { panic!("{records:?}") };
    let details = record["message"]["details"].as_str().unwrap();
    let start = "The email for SignUp could not be delivered and was given up, tries: 1, message: ";
    assert!(details.starts_with(start), "{details}");
    assert_eq!(
        record,
        &json!({
            "eventTimestamp": "1767323045000",
            "eventSource": "USER_NOTIFICATION",
            "logLevel": "ERROR",
            "message": {"details": details},
            "logSourceId": {"userPoolId": pool},
        })
    );
    // The mail server's own words repeat the address.
    let text = record.to_string();
    assert!(!text.contains("ana@example.com") && !text.contains("nobody"), "{text}");
    // Nothing else stands in it: no code.
    let (id, user) = details.strip_prefix(start).unwrap().split_once(", user: ").unwrap();
    let message = server.app.store.message(id).await.unwrap().unwrap();
    assert_eq!(user, format!("{}.", message.sub));
}

/// A function that was to send the message can say more than it should as well.
#[tokio::test]
async fn what_a_function_did_not_send_is_logged_without_its_words() {
    let collector = Collector::default();
    let mut server = Server::builder().records(collector.everything(GROUP)).start().await;
    server.deliver_records();
    server.function(&arn("CustomSMSSender"), |event| Err(Failure::Threw(format!("cannot send {event}"))));
    let members = json!({
        "AutoVerifiedAttributes": ["phone_number"], "LambdaConfig": lambda_config(&["CustomSMSSender"]),
        "SmsConfiguration": {"SnsCallerArn": "arn:aws:iam::123456789012:role/sms"},
    });
    let pool = server.pool(members).await;
    let client = server.client_id(&pool, json!({})).await;
    set(&server, &pool, json!([notifications(GROUP)])).await.ok();
    crate::sign_up::sign_up(&server, &client, "ana", &[("phone_number", "+12065550100")]).await.ok();
    let code = server.last_code(&pool, "ana").await;
    server.send_messages();
    // The function is called three times, some seconds apart.
    until(|| {
        server.advance(2);
        server.app.outbox.notify();
        !collector.records().is_empty()
    })
    .await;
    server.stop_jobs().await;
    let [record] = collector.records().try_into().unwrap();
    let details = record["message"]["details"].as_str().unwrap();
    let start = "The text message for SignUp could not be delivered and was given up, tries: 3, message: ";
    assert!(details.starts_with(start), "{details}");
    assert!(!details.contains("cannot send") && !details.contains("+12065550100"), "{details}");
    // Nor does the server keep what the function repeats of it.
    let (id, _) = details.strip_prefix(start).unwrap().split_once(", user: ").unwrap();
    let error = server.app.store.message(id).await.unwrap().unwrap().value.last_error.unwrap();
    assert!(error.contains("cannot send") && !error.contains("+12065550100") && !error.contains(&code), "{error}");
}

#[tokio::test]
async fn what_goes_to_an_unknown_destination_is_counted() {
    let collector = Collector::default();
    let elsewhere = "arn:aws:logs:eu-west-1:123456789012:log-group:pool";
    let (mut server, _pool) = refused(&collector, elsewhere).await;
    let dropped = "poolkeeper_records_total{kind=\"log\",outcome=\"no_destination\"} 1\n";
    until(|| server.app.metrics.text().contains(dropped)).await;
    server.stop_jobs().await;
    assert!(collector.records().is_empty());
}
