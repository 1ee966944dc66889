//! A handler with a runtime client of its own, which the tests have run: it does what `request.act` of an event says.
//! `TEST_INIT` in its environment says how it begins.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::zombie_processes,
    reason = "a test's program: a panic is an end like any other, and what it starts is for the test to find"
)]

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::Command,
    thread::sleep,
    time::Duration,
};

use serde_json::{Value, json};

const FOREVER: Duration = Duration::from_secs(3_600);

fn main() {
    let mut api = Api::connect();
    match std::env::var("TEST_INIT").unwrap_or_default().as_str() {
        "error" => {
            let error = json!({"errorMessage": "Cannot find module 'x'", "errorType": "Runtime.ImportModuleError"});
            assert_eq!(api.post("/runtime/init/error", &[], error.to_string().as_bytes()).0, 202);
            std::process::exit(1);
        }
        "error and stay" => {
            assert_eq!(api.post("/runtime/init/error", &["lambda-runtime-function-error-type: Its.Type"], b"").0, 202);
            sleep(FOREVER);
        }
        "exit" => std::process::exit(3),
        "hang" => sleep(FOREVER),
        file if !file.is_empty() && !std::path::Path::new(file).exists() => std::process::exit(4),
        _ => {}
    }
    loop {
        let (status, headers, body) = api.request("GET", "/runtime/invocation/next", &[], b"");
        assert_eq!(status, 200);
        let event: Value = serde_json::from_slice(&body).unwrap();
        handle(&mut api, &headers, event);
    }
}

fn handle(api: &mut Api, headers: &BTreeMap<String, String>, mut event: Value) {
    let id = headers.get("lambda-runtime-aws-request-id").unwrap();
    let (response, error) = (format!("/runtime/invocation/{id}/response"), format!("/runtime/invocation/{id}/error"));
    let number = event.pointer("/request/number").and_then(Value::as_i64).unwrap_or_default();
    let act = event.pointer("/request/act").and_then(Value::as_str).unwrap_or("echo").to_owned();
    let mut said = json!({"pid": std::process::id(), "headers": headers});
    match act.as_str() {
        "echo" => {}
        "environment" => said = std::env::vars().map(|(name, value)| (name, Value::from(value))).collect::<Value>(),
        "late" => sleep(Duration::from_millis(number.unsigned_abs())),
        "hang" => sleep(FOREVER),
        "take megabytes" => {
            let taken = vec![1_u8; usize::try_from(number).unwrap() << 20];
            said = json!({"pid": std::process::id(), "taken": taken.len() >> 20});
        }
        "exit" => std::process::exit(number.try_into().unwrap()),
        "abort" => std::process::abort(),
        "throw" => {
            let payload = json!({"errorMessage": "No.", "errorType": "Error", "trace": ["Error: No."]}).to_string();
            // As Python's client does: the cause in a long header.
            let cause = format!("lambda-runtime-function-xray-error-cause: {}", "x".repeat(1_000_000));
            assert_eq!(api.post(&error, &[&cause], payload.as_bytes()).0, 202);
            return;
        }
        "throw without a message" => {
            assert_eq!(api.post(&error, &["lambda-runtime-function-error-type: unhandled"], b"oops").0, 202);
            return;
        }
        "answer" => {
            let text = event.pointer("/request/text").and_then(Value::as_str).unwrap();
            assert_eq!(api.post(&response, &[], text.as_bytes()).0, 202);
            return;
        }
        "answer in latin-1" => {
            assert_eq!(api.post(&response, &[], b"{\"a\": \"\xe4\"}").0, 202);
            return;
        }
        "answer too much" => {
            assert_eq!(api.post(&response, &[], &vec![b' '; 6 * 1_024 * 1_024 + 101]).0, 413);
            *api = Api::connect();
            return;
        }
        "answer and stay away" => {
            assert_eq!(api.post(&response, &[], event.to_string().as_bytes()).0, 202);
            sleep(FOREVER);
        }
        "break the rules" => {
            let status = |answer: (u16, Vec<u8>)| json!([answer.0, String::from_utf8(answer.1).unwrap()]);
            let other = "/runtime/invocation/00000000-0000-4000-8000-000000000000";
            let next = api.request("GET", "/runtime/invocation/next", &[], b"");
            said = json!({
                "next": status((next.0, next.2)),
                "other response": status(api.post(&format!("{other}/response"), &[], b"{}")),
                "other error": status(api.post(&format!("{other}/error"), &[], b"{}")),
                "init error": status(api.post("/runtime/init/error", &[], b"{}")),
                "path": status(api.post("/runtime/nothing", &[], b"")),
                "method": status(api.post("/runtime/invocation/next", &[], b"")),
                "ping": api.request("GET", "/ping", &[], b"").0,
            });
        }
        "print" => {
            let mut out = std::io::stdout().lock();
            for line in 0..number {
                writeln!(out, "line {line}").unwrap();
            }
            eprintln!("a word to stderr");
        }
        "print without end" => {
            let mut out = std::io::stdout().lock();
            while writeln!(out, "more and more of it").is_ok() {}
        }
        "fork" => {
            let child = Command::new("sleep").arg("3600").spawn().unwrap();
            said = json!({"pid": std::process::id(), "child": child.id()});
        }
        "fork and hang" => {
            let file = event.pointer("/request/text").and_then(Value::as_str).unwrap();
            let child = Command::new("sleep").arg("3600").spawn().unwrap();
            std::fs::write(file, format!("{} {}", std::process::id(), child.id())).unwrap();
            sleep(FOREVER);
        }
        other => panic!("no such act: {other}"),
    }
    event.as_object_mut().unwrap().insert("response".to_owned(), said);
    assert_eq!(api.post(&response, &[], event.to_string().as_bytes()).0, 202);
}

/// A connection to the Runtime API.
struct Api {
    host: String,
    stream: BufReader<TcpStream>,
}

impl Api {
    fn connect() -> Self {
        let host = std::env::var("AWS_LAMBDA_RUNTIME_API").unwrap();
        let stream = BufReader::new(TcpStream::connect(&host).unwrap());
        Self { host, stream }
    }

    fn post(&mut self, path: &str, headers: &[&str], body: &[u8]) -> (u16, Vec<u8>) {
        let (status, _, body) = self.request("POST", path, headers, body);
        (status, body)
    }

    fn request(
        &mut self,
        method: &str,
        path: &str,
        headers: &[&str],
        body: &[u8],
    ) -> (u16, BTreeMap<String, String>, Vec<u8>) {
        let host = &self.host;
        let mut head = format!("{method} /2018-06-01{path} HTTP/1.1\r\nhost: {host}\r\n");
        for header in headers {
            head.push_str(header);
            head.push_str("\r\n");
        }
        head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
        // In one piece: a second small one would wait for the first one's acknowledgement. What is too long is not read to
        // its end.
        _ = self.stream.get_mut().write_all(&[head.as_bytes(), body].concat());
        let mut line = || {
            let mut line = String::new();
            // Gone is the server, or it has closed the port: time to go as well, as the official clients do.
            if self.stream.read_line(&mut line).unwrap_or(0) == 0 {
                std::process::exit(1);
            }
            line.trim_end().to_owned()
        };
        let status = line().split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers = BTreeMap::new();
        loop {
            let line = line();
            let Some((name, value)) = line.split_once(": ") else { break };
            headers.insert(name.to_lowercase(), value.to_owned());
        }
        let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).unwrap();
        (status, headers, body)
    }
}
