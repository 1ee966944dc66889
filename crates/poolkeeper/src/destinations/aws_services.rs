//! CloudWatch Logs, Firehose and S3 themselves: each record goes to the ARN that its pool names.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use aws::{CallError, Connection, Entry, Firehose, Left, Logs, S3, SettingsError};
use service::records::{Destination, NotTaken, Record, Taking};
use tokio::task::{Id, JoinSet};

/// The three services, through one connection.
#[derive(Clone, Debug)]
pub struct AwsServices {
    logs: Logs,
    firehose: Firehose,
    s3: S3,
}

impl AwsServices {
    /// Nobody is asked before the first record.
    ///
    /// # Errors
    /// When region or endpoint are none.
    pub async fn open(settings: &aws::Settings) -> Result<Self, SettingsError> {
        Ok(Self::new(&Connection::open(settings).await?))
    }

    /// The same through a connection that there is.
    pub fn new(connection: &Connection) -> Self {
        Self { logs: connection.logs(), firehose: connection.firehose(), s3: connection.s3() }
    }

    /// Asks about the log group, stream or bucket with this ARN, and changes nothing; `None` when it is of none of the
    /// three.
    pub async fn look(&self, arn: &str) -> Option<Result<(), CallError>> {
        match service(arn) {
            "logs" => Some(self.logs.look(arn).await),
            "firehose" => Some(self.firehose.look(arn).await),
            "s3" => Some(self.s3.look(arn).await),
            _ => None,
        }
    }

    /// Hands over what one pool wants at one ARN.
    async fn put(&self, arn: &str, pool_id: &str, entries: &[Entry]) -> Left {
        match service(arn) {
            "logs" => self.logs.put(arn, pool_id, entries).await,
            "firehose" => self.firehose.put(arn, entries).await,
            "s3" => self.s3.put(arn, &key(pool_id, entries), entries).await,
            _ => Left {
                refused: (0..entries.len()).collect(),
                reason: Some(format!("{arn:?} is neither a log group nor a delivery stream nor a bucket")),
                ..Left::default()
            },
        }
    }
}

impl Destination for AwsServices {
    fn take(&self, records: Arc<[Record]>) -> Taking {
        let services = self.clone();
        Box::pin(async move {
            let mut groups: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
            for (at, record) in records.iter().enumerate() {
                let arn = record.arn.as_deref().unwrap_or_default();
                groups.entry((arn, &record.pool_id)).or_default().push(at);
            }
            let puts = groups.into_iter().map(|((arn, pool_id), places)| {
                let entries: Vec<Entry> = places.iter().filter_map(|at| records.get(*at)).map(entry).collect();
                let (services, arn, pool_id) = (services.clone(), arn.to_owned(), pool_id.to_owned());
                (places, async move { services.put(&arn, &pool_id, &entries).await })
            });
            all_at_once(&records, puts).await
        })
    }
}

/// Hands over all of `records`, each put those at its places. One that hangs does not hold up the others; all end with
/// this future.
async fn all_at_once<F>(records: &[Record], puts: impl Iterator<Item = (Vec<usize>, F)>) -> Result<(), NotTaken>
where
    F: Future<Output = Left> + Send + 'static,
{
    let mut running = JoinSet::new();
    let places: HashMap<Id, Vec<usize>> = puts.map(|(places, put)| (running.spawn(put).id(), places)).collect();
    let (mut again, mut refused, mut reasons) = (Vec::new(), 0, Vec::new());
    while let Some(ended) = running.join_next_with_id().await {
        let id = match &ended {
            Ok((id, _)) => *id,
            Err(error) => error.id(),
        };
        let places = places.get(&id).map(Vec::as_slice).unwrap_or_default();
        match ended {
            Ok((_, left)) => {
                again.extend(left.again.iter().filter_map(|at| places.get(*at).copied()));
                refused += left.refused.len();
                reasons.extend(left.reason);
            }
            // A defect of this program, which another try would meet again. The panic itself is in the log.
            Err(error) => {
                refused += places.len();
                reasons.push(format!("handing over ended early, please report this: {error}"));
            }
        }
    }
    let Some(reason) = reasons.into_iter().next() else { return Ok(()) };
    again.sort_unstable();
    let again = again.into_iter().filter_map(|at| records.get(at)).cloned().collect();
    Err(NotTaken { reason, again, refused })
}

/// The service that an ARN is of.
fn service(arn: &str) -> &str {
    arn.split(':').nth(2).unwrap_or_default()
}

fn entry(record: &Record) -> Entry {
    Entry { moment: record.moment.milliseconds(), text: record.body.to_string() }
}

