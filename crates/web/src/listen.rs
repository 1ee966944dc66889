//! The accept loop: at most so many connections, each with a deadline for everything that the other side could draw
//! out; TLS when configured; and an orderly end.
//!
//! In clear, connections speak HTTP/1.1. HTTP/2 is negotiated inside TLS only: guessing it from the first bytes would
//! mean to wait for them without a deadline.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use axum::{Router, body::Body, response::Response};
use http::{
    Request, StatusCode, Version,
    header::{CONNECTION, HeaderValue},
};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::{Peer, activity::Activity, answer, awaited_body::AwaitedBody, uploads, write_deadline::WriteDeadline};

/// Requests that one HTTP/2 connection may have under way at the same time: what a connection can hold in memory grows
/// with them.
const STREAMS: u32 = 16;
/// Most bytes of the headers of an HTTP/2 request: room for the longest token that is looked at, and for 32 KiB of others.
/// HTTP/1.1 takes 400 KiB, which is the library's own limit.
const MOST_HEADERS: u32 = 160 * 1_024;

/// How the listener treats connections.
#[derive(Clone)]
pub struct ListenOptions {
    /// Open connections at most; more wait in the operating system's queue.
    pub max_connections: usize,
    /// How long a client may take for the TLS handshake, and for the headers of a request; also how long a connection
    /// may be idle.
    pub header_timeout: Duration,
    /// How long a request may take from its headers to the beginning of its answer; the answer after that is 408 where
    /// the client has not sent its body, and 503 otherwise. Uploads of files may take 15 minutes, as long as they do not
    /// stand still.
    pub request_timeout: Duration,
    /// How long writing an answer may stand still, because the client does not read, before the connection is cut.
    pub write_timeout: Duration,
    /// How long requests under way may take to end at shutdown.
    pub drain_timeout: Duration,
    /// Certificate and key (see [`crate::tls::configuration`]).
    pub tls: Option<Arc<ServerConfig>>,
}

impl Default for ListenOptions {
    /// 4,096 connections, 60 seconds for headers, 30 for a request, 30 for an answer that is not read, 10 to
    /// drain, no TLS.
    fn default() -> Self {
        Self {
            max_connections: 4_096,
            header_timeout: Duration::from_secs(60),
            request_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(10),
            tls: None,
        }
    }
}

/// Serves until `shutdown` is cancelled; then takes no more connections, lets requests under way end, and returns.
pub async fn listen(listener: TcpListener, router: Router, options: ListenOptions, shutdown: CancellationToken) {
    let permits = Arc::new(Semaphore::new(options.max_connections));
    let acceptor = options.tls.clone().map(TlsAcceptor::from);
    let mut connections = JoinSet::new();
    loop {
        let permit = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            permit = permits.clone().acquire_owned() => permit,
        };
        let (stream, peer) = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // A connection that ended before it began, or no file descriptors left: those come back.
                    tracing::warn!(cause = %error, "a connection could not be accepted");
                    sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        while connections.try_join_next().is_some() {}
        let connection = Connection::new(router.clone(), peer, &options, shutdown.clone());
        let acceptor = acceptor.clone();
        connections.spawn(async move {
            connection.run(stream, acceptor).await;
            drop(permit);
        });
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    if timeout(options.drain_timeout, ended).await.is_err() {
        tracing::warn!("some requests did not end in time and were cut off");
    }
}

