//! Where events for analytics and the logs of pools go: a file, a webhook, a collector of OpenTelemetry, or, for logs, the
//! services of AWS that pools name.

mod aws_services;
mod file;
mod otlp;
#[cfg(test)]
pub mod testing;
mod webhook;

pub use aws_services::AwsServices;
pub use file::{File, append};
pub use otlp::Otlp;
pub use webhook::Webhook;

use http::StatusCode;

/// What an answer to a request says of its records.
fn outcome(answer: Result<StatusCode, String>) -> Result<(), String> {
    match answer? {
        status if status.is_success() => Ok(()),
        status => Err(format!("the answer is {status}")),
    }
}
