//! Functions of AWS Lambda, or of what speaks its Invoke API (triggers-security.md §13.1).

use std::time::Duration;

use aws_sdk_lambda::{Client, config::Builder, primitives::Blob, types::InvocationType};
use serde_json::Value;

use crate::{
    CallError, Connection,
    connection::{region_of, within},
    failure::TIMED_OUT,
};

/// How long a call may take. Whoever waits for an answer gives up earlier, after five seconds.
const LONGEST: Duration = Duration::from_secs(10);
/// What is said when the function was asked and did not answer (triggers-security.md §3.1).
const SOCKET_TIMEOUT: &str = "Socket timeout while invoking Lambda function";

/// How a function is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invocation {
    /// And its answer awaited.
    RequestResponse,
    /// And not waited for: Lambda takes the event and tries it up to three times by itself.
    Event,
}

/// Why a function returned nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It threw an error with this message.
    Threw(String),
    /// It could not be called.
    NotCalled {
        /// The name of the error, such as `ResourceNotFoundException`.
        name: String,
        /// What happened and what to do next, for the log.
        reason: String,
    },
}

/// Calls functions.
#[derive(Clone, Debug)]
pub struct Lambda {
    client: Client,
    region_is_given: bool,
}

impl Lambda {
    pub(crate) fn new(connection: &Connection) -> Self {
        let config = Builder::from(connection.config()).timeout_config(within(LONGEST)).build();
        Self { client: Client::from_conf(config), region_is_given: connection.region_is_given() }
    }

    /// Calls the function with this ARN (or name) once, with an event of JSON of at most 6 MB (1 MB with
    /// [`Invocation::Event`]). Answers what it returns; nothing with [`Invocation::Event`].
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn invoke(&self, arn: &str, payload: Vec<u8>, invocation: Invocation) -> Result<Vec<u8>, Failure> {
        let kind = match invocation {
            Invocation::RequestResponse => InvocationType::RequestResponse,
            Invocation::Event => InvocationType::Event,
        };
        let call =
            self.client.invoke().function_name(arn).invocation_type(kind).payload(Blob::new(payload)).customize();
        let mut change = Builder::new();
        if let Some(region) = region_of(arn, self.region_is_given) {
            change = change.region(region);
        }
        let answer = call.config_override(change).send().await;
        let answer = answer.map_err(|error| not_called(&CallError::new("Lambda", &error)))?;
        let payload = answer.payload.map(Blob::into_inner).unwrap_or_default();
        match answer.function_error {
            Some(kind) => Err(Failure::Threw(message(&payload).unwrap_or(kind))),
            None => Ok(payload),
        }
    }
}

fn not_called(error: &CallError) -> Failure {
    let name = if error.code == TIMED_OUT { SOCKET_TIMEOUT.to_owned() } else { error.code.clone() };
    Failure::NotCalled { name, reason: error.to_string() }
}

/// What a function said when it threw.
///
/// Decision: an error without a message (some custom runtimes) is told by its type, or else by what the header calls it.
fn message(payload: &[u8]) -> Option<String> {
    let error: Value = serde_json::from_slice(payload).ok()?;
    let text = |name: &str| error.get(name)?.as_str().map(str::to_owned);
    text("errorMessage").or_else(|| text("errorType"))
}

#[cfg(test)]
mod tests {
    use aws_sdk_lambda::operation::invoke::InvokeError;
    use aws_smithy_runtime_api::{
        client::result::{ConnectorError, SdkError},
        http::Response,
    };

    use super::*;

    fn told(error: &SdkError<InvokeError, Response>) -> Failure {
        not_called(&CallError::new("Lambda", error))
    }

    #[test]
    fn a_call_that_was_not_answered_in_time() {
        let late = [
            SdkError::timeout_error("operation timed out"),
            SdkError::dispatch_failure(ConnectorError::timeout("connect\n  timed out".into())),
        ];
        for error in late {
            let Failure::NotCalled { name, reason } = told(&error) else { unreachable!("{error:?}") };
            assert_eq!(name, "Socket timeout while invoking Lambda function");
            assert!(reason.contains("Check the network") && !reason.contains('\n'), "{reason}");
        }
    }

    #[test]
    fn a_call_that_could_not_be_made() {
        let without_credentials = ConnectorError::other("no credentials found in chain".into(), None);
        let Failure::NotCalled { name, reason } = told(&SdkError::dispatch_failure(without_credentials)) else {
            unreachable!("nothing was thrown")
        };
        assert_eq!(name, "RequestNotMade");
        assert!(reason.contains("no credentials found in chain. Set AWS_ACCESS_KEY_ID"), "{reason}");
    }
}
