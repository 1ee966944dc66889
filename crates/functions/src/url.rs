//! Functions behind a URL: a Runtime Interface Emulator, or a plain webhook whose requests are signed.
//!
//! Both take the event as the body of a POST and answer with what the function returns. A request is sent once: whether
//! a function has run cannot be known once a request is under way.

use std::{path::PathBuf, sync::Arc, time::Duration};

use domain::Secret;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use service::triggers::{Failure, Invocation};

use crate::{Call, payload};

/// How long a connection is kept for the next call. Common servers close theirs after five seconds: a request that
/// meets the end of its connection would fail.
const IDLE: Duration = Duration::from_secs(4);

/// How long making a connection may take.
const CONNECT: Duration = Duration::from_secs(3);

/// Seconds since 1970 at which a request was signed.
pub const TIMESTAMP: HeaderName = HeaderName::from_static("x-poolkeeper-timestamp");
/// `v1=` and HMAC-SHA256, in hex, of the timestamp, a full stop and the body.
pub const SIGNATURE: HeaderName = HeaderName::from_static("x-poolkeeper-signature");
/// The ARN of the function that is called.
pub const FUNCTION: HeaderName = HeaderName::from_static("x-poolkeeper-function");
/// The id of the call.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-poolkeeper-request-id");
/// `RequestResponse` or `Event`; Lambda's own header.
pub const INVOCATION_TYPE: HeaderName = HeaderName::from_static("x-amz-invocation-type");
/// By which Lambda says that an answer is an error.
pub const FUNCTION_ERROR: HeaderName = HeaderName::from_static("x-amz-function-error");

/// Where the function is.
#[derive(Clone, Debug)]
pub struct Options {
    /// `http` or `https`.
    pub url: Uri,
    /// What is there.
    pub kind: Kind,
    /// PEM file with the certificates that are trusted instead of the public authorities.
    pub ca_file: Option<PathBuf>,
}

/// What is behind a URL.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A Runtime Interface Emulator.
    Emulator,
    /// A program that knows this secret and checks signatures.
    Webhook(Secret<String>),
}

/// A URL cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file with certificates.
    #[error("cannot use the certificates in {file}: {reason}. Give a PEM file with certificates")]
    Certificates {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// TLS itself.
    #[error("cannot set up TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// Makes requests, and keeps connections for the next ones.
pub(crate) type HttpClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// A URL and the connections to it.
#[derive(Debug)]
pub(crate) struct Endpoint {
    url: Uri,
    kind: Kind,
    client: HttpClient,
}

impl Endpoint {
    pub(crate) fn new(options: Options) -> Result<Self, Error> {
        Ok(Self { url: options.url, kind: options.kind, client: client(Trust::Only(options.ca_file))? })
    }

    pub(crate) async fn call(&self, call: Call) -> Result<String, Failure> {
        let request = self.request(&call)?;
        let answer = self.client.request(request).await.map_err(|error| not_reached(&call, &error))?;
        let (head, body) = answer.into_parts();
        let body = match Limited::new(body, payload::LONGEST_ANSWER).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => return Err(Failure::Threw(payload::too_long())),
            Err(error) => return Err(not_reached(&call, error.as_ref())),
        };
        outcome(head.status, &head.headers, &body)
    }

    fn request(&self, call: &Call) -> Result<Request<Full<Bytes>>, Failure> {
        let mut headers = vec![(header::CONTENT_TYPE, "application/json".to_owned())];
        if let Kind::Webhook(secret) = &self.kind {
            let seconds = call.began.seconds();
            let invocation = match call.invocation {
                Invocation::RequestResponse => "RequestResponse",
                Invocation::Event => "Event",
            };
            headers.push((TIMESTAMP, seconds.to_string()));
            headers.push((SIGNATURE, signature(secret, seconds, &call.event)));
            headers.push((FUNCTION, call.arn.clone()));
            headers.push((REQUEST_ID, call.id.clone()));
            headers.push((INVOCATION_TYPE, invocation.to_owned()));
        }
        let mut request = Request::post(self.url.clone());
        for (name, value) in headers {
            request = request.header(name, HeaderValue::from_maybe_shared(Bytes::from(value)).map_err(|_| invalid())?);
        }
        request.body(Full::new(call.event.clone())).map_err(|_| invalid())
    }
}

/// The signature of a webhook's request.
#[must_use]
pub fn signature(secret: &Secret<String>, seconds: i64, body: &[u8]) -> String {
    let timestamp = seconds.to_string();
    let mac = crypto::hash::hmac_sha256_parts(secret.reveal().as_bytes(), &[timestamp.as_bytes(), b".", body]);
    let hex: String = mac.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("v1={hex}")
}

/// What an answer means.
fn outcome(status: StatusCode, headers: &HeaderMap, body: &Bytes) -> Result<String, Failure> {
    if headers.contains_key(FUNCTION_ERROR) {
        return Err(Failure::Threw(payload::error_message(body, None)));
    }
    if let Some(message) = payload::error_without_header(body) {
        return Err(Failure::Threw(message));
    }
    // The emulator says it in plain text, in older versions with status 200.
    if body.starts_with(b"Task timed out after ") {
        return Err(Failure::Threw(String::from_utf8_lossy(body).trim_end().to_owned()));
    }
    if status.is_success() {
        return Ok(payload::text(body.to_vec()));
    }
    Err(Failure::NotCalled(error_name(status).to_owned()))
}

