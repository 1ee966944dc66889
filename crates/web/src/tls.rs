//! TLS in front of the listener: a certificate chain and a key in PEM files; TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use wire::Timestamp;

mod validity;

/// Why there is no TLS: one line with the file and what to do.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificate file is missing, unreadable or no PEM.
    #[error(
        "cannot read the certificate {path}: {reason}. Name a PEM file with the whole chain, the server's certificate first"
    )]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The key file is missing, unreadable or no PEM.
    #[error("cannot read the key {path}: {reason}. Name a PEM file with the certificate's private key")]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Certificate and key do not go together, or are of a kind that is not supported.
    #[error("certificate and key cannot be used: {0}. Check that the key belongs to the certificate")]
    Unusable(#[from] rustls::Error),
}

/// From when to when every certificate of a chain is good; `None` when that cannot be read.
///
/// # Errors
/// Names the file that cannot be used.
pub fn validity(certificate: &Path) -> Result<Option<[Timestamp; 2]>, TlsError> {
    let each = chain(certificate)?.iter().map(|certificate| validity::of(certificate)).collect::<Option<Vec<_>>>();
    let begins = |each: &Vec<[Timestamp; 2]>| each.iter().map(|[begin, _]| *begin).max();
    let ends = |each: &Vec<[Timestamp; 2]>| each.iter().map(|[_, end]| *end).min();
    Ok(each.and_then(|each| Some([begins(&each)?, ends(&each)?])))
}

/// Reads certificate chain and key.
///
/// # Errors
/// Names the file that cannot be used.
pub fn configuration(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = chain(certificate)?;
    let private = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| TlsError::Key { path: key.to_owned(), reason: error.to_string() })?;
    let mut configuration = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, private)?;
    configuration.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(configuration))
}

fn chain(certificate: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unreadable = |reason: String| TlsError::Certificate { path: certificate.to_owned(), reason };
    let chain: Vec<_> = CertificateDer::pem_file_iter(certificate)
        .map_err(|error| unreadable(error.to_string()))?
        .collect::<Result<_, _>>()
        .map_err(|error| unreadable(error.to_string()))?;
    if chain.is_empty() {
        return Err(unreadable("there is no certificate in it".to_owned()));
    }
    Ok(chain)
}

#[cfg(test)]
mod tests {
    use std::{path::PathBuf, sync::Arc, time::Duration};

