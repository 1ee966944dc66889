//! Log delivery (triggers-security.md §18): where the logs of a pool go. What is logged stands in [`crate::records`].

pub mod get_log_delivery_configuration;
pub mod set_log_delivery_configuration;

use wire::LogConfigurationType;

/// The ARN of each destination that an entry names, by kind.
pub(crate) fn destinations(log: &LogConfigurationType) -> [Option<Option<&str>>; 3] {
    let group = log.cloud_watch_logs_configuration.as_ref().map(|group| group.log_group_arn.as_deref());
    let stream = log.firehose_configuration.as_ref().map(|stream| stream.stream_arn.as_deref());
    let bucket = log.s3_configuration.as_ref().map(|bucket| bucket.bucket_arn.as_deref());
    [group, stream, bucket]
}
