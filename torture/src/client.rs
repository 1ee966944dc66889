//! Requests to the nodes: each is sent once, to one node, and ends as acknowledged, refused, or nobody knows.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use http_body_util::{BodyExt, Full};
use hyper::{Request, body::Bytes, client::conn::http1::SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use wire::{ErrorKind, Operation};

use crate::record::Record;

/// How long an answer is waited for.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// The region that administrators sign for.
const REGION: &str = "us-east-1";
const TARGET_PREFIX: &str = "AWSCognitoIdentityProviderService.";

/// How a request ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It took place.
    Acknowledged(Value),
    /// It did not take place, for a reason that has nothing to do with faults.
    Refused {
        /// `__type`.
        kind: String,
        /// The text.
        message: String,
    },
    /// It took place, or it did not, or it will.
    Unknown {
        /// What was seen of it.
        class: String,
        /// Whether it may happen without any fault: the server asks to try again because others were quicker.
        is_excused: bool,
    },
}

impl Outcome {
    /// The answer of a request that took place.
    pub const fn answer(&self) -> Option<&Value> {
        if let Self::Acknowledged(answer) = self { Some(answer) } else { None }
    }

    /// Whether it took place for certain.
    pub const fn is_acknowledged(&self) -> bool {
        matches!(self, Self::Acknowledged(_))
    }

    /// Whether nobody knows.
    pub const fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown { .. })
    }

    /// Whether it was refused with an error of this name.
    pub fn is_refused_as(&self, name: &str) -> bool {
        matches!(self, Self::Refused { kind, .. } if kind == name)
    }

    /// In a few words.
    pub fn summary(&self) -> String {
        match self {
            Self::Acknowledged(_) => "acknowledged".to_owned(),
            Self::Refused { kind, message } => format!("{kind}: {message}"),
            Self::Unknown { class, .. } => format!("unknown ({class})"),
        }
    }

    fn lost(class: &str) -> Self {
        Self::Unknown { class: class.to_owned(), is_excused: false }
    }

    /// What an answer says. Only these errors may be retried: those that say that others were quicker, and the
    /// server's own faults.
    fn of(status: u16, body: &[u8]) -> Self {
        let answer = if body.is_empty() { Ok(Value::Null) } else { serde_json::from_slice::<Value>(body) };
        let Ok(answer) = answer else { return Self::lost(&format!("{status} without JSON")) };
        if status == 200 {
            return Self::Acknowledged(answer);
        }
        let text = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (kind, message) = (text("__type"), text("message"));
        let is = |kinds: [ErrorKind; 2]| kinds.iter().any(|one| one.as_str() == kind);
        let is_excused = is([ErrorKind::TooManyRequests, ErrorKind::ConcurrentModification]);
        let is_fault = is([ErrorKind::InternalError, ErrorKind::ServiceUnavailable]);
        if is_excused || is_fault && status >= 500 {
            return Self::Unknown { class: kind, is_excused };
        }
        Self::Refused { kind, message }
    }
}

/// Who signs the requests of administrators.
#[derive(Clone)]
pub struct AccessKey {
    /// `AKIA…`
    pub id: String,
    /// The secret that belongs to it.
    pub secret: String,
}

/// Sends requests. Connections are kept and used again.
pub struct Client {
    nodes: Vec<Node>,
    key: AccessKey,
    record: Arc<Record>,
}

struct Node {
    address: SocketAddr,
    idle: Mutex<Vec<SendRequest<Full<Bytes>>>>,
}

impl Client {
    /// A client of these nodes.
    pub fn new(addresses: &[SocketAddr], key: AccessKey, record: Arc<Record>) -> Self {
        let nodes = addresses.iter().map(|address| Node { address: *address, idle: Mutex::default() }).collect();
        Self { nodes, key, record }
    }

    /// How many nodes there are.
    pub const fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// Calls an operation at a node.
    pub async fn call(&self, node: usize, operation: &'static str, body: &Value) -> Outcome {
        let started = Instant::now();
        let outcome = match tokio::time::timeout(PATIENCE, self.send(node, operation, body)).await {
            Ok(Ok((status, answer))) => Outcome::of(status, &answer),
            Ok(Err(class)) => Outcome::lost(class),
            Err(_) => Outcome::lost("no answer in time"),
        };
        self.record.outcome(node, operation, started, &outcome);
        outcome
    }

