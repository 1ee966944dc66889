//! Requests signed by AWS Signature Version 4, checked as the service checks them (triggers-security.md §19.3, §19.4).
//!
//! The check makes the signature again with `aws-sigv4`, AWS's own signer, and compares in constant time. Order, as
//! far as it shows: the `Authorization` header ([`parse_authorization`]), the caller's look-up of the key, then in
//! [`verify`] the scope, the clock, which headers are signed, the hash of the body, the signature, and the session
//! token. A request signed in its query string counts as unsigned: no SDK does that for this service.
//!
//! The signer is given exactly the headers that the client says it signed. By default it leaves some out that proxies
//! change (`user-agent`, `x-amzn-trace-id` and others); a client may have signed them all the same, so that exclusion
//! is switched off here. At log level TRACE the signer prints requests; a log filter must not let `aws_sigv4` go that
//! far in production.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, sign as sign_request},
    sign::v4::SigningParams,
};

use crate::hash::{constant_time_eq, hex, sha256};

mod authorization;
mod date;
mod error;

pub use authorization::{Credential, parse_authorization};
pub use error::{SigV4Error, SigV4ErrorKind};

/// The service that requests of the API are signed for.
pub const SERVICE: &str = "cognito-idp";
/// How far a request's time may be from the server's, in seconds, either way.
pub const LARGEST_SKEW_SECONDS: i64 = 5 * 60;

/// Longest path and query together, in bytes; the signer cannot take much longer ones.
const LONGEST_TARGET: usize = 4 * 1_024;
/// Most headers, of those that are signed.
const MOST_HEADERS: usize = 128;

/// A request, independent of any HTTP library.
#[derive(Clone, Copy)]
pub struct SignedRequest<'a> {
    /// The method, such as `POST`.
    pub method: &'a str,
    /// The path as sent, percent-encoded, beginning with `/`.
    pub path: &'a str,
    /// The query as sent, without its question mark; empty when there is none.
    pub query: &'a str,
    /// Headers in the order received, names in lower case. A `host` must be among them (over HTTP/2, the authority).
    pub headers: &'a [(&'a str, &'a str)],
    /// The whole body.
    pub body: &'a [u8],
}

impl<'a> SignedRequest<'a> {
    /// All values of a header, joined with commas as the signature does it.
    fn header(&self, name: &str) -> Option<String> {
        let values: Vec<&str> =
            self.headers.iter().filter(|(other, _)| *other == name).map(|(_, value)| *value).collect();
        if values.is_empty() { None } else { Some(values.join(",")) }
    }

    fn target(&self) -> String {
        if self.query.is_empty() { self.path.to_owned() } else { format!("{}?{}", self.path, self.query) }
    }

    fn has_header(&self, name: &str) -> bool {
        self.headers.iter().any(|(other, _)| *other == name)
    }
}

impl std::fmt::Debug for SignedRequest<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| *name).collect();
        f.debug_struct("SignedRequest")
            .field("method", &self.method)
            .field("path", &self.path)
            .field("headers", &names)
            .finish_non_exhaustive()
    }
}

/// What `X-Amz-Security-Token` must be for the access key that signed.
#[derive(Clone, Copy)]
pub enum SessionToken<'a> {
    /// A long-term key: a token is refused.
    None,
    /// A temporary key: this token is needed, until this second since 1970.
    Required {
        /// The token that was issued with the key.
        token: &'a str,
        /// The second since 1970 from which it is no longer valid.
        expires_at: i64,
    },
}

impl std::fmt::Debug for SessionToken<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Required { .. } => "Required",
        })
    }
}

