//! Buckets of S3 (triggers-security.md §18).

use std::{error::Error, time::Duration};

use aws_sdk_s3::{
    Client,
    config::{Builder, RequestChecksumCalculation},
    primitives::ByteStream,
};
use aws_smithy_runtime_api::{client::result::SdkError, http::Response};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::{
    CallError, Connection, SettingsError,
    connection::within,
    delivery::{Entry, Left},
    failure::NOT_MADE,
};

/// How long a call may take.
const LONGEST: Duration = Duration::from_secs(5);
/// What an object of lines of JSON is.
const JSON_LINES: &str = "application/x-ndjson";

/// Puts objects into buckets.
#[derive(Clone, Debug)]
pub struct S3 {
    client: Client,
    has_region: bool,
}

impl S3 {
    pub(crate) fn new(connection: &Connection) -> Self {
        let config = Builder::from(connection.config())
            .timeout_config(within(LONGEST))
            // What speaks S3's protocol elsewhere seldom has a name for each bucket, nor every kind of checksum.
            .force_path_style(connection.config().endpoint_url().is_some())
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired);
        Self { client: Client::from_conf(config.build()), has_region: connection.config().region().is_some() }
    }

    /// Puts records into the bucket with this ARN, as one object: a line for each. `key` names the object; what the ARN
    /// has after the bucket's name comes before it. The server needs `s3:PutObject`. Nothing is tried twice.
    pub async fn put(&self, bucket_arn: &str, key: &str, entries: &[Entry]) -> Left {
        let mut left = Left::default();
        let all = 0..entries.len();
        let Some((bucket, prefix)) = bucket_name(bucket_arn) else {
            left.refuse(all, &format!("{bucket_arn} is not the ARN of a bucket. Correct it in the pool"));
            return left;
        };
        let body: String = entries.iter().flat_map(|entry| [entry.text.as_str(), "\n"]).collect();
        let call = self.client.put_object().bucket(bucket).key(format!("{prefix}{key}")).content_type(JSON_LINES);
        let outcome = match self.region_is_known() {
            Ok(()) => {
                call.body(ByteStream::from(body.into_bytes())).send().await.map(drop).map_err(|error| failed(&error))
            }
            Err(error) => Err(error),
        };
        if let Err(error) = outcome {
            left.fail(all, &error);
        }
        left
    }

    /// Asks about the bucket with this ARN, and changes nothing. The server needs `s3:ListBucket`.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn look(&self, bucket_arn: &str) -> Result<(), CallError> {
        self.region_is_known()?;
        let (bucket, _) = bucket_name(bucket_arn).unwrap_or_default();
        self.client.head_bucket().bucket(bucket).send().await.map(drop).map_err(|error| failed(&error))
    }

    /// The ARNs of buckets name no region.
    fn region_is_known(&self) -> Result<(), CallError> {
        if self.has_region {
            return Ok(());
        }
        let detail = Some(SettingsError::NoRegion("S3").to_string());
        Err(CallError { service: "S3", code: NOT_MADE.to_owned(), status: None, detail, advice: None })
    }
}

fn failed<E: Error + ProvideErrorMetadata + 'static>(error: &SdkError<E, Response>) -> CallError {
    CallError::new("S3", error)
}

/// Bucket and prefix of `arn:aws:s3:::bucket/prefix`.
fn bucket_name(arn: &str) -> Option<(&str, String)> {
    let (_, name) = arn.split_once(":s3:::")?;
    let (bucket, prefix) = name.split_once('/').unwrap_or((name, ""));
    let prefix = prefix.trim_matches('/');
    let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
    (!bucket.is_empty()).then_some((bucket, prefix))
}

#[cfg(test)]
mod tests {
    use super::bucket_name;

    #[test]
    fn buckets_are_named_by_their_arns() {
        let named = |arn| bucket_name(arn).map(|(bucket, prefix)| format!("{bucket} {prefix}"));
        assert_eq!(named("arn:aws:s3:::users").as_deref(), Some("users "));
        assert_eq!(named("arn:aws-cn:s3:::users/logs/of/").as_deref(), Some("users logs/of/"));
        for wrong in ["", "users", "arn:aws:s3:::", "arn:aws:logs:e:1:log-group:x"] {
            assert_eq!(named(wrong), None, "{wrong}");
        }
    }
}