/// The name of an object, from what is in it: an object whose answer was lost is put in its own place again.
///
/// Decision: the service's names for its objects are not recorded. Pools are apart, and days, for whoever looks for them.
fn key(pool_id: &str, entries: &[Entry]) -> String {
    let lines: Vec<&str> = entries.iter().map(|entry| entry.text.as_str()).collect();
    let digest = crypto::hash::sha256(lines.join("\n").as_bytes());
    let digest: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let first = entries.iter().map(|entry| entry.moment).min().unwrap_or_default();
    let moment = jiff::Timestamp::from_millisecond(first).unwrap_or_default();
    format!("{pool_id}/{}-{digest}.jsonl", moment.strftime("%Y/%m/%d/%Y%m%dT%H%M%SZ"))
}

#[cfg(test)]
mod tests {
    use aws::{AccessKey, Settings};
    use domain::Secret;
    use serde_json::{Value, json};
    use wire::{LogLevel, Timestamp};

    use super::{super::testing::serve, *};

    fn record(arn: &str, pool_id: &str, number: i64) -> Record {
        let (pool_id, arn) = (pool_id.to_owned(), Some(arn.to_owned()));
        let (moment, body) = (Timestamp(1_767_323_045_000 + number), json!({"number": number}));
        Record { name: "userNotification", pool_id, arn, moment, level: LogLevel::Error, body }
    }

    async fn services(endpoint: &http::Uri) -> AwsServices {
        let secret = Secret::new("secret".to_owned());
        let access_key = Some(AccessKey { id: "AKIAEXAMPLE".to_owned(), secret, session_token: None });
        let endpoint = Some(format!("http://{}", endpoint.authority().unwrap()));
        AwsServices::open(&Settings { region: Some("eu-west-1".to_owned()), endpoint, access_key }).await.unwrap()
    }

    const GROUP: &str = "arn:aws:logs:eu-west-1:123456789012:log-group:users";

    #[tokio::test]
    async fn records_go_where_their_pools_want_them() {
        let (url, mut requests) = serve(&[200, 200]).await;
        let records = [record(GROUP, "a", 0), record("arn:aws:s3:::users", "b", 1), record(GROUP, "a", 2)];
        services(&url).await.take(records.into()).await.unwrap();
        for _ in 0..2 {
            let request = requests.recv().await.unwrap();
            if request.text.starts_with("PUT ") {
                assert!(request.text.starts_with("PUT /users/b/2026/01/02/20260102T030405Z-"), "{}", request.text);
                assert_eq!(request.body, "{\"number\":1}\n");
            } else {
                let sent: Value = serde_json::from_str(&request.body).unwrap();
                assert_eq!((&sent["logGroupName"], &sent["logStreamName"]), (&json!("users"), &json!("a")));
                assert_eq!(sent["logEvents"][1]["message"], "{\"number\":2}");
            }
        }
    }

    #[tokio::test]
    async fn only_what_may_pass_is_tried_again() {
        let (url, mut requests) = serve(&[503]).await;
        let wrong = "arn:aws:sns:eu-west-1:123456789012:users";
        let records = [record(wrong, "a", 0), record(GROUP, "a", 1), record("", "a", 2), record(GROUP, "a", 3)];
        let left = services(&url).await.take(records.clone().into()).await.unwrap_err();
        let [_, first, _, second] = records;
        assert_eq!((&*left.again, left.refused), (&[first, second][..], 2));
        requests.recv().await.unwrap();
    }

    #[tokio::test]
    async fn what_a_defect_kept_is_not_taken_for_delivered() {
        let records = [record(GROUP, "a", 0), record(GROUP, "b", 1), record(GROUP, "a", 2), record(GROUP, "c", 3)];
        let puts = [(vec![0, 2], "defect"), (vec![1], "later"), (vec![3], "taken")].map(|(places, kind)| {
            (places, async move {
                tokio::task::yield_now().await;
                match kind {
                    "taken" => Left::default(),
                    "later" => Left { again: vec![0], reason: Some("not now".to_owned()), ..Left::default() },
                    _ => panic!("a defect"),
                }
            })
        });
        let left = all_at_once(&records, puts.into_iter()).await.unwrap_err();
        assert_eq!((&*left.again, left.refused), (&records[1..2], 2));

        let alone = [(vec![0, 1, 2, 3], async { panic!("a defect") })];
        let left = all_at_once(&records, alone.into_iter()).await.unwrap_err();
        assert_eq!((left.again.len(), left.refused), (0, 4));
        assert!(left.reason.contains("ended early"), "{}", left.reason);
    }

    #[test]
    fn an_object_has_its_name_from_what_is_in_it() {
        let entry = |text: &str| Entry { moment: 0, text: text.to_owned() };
        let name = key("p", &[entry("a"), entry("b")]);
        assert_eq!(name, key("p", &[entry("a"), entry("b")]));
        assert!(name.starts_with("p/1970/01/01/19700101T000000Z-") && name.ends_with(".jsonl"), "{name}");
        assert_ne!(name, key("p", &[entry("a"), entry("c")]));
    }
}
