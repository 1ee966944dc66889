//! Documents of other issuers: only over https, only so long, and from where it was asked.

use std::{path::PathBuf, sync::Arc};

use domain::Secret;
use poolkeeper_functions::Documents;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use service::issuers::{FetchDocuments, Outgoing, Received};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

const CERTIFICATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../web/tests/data/test-only-certificate.pem");
const KEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../web/tests/data/test-only-key.pem");
const MOST: usize = 1_000;

/// A server that answers by the path: `/long` with more than [`MOST`] bytes, `/longer` without saying how many, `/moved`
/// with a redirect, `/gone` with an error, `/broken` with half of what it says; everything else with the head of the
/// request and its body.
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
            let length = head
                .to_ascii_lowercase()
                .split("content-length: ")
                .nth(1)
                .map_or(0, |rest| rest.lines().next().and_then(|number| number.parse().ok()).unwrap_or_default());
            let mut sent = vec![0; length];
            _ = stream.read_exact(&mut sent).await;
            let path = head.split(' ').nth(1).unwrap_or_default();
            let (status, body) = match path {
                "/long" | "/longer" => ("200 OK", "x".repeat(MOST + 1)),
                "/moved" => ("302 Found\r\nLocation: /", String::new()),
                "/gone" => ("404 Not Found", "{}".to_owned()),
                _ => ("200 OK", head.clone() + &String::from_utf8_lossy(&sent)),
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
    let trusting = Documents::new(Some(PathBuf::from(CERTIFICATE)), false).unwrap();
    let head = trusting.fetch(&format!("https://{address}/keys?a=b"), MOST).await.unwrap();
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with("GET /keys?a=b HTTP/1.1\r\n"), "{head}");
    for (path, reason) in [
        ("long", "length limit exceeded"),
        ("longer", "length limit exceeded"),
        ("moved", "the answer is 302"),
        ("gone", "the answer is 404"),
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
    let public = Documents::new(None, false).unwrap();
    assert!(public.fetch(&format!("https://{address}/"), MOST).await.is_err());
}

#[tokio::test]
async fn servers_of_this_machine_are_asked_over_http_where_that_is_allowed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            _ = stream.read(&mut [0; 1_000]).await;
            _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok").await;
        }
    });
    let local = format!("http://{address}/keys");
    let (developer, server) = (Documents::new(None, true).unwrap(), Documents::new(None, false).unwrap());
    assert_eq!(developer.fetch(&local, MOST).await.unwrap(), b"ok");
    assert_eq!(server.fetch(&local, MOST).await.unwrap_err(), "not an https URL");
    assert_eq!(developer.fetch("http://a.example/", MOST).await.unwrap_err(), "not an https URL");
    let reach = |url: &str| [developer.reaches(url), server.reaches(url)];
    assert_eq!(reach(&local), [true, false]);
    assert_eq!(reach("https://localhost:8443"), [true, false]);
    assert_eq!(reach("https://a.example"), [true, true]);
    assert_eq!(reach("http://a.example"), [false, false]);
}

#[tokio::test]
async fn endpoints_are_sent_forms_and_tokens() {
    let address = server().await;
    let trusting = Documents::new(Some(PathBuf::from(CERTIFICATE)), false).unwrap();
    let secret = |text: &str| Some(Secret::new(text.to_owned()));
    let send = async |path: &str, form: Option<&str>, bearer: Option<&str>| {
        let url = format!("https://{address}{path}");
        let outgoing = Outgoing { url, form: form.and_then(secret), bearer: bearer.and_then(secret) };
        let Received { status, body } = trusting.send(outgoing, MOST).await?;
        Ok::<_, String>((status, String::from_utf8(body).unwrap()))
    };
    let (status, text) = send("/token", Some("code=a&client_secret=b"), None).await.unwrap();
    assert_eq!(status, 200);
    let head = text.to_ascii_lowercase();
    assert!(text.starts_with("POST /token HTTP/1.1\r\n") && text.ends_with("\r\n\r\ncode=a&client_secret=b"), "{text}");
    assert!(head.contains("content-type: application/x-www-form-urlencoded\r\n"), "{text}");
    assert!(text.to_ascii_lowercase().contains("user-agent: amazon/cognito\r\n"), "{text}");
    assert!(!head.contains("authorization"), "{text}");

    let (_, text) = send("/me?a=b", None, Some("at-1")).await.unwrap();
    assert!(text.starts_with("GET /me?a=b HTTP/1.1\r\n") && text.contains(": Bearer at-1\r\n"), "{text}");
    let (_, text) = send("/me", Some(""), Some("at-1")).await.unwrap();
    assert!(text.starts_with("POST /me HTTP/1.1\r\n") && text.contains(": Bearer at-1\r\n"), "{text}");
    // Errors and redirects are answers, which nobody follows.
    assert_eq!(send("/gone", Some(""), None).await, Ok((404, "{}".to_owned())));
    assert_eq!(send("/moved", None, None).await, Ok((302, String::new())));
    assert!(send("/long", Some(""), None).await.is_err());
    assert!(send("/me", None, Some("a\r\nX: y")).await.unwrap_err().contains("cannot be sent"));
}
