//! Log groups of CloudWatch Logs (triggers-security.md §18).

use std::{error::Error, time::Duration};

use aws_sdk_cloudwatchlogs::{
    Client,
    config::Builder,
    types::{InputLogEvent, RejectedLogEventsInfo},
};
use aws_smithy_runtime_api::{client::result::SdkError, http::Response};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::{
    CallError, Connection,
    connection::{region_of, within},
    delivery::{Entry, Left, batches},
};

/// How long a call may take.
const LONGEST: Duration = Duration::from_secs(5);
/// Events that one request may hold.
const MOST: usize = 10_000;
/// Bytes of the events in one request.
const MOST_BYTES: usize = 1_048_576;
/// What each event counts for beside its text, in bytes.
const OVERHEAD: usize = 26;
/// How far the events of one request may lie apart, in milliseconds.
const SPAN: i64 = 24 * 60 * 60 * 1_000;
/// What the service says when the group or the stream is not there.
const ABSENT: &str = "ResourceNotFoundException";

/// Writes into log groups.
#[derive(Clone, Debug)]
pub struct Logs {
    client: Client,
    region_is_given: bool,
}

impl Logs {
    pub(crate) fn new(connection: &Connection) -> Self {
        let config = Builder::from(connection.config()).timeout_config(within(LONGEST)).build();
        Self { client: Client::from_conf(config), region_is_given: connection.region_is_given() }
    }

    /// Writes events into a stream of the group with this ARN, in the order of their moments; the stream is made when it
    /// is not there, the group is not. The server needs `logs:PutLogEvents` and `logs:CreateLogStream`. Nothing is tried
    /// twice. What the service finds too old (14 days, or what the group keeps) or too far ahead (two hours) is refused.
    pub async fn put(&self, group_arn: &str, stream: &str, entries: &[Entry]) -> Left {
        let mut left = Left::default();
        let Some(group) = group_name(group_arn) else {
            left.refuse(
                0..entries.len(),
                &format!("{group_arn} is not the ARN of a log group. Correct it in the pool"),
            );
            return left;
        };
        let mut sized: Vec<(usize, usize, &Entry)> =
            entries.iter().enumerate().map(|(place, entry)| (place, entry.text.len() + OVERHEAD, entry)).collect();
        let too_large = sized.extract_if(.., |(_, size, _)| *size > MOST_BYTES).map(|(place, ..)| place);
        left.refuse(too_large, "CloudWatch Logs takes no events of more than 1 MiB");
        sized.sort_by_key(|(.., entry)| entry.moment);
        let sizes: Vec<usize> = sized.iter().map(|(_, size, _)| *size).collect();
        let moment = |at: usize| sized.get(at).map_or(0, |(.., entry)| entry.moment);
        for range in batches(&sizes, MOST, MOST_BYTES, |first, at| moment(at) - moment(first) <= SPAN) {
            let batch = sized.get(range).unwrap_or_default();
            let places = || batch.iter().map(|(place, ..)| *place);
            let events = batch.iter().filter_map(|(.., entry)| {
                InputLogEvent::builder().timestamp(entry.moment).message(&entry.text).build().ok()
            });
            match self.put_batch((group_arn, group), stream, events.collect()).await {
                Ok(None) => {}
                Ok(Some(rejected)) => {
                    let is_taken = taken(&rejected, batch.len());
                    let untaken = places().enumerate().filter(|(at, _)| !is_taken(*at)).map(|(_, place)| place);
                    left.refuse(untaken, "CloudWatch Logs finds these events too old or too new. Check the clock");
                }
                Err(error) => left.fail(places(), &error),
            }
        }
        left
    }

    /// Asks about the log group with this ARN, and changes nothing. The server needs `logs:DescribeLogStreams`.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn look(&self, group_arn: &str) -> Result<(), CallError> {
        let group = group_name(group_arn).unwrap_or_default();
        let call = self.client.describe_log_streams().log_group_name(group).limit(1).customize();
        let answer = call.config_override(self.region_of(group_arn)).send().await;
        answer.map(drop).map_err(|error| failed(&error))
    }

    /// One request, with the stream made where it is missing.
    async fn put_batch(
        &self,
        (group_arn, group): (&str, &str),
        stream: &str,
        events: Vec<InputLogEvent>,
    ) -> Result<Option<RejectedLogEventsInfo>, CallError> {
        let put = async |events| {
            let call = self.client.put_log_events().log_group_name(group).log_stream_name(stream);
            let call = call.set_log_events(Some(events)).customize();
            let answer = call.config_override(self.region_of(group_arn)).send().await;
            answer.map(|answer| answer.rejected_log_events_info).map_err(|error| failed(&error))
        };
        match put(events.clone()).await {
            Err(error) if error.code == ABSENT => {}
            outcome => return outcome,
        }
        let call = self.client.create_log_stream().log_group_name(group).log_stream_name(stream).customize();
        match call.config_override(self.region_of(group_arn)).send().await.map_err(|error| failed(&error)) {
            Ok(_) => {}
            // Another server was faster.
            Err(error) if error.code == "ResourceAlreadyExistsException" => {}
            Err(error) => return Err(error),
        }
        put(events).await
    }

    /// What is different for this group: the region, unless one is given for all.
    fn region_of(&self, arn: &str) -> Builder {
        region_of(arn, self.region_is_given).map_or_else(Builder::new, |region| Builder::new().region(region))
    }
}

fn failed<E: Error + ProvideErrorMetadata + 'static>(error: &SdkError<E, Response>) -> CallError {
    CallError::new("CloudWatch Logs", error)
}

/// `/shop/users` of `arn:aws:logs:eu-west-1:123456789012:log-group:/shop/users:*`.
fn group_name(arn: &str) -> Option<&str> {
    let mut parts = arn.split(':').skip(5);
    (parts.next() == Some("log-group")).then(|| parts.next()).flatten().filter(|name| !name.is_empty())
}

/// Which events of a request of so many were taken. The ends of what is too old are not part of it, the beginning of
/// what is too new is.
fn taken(rejected: &RejectedLogEventsInfo, events: usize) -> impl Fn(usize) -> bool {
    let place = |index: Option<i32>| index.and_then(|index| usize::try_from(index).ok());
    let old = place(rejected.too_old_log_event_end_index).max(place(rejected.expired_log_event_end_index));
    let new = place(rejected.too_new_log_event_start_index).unwrap_or(events);
    move |at| (old.unwrap_or_default()..new).contains(&at)
}

#[cfg(test)]
mod tests {
    use super::group_name;

    #[test]
    fn groups_are_named_by_their_arns() {
        let arn = "arn:aws:logs:eu-west-1:123456789012:log-group:/shop/users";
        assert_eq!(group_name(arn), Some("/shop/users"));
        assert_eq!(group_name(&format!("{arn}:*")), Some("/shop/users"));
        for wrong in ["", "arn:aws:logs:eu-west-1:123456789012:destination:x", "arn:aws:logs:e:1:log-group:"] {
            assert_eq!(group_name(wrong), None, "{wrong}");
        }
    }
}
