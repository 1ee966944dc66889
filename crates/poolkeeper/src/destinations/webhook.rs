//! A webhook that takes an array of records by POST, signed as the calls of functions are (docs/functions.md).

use std::sync::Arc;

use service::records::{Destination, NotTaken, Record, Taking};

use super::outcome;
use crate::system;

/// Who takes records.
#[derive(Debug)]
pub struct Webhook(Arc<functions::Webhook>);

impl Webhook {
    /// Nobody is asked before the first record.
    pub fn new(webhook: functions::Webhook) -> Self {
        Self(Arc::new(webhook))
    }
}

impl Destination for Webhook {
    fn take(&self, records: Arc<[Record]>) -> Taking {
        let webhook = self.0.clone();
        Box::pin(async move {
            let bodies: Vec<_> = records.iter().map(|record| &record.body).collect();
            let outcome = match serde_json::to_vec(&bodies) {
                Ok(body) => outcome(webhook.post(body, system::now().seconds(), &[]).await),
                Err(error) => Err(error.to_string()),
            };
            outcome.map_err(|reason| NotTaken::all(records, reason))
        })
    }
}

#[cfg(test)]
mod tests {
    use domain::Secret;
    use service::records::Destination;

    use super::{
        super::testing::{records, serve},
        Webhook,
    };

    const SECRET: &str = "a secret of the webhook";

    #[tokio::test]
    async fn records_come_as_an_array_that_is_signed() {
        let (url, mut requests) = serve(&[204, 200, 500, 302]).await;
        let secret = Secret::new(SECRET.to_owned());
        let webhook = Webhook::new(functions::Webhook::new(url, Some(secret.clone()), None).unwrap());
        webhook.take(records(0..2)).await.unwrap();
        let request = requests.recv().await.unwrap();
        assert_eq!(request.body, "[{\"number\":0},{\"number\":1}]");
        assert_eq!(request.header("content-type"), "application/json");
        let seconds: i64 = request.header("x-poolkeeper-timestamp").parse().unwrap();
        assert!((crate::system::now().seconds() - seconds).abs() < 60);
        let signature = functions::url::signature(&secret, seconds, request.body.as_bytes());
        assert_eq!(request.header("x-poolkeeper-signature"), signature);
        assert!(!request.text.contains(SECRET) && !format!("{webhook:?}").contains(SECRET));

        webhook.take(records(2..3)).await.unwrap();
        for status in ["500", "302"] {
            let error = webhook.take(records(3..4)).await.unwrap_err().reason;
            assert!(error.contains(status), "{error}");
        }
    }

    #[tokio::test]
    async fn nobody_there_is_said() {
        let url = "http://127.0.0.1:9/".parse().unwrap();
        let webhook = Webhook::new(functions::Webhook::new(url, None, None).unwrap());
        assert!(webhook.take(records(0..1)).await.unwrap_err().reason.contains("refused"));
    }
}