/// Answers a request of its own, over a connection that is in memory only: whoever comes first then finds the way of a
/// request gone once, and its part of the program in memory. It is none that is counted.
pub async fn rehearse(router: Router, options: &ListenOptions) {
    let (mut client, server) = tokio::io::duplex(1_024);
    let connection = Connection::new(router, ([127, 0, 0, 1], 0).into(), options, CancellationToken::new());
    let ask = async {
        client.write_all(b"GET /_poolkeeper/health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await?;
        client.read_to_end(&mut Vec::new()).await
    };
    if let ((), Err(error)) = tokio::join!(connection.serve(server, false), ask) {
        tracing::debug!(cause = %error, "no request could be rehearsed");
    }
}

struct Connection {
    router: Router,
    peer: SocketAddr,
    header_timeout: Duration,
    request_timeout: Duration,
    write_timeout: Duration,
    shutdown: CancellationToken,
}

impl Connection {
    const fn new(router: Router, peer: SocketAddr, options: &ListenOptions, shutdown: CancellationToken) -> Self {
        let &ListenOptions { header_timeout, request_timeout, write_timeout, .. } = options;
        Self { router, peer, header_timeout, request_timeout, write_timeout, shutdown }
    }

    async fn run(self, stream: TcpStream, acceptor: Option<TlsAcceptor>) {
        // Answers are small and complete: waiting for more to send only costs time.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(cause = %error, "TCP_NODELAY was refused");
        }
        // Beneath TLS, so that it counts for the handshake and for every protocol.
        let stream = WriteDeadline::new(stream, self.write_timeout);
        let Some(acceptor) = acceptor else { return self.serve(stream, false).await };
        let handshake = timeout(self.header_timeout, acceptor.accept(stream));
        let Some(handshake) = self.shutdown.run_until_cancelled(handshake).await else { return };
        match handshake {
            Ok(Ok(stream)) => {
                let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                self.serve(stream, is_http2).await;
            }
            Ok(Err(error)) => tracing::debug!(cause = %error, peer = %self.peer, "the TLS handshake failed"),
            Err(_) => tracing::debug!(peer = %self.peer, "the TLS handshake took too long"),
        }
    }

    async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self, stream: S, is_http2: bool) {
        let builder = Builder::new(TokioExecutor::new());
        let mut builder = if is_http2 { builder.http2_only() } else { builder.http1_only() };
        builder.http1().timer(TokioTimer::new()).header_read_timeout(self.header_timeout);
        builder
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(self.header_timeout)
            .max_concurrent_streams(STREAMS)
            .max_header_list_size(MOST_HEADERS);
        let Self { router, peer, header_timeout, request_timeout, write_timeout, shutdown } = self;
        let activity = Arc::new(Activity::default());
        let seen = activity.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(Peer(peer));
            let (router, activity) = (router.clone(), seen.clone());
            async move {
                let _under_way = activity.begin();
                let longest = uploads::time(&request).unwrap_or(request_timeout);
                let version = request.version();
                let (parts, body) = request.into_parts();
                let (body, is_awaited) = AwaitedBody::new(body);
                match timeout(longest, router.oneshot(Request::from_parts(parts, Body::new(body)))).await {
                    Ok(answered) => answered,
                    Err(_) if is_awaited.load(Relaxed) => Ok::<_, Infallible>(client_too_slow(version)),
                    Err(_) => Ok(too_slow()),
                }
            }
        });
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        let ended = tokio::select! {
            biased;
            ended = connection.as_mut() => ended,
            () = shutdown.cancelled() => {
                // The drain's deadline is the listener's.
                connection.as_mut().graceful_shutdown();
                connection.await
            }
            // HTTP/1.1 has this in the deadline for the headers of the next request.
            () = activity.idle(header_timeout), if is_http2 => {
                connection.as_mut().graceful_shutdown();
                match timeout(write_timeout, connection).await {
                    Ok(ended) => ended,
                    Err(_) => return tracing::debug!(%peer, "an idle connection was cut off"),
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(cause = error, %peer, "a connection ended early");
        }
    }
}

/// What stands for the id of a request that was given up together with everything that was known about it.
const NO_ID: &str = "00000000-0000-0000-0000-000000000000";

fn too_slow() -> Response {
    let text = "The request took too long. Please try again.";
    answer::named(StatusCode::SERVICE_UNAVAILABLE, NO_ID, "ServiceUnavailableException", text)
}

