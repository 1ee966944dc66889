//! Functions behind URLs: a small server that checks requests and answers as it is told.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use domain::Secret;
use poolkeeper_functions::{
    Functions, Way,
    url::{Kind, Options, signature},
};
use serde_json::{Value, json};
use service::triggers::{Failure, Invocation, RunFunctions};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::support::{ARN, REQUEST_ID, call, event, functions, now, refusal, response, thrown, timed_functions};

const SECRET: &str = "a secret of the webhook";

/// A request that the server has got: the lines of its head, and its body.
type Got = (Vec<String>, Vec<u8>);

/// A server that answers with what the event's `request.text` says: a status, a space and a body; without one, the
/// event itself.
struct Server {
    url: String,
    requests: Arc<Mutex<Vec<Got>>>,
    connections: Arc<AtomicUsize>,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/2015-03-31/functions/function/invocations", listener.local_addr().unwrap());
        let (requests, connections) = (Arc::<Mutex<Vec<Got>>>::default(), Arc::new(AtomicUsize::new(0)));
        let (log, count) = (requests.clone(), connections.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, log.clone()));
            }
        });
        Self { url, requests, connections }
    }

    fn functions(&self, kind: Kind) -> Functions {
        functions(Way::Url(Options { url: self.url.parse().unwrap(), kind, ca_file: None }))
    }
}

async fn serve(stream: TcpStream, log: Arc<Mutex<Vec<Got>>>) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return;
            }
            match line.trim_end() {
                "" => break,
                line => head.push(line.to_owned()),
            }
        }
        let length = header(&head, "content-length").unwrap().parse().unwrap();
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        let event: Value = serde_json::from_slice(&body).unwrap();
        log.lock().unwrap().push((head, body));
        let text = event["request"]["text"].as_str();
        let (status, answer) = match text.map(|text| text.split_once(' ').unwrap()) {
            Some(("hang", _)) => return tokio::time::sleep(Duration::from_secs(60)).await,
            Some(("close", _)) => return,
            Some(("long", count)) => ("200", " ".repeat(count.parse().unwrap())),
            Some((status, body)) => (status, body.to_owned()),
            None => ("200", event.to_string()),
        };
        let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{answer}", answer.len());
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn header<'a>(head: &'a [String], name: &str) -> Option<&'a str> {
    head.iter().find_map(|line| {
        let (found, value) = line.split_once(": ")?;
        found.eq_ignore_ascii_case(name).then_some(value)
    })
}

#[tokio::test]
async fn an_emulator_gets_the_event_and_nothing_of_ours() {
    let server = Server::start().await;
    let functions = server.functions(Kind::Emulator);
    assert_eq!(response(&functions, json!({"number": 1})).await, json!({}));
    assert_eq!(response(&functions, json!({"number": 2})).await, json!({}));
    let requests = server.requests.lock().unwrap();
    let (head, body) = &requests[0];
    assert_eq!(head[0], "POST /2015-03-31/functions/function/invocations HTTP/1.1");
    assert_eq!(header(head, "content-type"), Some("application/json"));
    assert!(!head.iter().any(|line| line.starts_with("x-")), "{head:?}");
    assert_eq!(serde_json::from_slice::<Value>(body).unwrap(), event(&json!({"number": 1})));
    assert_eq!(server.connections.load(Ordering::SeqCst), 1, "the connection is used again");
}