/// Checks a request for this service against the secret of the key that its credential names.
///
/// # Errors
/// [`SigV4ErrorKind::InvalidSignature`] for scope, clock and signature, [`SigV4ErrorKind::UnrecognizedClient`] and
/// [`SigV4ErrorKind::ExpiredToken`] for the session token. The texts are the service's.
pub fn verify(
    service: &str,
    request: &SignedRequest<'_>,
    credential: &Credential,
    secret: &str,
    now_epoch_seconds: i64,
    session_token: SessionToken<'_>,
) -> Result<(), SigV4Error> {
    check_scope(service, credential)?;
    check_clock(credential, now_epoch_seconds)?;
    check_signed_headers(request, credential)?;
    check_body_hash(request)?;
    let computed = compute_signature(request, credential, secret).ok_or_else(SigV4Error::signature_mismatch)?;
    if !constant_time_eq(computed.as_bytes(), credential.signature.as_bytes()) {
        return Err(SigV4Error::signature_mismatch());
    }
    check_session_token(request, session_token, now_epoch_seconds)
}

/// Signs a request of the API as a client does. `request.headers` must hold a `host`, and everything in it is signed except what
/// proxies change.
///
/// Returns the headers to add: `x-amz-date`, `authorization`, and `x-amz-security-token` with temporary credentials.
///
/// # Errors
/// [`SigV4ErrorKind::IncompleteSignature`] when the request is none: a bad path, method or header value, no host.
pub fn sign(
    request: &SignedRequest<'_>,
    access_key_id: &str,
    secret: &str,
    session_token: Option<&str>,
    region: &str,
    now_epoch_seconds: i64,
) -> Result<Vec<(String, String)>, SigV4Error> {
    sign_for(SERVICE, request, access_key_id, secret, session_token, region, now_epoch_seconds)
}

/// The same for another service.
///
/// # Errors
/// As [`sign`].
pub fn sign_for(
    service: &str,
    request: &SignedRequest<'_>,
    access_key_id: &str,
    secret: &str,
    session_token: Option<&str>,
    region: &str,
    now_epoch_seconds: i64,
) -> Result<Vec<(String, String)>, SigV4Error> {
    let unsignable = |detail: &str| SigV4Error::incomplete(format!("The request cannot be signed: {detail}"));
    check_size(request).ok_or_else(|| unsignable("it has no path or too many headers"))?;
    if !request.has_header("host") {
        return Err(unsignable("it has no host"));
    }
    let time = system_time(now_epoch_seconds).ok_or_else(|| unsignable("its time is out of range"))?;
    let identity = Credentials::new(access_key_id, secret, session_token.map(str::to_owned), None, "poolkeeper").into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service)
        .time(time)
        .settings(SigningSettings::default())
        .build()
        .map_err(|error| unsignable(&error.to_string()))?
        .into();
    let headers = request.headers.iter().copied();
    let signable = SignableRequest::new(request.method, request.target(), headers, SignableBody::Bytes(request.body))
        .map_err(|error| unsignable(&error.to_string()))?;
    let (instructions, _) =
        sign_request(signable, &params).map_err(|error| unsignable(&error.to_string()))?.into_parts();
    Ok(instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

fn check_scope(service: &str, credential: &Credential) -> Result<(), SigV4Error> {
    let mut faults = String::new();
    let is_region = (1..=32).contains(&credential.region.len())
        && credential.region.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if !is_region {
        faults.push_str(&format!("Credential should be scoped to a valid region, not '{}'. ", credential.region));
    }
    if credential.service != service {
        faults.push_str(&format!("Credential should be scoped to correct service: '{service}'. "));
    }
    if credential.terminator != "aws4_request" {
        faults.push_str(&format!(
            "Credential should be scoped with a valid terminator: 'aws4_request', not '{}'. ",
            credential.terminator
        ));
    }
    let time = date::basic(credential.timestamp);
    if time.get(..8) != Some(credential.date.as_str()) {
        faults.push_str(&format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{}' != '{}', from '{time}'.",
            credential.date,
            time.get(..8).unwrap_or_default()
        ));
    }
    if faults.is_empty() { Ok(()) } else { Err(SigV4Error::invalid(faults)) }
}

