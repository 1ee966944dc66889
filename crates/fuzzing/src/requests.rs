//! Requests to a server in process, which must never answer that something of its own went wrong.
//!
//! `$POOL`, `$CLIENT`, `$ACCESS_TOKEN`, `$REFRESH_TOKEN` and `$SESSION` stand for what is not known before. The server is
//! a new one after a few hundred inputs; until then it keeps what they have done, so that one of them alone may not show
//! again what several have shown.

use axum::body::Body;
use http::{Method, Request};
use serde_json::{Value, json};
use testkit::Answer;
use tokio_util::sync::CancellationToken;
use wire::Operation;

use crate::{
    input,
    world::{PASSWORD, TRIGGERS, World, visit},
};

/// What a request may hold after which nothing is as it was: other tests of the same server would see nothing.
const UPHEAVALS: [&str; 4] = ["_poolkeeper/reset", "_poolkeeper/clock", "DeleteUserPool", "DeleteUser"];

/// An operation's name in the first line, and the request's body. Other names count as an operation, too.
pub fn operations(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (name, body) = input::line(&text);
    let Some(operation) = operation(name) else { return };
    visit(async |world| {
        let body = world.filled_in(body);
        let answer = match serde_json::from_str::<Value>(&body) {
            // Compares successes with the model.
            Ok(body) => world.server.call(operation.name(), body).await,
            Err(_) => post(world, operation, body).await,
        };
        check(&answer, operation.name());
        !UPHEAVALS.contains(&operation.name())
    });
}

fn operation(name: &str) -> Option<Operation> {
    let sum = name.bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)));
    let known = Operation::ALL.len();
    Operation::parse(name.trim()).or_else(|| Operation::ALL.get(sum % known).copied())
}

async fn post(world: &World, operation: Operation, body: String) -> Answer {
    let request = Request::builder()
        .method(Method::POST)
        .uri("/")
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", format!("AWSCognitoIdentityProviderService.{}", operation.name()));
    world.server.request(request.body(Body::from(body)).expect("a request")).await
}

fn check(answer: &Answer, what: &str) {
    assert!(answer.status < 500, "{what}: {answer:?}");
}

/// A request as it goes over the wire: `METHOD path`, headers, an empty line, the body.
pub fn http_requests(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    visit(async |world| {
        let text = world.filled_in(&text);
        let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
        let mut lines = head.lines();
        let (method, path) = lines.next().and_then(|line| line.split_once(' ')).unwrap_or_default();
        let headers = lines.filter_map(|line| line.split_once(':'));
        let request = headers.fold(Request::builder().method(method).uri(path), |request, (name, value)| {
            request.header(name.trim(), value.trim())
        });
        // What is no HTTP gets no further than the listener.
        let Ok(request) = request.body(Body::from(body.to_owned())) else { return true };
        check(&world.server.request(request).await, &text);
        !UPHEAVALS.iter().any(|upheaval| text.contains(upheaval))
    });
}

/// The number of a trigger, and what its function answers: its whole output, or the `response` of an event.
pub fn function_answers(data: &[u8]) {
    let Some((chosen, output)) = input::choice(data, TRIGGERS.len()) else { return };
    let Some(trigger) = TRIGGERS.get(chosen) else { return };
    let output = String::from_utf8_lossy(output).into_owned();
    visit(async |world| {
        world.answer(trigger, output);
        // Counters of attempts begin anew.
        world.server.advance(24 * 60 * 60);
        let client = &world.client_with_functions;
        let call = async |operation: &str, mut request: Value| {
            request["ClientId"] = json!(client);
            let answer = world.server.call(operation, request).await;
            check(&answer, operation);
            answer
        };
        match *trigger {
            "PreSignUp" | "CustomMessage" | "PostConfirmation" => {
                let email = json!([{"Name": "email", "Value": "carol@example.com"}]);
                let user = json!({"Username": "carol", "Password": PASSWORD, "UserAttributes": email});
                call("SignUp", user).await;
                call("ConfirmSignUp", json!({"Username": "carol", "ConfirmationCode": "123456"})).await;
                call("ForgotPassword", json!({"Username": "alice"})).await;
            }
            "PreAuthentication" | "PostAuthentication" | "PreTokenGeneration" => {
                check(&world.server.sign_in(client, "alice", PASSWORD).await, trigger);
            }
            "UserMigration" => {
                check(&world.server.sign_in(client, "dave@example.com", PASSWORD).await, trigger);
                call("ForgotPassword", json!({"Username": "erin@example.com"})).await;
            }
            _ => {
                let begin = json!({"AuthFlow": "CUSTOM_AUTH", "AuthParameters": {"USERNAME": "alice"}});
                let answer = call("InitiateAuth", begin).await;
                let session = answer.body.get("Session").cloned().unwrap_or_default();
                if answer.status == 200 && !session.is_null() {
                    let responses = json!({"USERNAME": "alice", "ANSWER": "7"});
                    let name = "CUSTOM_CHALLENGE";
                    let next = json!({"ChallengeName": name, "Session": session, "ChallengeResponses": responses});
                    call("RespondToAuthChallenge", next).await;
                }
            }
        }
        true
    });
}

/// A file of users: as it is, or (1) its lines after the header that fits.
pub fn import_files(data: &[u8]) {
    let Some((way, rest)) = input::choice(data, 2) else { return };
    visit(async |world| {
        let (server, pool) = (&world.server, &world.pool);
        let mut file = Vec::new();
        if way == 1 {
            let header = server.call("GetCSVHeader", json!({"UserPoolId": pool})).await.ok();
            let names = header["CSVHeader"].as_array().into_iter().flatten().filter_map(Value::as_str);
            file.extend(names.collect::<Vec<_>>().join(",").bytes());
            file.push(b'\n');
        }
        file.extend(rest);
        let lines = file.split(|byte| *byte == b'\n').count();
        let role = "arn:aws:iam::123456789012:role/CloudWatchLogs";
        let job = json!({"UserPoolId": pool, "JobName": "job", "CloudWatchLogsRoleArn": role});
        let job = server.call("CreateUserImportJob", job).await.ok();
        let member = |name: &str| job["UserImportJob"][name].as_str().unwrap_or_default().to_owned();
        let (id, url) = (member("JobId"), member("PreSignedUrl"));
        let put = Request::builder()
            .method(Method::PUT)
            .uri(url.strip_prefix("http://127.0.0.1:9229").unwrap_or_default())
            .header("x-amz-server-side-encryption", "aws:kms")
            .body(Body::from(file));
        check(&server.request(put.expect("a request")).await, "the upload");
        let job = json!({"UserPoolId": pool, "JobId": id});
        let started = server.call("StartUserImportJob", job.clone()).await;
        check(&started, "StartUserImportJob");
        if started.status != 200 {
            // A file that was not taken leaves a job behind that waits for one.
            server.call("StopUserImportJob", job).await;
            return true;
        }
        service::import::work_off(&server.app, &CancellationToken::new()).await.expect("the job comes to its end");
        let job = server.call("DescribeUserImportJob", job).await.ok();
        let count = |name: &str| job["UserImportJob"][name].as_u64().unwrap_or_default();
        let seen = count("ImportedUsers") + count("SkippedUsers") + count("FailedUsers");
        assert!(seen <= lines as u64, "{lines} lines: {job}");
        let status = job["UserImportJob"]["Status"].as_str();
        assert!(matches!(status, Some("Succeeded" | "Failed")), "{job}");
        check(&server.get(&format!("/_poolkeeper/imports/{pool}/{id}/log")).await, "the log");
        true
    });
}