    /// The status and the body; or what went wrong.
    async fn send(&self, node: usize, operation: &str, body: &Value) -> Result<(u16, Bytes), &'static str> {
        let node = self.nodes.get(node).ok_or("no such node")?;
        let request = self.request(node.address, operation, body).map_err(|_| "the request cannot be made")?;
        let mut connection = node.connection().await.map_err(|_| "no connection")?;
        let lost = |_| "connection lost";
        let response = connection.send_request(request).await.map_err(lost)?;
        let status = response.status().as_u16();
        let answer = response.into_body().collect().await.map_err(lost)?.to_bytes();
        node.keep(connection);
        Ok((status, answer))
    }

    fn request(&self, address: SocketAddr, operation: &str, body: &Value) -> anyhow::Result<Request<Full<Bytes>>> {
        let (host, body) = (address.to_string(), body.to_string());
        let target = format!("{TARGET_PREFIX}{operation}");
        let headers =
            [("host", host.as_str()), ("content-type", "application/x-amz-json-1.1"), ("x-amz-target", &target)];
        let mut request = Request::post("/");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let kind = Operation::parse(operation).with_context(|| format!("there is no operation {operation}"))?;
        if kind.is_signed() {
            let unsigned = crypto::sigv4::SignedRequest {
                method: "POST",
                path: "/",
                query: "",
                headers: &headers,
                body: body.as_bytes(),
            };
            let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())?;
            let added = crypto::sigv4::sign(&unsigned, &self.key.id, &self.key.secret, None, REGION, now)
                .map_err(|error| anyhow::anyhow!("{}", error.message))?;
            for (name, value) in added {
                request = request.header(name, value);
            }
        }
        Ok(request.body(Full::new(Bytes::from(body)))?)
    }
}

impl Node {
    /// A connection that is ready: one that was used before, or a new one.
    async fn connection(&self) -> anyhow::Result<SendRequest<Full<Bytes>>> {
        loop {
            let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some(mut connection) = idle else { break };
            if !connection.is_closed() && connection.ready().await.is_ok() {
                return Ok(connection);
            }
        }
        let stream = tokio::net::TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let (connection, driver) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(driver);
        Ok(connection)
    }

    fn keep(&self, connection: SendRequest<Full<Bytes>>) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Outcome;

    fn outcome(status: u16, kind: &str) -> Outcome {
        Outcome::of(status, json!({"__type": kind, "message": "m"}).to_string().as_bytes())
    }

    #[test]
    fn answers_are_told_apart() {
        assert_eq!(Outcome::of(200, b""), Outcome::Acknowledged(Value::Null));
        assert_eq!(Outcome::of(200, b"{\"a\":1}").answer(), Some(&json!({"a": 1})));
        let refused = outcome(400, "NotAuthorizedException");
        assert!(refused.is_refused_as("NotAuthorizedException") && !refused.is_unknown());
        assert_eq!(refused.summary(), "NotAuthorizedException: m");
    }

    #[test]
    fn only_what_may_be_retried_is_unknown() {
        assert!(outcome(500, "InternalErrorException").is_unknown());
        assert!(outcome(503, "ServiceUnavailableException").is_unknown());
        assert!(outcome(400, "TooManyRequestsException").is_unknown());
        assert!(outcome(400, "InternalErrorException").is_refused_as("InternalErrorException"));
        assert!(outcome(500, "SomethingElse").is_refused_as("SomethingElse"));
        // A page of some proxy, or an answer that was cut.
        assert!(Outcome::of(200, b"{\"a\"").is_unknown());
        assert!(Outcome::of(502, b"<html>").is_unknown());
    }

    #[test]
    fn only_requests_that_others_overtook_are_excused_without_a_fault() {
        let is_excused = |outcome| matches!(outcome, Outcome::Unknown { is_excused: true, .. });
        assert!(is_excused(outcome(400, "TooManyRequestsException")));
        assert!(is_excused(outcome(400, "ConcurrentModificationException")));
        assert!(!is_excused(outcome(500, "InternalErrorException")));
    }
}
