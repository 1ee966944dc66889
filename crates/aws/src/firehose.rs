//! Delivery streams of Firehose (triggers-security.md §18).

use std::time::Duration;

use aws_sdk_firehose::{Client, config::Builder, primitives::Blob, types::Record};

use crate::{
    CallError, Connection,
    connection::{region_of, within},
    delivery::{Entry, Left, batches},
};

/// How long a call may take.
const LONGEST: Duration = Duration::from_secs(5);
/// Records that one request may hold.
const MOST: usize = 500;
/// Bytes of the records in one request.
const MOST_BYTES: usize = 4 * 1_024 * 1_024;
/// Bytes of one record.
const LARGEST: usize = 1_000 * 1_024;

/// Hands records to delivery streams.
#[derive(Clone, Debug)]
pub struct Firehose {
    client: Client,
    region_is_given: bool,
}

impl Firehose {
    pub(crate) fn new(connection: &Connection) -> Self {
        let config = Builder::from(connection.config()).timeout_config(within(LONGEST)).build();
        Self { client: Client::from_conf(config), region_is_given: connection.region_is_given() }
    }

    /// Hands records to the stream with this ARN, each with the end of a line. The server needs
    /// `firehose:PutRecordBatch`. Nothing is tried twice; what Firehose did not take of a request is left.
    pub async fn put(&self, stream_arn: &str, entries: &[Entry]) -> Left {
        let mut left = Left::default();
        let Some(stream) = stream_name(stream_arn) else {
            let reason = format!("{stream_arn} is not the ARN of a delivery stream. Correct it in the pool");
            left.refuse(0..entries.len(), &reason);
            return left;
        };
        let mut sized: Vec<(usize, usize, &Entry)> =
            entries.iter().enumerate().map(|(place, entry)| (place, entry.text.len() + 1, entry)).collect();
        let too_large = sized.extract_if(.., |(_, size, _)| *size > LARGEST).map(|(place, ..)| place);
        left.refuse(too_large, "Firehose takes no records of more than 1,000 KiB");
        let sizes: Vec<usize> = sized.iter().map(|(_, size, _)| *size).collect();
        for range in batches(&sizes, MOST, MOST_BYTES, |_, _| true) {
            let batch = sized.get(range).unwrap_or_default();
            let records = batch
                .iter()
                .filter_map(|(.., entry)| Record::builder().data(Blob::new(format!("{}\n", entry.text))).build().ok());
            let call = self.client.put_record_batch().delivery_stream_name(stream).set_records(Some(records.collect()));
            let answer = call.customize().config_override(self.region_of(stream_arn)).send().await;
            let places = batch.iter().map(|(place, ..)| *place);
            match answer.map_err(|error| CallError::new("Firehose", &error)) {
                Err(error) => left.fail(places, &error),
                Ok(answer) if answer.failed_put_count == 0 => {}
                Ok(answer) => {
                    for (place, outcome) in places.zip(&answer.request_responses) {
                        if let Some(code) = &outcome.error_code {
                            let detail = outcome.error_message.as_ref().map(|message| format!("{code}: {message}"));
                            left.again.push(place);
                            left.reason.get_or_insert_with(|| format!("Firehose: {}", detail.as_ref().unwrap_or(code)));
                        }
                    }
                }
            }
        }
        left
    }

    /// Asks about the stream with this ARN, and changes nothing. The server needs `firehose:DescribeDeliveryStream`.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn look(&self, stream_arn: &str) -> Result<(), CallError> {
        let stream = stream_name(stream_arn).unwrap_or_default();
        let call = self.client.describe_delivery_stream().delivery_stream_name(stream).customize();
        let answer = call.config_override(self.region_of(stream_arn)).send().await;
        answer.map(drop).map_err(|error| CallError::new("Firehose", &error))
    }

    /// What is different for this stream: the region, unless one is given for all.
    fn region_of(&self, arn: &str) -> Builder {
        region_of(arn, self.region_is_given).map_or_else(Builder::new, |region| Builder::new().region(region))
    }
}

/// `users` of `arn:aws:firehose:eu-west-1:123456789012:deliverystream/users`.
fn stream_name(arn: &str) -> Option<&str> {
    arn.split(':').nth(5)?.strip_prefix("deliverystream/").filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::stream_name;

    #[test]
    fn streams_are_named_by_their_arns() {
        assert_eq!(stream_name("arn:aws:firehose:eu-west-1:123456789012:deliverystream/users"), Some("users"));
        for wrong in ["", "users", "arn:aws:firehose:eu-west-1:123456789012:deliverystream/", "arn:aws:s3:::users"] {
            assert_eq!(stream_name(wrong), None, "{wrong}");
        }
    }
}
