//! Senders of messages besides the mail server: SES, SNS, a webhook, and lines of JSON.

mod aws_services;
mod lines;
#[cfg(test)]
mod testing;
mod webhook;

pub use aws_services::{SesMails, SnsTexts};
pub use lines::{Lines, Place};
pub use webhook::WebhookTexts;
