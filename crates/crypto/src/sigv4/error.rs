//! What the service answers to a request that is not signed as it should be (triggers-security.md §19.3).

/// The kind of refusal; the name of the error on the wire is `<kind>Exception`, always with status 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigV4ErrorKind {
    /// No `Authorization` header.
    MissingAuthenticationToken,
    /// An `Authorization` header that is not one of Signature Version 4, or lacks a part.
    IncompleteSignature,
    /// A key or a session token that the server does not know.
    UnrecognizedClient,
    /// A wrong signature, scope or time.
    InvalidSignature,
    /// A session token that is too old.
    ExpiredToken,
}

/// A refusal with the text that the client is to see.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SigV4Error {
    /// The kind.
    pub kind: SigV4ErrorKind,
    /// The text, in the service's words.
    pub message: String,
}

impl SigV4Error {
    /// There is no `Authorization` header.
    #[must_use]
    pub fn missing() -> Self {
        Self::new(SigV4ErrorKind::MissingAuthenticationToken, "Missing Authentication Token")
    }

    /// The access key is unknown or not active, or its session token is not the right one.
    #[must_use]
    pub fn unrecognized_client() -> Self {
        Self::new(SigV4ErrorKind::UnrecognizedClient, "The security token included in the request is invalid.")
    }

    /// The session token is too old.
    #[must_use]
    pub fn expired_token() -> Self {
        Self::new(SigV4ErrorKind::ExpiredToken, "The security token included in the request is expired")
    }

    pub(super) fn signature_mismatch() -> Self {
        Self::new(
            SigV4ErrorKind::InvalidSignature,
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
             Access Key and signing method. Consult the service documentation for details.",
        )
    }

    pub(super) fn invalid(message: String) -> Self {
        Self { kind: SigV4ErrorKind::InvalidSignature, message }
    }

    pub(super) fn incomplete(message: String) -> Self {
        Self { kind: SigV4ErrorKind::IncompleteSignature, message }
    }

    fn new(kind: SigV4ErrorKind, message: &str) -> Self {
        Self { kind, message: message.to_owned() }
    }
}
