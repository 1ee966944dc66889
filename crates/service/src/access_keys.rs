//! Administrators' access keys, and who signed a request (triggers-security.md §19.3, §19.4).
//!
//! Order: the `Authorization` header, look-up of the key, then scope, clock and signature. Keys are read from the store
//! at every request: a deleted one stops working at once.

use crypto::{
    seal::{KeyRing, Purpose},
    sigv4::{SessionToken, SigV4Error, SigV4ErrorKind, SignedRequest, parse_authorization, verify},
};
use domain::{AccessKey, Entropy, Secret};
use wire::{ErrorKind, Timestamp};

use crate::{ApiError, App};

/// Longest region that is taken from a credential scope, in characters: a pool's id has at most 55, ten of which follow
/// the region.
const LONGEST_REGION: usize = 32;

/// An access key as it is shown to its owner, once.
#[derive(Clone, Debug)]
pub struct NewAccessKey {
    /// What is stored.
    pub row: AccessKey,
    /// 40 characters; nobody sees it again.
    pub secret: Secret<String>,
}

/// Who signed a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// `AKIA…`
    pub access_key_id: String,
    /// Region of the credential scope.
    pub region: String,
}

/// Makes a key. It counts once its row is in the store.
#[must_use]
pub fn make(ring: &KeyRing, entropy: &dyn Entropy, label: &str, now: Timestamp) -> NewAccessKey {
    let id = format!("AKIA{}", crypto::random::alphanumeric(entropy, 16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"));
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let secret = crypto::random::alphanumeric(entropy, 40, alphabet);
    let sealed = ring.seal(entropy, Purpose::AccessKeySecret, &id, secret.as_bytes());
    NewAccessKey {
        row: AccessKey { id, secret: sealed, label: label.to_owned(), created_at: now },
        secret: Secret::new(secret),
    }
}

/// Finds out who signed the request for this service.
///
/// # Errors
/// `MissingAuthenticationTokenException`, `IncompleteSignatureException`, `UnrecognizedClientException` or
/// `InvalidSignatureException`, in the service's words.
pub async fn authenticate(
    app: &App,
    service: &str,
    request: &SignedRequest<'_>,
    now: Timestamp,
) -> Result<Signer, ApiError> {
    let credential = parse_authorization(request).map_err(refusal)?;
    let Some(key) = app.store.access_key(&credential.access_key_id).await? else {
        return Err(refusal(SigV4Error::unrecognized_client()));
    };
    let secret = app.ring.open(Purpose::AccessKeySecret, &key.id, &key.secret)?;
    let secret = std::str::from_utf8(&secret).map_err(ApiError::internal)?;
    // All stored keys are long-term keys.
    verify(service, request, &credential, secret, now.seconds(), SessionToken::None).map_err(refusal)?;
    Ok(Signer { access_key_id: key.id.clone(), region: credential.region })
}

/// The region that an `Authorization` header names, whoever signed it. `None` when the header is no SigV4 one, or what
/// it names cannot be the beginning of a pool's id.
#[must_use]
pub fn region(authorization: &str) -> Option<String> {
    let (_, credential) = authorization.strip_prefix("AWS4-HMAC-SHA256")?.split_once("Credential=")?;
    let scope = credential.split([',', ' ']).next()?;
    let region = scope.split('/').nth_back(2)?;
    let is_region = (1..=LONGEST_REGION).contains(&region.len())
        && region.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    is_region.then(|| region.to_owned())
}

fn refusal(error: SigV4Error) -> ApiError {
    let kind = match error.kind {
        SigV4ErrorKind::MissingAuthenticationToken => ErrorKind::MissingAuthenticationToken,
        SigV4ErrorKind::IncompleteSignature => ErrorKind::IncompleteSignature,
        SigV4ErrorKind::UnrecognizedClient => ErrorKind::UnrecognizedClient,
        SigV4ErrorKind::InvalidSignature => ErrorKind::InvalidSignature,
        SigV4ErrorKind::ExpiredToken => ErrorKind::ExpiredToken,
    };
    ApiError::new(kind, error.message)
}

#[cfg(test)]
mod tests {
    use super::region;

    #[test]
    fn regions_are_read_from_any_scope() {
        let header = |scope: &str| format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0");
        let named = |scope: &str| region(&header(scope));
        assert_eq!(named("AKID/20260102/eu-central-1/cognito-idp/aws4_request").as_deref(), Some("eu-central-1"));
        // Keys of other emulators may hold a slash.
        assert_eq!(named("a/b/20260102/local/cognito-idp/aws4_request").as_deref(), Some("local"));
        assert_eq!(named("AKID/20260102/US-EAST-1/cognito-idp/aws4_request"), None);
        assert_eq!(named("AKID/20260102//cognito-idp/aws4_request"), None);
        assert_eq!(named("AKID/20260102/a_b/cognito-idp/aws4_request"), None);
        assert_eq!(named("AKID"), None);
        assert_eq!(region("Bearer x"), None);
        assert_eq!(region(""), None);
    }
}