/// Lambda's name for a status (§13.1).
const fn error_name(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 | 405 | 406 | 415 | 422 => "InvalidRequestContentException",
        401 | 403 => "AccessDeniedException",
        404 | 410 => "ResourceNotFoundException",
        413 => "RequestTooLargeException",
        429 => "TooManyRequestsException",
        _ => "ServiceException",
    }
}

fn not_reached(call: &Call, error: &(dyn std::error::Error + 'static)) -> Failure {
    let reason = with_causes(error);
    tracing::warn!(function = call.arn, invocation = call.id, reason, "no answer from the function's URL");
    Failure::NotCalled("ServiceException".to_owned())
}

/// An error and what has caused it.
pub(crate) fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut reason = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        reason = format!("{reason}: {error}");
        cause = error.source();
    }
    reason
}

fn invalid() -> Failure {
    Failure::NotCalled("InvalidRequestContentException".to_owned())
}

/// Whose certificates are trusted. Files are PEM.
pub(crate) enum Trust {
    /// Those in the file, or those of the public authorities where there is none.
    Only(Option<PathBuf>),
    /// Those of the public authorities, and those in the file.
    Also(Option<PathBuf>),
}

/// Who makes requests.
pub(crate) fn client(trust: Trust) -> Result<HttpClient, Error> {
    let mut http = HttpConnector::new();
    http.set_nodelay(true);
    http.set_connect_timeout(Some(CONNECT));
    http.enforce_http(false);
    let tls = tls(trust)?;
    let connector =
        HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(http);
    Ok(Client::builder(TokioExecutor::new()).pool_idle_timeout(IDLE).pool_timer(TokioTimer::new()).build(connector))
}

fn tls(trust: Trust) -> Result<ClientConfig, Error> {
    let mut roots = RootCertStore::empty();
    let (Trust::Only(ca_file) | Trust::Also(ca_file)) = &trust;
    if let Some(file) = ca_file {
        let bad = |reason: String| Error::Certificates { file: file.clone(), reason };
        for certificate in CertificateDer::pem_file_iter(file).map_err(|error| bad(error.to_string()))? {
            let certificate = certificate.map_err(|error| bad(error.to_string()))?;
            roots.add(certificate).map_err(|error| bad(error.to_string()))?;
        }
        if roots.is_empty() {
            return Err(bad("there is none in it".to_owned()));
        }
    }
    if !matches!(trust, Trust::Only(Some(_))) {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use domain::Secret;
    use http::{HeaderMap, HeaderValue, StatusCode};
    use hyper::body::Bytes;
    use service::triggers::Failure;

    use super::{FUNCTION_ERROR, Options, Trust, outcome, signature, tls};

    #[test]
    fn signatures_are_what_the_documentation_says() {
        // printf '1767323045.{"version":"1"}' | openssl dgst -sha256 -hmac 'a secret of the webhook'
        let expected = "v1=ebed131d6c0def3c34445c3670d8f55faee2b4ad80b6723a040199706b8e4118";
        let secret = Secret::new("a secret of the webhook".to_owned());
        assert_eq!(signature(&secret, 1_767_323_045, br#"{"version":"1"}"#), expected);
    }

    #[test]
    fn answers_mean_what_lambda_means_by_them() {
        let of = |status: u16, body: &'static str, is_error: bool| {
            let mut headers = HeaderMap::new();
            if is_error {
                headers.insert(FUNCTION_ERROR, HeaderValue::from_static("Unhandled"));
            }
            outcome(StatusCode::from_u16(status).unwrap(), &headers, &Bytes::from_static(body.as_bytes()))
        };
        assert_eq!(of(200, r#"{"response": {}}"#, false), Ok(r#"{"response": {}}"#.to_owned()));
        assert_eq!(of(200, "null", false), Ok("null".to_owned()));
        assert_eq!(of(204, "", false), Ok(String::new()));
        let threw = |message: &str| Err(Failure::Threw(message.to_owned()));
        assert_eq!(of(200, r#"{"errorMessage": "No."}"#, false), threw("No."));
        assert_eq!(of(400, r#"{"errorMessage": "No."}"#, false), threw("No."));
        assert_eq!(of(200, r#"{"errorMessage": "No.", "response": {}}"#, true), threw("No."));
        assert_eq!(of(200, "Task timed out after 3.00 seconds\n", false), threw("Task timed out after 3.00 seconds"));
        for (status, name) in [
            (301, "ServiceException"),
            (400, "InvalidRequestContentException"),
            (401, "AccessDeniedException"),
            (403, "AccessDeniedException"),
            (404, "ResourceNotFoundException"),
            (413, "RequestTooLargeException"),
            (429, "TooManyRequestsException"),
            (500, "ServiceException"),
            (503, "ServiceException"),
        ] {
            assert_eq!(of(status, "<html>", false), Err(Failure::NotCalled(name.to_owned())), "{status}");
        }
    }

    #[test]
    fn certificates_that_cannot_be_used_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("authority.pem");
        for contents in [None, Some(""), Some("no certificate")] {
            contents.into_iter().for_each(|contents| std::fs::write(&file, contents).unwrap());
            let error = tls(Trust::Only(Some(file.clone()))).unwrap_err().to_string();
            assert!(error.contains("authority.pem"), "{error}");
        }
        assert!(tls(Trust::Only(None)).is_ok() && tls(Trust::Also(None)).is_ok());
    }

    #[test]
    fn the_secret_is_not_printed() {
        let options = Options {
            url: "http://localhost/".parse().unwrap(),
            kind: super::Kind::Webhook(Secret::new("hunter2".to_owned())),
            ca_file: None,
        };
        assert!(!format!("{options:?}").contains("hunter2"));
    }
}
