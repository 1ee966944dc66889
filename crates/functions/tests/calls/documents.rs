//! Documents of other issuers: only over https, only so long, and from where it was asked.

use std::{path::PathBuf, sync::Arc};

use poolkeeper_functions::Documents;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use service::issuers::FetchDocuments;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

const CERTIFICATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../web/tests/data/test-only-certificate.pem");
const KEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../web/tests/data/test-only-key.pem");
const MOST: usize = 1_000;

/// A server that answers by the path: `/long` with more than [`MOST`] bytes, `/longer` without saying how many, `/moved`
/// with a redirect, `/gone` with an error, `/broken` with half of what it says; everything else with the head of the
/// request.
async fn server() -> String {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let certificate = CertificateDer::from_pem_file(CERTIFICATE).unwrap();
    let configuration = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], PrivateKeyDer::from_pem_file(KEY).unwrap())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(configuration));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("localhost:{}", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            let mut stream = BufReader::new(stream);
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && stream.read_line(&mut head).await.unwrap_or(0) > 0 {}
            let path = head.split(' ').nth(1).unwrap_or_default();
            let (status, body) = match path {
                "/long" | "/longer" => ("200 OK", "x".repeat(MOST + 1)),
                "/moved" => ("302 Found\r\nLocation: /", String::new()),
                "/gone" => ("404 Not Found", "{}".to_owned()),
                _ => ("200 OK", head.clone()),
            };
            let length = match path {
                "/longer" => String::new(),
                "/broken" => format!("Content-Length: {}\r\n", body.len() * 2),
                _ => format!("Content-Length: {}\r\n", body.len()),
            };
            let answer = format!("HTTP/1.1 {status}\r\n{length}Connection: close\r\n\r\n{body}");
            _ = stream.get_mut().write_all(answer.as_bytes()).await;
            _ = stream.get_mut().shutdown().await;
        }
    });
    address
}

#[tokio::test]
async fn documents_come_over_https_alone() {
    let address = server().await;
    let trusting = Documents::new(Some(PathBuf::from(CERTIFICATE))).unwrap();
    let head = trusting.fetch(&format!("https://{address}/keys?a=b"), MOST).await.unwrap();
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with("GET /keys?a=b HTTP/1.1\r\n"), "{head}");
    for (path, reason) in [
        ("long", "length limit exceeded"),
        ("longer", "length limit exceeded"),
        ("moved", "the answer is 302 Found"),
        ("gone", "the answer is 404 Not Found"),
        ("broken", ""),
    ] {
        let refused = trusting.fetch(&format!("https://{address}/{path}"), MOST).await.unwrap_err();
        assert!(refused.contains(reason), "{path}: {refused}");
    }
    for (url, reason) in [
        (format!("http://{address}/"), "not an https URL"),
        ("file:///etc/passwd".to_owned(), "not a"),
        ("/keys".to_owned(), "not an https URL"),
        ("https://".to_owned(), "not a URL"),
        ("https://127.0.0.1:1/".to_owned(), ""),
    ] {
        let refused = trusting.fetch(&url, MOST).await.unwrap_err();
        assert!(refused.contains(reason), "{url}: {refused}");
    }
    // A certificate of nobody's that is trusted.
    let public = Documents::new(None).unwrap();
    assert!(public.fetch(&format!("https://{address}/"), MOST).await.is_err());
}
