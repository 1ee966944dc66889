//! The Lambda Runtime API for one process (triggers-security.md §13.2), on a port of its own: clients are told host and
//! port only, so the port says which process asks.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use service::triggers::Failure;
use tokio::{net::TcpListener, task::JoinSet};

use super::{Processes, peer};
use crate::{Call, payload};

/// Python's client repeats the error and its stack trace in a header, up to a megabyte of it.
const LONGEST_HEAD: usize = 2 * 1_024 * 1_024;
/// Connections of one process that are open at a time. Clients use two.
const MOST_CONNECTIONS: usize = 16;
/// How long to wait when no connection can be accepted, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

const VERSION: &str = "/2018-06-01";
const REQUEST_ID: HeaderName = HeaderName::from_static("lambda-runtime-aws-request-id");
const DEADLINE: HeaderName = HeaderName::from_static("lambda-runtime-deadline-ms");
const FUNCTION_ARN: HeaderName = HeaderName::from_static("lambda-runtime-invoked-function-arn");
const TRACE_ID: HeaderName = HeaderName::from_static("lambda-runtime-trace-id");
const ERROR_TYPE: HeaderName = HeaderName::from_static("lambda-runtime-function-error-type");

type Answer = Response<Full<Bytes>>;

/// Serves a process until the future is dropped, which closes the port and all connections: clients end then.
pub(super) async fn serve(processes: Arc<Processes>, process: u64, listener: TcpListener, address: SocketAddr) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        if connections.len() >= MOST_CONNECTIONS {
            connections.join_next().await;
            continue;
        }
        let Ok((stream, client)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let processes = processes.clone();
        connections.spawn(async move {
            if !peer::is_own(client, address).await {
                tracing::warn!(
                    function = processes.options.name,
                    "another user of this machine tried to reach the function's Runtime API and was turned away. If that \
                     was the function: it must run as the same user as Poolkeeper"
                );
                return;
            }
            _ = stream.set_nodelay(true);
            let service = service_fn(|request| {
                let processes = processes.clone();
                async move { Ok::<_, Infallible>(answer(&processes, process, request).await) }
            });
            let served = http1::Builder::new().max_buf_size(LONGEST_HEAD).serve_connection(TokioIo::new(stream), service);
            if let Err(error) = served.await {
                tracing::debug!(function = processes.options.name, %error, "a connection to the Runtime API ended");
            }
        });
    }
}

async fn answer(processes: &Arc<Processes>, process: u64, request: Request<Incoming>) -> Answer {
    let (head, body) = request.into_parts();
    let path = head.uri.path().strip_prefix(VERSION).unwrap_or_default().to_owned();
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    match (&head.method, parts.as_slice()) {
        (&Method::GET, ["ping"]) => Response::new(Full::from("pong")),
        (&Method::GET, ["runtime", "invocation", "next"]) => match processes.next(process).await {
            Some(call) => event(&call),
            None => wrong_state("The last invocation has not been answered"),
        },
        (&Method::POST, ["runtime", "invocation", id, "response"]) => {
            let (outcome, said) = match read(body).await {
                Ok(body) => (Ok(payload::text(body)), accepted()),
                Err(Unread::TooLong) => (
                    Err(Failure::Threw(payload::too_long())),
                    said(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", &payload::too_long()),
                ),
                Err(Unread::Broken) => return broken(),
            };
            if processes.answer(process, id, outcome) { said } else { wrong_id() }
        }
        (&Method::POST, ["runtime", "invocation", id, "error"]) => {
            let Ok(message) = read_error(&head.headers, body).await else { return broken() };
            if processes.answer(process, id, Err(Failure::Threw(message))) { accepted() } else { wrong_id() }
        }
        (&Method::POST, ["runtime", "init", "error"]) => {
            let Ok(message) = read_error(&head.headers, body).await else { return broken() };
            tracing::warn!(function = processes.options.name, message, "a process cannot do its work");
            if processes.cannot_begin(process, message) {
                accepted()
            } else {
                wrong_state("The initialisation has ended")
            }
        }
        (_, ["ping"] | ["runtime", "invocation", "next"] | ["runtime", "invocation", _, "response" | "error"])
        | (_, ["runtime", "init", "error"]) => {
            said(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", "The method does not fit the path")
        }
        _ => said(StatusCode::NOT_FOUND, "NotFound", "There is nothing at this path"),
    }
}

/// The answer that hands an event out.
fn event(call: &Call) -> Answer {
    let mut response = Response::new(Full::new(call.event.clone()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let values = [
        (REQUEST_ID, call.id.clone()),
        (DEADLINE, call.deadline.milliseconds().to_string()),
        (FUNCTION_ARN, call.arn.clone()),
        (TRACE_ID, trace_id(call)),
    ];
    for (name, value) in values {
        // All of them are names and numbers; an ARN may have letters beyond ASCII, which headers can carry.
        if let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(value)) {
            headers.insert(name, value);
        }
    }
    response
}

/// A trace that nobody records.
fn trace_id(call: &Call) -> String {
    let digits: String = call.id.chars().filter(char::is_ascii_hexdigit).collect();
    let (root, parent) = (digits.get(..24).unwrap_or_default(), digits.get(16..32).unwrap_or_default());
    format!("Root=1-{:08x}-{root};Parent={parent};Sampled=0", call.began.seconds())
}

enum Unread {
    TooLong,
    Broken,
}

async fn read(body: Incoming) -> Result<Vec<u8>, Unread> {
    match Limited::new(body, payload::LONGEST_ANSWER).collect().await {
        Ok(body) => Ok(body.to_bytes().into()),
        Err(error) if error.is::<LengthLimitError>() => Err(Unread::TooLong),
        Err(_) => Err(Unread::Broken),
    }
}

/// The message of an error that a process posts. One that is too long counts by its type alone.
async fn read_error(headers: &HeaderMap, body: Incoming) -> Result<String, Unread> {
    let body = match read(body).await {
        Err(Unread::Broken) => return Err(Unread::Broken),
        Err(Unread::TooLong) => Vec::new(),
        Ok(body) => body,
    };
    let error_type = headers.get(ERROR_TYPE).and_then(|value| value.to_str().ok());
    Ok(payload::error_message(&body, error_type))
}

fn accepted() -> Answer {
    json(StatusCode::ACCEPTED, r#"{"status":"OK"}"#.to_owned())
}

fn wrong_id() -> Answer {
    said(StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID")
}

fn wrong_state(message: &str) -> Answer {
    said(StatusCode::FORBIDDEN, "InvalidStateTransition", message)
}

fn broken() -> Answer {
    said(StatusCode::BAD_REQUEST, "InvalidRequest", "The body could not be read")
}

fn said(status: StatusCode, error_type: &str, message: &str) -> Answer {
    json(status, serde_json::json!({"errorMessage": message, "errorType": error_type}).to_string())
}

fn json(status: StatusCode, body: String) -> Answer {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
