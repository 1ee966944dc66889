//! Access keys, who signed a request, and whether the key may be used for it (triggers-security.md §19.3, §19.4).
//!
//! Order: the `Authorization` header, look-up of the key, then scope, clock and signature, then what the key is limited
//! to. Keys are read from the store at every request: a deleted one stops working at once.

use crypto::{
    seal::{KeyRing, Purpose},
    sigv4::{SessionToken, SigV4Error, SigV4ErrorKind, SignedRequest, parse_authorization, verify},
};
pub use domain::access_key::is_asked_for;
use domain::{AccessKey, ActionPattern, Entropy, Sealed, Secret};
use serde::Deserialize;
use wire::{ErrorKind, Timestamp};

use crate::{ApiError, App};

/// Longest region that is taken from a credential scope, in characters: a pool's id has at most 55, ten of which follow
/// the region.
const LONGEST_REGION: usize = 32;
/// Longest id of a pool, in characters.
const LONGEST_POOL_ID: usize = 55;

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

/// Makes a key, which may be used for `only` these actions, or for everything. It counts once its row is in the store.
#[must_use]
pub fn make(
    ring: &KeyRing,
    entropy: &dyn Entropy,
    label: &str,
    only: Option<Vec<ActionPattern>>,
    now: Timestamp,
) -> NewAccessKey {
    let id = format!("AKIA{}", crypto::random::alphanumeric(entropy, 16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"));
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let secret = crypto::random::alphanumeric(entropy, 40, alphabet);
    let mut row = AccessKey { id, secret: Sealed(String::new()), label: label.to_owned(), created_at: now, only };
    let (purpose, identity) = sealing(&row);
    row.secret = ring.seal(entropy, purpose, &identity, secret.as_bytes());
    NewAccessKey { row, secret: Secret::new(secret) }
}

/// What the secret of a key is sealed for, and with which identity. What a key is limited to is part of it: a server that
/// does not know of limits, and one whose database somebody has changed, cannot open the secret of a limited key, and so
/// takes nothing that is signed with it.
#[must_use]
pub fn sealing(key: &AccessKey) -> (Purpose, String) {
    let Some(only) = &key.only else { return (Purpose::AccessKeySecret, key.id.clone()) };
    // Neither ids nor actions hold a space or a comma, so that no other key has the same identity.
    let only: Vec<&str> = only.iter().map(ActionPattern::as_str).collect();
    (Purpose::LimitedAccessKeySecret, format!("{} {}", key.id, only.join(",")))
}

/// Finds out who signed the request for this operation of this service, and whether the key may be used for it.
///
/// # Errors
/// `MissingAuthenticationTokenException`, `IncompleteSignatureException`, `UnrecognizedClientException`,
/// `InvalidSignatureException` or `AccessDeniedException`, in the service's words.
pub async fn authenticate(
    app: &App,
    service: &str,
    operation: &str,
    request: &SignedRequest<'_>,
    now: Timestamp,
) -> Result<Signer, ApiError> {
    let credential = parse_authorization(request).map_err(refusal)?;
    let Some(key) = app.store.access_key(&credential.access_key_id).await? else {
        return Err(refusal(SigV4Error::unrecognized_client()));
    };
    let (purpose, identity) = sealing(&key);
    let secret = app.ring.open(purpose, &identity, &key.secret)?;
    let secret = std::str::from_utf8(&secret).map_err(ApiError::internal)?;
    // All stored keys are long-term keys.
    verify(service, request, &credential, secret, now.seconds(), SessionToken::None).map_err(refusal)?;
    if let Some(only) = &key.only {
        let action = format!("{service}:{operation}");
        if !only.iter().any(|pattern| pattern.matches(&action)) {
            return Err(denied(app, &key.id, &action, request.body));
        }
    }
    Ok(Signer { access_key_id: key.id.clone(), region: credential.region })
}

/// The key may not be used for this. It takes the place of a user in the text: there are no users of IAM here.
fn denied(app: &App, key_id: &str, action: &str, body: &[u8]) -> ApiError {
    let account = &app.settings.account_id;
    let resource = match named_pool(body) {
        Some(id) => {
            let region = id.split_once('_').map_or("", |(region, _)| region);
            format!("arn:aws:cognito-idp:{region}:{account}:userpool/{id}")
        }
        None => "*".to_owned(),
    };
    ApiError::new(
        ErrorKind::AccessDenied,
        format!(
            "User: arn:aws:iam::{account}:user/{key_id} is not authorized to perform: {action} on resource: {resource} \
             because no identity-based policy allows the {action} action"
        ),
    )
}

/// The pool that a request names, which nobody has checked yet: by its id, or by the ARN of what has tags.
fn named_pool(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Named {
        user_pool_id: Option<String>,
        resource_arn: Option<String>,
    }
    let named: Named = serde_json::from_slice(body).ok()?;
    let of_arn = || Some(named.resource_arn?.rsplit_once(":userpool/")?.1.to_owned());
    let id = named.user_pool_id.or_else(of_arn)?;
    let is_id = (1..=LONGEST_POOL_ID).contains(&id.len())
        && id.contains('_')
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    is_id.then_some(id)
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
    use super::{named_pool, region};

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

    #[test]
    fn pools_are_read_from_whatever_was_sent() {
        let named = |body: &str| named_pool(body.as_bytes());
        assert_eq!(named(r#"{"UserPoolId": "eu-west-1_a1", "Username": 5}"#).as_deref(), Some("eu-west-1_a1"));
        let arn = r#"{"ResourceArn": "arn:aws:cognito-idp:eu-west-1:1:userpool/eu-west-1_a1", "Tags": {}}"#;
        assert_eq!(named(arn).as_deref(), Some("eu-west-1_a1"));
        let long = format!(r#"{{"UserPoolId": "a_{}"}}"#, "b".repeat(54));
        for nothing in [
            "",
            "{",
            "null",
            "[]",
            "{}",
            r#"{"UserPoolId": null}"#,
            r#"{"UserPoolId": 1}"#,
            r#"{"UserPoolId": ""}"#,
            r#"{"UserPoolId": "none"}"#,
            r#"{"UserPoolId": "eu-west-1_a/../*"}"#,
            r#"{"UserPoolId": "a_b because"}"#,
            r#"{"UserPoolId": "a_b", "UserPoolId": "c_d"}"#,
            r#"{"ResourceArn": "arn:aws:s3:::a_b"}"#,
            &long,
        ] {
            assert_eq!(named(nothing), None, "{nothing}");
        }
    }
}