fn check_clock(credential: &Credential, now: i64) -> Result<(), SigV4Error> {
    let sent = credential.timestamp;
    let (earliest, latest) = (now.saturating_sub(LARGEST_SKEW_SECONDS), now.saturating_add(LARGEST_SKEW_SECONDS));
    let [sent_text, now_text, earliest_text, latest_text] = [sent, now, earliest, latest].map(date::basic);
    if sent < earliest {
        return Err(SigV4Error::invalid(format!(
            "Signature expired: {sent_text} is now earlier than {earliest_text} ({now_text} - 5 min.)"
        )));
    }
    if sent > latest {
        return Err(SigV4Error::invalid(format!(
            "Signature not yet current: {sent_text} is still later than {latest_text} ({now_text} + 5 min.)"
        )));
    }
    Ok(())
}

/// `host` and every `x-amz-*` must be signed: otherwise a signed request could be given another target or token.
fn check_signed_headers(request: &SignedRequest<'_>, credential: &Credential) -> Result<(), SigV4Error> {
    if !credential.signs("host") {
        return Err(SigV4Error::invalid(
            "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.".to_owned(),
        ));
    }
    let mut unsigned: Vec<&str> = request
        .headers
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| name.starts_with("x-amz-") && !credential.signs(name))
        .collect();
    unsigned.sort_unstable();
    unsigned.dedup();
    if unsigned.is_empty() {
        return Ok(());
    }
    Err(SigV4Error::invalid(format!(
        "There were headers present in the request which were not signed: {}",
        unsigned.join(", ")
    )))
}

fn check_body_hash(request: &SignedRequest<'_>) -> Result<(), SigV4Error> {
    match request.header("x-amz-content-sha256") {
        Some(sent) if sent.trim() != hex(&sha256(request.body)) => Err(SigV4Error::invalid(
            "The provided 'x-amz-content-sha256' header does not match what was computed.".to_owned(),
        )),
        _ => Ok(()),
    }
}

fn check_session_token(request: &SignedRequest<'_>, expected: SessionToken<'_>, now: i64) -> Result<(), SigV4Error> {
    match (request.header("x-amz-security-token"), expected) {
        (None, SessionToken::None) => Ok(()),
        (Some(sent), SessionToken::Required { token, expires_at }) => {
            if !constant_time_eq(sent.trim().as_bytes(), token.as_bytes()) {
                Err(SigV4Error::unrecognized_client())
            } else if now >= expires_at {
                Err(SigV4Error::expired_token())
            } else {
                Ok(())
            }
        }
        _ => Err(SigV4Error::unrecognized_client()),
    }
}

/// The signature that this request would have under this secret. `None` when the request is one that no client could
/// have signed.
fn compute_signature(request: &SignedRequest<'_>, credential: &Credential, secret: &str) -> Option<String> {
    check_size(request)?;
    let mut settings = SigningSettings::default();
    settings.payload_checksum_kind = PayloadChecksumKind::NoHeader;
    // The signer adds x-amz-date even where the client sent and signed a Date instead.
    settings.excluded_headers = (!credential.signs("x-amz-date")).then(|| vec!["x-amz-date".into()]);
    let identity = Credentials::new(credential.access_key_id.as_str(), secret, None, None, "poolkeeper").into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region(&credential.region)
        .name(&credential.service)
        .time(system_time(credential.timestamp)?)
        .settings(settings)
        .build()
        .ok()?
        .into();
    // Without a host the signer would look for one in the URL, where there is none.
    if !request.has_header("host") {
        return None;
    }
    let signed = request.headers.iter().copied().filter(|(name, _)| credential.signs(name));
    let signable =
        SignableRequest::new(request.method, request.target(), signed, SignableBody::Bytes(request.body)).ok()?;
    Some(sign_request(signable, &params).ok()?.into_parts().1)
}

fn check_size(request: &SignedRequest<'_>) -> Option<()> {
    let is_fine = request.path.starts_with('/')
        && request.path.len().saturating_add(request.query.len()) <= LONGEST_TARGET
        && request.headers.len() <= MOST_HEADERS;
    is_fine.then_some(())
}

fn system_time(epoch_seconds: i64) -> Option<SystemTime> {
    // The signer's calendar ends with the year 9999.
    if epoch_seconds > date::LAST_SECOND {
        return None;
    }
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(epoch_seconds).ok()?))
}

#[cfg(test)]
mod tests;