/// The body did not arrive in time. Decision: the service's words are not recorded.
fn client_too_slow(version: Version) -> Response {
    let text = "The request body did not arrive in time. Please try again.";
    let mut response = answer::named(StatusCode::REQUEST_TIMEOUT, NO_ID, "RequestTimeoutException", text);
    // Nobody knows where the next request would begin. HTTP/2 ends the one stream, and has no such header.
    if version < Version::HTTP_2 {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering::Relaxed},
        },
        time::Duration,
    };

    use axum::{
        Router,
        body::Bytes,
        routing::{get, post},
    };
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
        task::JoinHandle,
        time::{sleep, timeout},
    };
    use tokio_util::sync::CancellationToken;

    use super::{ListenOptions, listen, rehearse};

    struct Running {
        address: std::net::SocketAddr,
        shutdown: CancellationToken,
        task: JoinHandle<()>,
    }

    async fn start(options: ListenOptions) -> Running {
        let router = Router::new()
            .route("/", get(|| async { "hello" }))
            .route("/large", get(|| async { vec![b'x'; 64 * 1_024 * 1_024] }))
            .route("/slow", get(|| async { sleep(Duration::from_millis(300)).await }))
            .route("/stuck", get(|| async { std::future::pending::<()>().await }))
            .route("/echo", post(|body: Bytes| async { body }))
            .route("/swallow", post(|_: Bytes| async { std::future::pending::<()>().await }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(listen(listener, router, options, shutdown.clone()));
        Running { address, shutdown, task }
    }

    async fn ask(running: &Running, path: &str) -> (TcpStream, JoinHandle<String>) {
        let stream = TcpStream::connect(running.address).await.unwrap().into_std().unwrap();
        let (mut reader, mut writer) =
            (TcpStream::from_std(stream.try_clone().unwrap()).unwrap(), TcpStream::from_std(stream).unwrap());
        writer.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await.unwrap();
        let reading = tokio::spawn(async move {
            let mut text = [0; 4_096];
            let length = reader.read(&mut text).await.unwrap_or(0);
            String::from_utf8_lossy(text.get(..length).unwrap()).into_owned()
        });
        (writer, reading)
    }

    #[tokio::test]
    async fn a_rehearsal_asks_once_and_ends() {
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = asked.clone();
        let health = get(|| async move { counted.fetch_add(1, Relaxed).to_string() });
        let router = Router::new().route("/_poolkeeper/health", health);
        timeout(Duration::from_secs(5), rehearse(router, &ListenOptions::default())).await.unwrap();
        assert_eq!(asked.load(Relaxed), 1);
    }

    #[tokio::test]
    async fn requests_under_way_end_before_the_listener_does() {
        let running = start(ListenOptions::default()).await;
        let (_open, answer) = ask(&running, "/slow").await;
        sleep(Duration::from_millis(100)).await;
        running.shutdown.cancel();
        timeout(Duration::from_secs(5), running.task).await.unwrap().unwrap();
        assert!(answer.await.unwrap().starts_with("HTTP/1.1 200"), "the request was answered");
        assert!(TcpStream::connect(running.address).await.is_err(), "nobody listens any more");
    }

    #[tokio::test]
    async fn a_stuck_request_does_not_hold_up_the_end() {
        let options = ListenOptions { drain_timeout: Duration::from_millis(100), ..ListenOptions::default() };
        let running = start(options).await;
        let (_open, _answer) = ask(&running, "/stuck").await;
        sleep(Duration::from_millis(50)).await;
        running.shutdown.cancel();
        timeout(Duration::from_secs(5), running.task).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn slow_requests_and_silent_connections_are_given_up() {
        let options = ListenOptions {
            header_timeout: Duration::from_millis(200),
            request_timeout: Duration::from_millis(200),
            ..ListenOptions::default()
        };
        let running = start(options).await;
        let (_open, answer) = ask(&running, "/stuck").await;
        let answer = timeout(Duration::from_secs(5), answer).await.unwrap().unwrap();
        assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("ServiceUnavailableException"), "{answer}");
        for begun in ["", "P", "POST / HTTP/1.1\r\nhost: x\r\n"] {
            let mut stream = TcpStream::connect(running.address).await.unwrap();
            stream.write_all(begun.as_bytes()).await.unwrap();
            let mut rest = Vec::new();
            _ = timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await.unwrap();
        }
        running.shutdown.cancel();
    }

    /// Whose fault it is that a request takes too long.
    #[tokio::test]
    async fn a_body_that_does_not_arrive_is_the_clients_fault() {
        let options = ListenOptions { request_timeout: Duration::from_millis(200), ..ListenOptions::default() };
        let running = start(options).await;
        let answer_to = async |path: &str, sent: &str| {
            let mut stream = TcpStream::connect(running.address).await.unwrap();
            let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 8\r\n\r\n");
            stream.write_all((head + sent).as_bytes()).await.unwrap();
            let mut text = [0; 4_096];
            let length = timeout(Duration::from_secs(5), stream.read(&mut text)).await.unwrap().unwrap();
            (String::from_utf8_lossy(text.get(..length).unwrap()).into_owned(), stream)
        };
        assert!(answer_to("/echo", "complete").await.0.ends_with("\r\n\r\ncomplete"));
        for begun in ["", "beg"] {
            let (answer, mut stream) = answer_to("/echo", begun).await;
            let mut lines: Vec<&str> = answer.lines().filter(|line| !line.starts_with("date: ")).collect();
            lines.sort_unstable();
            insta::allow_duplicates! { insta::assert_snapshot!(lines.join("\n"), @r#"

            HTTP/1.1 408 Request Timeout
            access-control-allow-origin: *
            access-control-expose-headers: x-amzn-RequestId,x-amzn-ErrorType,x-amzn-ErrorMessage,Date
            connection: close
            content-length: 107
            content-type: application/x-amz-json-1.1
            x-amzn-errormessage: The request body did not arrive in time. Please try again.
            x-amzn-errortype: RequestTimeoutException:
            x-amzn-requestid: 00000000-0000-0000-0000-000000000000
            {"__type":"RequestTimeoutException","message":"The request body did not arrive in time. Please try again."}
            "#); }
            // What is left of the body must not pass for another request.
            let ended = timeout(Duration::from_secs(5), stream.read_to_end(&mut Vec::new())).await.unwrap();
            assert!(ended.is_ok_and(|length| length == 0), "the connection ends");
        }
        // All of it is there, and nothing comes of it.
        let (answer, _stream) = answer_to("/swallow", "complete").await;
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        running.shutdown.cancel();
    }

    #[tokio::test]
    async fn who_does_not_read_its_answer_loses_the_connection() {
        let options =
            ListenOptions { max_connections: 1, write_timeout: Duration::from_millis(200), ..ListenOptions::default() };
        let running = start(options).await;
        let mut deaf = TcpStream::connect(running.address).await.unwrap();
        deaf.write_all(b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        sleep(Duration::from_millis(50)).await;
        let (_open, answer) = ask(&running, "/").await;
        let answer = timeout(Duration::from_secs(5), answer).await.unwrap().unwrap();
        assert!(answer.ends_with("hello"), "the only place is free again: {answer}");
        running.shutdown.cancel();
    }

    #[tokio::test]
    async fn connections_beyond_the_cap_wait_their_turn() {
        let running = start(ListenOptions { max_connections: 1, ..ListenOptions::default() }).await;
        let (first, answer) = ask(&running, "/").await;
        assert!(answer.await.unwrap().ends_with("hello"));
        let (_second, waiting) = ask(&running, "/").await;
        sleep(Duration::from_millis(150)).await;
        assert!(!waiting.is_finished(), "the first connection is still open");
        drop(first);
        let answer = timeout(Duration::from_secs(5), waiting).await.unwrap().unwrap();
        assert!(answer.ends_with("hello"), "{answer}");
        running.shutdown.cancel();
    }
}
