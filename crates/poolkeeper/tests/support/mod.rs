//! Starts the built program and speaks plain HTTP to it.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(30);

fn command(arguments: &[&str], environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_poolkeeper"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("POOLKEEPER_")) {
        command.env_remove(name);
    }
    command.envs(environment.iter().copied());
    command
}

/// Runs the program to its end: exit code, standard output, standard error.
pub fn run(arguments: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let output = command(arguments, environment).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

type Lines = Arc<(Mutex<(Vec<String>, bool)>, Condvar)>;

/// A running server. It is killed when it is dropped.
pub struct Program {
    child: Child,
    output: Lines,
    log: Option<JoinHandle<String>>,
    logged: String,
}

impl Program {
    pub fn dev(data: &Path) -> Self {
        Self::start(&["dev", "--listen", "127.0.0.1:0", "--data-dir", data.to_str().unwrap()], &[])
    }

    pub fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut child = command(arguments, environment).spawn().unwrap();
        let output: Lines = Arc::default();
        let (shared, stdout) = (output.clone(), child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                shared.0.lock().unwrap().0.push(line.unwrap());
                shared.1.notify_all();
            }
            shared.0.lock().unwrap().1 = true;
            shared.1.notify_all();
        });
        let mut stderr = child.stderr.take().unwrap();
        let log = std::thread::spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).unwrap();
            text
        });
        Self { child, output, log: Some(log), logged: String::new() }
    }

    /// Waits for what is looked for among the lines of standard output.
    fn wait_for<T>(&mut self, look: impl Fn(&[String]) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let (lock, changed) = &*self.output.clone();
        let mut state = lock.lock().unwrap();
        loop {
            if let Some(found) = look(&state.0) {
                return found;
            }
            if state.1 || Instant::now() > deadline {
                let lines = state.0.clone();
                drop(state);
                panic!("not printed; standard output: {lines:?}; log: {}", self.kill());
            }
            state = changed.wait_timeout(state, Duration::from_millis(100)).unwrap().0;
        }
    }

    pub fn line(&mut self, index: usize) -> String {
        self.wait_for(|lines| lines.get(index).cloned())
    }

    pub fn output_until(&mut self, end: &str) -> String {
        self.wait_for(|lines| lines.iter().any(|line| line.contains(end)).then(|| lines.join("\n")))
    }

    /// The address on the first line.
    pub fn address(&mut self) -> String {
        let line = self.line(0);
        let address = line.split_whitespace().last().unwrap().to_owned();
        assert!(address.starts_with("http://127.0.0.1:"), "{line}");
        address
    }

    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    pub fn wait(&mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("still running; log: {}", self.kill());
    }

    /// SIGTERM and the exit code.
    pub fn stop(&mut self) -> Option<i32> {
        self.signal("TERM");
        self.wait()
    }

    /// What a server that has ended wrote to standard error.
    pub fn log(&mut self) -> String {
        if let Some(log) = self.log.take() {
            self.logged = log.join().unwrap();
        }
        self.logged.clone()
    }

    fn kill(&mut self) -> String {
        _ = self.child.kill();
        _ = self.child.wait();
        self.log()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Sends bytes and reads until the server closes.
pub fn send(address: &str, raw: &[u8]) -> String {
    let mut stream = TcpStream::connect(address.trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(raw).unwrap();
    let mut answer = Vec::new();
    _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn answered(text: &str) -> (u16, Value) {
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or_else(|_| Value::from(body)))
}

pub fn get(address: &str, path: &str) -> (u16, Value) {
    let host = address.trim_start_matches("http://");
    answered(&send(address, format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").as_bytes()))
}

pub fn call(address: &str, operation: &str, body: &Value) -> (u16, Value) {
    call_with(address, operation, body, &[])
}

pub fn call_with(address: &str, operation: &str, body: &Value, headers: &[(String, String)]) -> (u16, Value) {
    let host = address.trim_start_matches("http://");
    let body = body.to_string();
    let extra: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let target = format!("AWSCognitoIdentityProviderService.{operation}");
    let text = format!(
        "POST / HTTP/1.1\r\nhost: {host}\r\nx-amz-target: {target}\r\n{extra}content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    answered(&send(address, text.as_bytes()))
}

/// A server of plain HTTP on a free port: what it is sent, head and body, and what it answers, status and body. It ends
/// with the tests.
pub fn serve(mut answer: impl FnMut(&str, &str) -> (u16, &'static str) + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && stream.read_line(&mut head).unwrap() > 0 {}
            let headers = head.lines().filter_map(|line| line.split_once(": "));
            let mut lengths = headers.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
            let mut body = vec![0; lengths.next().map_or(0, |(_, length)| length.parse().unwrap())];
            // Whoever only looks whether somebody is there sends nothing.
            if head.is_empty() || stream.read_exact(&mut body).is_err() {
                continue;
            }
            let (status, text) = answer(&head, str::from_utf8(&body).unwrap());
            let length = text.len();
            let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{text}");
            stream.get_mut().write_all(answer.as_bytes()).unwrap();
        }
    });
    port
}