    use axum::{Router, routing::get};
    use http::HeaderMap;
    use rustls::{
        ClientConfig, RootCertStore, SupportedProtocolVersion,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
        version::{TLS12, TLS13},
    };
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
        time::timeout,
    };
    use tokio_rustls::{TlsConnector, client::TlsStream};
    use tokio_util::sync::CancellationToken;

    use super::configuration;
    use crate::{ListenOptions, listen};

    /// Everybody knows these keys.
    fn file(name: &str) -> PathBuf {
        [env!("CARGO_MANIFEST_DIR"), "tests", "data", name].iter().collect()
    }

    async fn connect(
        address: std::net::SocketAddr,
        protocol: &[u8],
        version: &'static SupportedProtocolVersion,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(file("test-only-certificate.pem")).unwrap()).unwrap();
        let mut client = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        client.alpn_protocols = vec![protocol.to_vec()];
        let stream = TcpStream::connect(address).await.unwrap();
        TlsConnector::from(Arc::new(client)).connect(ServerName::try_from("localhost").unwrap(), stream).await
    }

    #[tokio::test]
    async fn both_protocols_are_spoken_inside_tls() {
        let tls = configuration(&file("test-only-certificate.pem"), &file("test-only-key.pem")).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let options = ListenOptions { tls: Some(tls), ..ListenOptions::default() };
        let router = Router::new().route("/", get(|| async { "hello" }));
        let task = tokio::spawn(listen(listener, router, options, shutdown.clone()));
        for version in [&TLS12, &TLS13] {
            let mut stream = connect(address, b"http/1.1", version).await.unwrap();
            stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello"), "{answer}");
        }
        let mut stream = connect(address, b"h2", &TLS13).await.unwrap();
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
        let mut frame = [0; 9];
        stream.read_exact(&mut frame).await.unwrap();
        assert_eq!(frame.get(3), Some(&4), "the server begins with its settings: {frame:?}");
        assert!(connect(address, b"spdy/3", &TLS13).await.is_err(), "other protocols are refused");
        // Who speaks in clear gets no answer in clear.
        let mut clear = TcpStream::connect(address).await.unwrap();
        clear.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        let mut rest = Vec::new();
        _ = clear.read_to_end(&mut rest).await;
        assert!(!rest.starts_with(b"HTTP"), "{rest:?}");
        drop(stream);
        shutdown.cancel();
        task.await.unwrap();
    }

    #[tokio::test]
    async fn http2_has_few_streams_and_no_idle_connections() {
        let tls = configuration(&file("test-only-certificate.pem"), &file("test-only-key.pem")).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let short = Duration::from_millis(200);
        let options =
            ListenOptions { tls: Some(tls), header_timeout: short, write_timeout: short, ..ListenOptions::default() };
        tokio::spawn(listen(listener, Router::new(), options, shutdown.clone()));
        let mut stream = connect(address, b"h2", &TLS13).await.unwrap();
        // The preface and empty settings; afterwards nothing, not even answers to pings.
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
        let mut all = Vec::new();
        _ = timeout(Duration::from_secs(5), stream.read_to_end(&mut all)).await.unwrap();
        let few = [0, 3, 0, 0, 0, 16];
        assert!(all.windows(6).any(|setting| setting == few), "MAX_CONCURRENT_STREAMS = 16: {all:?}");
        let goodbye = all.windows(9).any(|frame| frame.get(3) == Some(&7) && frame.get(4..) == Some(&[0; 5]));
        assert!(goodbye, "GOAWAY: {all:?}");
        shutdown.cancel();
    }

    /// A frame of the first stream of HTTP/2.
    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags, 0, 0, 0, 1], payload].concat()
    }

    #[tokio::test]
    async fn the_longest_tokens_have_room_in_headers() {
        let tls = configuration(&file("test-only-certificate.pem"), &file("test-only-key.pem")).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let options = ListenOptions { tls: Some(tls), ..ListenOptions::default() };
        let length = |headers: HeaderMap| async move { headers["authorization"].len().to_string() };
        tokio::spawn(listen(listener, Router::new().route("/", get(length)), options, shutdown.clone()));
        let token = "x".repeat(crypto::token::LONGEST_TOKEN);

        let mut stream = connect(address, b"http/1.1", &TLS13).await.unwrap();
        let head = format!("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n131079"), "{answer}");

        let mut stream = connect(address, b"h2", &TLS13).await.unwrap();
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
        // GET, https, /, then `:authority` and `authorization` by their numbers in HPACK's table. Lengths are 1 and
        // 127 + 130,952, seven bits at a time.
        let mut headers = vec![0x82, 0x87, 0x84, 0x01, 1, b'x', 0x0f, 23 - 15, 0x7f, 0x88, 0xff, 0x07];
        headers.extend(format!("Bearer {token}").into_bytes());
        let mut pieces = headers.chunks(16_384).peekable();
        let mut kind = 1;
        while let Some(piece) = pieces.next() {
            let ends = if pieces.peek().is_none() { 4 } else { 0 };
            let flags = if kind == 1 { ends | 1 } else { ends };
            stream.write_all(&frame(kind, flags, piece)).await.unwrap();
            kind = 9;
        }
        // The answer's headers begin with the status 200, which has a number, too.
        loop {
            let mut head = [0; 9];
            stream.read_exact(&mut head).await.unwrap();
            let mut payload = vec![0; usize::from(u16::from_be_bytes([head[1], head[2]]))];
            stream.read_exact(&mut payload).await.unwrap();
            assert_ne!(head[3], 7, "GOAWAY: {}", String::from_utf8_lossy(&payload));
            if head[3] == 1 {
                assert_eq!(payload.first(), Some(&0x88), "{payload:?}");
                break;
            }
        }
        shutdown.cancel();
    }

    #[test]
    fn files_that_cannot_be_used_are_named() {
        let (certificate, key) = (file("test-only-certificate.pem"), file("test-only-key.pem"));
        let error = |certificate: &PathBuf, key: &PathBuf| configuration(certificate, key).unwrap_err().to_string();
        assert!(error(&file("none.pem"), &key).contains("none.pem"));
        assert!(error(&certificate, &file("none.pem")).contains("none.pem"));
        let no_certificate = error(&key, &key);
        assert!(no_certificate.contains("cannot read the certificate"), "{no_certificate}");
        let no_key = error(&certificate, &certificate);
        assert!(no_key.contains("cannot read the key"), "{no_key}");
        let strangers = error(&certificate, &file("test-only-other-key.pem"));
        assert!(strangers.contains("Check that the key belongs to the certificate"), "{strangers}");
    }
}
