//! Functions of AWS Lambda, or of what speaks its Invoke API.

use std::fmt;

use anyhow::Context;
use serde_json::Value;
use service::triggers::{Failure, Invocation, RunFunctions, Running};

/// Runs functions by the official client.
pub struct Lambda(aws::Lambda);

impl Lambda {
    /// Nobody is asked before the first call.
    ///
    /// # Errors
    /// When region or endpoint are none.
    pub async fn open(settings: &aws::Settings) -> anyhow::Result<Self> {
        Ok(Self(aws::Connection::open(settings).await.context("aws")?.lambda()))
    }
}

impl RunFunctions for Lambda {
    fn knows(&self, _arn: &str) -> bool {
        // Only a call shows whether it is there.
        true
    }

    fn run(&self, arn: &str, event: Value, invocation: Invocation, request_id: &str) -> Running {
        let invocation = match invocation {
            Invocation::RequestResponse => aws::Invocation::RequestResponse,
            Invocation::Event => aws::Invocation::Event,
        };
        let (lambda, arn, request_id) = (self.0.clone(), arn.to_owned(), request_id.to_owned());
        let payload = event.to_string().into_bytes();
        Box::pin(async move {
            match lambda.invoke(&arn, payload, invocation).await {
                // What is no UTF-8 is no JSON either; its reader will say so.
                Ok(output) => Ok(String::from_utf8(output).unwrap_or_default()),
                Err(aws::Failure::Threw(message)) => Err(Failure::Threw(message)),
                Err(aws::Failure::NotCalled { name, reason }) => {
                    tracing::warn!(function = arn, request_id, reason, "a function cannot be called");
                    Err(Failure::NotCalled(name))
                }
            }
        })
    }
}

impl fmt::Debug for Lambda {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lambda")
    }
}
