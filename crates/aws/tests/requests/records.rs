//! Records for CloudWatch Logs, Firehose and S3: whole requests, how they are parted, and what is left.

use base64::{Engine, engine::general_purpose::STANDARD};
use poolkeeper_aws::{Entry, Left};
use serde_json::{Value, json};

use crate::{Answer, Server, answer, connection, nowhere};

const GROUP: &str = "arn:aws:logs:eu-central-1:000000000000:log-group:/shop/users";
const STREAM: &str = "arn:aws:firehose:eu-west-1:000000000000:deliverystream/users";
const BUCKET: &str = "arn:aws:s3:::users-of-shop/logs";
/// 2026-01-02T03:04:05Z in milliseconds.
const MOMENT: i64 = 1_767_323_045_000;

fn entry(moment: i64, text: &str) -> Entry {
    Entry { moment, text: text.to_owned() }
}

fn entries(number: i64, text: &str) -> Vec<Entry> {
    (0..number).map(|number| entry(MOMENT + number, text)).collect()
}

fn refused(name: &str) -> Answer {
    answer(400, &[], &json!({"__type": name, "message": "The text of it"}).to_string())
}

fn good() -> Answer {
    answer(200, &[], "{}")
}

/// The texts of the events in a request.
fn texts(body: &Value) -> Vec<&str> {
    body["logEvents"].as_array().unwrap().iter().map(|event| event["message"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn events_are_written_in_their_order_and_the_stream_is_made() {
    let server = Server::start([refused("ResourceNotFoundException"), good(), good(), good()]).await;
    let logs = server.connection(None).await.logs();
    let given = [entry(MOMENT + 5, "{\"n\":2}"), entry(MOMENT, "{\"n\":1}")];
    assert_eq!(logs.put(GROUP, "us-east-1_AbCdEfGh1", &given).await, Left::default());
    let received = server.all();
    let targets: Vec<&str> = received.iter().map(|received| received.header("x-amz-target")).collect();
    let [put, create] = ["Logs_20140328.PutLogEvents", "Logs_20140328.CreateLogStream"];
    assert_eq!(targets, [put, create, put]);
    let stream = json!({"logGroupName": "/shop/users", "logStreamName": "us-east-1_AbCdEfGh1"});
    assert_eq!(received[1].json(), stream);
    let mut whole = stream;
    whole["logEvents"] = json!([
        {"timestamp": MOMENT, "message": "{\"n\":1}"},
        {"timestamp": MOMENT + 5, "message": "{\"n\":2}"},
    ]);
    for at in [0, 2] {
        assert_eq!(received[at].json(), whole);
        assert_eq!(received[at].scope(), "AKIDEXAMPLE/eu-central-1/logs/aws4_request");
    }
    // It is there now.
    assert_eq!(logs.put(&format!("{GROUP}:*"), "us-east-1_AbCdEfGh1", &given).await, Left::default());
    assert_eq!(server.only().json(), whole);
}

#[tokio::test]
async fn a_stream_that_another_server_makes_is_written_to() {
    let absent = || refused("ResourceNotFoundException");
    let server = Server::start([absent(), refused("ResourceAlreadyExistsException"), good()]).await;
    let logs = server.connection(None).await.logs();
    assert_eq!(logs.put(GROUP, "p", &entries(1, "x")).await, Left::default());
    assert_eq!(server.all().len(), 3);
    // A group that is not there is not made.
    let server = Server::start([absent(), absent()]).await;
    let left = server.connection(None).await.logs().put(GROUP, "p", &entries(2, "x")).await;
    assert_eq!((left.again.len(), left.refused), (0, vec![0, 1]));
    assert!(left.reason.unwrap().contains("ResourceNotFoundException: The text of it. Check the ARN"));
}

#[tokio::test]
async fn requests_stay_within_the_limits_of_cloudwatch_logs() {
    let put = async |given: &[Entry], requests: usize| {
        let server = Server::start(vec![good(); requests]).await;
        let left = server.connection(None).await.logs().put(GROUP, "p", given).await;
        let bodies: Vec<Value> = server.all().iter().map(|received| received.json()).collect();
        assert_eq!(bodies.len(), requests);
        (left, bodies.iter().map(|body| texts(body).len()).collect::<Vec<_>>())
    };
    assert_eq!(put(&[], 0).await, (Left::default(), vec![]));
    assert_eq!(put(&entries(10_001, "x"), 2).await, (Left::default(), vec![10_000, 1]));
    // Four times 262,144 bytes with the 26 of each are just one request.
    let quarter = "x".repeat(262_144 - 26);
    assert_eq!(put(&entries(5, &quarter), 2).await, (Left::default(), vec![4, 1]));
    // No more than a day together.
    let days = [entry(MOMENT, "a"), entry(MOMENT + 86_400_000, "b"), entry(MOMENT + 86_400_001, "c")];
    assert_eq!(put(&days, 2).await, (Left::default(), vec![2, 1]));
    let large = [entry(MOMENT, "a"), entry(MOMENT, &"x".repeat(1_048_576 - 25)), entry(MOMENT, "c")];
    let (left, sent) = put(&large, 1).await;
    assert_eq!((left.again.len(), left.refused, sent), (0, vec![1], vec![2]));
    assert!(left.reason.unwrap().contains("1 MiB"));
    let (left, _) = put_to("arn:aws:logs:e:1:destination:x").await;
    assert_eq!(left.refused, [0, 1]);
}

async fn put_to(arn: &str) -> (Left, usize) {
    let server = Server::start([]).await;
    let left = server.connection(None).await.logs().put(arn, "p", &entries(2, "x")).await;
    (left, server.all().len())
}

#[tokio::test]
async fn events_that_are_too_old_or_too_new_are_refused() {
    for (info, untaken) in [
        (json!({"tooOldLogEventEndIndex": 1}), vec![3]),
        (json!({"expiredLogEventEndIndex": 2, "tooOldLogEventEndIndex": 1}), vec![3, 2]),
        (json!({"tooNewLogEventStartIndex": 3}), vec![0]),
        (json!({"tooOldLogEventEndIndex": 1, "tooNewLogEventStartIndex": 2}), vec![3, 1, 0]),
        (json!({}), vec![]),
    ] {
        let answered = answer(200, &[], &json!({"rejectedLogEventsInfo": info}).to_string());
        let server = Server::start([answered]).await;
        let given: Vec<Entry> = entries(4, "x").into_iter().rev().collect();
        let left = server.connection(None).await.logs().put(GROUP, "p", &given).await;
        assert_eq!((left.again.len(), &left.refused), (0, &untaken), "{info}");
        assert_eq!(left.reason.is_some(), !untaken.is_empty());
    }
}

/// What passes by itself is left for another time, the rest is not; each is asked once.
#[tokio::test]
async fn what_cloudwatch_logs_refuses() {
    for (status, name, may_pass) in [
        (400, "ThrottlingException", true),
        (400, "LimitExceededException", true),
        (503, "ServiceUnavailableException", true),
        (400, "ExpiredTokenException", true),
        (400, "AccessDeniedException", false),
        (400, "UnrecognizedClientException", false),
        (400, "InvalidParameterException", false),
    ] {
        let body = json!({"__type": name, "message": "The text of it"}).to_string();
        let server = Server::start([answer(status, &[], &body)]).await;
        let left = server.connection(None).await.logs().put(GROUP, "p", &entries(2, "x")).await;
        let (again, refused) = if may_pass { (vec![0, 1], vec![]) } else { (vec![], vec![0, 1]) };
        assert_eq!((left.again, left.refused), (again, refused), "{name}");
        let reason = left.reason.unwrap();
        assert!(reason.starts_with(&format!("CloudWatch Logs: {name}: The text of it")), "{reason}");
        server.only();
    }
    // One request of two fails.
    let server = Server::start([good(), refused("ThrottlingException")]).await;
    let left = server.connection(None).await.logs().put(GROUP, "p", &entries(10_002, "x")).await;
    assert_eq!((left.again, left.refused.len()), (vec![10_000, 10_001], 0));
    let logs = connection(&nowhere().await, None).await.logs();
    let left = logs.put(GROUP, "p", &entries(1, "x")).await;
    assert!(left.again == [0] && left.reason.unwrap().contains("Check the network"));
}

#[tokio::test]
async fn records_of_firehose_end_lines_and_failed_ones_are_left() {
    let outcomes = json!({"FailedPutCount": 2, "RequestResponses": [
        {"RecordId": "1"},
        {"ErrorCode": "ServiceUnavailableException", "ErrorMessage": "Slow down."},
        {"RecordId": "3"},
        {"ErrorCode": "InternalFailure"},
    ]});
    let server = Server::start([answer(200, &[], &outcomes.to_string())]).await;
    let firehose = server.connection(None).await.firehose();
    let left = firehose.put(STREAM, &entries(4, "{}")).await;
    assert_eq!((left.again, left.refused), (vec![1, 3], vec![]));
    assert_eq!(left.reason.unwrap(), "Firehose: ServiceUnavailableException: Slow down.");
    let received = server.only();
    assert_eq!(received.header("x-amz-target"), "Firehose_20150804.PutRecordBatch");
    assert_eq!(received.scope(), "AKIDEXAMPLE/eu-west-1/firehose/aws4_request");
    let data = json!({"Data": STANDARD.encode("{}\n")});
    assert_eq!(received.json(), json!({"DeliveryStreamName": "users", "Records": vec![data; 4]}));
}

#[tokio::test]
async fn requests_stay_within_the_limits_of_firehose() {
    let taken = || answer(200, &[], r#"{"FailedPutCount": 0, "RequestResponses": []}"#);
    let put = async |given: &[Entry], answers: Vec<Answer>| {
        let server = Server::start(answers).await;
        let left = server.connection(None).await.firehose().put(STREAM, given).await;
        let sizes = server.all().iter().map(|received| received.json()["Records"].as_array().unwrap().len()).collect();
        (left, sizes)
    };
    let sent: (Left, Vec<usize>) = put(&entries(1_001, "x"), vec![taken(); 3]).await;
    assert_eq!(sent, (Left::default(), vec![500, 500, 1]));
    // A MiB each, but for the end of the line.
    let large = "x".repeat(1_000 * 1_024 - 1);
    assert_eq!(put(&entries(5, &large), vec![taken(); 2]).await, (Left::default(), vec![4, 1]));
    let (left, sizes) = put(&[entry(MOMENT, &format!("{large}x")), entry(MOMENT, "x")], vec![taken()]).await;
    assert_eq!((left.again.len(), left.refused, sizes), (0, vec![0], vec![1]));
    for (answered, may_pass) in [
        (refused("ResourceNotFoundException"), false),
        (answer(503, &[], "{}"), true),
        (refused("ThrottlingException"), true),
    ] {
        let (left, _) = put(&entries(2, "x"), vec![answered]).await;
        assert_eq!((left.again.len(), left.refused.len()), if may_pass { (2, 0) } else { (0, 2) });
    }
}

#[tokio::test]
async fn records_are_an_object_in_a_bucket() {
    let server = Server::start([answer(200, &[("etag", "\"x\"")], "")]).await;
    let s3 = server.connection(Some("eu-west-1")).await.s3();
    assert_eq!(s3.put(BUCKET, "p/2026/01/02/a.jsonl", &entries(2, "{\"a\":1}")).await, Left::default());
    let received = server.only();
    assert_eq!(received.method, "PUT");
    assert_eq!(received.path.split('?').next(), Some("/users-of-shop/logs/p/2026/01/02/a.jsonl"));
    assert_eq!(received.header("content-type"), "application/x-ndjson");
    assert_eq!(received.scope(), "AKIDEXAMPLE/eu-west-1/s3/aws4_request");
    assert_eq!(received.body, "{\"a\":1}\n{\"a\":1}\n");
    let error = |code: &str| format!("<Error><Code>{code}</Code><Message>The text of it</Message></Error>");
    for (status, code, may_pass) in [
        (503, "SlowDown", true),
        (404, "NoSuchBucket", false),
        (403, "AccessDenied", false),
        (500, "InternalError", true),
    ] {
        let server = Server::start([answer(status, &[], &error(code))]).await;
        let left = server.connection(Some("eu-west-1")).await.s3().put(BUCKET, "k", &entries(1, "x")).await;
        assert_eq!((left.again.len(), left.refused.len()), if may_pass { (1, 0) } else { (0, 1) }, "{code}");
        assert!(left.reason.unwrap().starts_with(&format!("S3: {code}: The text of it")));
    }
    let left = s3.put("arn:aws:s3:::", "k", &entries(1, "x")).await;
    assert_eq!(left.refused, [0]);
}
