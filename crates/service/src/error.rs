//! The error that an operation answers: the service's name for it, the public message, and a private cause.

use wire::{ErrorKind, UserStatusType};

/// What an operation answers instead of its output. `Display` shows only the public part.
#[derive(Debug)]
pub struct ApiError {
    /// `__type` on the wire.
    pub kind: ErrorKind,
    /// The public message.
    pub message: String,
    /// What really happened, for the log.
    pub cause: Option<Box<dyn std::error::Error + Send + Sync>>,
    /// What was read has changed since: load and decide again (see [`crate::retry`]).
    pub(crate) is_conflict: bool,
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.kind.as_str(), self.message)
    }
}

impl std::error::Error for ApiError {}

impl ApiError {
    /// An error of that kind with that public message.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), cause: None, is_conflict: false }
    }

    /// `InvalidParameterException`.
    pub fn invalid_parameter(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidParameter, message)
    }

    /// `NotAuthorizedException`.
    pub fn not_authorized(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotAuthorized, message)
    }

    /// `ResourceNotFoundException`.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::ResourceNotFound, message)
    }

    /// `InternalErrorException`: the caller learns nothing, the log learns the cause.
    pub fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let mut error = Self::new(ErrorKind::InternalError, "Something went wrong on the server. Please try again.");
        error.cause = Some(cause.into());
        error
    }

    /// Wrong password, wrong proof, or a user that must not be known to exist.
    #[must_use]
    pub fn wrong_credentials() -> Self {
        Self::not_authorized("Incorrect username or password.")
    }

    /// An operation by an administrator, or a sign-in, names a user that does not exist.
    #[must_use]
    pub fn no_such_user() -> Self {
        Self::new(ErrorKind::UserNotFound, "User does not exist.")
    }

    /// A client-side account operation names a user that does not exist.
    #[must_use]
    pub fn no_such_username_for_client() -> Self {
        Self::new(ErrorKind::UserNotFound, "Username/client id combination not found.")
    }

    /// The user is disabled.
    #[must_use]
    pub fn user_disabled() -> Self {
        Self::not_authorized("User is disabled.")
    }

    /// Too many requests or wrong codes in the last hour.
    #[must_use]
    pub fn attempt_limit() -> Self {
        Self::new(ErrorKind::LimitExceeded, "Attempt limit exceeded, please try after some time.")
    }

    /// Too many wrong codes in the last day (see `Limits::wrong_codes_per_day`).
    #[must_use]
    pub fn too_many_failed_attempts() -> Self {
        Self::new(
            ErrorKind::TooManyFailedAttempts,
            "Too many failed attempts. Request a new code and try again tomorrow, or ask an administrator for help.",
        )
    }

    /// The code is not the one that was sent.
    #[must_use]
    pub fn code_mismatch() -> Self {
        Self::new(ErrorKind::CodeMismatch, "Invalid verification code provided, please try again.")
    }

    /// There is no such code any more, or there never was.
    #[must_use]
    pub fn expired_code() -> Self {
        Self::new(ErrorKind::ExpiredCode, "Invalid code provided, please request a code again.")
    }

    /// Confirmation of a user who is past it.
    #[must_use]
    pub fn cannot_be_confirmed(status: UserStatusType) -> Self {
        Self::not_authorized(format!("User cannot be confirmed. Current status is {}", status.as_str()))
    }

    /// A member or value that this server does not honour yet; it is refused, never stored and ignored.
    pub fn not_supported(what: &str) -> Self {
        Self::invalid_parameter(format!(
            "{what} is not supported by this Poolkeeper version yet. See docs/compatibility.md."
        ))
    }
}

impl From<store::Error> for ApiError {
    fn from(error: store::Error) -> Self {
        Self::internal(error)
    }
}

impl From<store::CommitError> for ApiError {
    /// A conflict is retried by [`crate::retry`]; a taken name must be handled by the operation that claims it.
    fn from(error: store::CommitError) -> Self {
        match error {
            store::CommitError::Store(error) => error.into(),
            error @ store::CommitError::Conflict => {
                let mut conflict = Self::internal(error);
                conflict.is_conflict = true;
                conflict
            }
            error @ store::CommitError::Taken(_) => Self::internal(error),
        }
    }
}

impl From<crypto::seal::SealError> for ApiError {
    fn from(error: crypto::seal::SealError) -> Self {
        Self::internal(error)
    }
}

impl From<serde_json::Error> for ApiError {
    fn from(error: serde_json::Error) -> Self {
        Self::internal(error)
    }
}

#[cfg(test)]
mod tests {
    use store::{CommitError, Error, Taken};
    use wire::ErrorKind;

    use super::ApiError;

    /// Clients of the service repeat a request that was answered 500, and one that was throttled.
    #[test]
    fn whatever_the_database_says_clients_try_again_and_learn_nothing() {
        let text = || "db-1.internal: no route to host".to_owned();
        for error in [
            Error::Busy,
            Error::Full,
            Error::Closed,
            Error::Unanswered,
            Error::Unavailable(text()),
            Error::Refused(text()),
            Error::Unconfirmed(text()),
            Error::Damaged(text()),
            Error::Engine(text()),
            Error::Corrupt { table: "users", key: text() },
        ] {
            let words = error.to_string();
            let answer = ApiError::from(CommitError::Store(error));
            assert_eq!(answer.kind, ErrorKind::InternalError);
            assert_eq!(answer.message, "Something went wrong on the server. Please try again.");
            assert!(!answer.is_conflict, "{words}");
            assert_eq!(answer.cause.unwrap().to_string(), words, "the log learns it");
        }
        assert!(ApiError::from(CommitError::Conflict).is_conflict);
        let taken = ApiError::from(CommitError::Taken(Taken::Spent { id: String::new() }));
        assert!(!taken.is_conflict, "deciding again would not help");
    }
}
