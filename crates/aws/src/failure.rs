//! What AWS's refusals mean, and what to do about them.

use std::error::Error;

use aws_smithy_runtime_api::{
    client::result::SdkError,
    http::{Response, StatusCode},
};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

// Decision: names for what happens before AWS has said anything, and which no name of AWS's is known for.

/// The code of a call that was not answered in time.
pub(crate) const TIMED_OUT: &str = "RequestTimeout";
/// The code of a call that did not get through.
pub(crate) const UNREACHABLE: &str = "ServiceUnreachable";
/// The code of a call for which there are no credentials, or that cannot be made.
pub(crate) const NOT_MADE: &str = "RequestNotMade";
/// What AWS calls a request that those credentials may not make.
const DENIED: [&str; 5] =
    ["AccessDenied", "AccessDeniedException", "AuthorizationError", "AuthorizationErrorException", "Forbidden"];
/// The code of an answer that is none.
pub(crate) const UNREADABLE: &str = "UnreadableAnswer";

/// Why AWS did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{service}: {}{}", .detail.as_deref().unwrap_or(.code), .advice.map(|advice| format!(". {advice}")).unwrap_or_default())]
pub struct CallError {
    /// Whom we asked, such as `KMS`.
    pub service: &'static str,
    /// AWS's name of the error, such as `AccessDeniedException`, or one of ours where AWS has said nothing.
    pub code: String,
    /// The status of the answer, when there was one.
    pub status: Option<u16>,
    /// What happened, for the operator's log. It may name ARNs, and, with SES and SNS, users' addresses.
    pub detail: Option<String>,
    /// What to do next, in a sentence.
    pub advice: Option<&'static str>,
}

/// Why a message was not taken. The text is for the operator and holds nothing of the message nor of its receiver.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct SendError {
    /// Whether trying again is useless.
    pub is_permanent: bool,
    /// What happened.
    pub reason: String,
}

impl CallError {
    pub(crate) fn new<E>(service: &'static str, error: &SdkError<E, Response>) -> Self
    where
        E: Error + ProvideErrorMetadata + 'static,
    {
        let status = error.raw_response().map(|response| response.status().as_u16());
        let (code, detail) = match error {
            SdkError::ServiceError(refused) => {
                let named = refused.err().code().map(plain_code).filter(|code| !code.is_empty());
                let code = named.unwrap_or_else(|| code_of(refused.raw().status()).to_owned());
                let detail = refused.err().message().map(|message| format!("{code}: {message}"));
                (code, detail)
            }
            SdkError::TimeoutError(_) => (TIMED_OUT.to_owned(), None),
            SdkError::DispatchFailure(failure) if failure.is_timeout() => (TIMED_OUT.to_owned(), Some(chain(error))),
            SdkError::DispatchFailure(failure) if failure.is_io() => (UNREACHABLE.to_owned(), Some(chain(error))),
            SdkError::ResponseError(_) => (UNREADABLE.to_owned(), Some(chain(error))),
            _ => (NOT_MADE.to_owned(), Some(chain(error))),
        };
        let advice = advice(&code);
        Self { service, code, status, detail, advice }
    }

    /// Whether the same request may be taken at another time.
    pub(crate) fn may_pass(&self) -> bool {
        let is_busy = self.status.is_some_and(|status| status == 429 || status >= 500);
        let by_itself = [TIMED_OUT, UNREACHABLE, NOT_MADE, UNREADABLE, "ExpiredToken", "ExpiredTokenException"];
        let is_throttled = |code: &str| code.contains("Thrott") || code.contains("LimitExceeded") || code == "SlowDown";
        is_busy || by_itself.contains(&self.code.as_str()) || is_throttled(&self.code)
    }

    /// Whether the request came through and was only not allowed.
    #[must_use]
    pub fn is_not_allowed(&self) -> bool {
        DENIED.contains(&self.code.as_str())
    }

    /// The same for messages. `permanent` are the names of errors that come of the message itself.
    pub(crate) fn of_message(self, permanent: &[&str]) -> SendError {
        let advice = self.advice.map(|advice| format!(". {advice}")).unwrap_or_default();
        SendError {
            is_permanent: permanent.contains(&self.code.as_str()),
            reason: format!("{} answered {}{advice}", self.service, self.code),
        }
    }
}

/// `Name` of `namespace#Name:http://…`, with nothing in it that does not belong into a name.
fn plain_code(code: &str) -> String {
    let name = code.rsplit('#').next().unwrap_or_default().split(':').next().unwrap_or_default();
    name.chars().filter(|character| character.is_ascii_alphanumeric() || "._-".contains(*character)).take(128).collect()
}

/// The name of an error that its answer does not name. An answer that should have been good is one that says nothing.
fn code_of(status: StatusCode) -> &'static str {
    match status.as_u16() {
        200..300 => UNREADABLE,
        400 => "InvalidRequestContentException",
        401 | 403 => "AccessDeniedException",
        404 => "ResourceNotFoundException",
        413 => "RequestTooLargeException",
        429 => "TooManyRequestsException",
        _ => "ServiceException",
    }
}

pub(crate) fn advice(code: &str) -> Option<&'static str> {
    Some(match code {
        _ if DENIED.contains(&code) => "Allow it to the role or user whose credentials the server has",
        "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "ExpiredTokenException"
        | "ExpiredToken" => "Check the AWS credentials of the server, and that its clock is right",
        "ResourceNotFoundException" | "NotFoundException" | "NotFound" | "NoSuchBucket" | "PermanentRedirect" => {
            "Check the ARN, the region, and the endpoint if one is configured"
        }
        "TooManyRequestsException" | "ThrottlingException" | "Throttling" | "Throttled" | "LimitExceededException" => {
            "Ask AWS for a higher limit if this goes on"
        }
        NOT_MADE => {
            "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, give the machine a role, or name an access key in the configuration"
        }
        UNREACHABLE | TIMED_OUT => "Check the network, and the endpoint if one is configured",
        UNREADABLE => "Check that the configured endpoint is one of this service",
        _ => return None,
    })
}

/// An error and what it comes from, in one line. Answers' bodies are not in it.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    // The chain of credentials tells its parts in lines.
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
