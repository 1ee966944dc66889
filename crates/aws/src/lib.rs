//! What the server asks of AWS, or of what speaks its protocols: Lambda, SES, SNS and KMS.
//!
//! Each is a thin cover over the official crate: how it is asked, how long, and what its refusals mean for us. Requests
//! are signed with credentials of the standard chain (environment, profile, container, machine) or with those of the
//! configuration, and sent by one HTTP client over rustls and aws-lc. An endpoint can be named instead of AWS's own, for
//! each connection, or with the variables that all SDKs know (`AWS_ENDPOINT_URL_LAMBDA` and so on).
//!
//! A crate of its own, so that no other crate waits for the official ones to be compiled.

mod connection;
mod failure;
mod kms;
mod lambda;
mod ses;
mod sns;

pub use connection::{AccessKey, Connection, Settings, SettingsError};
pub use failure::{CallError, SendError};
pub use kms::Kms;
pub use lambda::{Failure, Invocation, Lambda};
pub use ses::{Mail, Ses};
pub use sns::{Sns, TextMessage};