#[tokio::test]
async fn a_webhook_can_check_who_calls() {
    let server = Server::start().await;
    let functions = server.functions(Kind::Webhook(Secret::new(SECRET.to_owned())));
    let began = now();
    response(&functions, json!({})).await;
    functions.run(ARN, event(&json!({})), Invocation::Event, REQUEST_ID).await.unwrap();
    let requests = server.requests.lock().unwrap();
    for ((head, body), invocation) in requests.iter().zip(["RequestResponse", "Event"]) {
        let seconds: i64 = header(head, "x-poolkeeper-timestamp").unwrap().parse().unwrap();
        assert!((0..=30).contains(&(seconds - began.seconds())));
        let expected = signature(&Secret::new(SECRET.to_owned()), seconds, body);
        assert_eq!(header(head, "x-poolkeeper-signature"), Some(&*expected));
        assert_eq!(header(head, "x-poolkeeper-function"), Some(ARN));
        assert_eq!(header(head, "x-amz-invocation-type"), Some(invocation));
        assert_eq!(header(head, "x-poolkeeper-request-id").map(str::len), Some(36));
    }
    assert_eq!(requests.len(), 2);
}

#[tokio::test]
async fn answers_become_outcomes() {
    let server = Server::start().await;
    let functions = server.functions(Kind::Emulator);
    let text = |text: &str| json!({"text": text});
    assert_eq!(thrown(&functions, text(r#"200 {"errorMessage": "No.", "errorType": "E"}"#)).await, "No.");
    assert_eq!(thrown(&functions, text(r#"400 {"errorMessage": "No."}"#)).await, "No.");
    assert_eq!(
        thrown(&functions, text("200 Task timed out after 3.00 seconds")).await,
        "Task timed out after 3.00 seconds"
    );
    assert_eq!(call(&functions, text("200 null")).await.unwrap(), "null");
    assert_eq!(refusal(&functions, text("404 <html>")).await, "ResourceNotFoundException");
    assert_eq!(refusal(&functions, text("500 ")).await, "ServiceException");
    assert_eq!(refusal(&functions, text("close ")).await, "ServiceException");
    assert_eq!(call(&functions, text("long 6291556")).await.unwrap().len(), 6_291_556);
    assert_eq!(
        thrown(&functions, text("long 6291557")).await,
        "Response payload size exceeded maximum allowed payload size (6291556 bytes)."
    );
    let before = server.requests.lock().unwrap().len();
    assert_eq!(refusal(&functions, text("503 ")).await, "ServiceException");
    assert_eq!(server.requests.lock().unwrap().len(), before + 1, "nothing is sent twice");
}

#[tokio::test]
async fn nobody_there_is_an_error_at_once_and_hanging_one_in_time() {
    let server = Server::start().await;
    let hang = json!({"text": "hang "});
    let functions = server.functions(Kind::Emulator);
    assert!(timeout(Duration::from_millis(200), call(&functions, hang.clone())).await.is_err());
    assert_eq!(response(&functions, json!({})).await, json!({}), "a call that was given up harms no other");
    let options = Options { url: server.url.parse().unwrap(), kind: Kind::Emulator, ca_file: None };
    let functions = timed_functions(Way::Url(options), Duration::from_millis(100));
    assert!(thrown(&functions, hang).await.ends_with("Task timed out after 0.10 seconds"));

    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let url = format!("http://{port}/").parse().unwrap();
    let functions = crate::support::functions(Way::Url(Options { url, kind: Kind::Emulator, ca_file: None }));
    assert!(matches!(call(&functions, json!({})).await, Err(Failure::NotCalled(name)) if name == "ServiceException"));
}

#[tokio::test]
async fn https_is_https() {
    // A server that speaks no TLS gets nothing of the event.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap()).parse().unwrap();
    let functions = functions(Way::Url(Options { url, kind: Kind::Emulator, ca_file: None }));
    let server = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut bytes = vec![0; 4_096];
        let length = stream.read(&mut bytes).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nnull").await.unwrap();
        bytes[..length].to_vec()
    };
    let (got, outcome) = tokio::join!(server, call(&functions, json!({})));
    assert_eq!(outcome, Err(Failure::NotCalled("ServiceException".to_owned())));
    assert_eq!(got[..2], [0x16, 0x03], "a TLS handshake");
    assert!(!String::from_utf8_lossy(&got).contains("triggerSource"));
}
