//! What the server asks of AWS, or of what speaks its protocols: Lambda, SES, SNS, KMS, and
//! CloudWatch Logs, Firehose and S3 for the logs of pools.
//!
//! Each is a thin cover over the official crate: how it is asked, how long, and what its refusals mean for us. Requests
//! are signed with credentials of the standard chain (environment, profile, container, machine) or with those of the
//! configuration, and sent by one HTTP client over rustls and aws-lc. An endpoint can be named instead of AWS's own, for
//! each connection, or with the variables that all SDKs know (`AWS_ENDPOINT_URL_LAMBDA` and so on).
//!
//! A crate of its own, so that no other crate waits for the official ones to be compiled.

mod connection;
mod delivery;
mod failure;
mod firehose;
mod kms;
mod lambda;
mod logs;
mod s3;
mod ses;
mod sns;

pub use connection::{AccessKey, Connection, Settings, SettingsError};
pub use delivery::{Entry, Left};
pub use failure::{CallError, SendError};
pub use firehose::Firehose;
pub use kms::Kms;
pub use lambda::{Failure, Invocation, Lambda};
pub use logs::Logs;
pub use s3::S3;
pub use ses::{Mail, Ses, SesAccount};
pub use sns::{Sns, TextMessage};
