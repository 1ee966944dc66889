//! A collector of OpenTelemetry: records as logs by OTLP over HTTP, in JSON.

use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use serde_json::{Value, json};
use service::records::{Destination, NotTaken, Record, Taking};
use wire::LogLevel;

use super::outcome;
use crate::system;

/// Nanoseconds in a millisecond.
const NANOSECONDS: i64 = 1_000_000;

/// Who takes logs.
#[derive(Debug)]
pub struct Otlp {
    collector: Arc<functions::Webhook>,
    headers: Arc<[(HeaderName, HeaderValue)]>,
}

impl Otlp {
    /// `headers` go with each request, and are never printed. Nobody is asked before the first record.
    pub fn new(collector: functions::Webhook, mut headers: Vec<(HeaderName, HeaderValue)>) -> Self {
        headers.iter_mut().for_each(|(_, value)| value.set_sensitive(true));
        Self { collector: Arc::new(collector), headers: headers.into() }
    }
}

impl Destination for Otlp {
    fn take(&self, records: Arc<[Record]>) -> Taking {
        let (collector, headers) = (self.collector.clone(), self.headers.clone());
        Box::pin(async move {
            let now = system::now();
            let body = export(&records, now.milliseconds()).to_string().into_bytes();
            let outcome = outcome(collector.post(body, now.seconds(), &headers).await);
            outcome.map_err(|reason| NotTaken::all(records, reason))
        })
    }
}

/// `ExportLogsServiceRequest` (opentelemetry-proto 1.x), in the JSON of OTLP: 64-bit numbers are texts.
fn export(records: &[Record], observed: i64) -> Value {
    let attribute = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
    let logs: Vec<Value> = records
        .iter()
        .map(|record| {
            let (number, text) = match record.level {
                LogLevel::Info => (9, "INFO"),
                LogLevel::Error => (17, "ERROR"),
            };
            json!({
                "timeUnixNano": nanoseconds(record.moment.milliseconds()),
                "observedTimeUnixNano": nanoseconds(observed),
                "severityNumber": number,
                "severityText": text,
                "eventName": record.name,
                "body": any_value(&record.body),
                // Collectors from before there was `eventName` look for it here.
                "attributes": [attribute("event.name", record.name)],
            })
        })
        .collect();
    json!({"resourceLogs": [{
        "resource": {"attributes": [
            attribute("service.name", "poolkeeper"),
            attribute("service.version", env!("CARGO_PKG_VERSION")),
        ]},
        "scopeLogs": [{"scope": {"name": "poolkeeper"}, "logRecords": logs}],
    }]})
}

fn nanoseconds(milliseconds: i64) -> String {
    milliseconds.saturating_mul(NANOSECONDS).to_string()
}

/// `AnyValue`.
fn any_value(value: &Value) -> Value {
    match value {
        Value::Null => json!({}),
        Value::Bool(value) => json!({"boolValue": value}),
        Value::Number(number) => match number.as_i64() {
            Some(number) => json!({"intValue": number.to_string()}),
            None => json!({"doubleValue": number}),
        },
        Value::String(text) => json!({"stringValue": text}),
        Value::Array(items) => {
            json!({"arrayValue": {"values": items.iter().map(any_value).collect::<Vec<_>>()}})
        }
        Value::Object(members) => {
            let members = members.iter().map(|(key, value)| json!({"key": key, "value": any_value(value)}));
            json!({"kvlistValue": {"values": members.collect::<Vec<_>>()}})
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, header};
    use serde_json::{Value, json};
    use service::records::{Destination, Record};
    use wire::{LogLevel, Timestamp};

    use super::{super::testing::serve, Otlp};

    #[tokio::test]
    async fn records_are_logs_of_opentelemetry() {
        let (url, mut requests) = serve(&[200, 503]).await;
        let headers = vec![(header::AUTHORIZATION, HeaderValue::from_static("Bearer of the collector"))];
        let otlp = Otlp::new(functions::Webhook::new(url, None, None).unwrap(), headers);
        let body = json!({"a": "text", "b": 1, "c": true, "d": null, "e": [1.5, "x"], "f": {"g": "h"}});
        let moment = Timestamp(1_767_323_045_123);
        let record = |name, level| Record {
            name,
            pool_id: "us-east-1_O2c3Nifle".to_owned(),
            arn: None,
            moment,
            level,
            body: body.clone(),
        };
        let records = [record("_userauth.sign_in", LogLevel::Info), record("userNotification", LogLevel::Error)];
        otlp.take(records.clone().into()).await.unwrap();
        let request = requests.recv().await.unwrap();
        assert_eq!(request.header("authorization"), "Bearer of the collector");
        assert_eq!(request.header("content-type"), "application/json");
        assert!(!request.text.contains("x-poolkeeper-signature"));
        let mut sent: Value = serde_json::from_str(&request.body).unwrap();
        let scope = &mut sent["resourceLogs"][0]["scopeLogs"][0];
        let logs = scope["logRecords"].take();
        assert_eq!(scope["scope"], json!({"name": "poolkeeper"}));
        let service = json!({"key": "service.name", "value": {"stringValue": "poolkeeper"}});
        assert_eq!(sent["resourceLogs"][0]["resource"]["attributes"][0], service);
        let members = json!({"kvlistValue": {"values": [
            {"key": "a", "value": {"stringValue": "text"}},
            {"key": "b", "value": {"intValue": "1"}},
            {"key": "c", "value": {"boolValue": true}},
            {"key": "d", "value": {}},
            {"key": "e", "value": {"arrayValue": {"values": [{"doubleValue": 1.5}, {"stringValue": "x"}]}}},
            {"key": "f", "value": {"kvlistValue": {"values": [{"key": "g", "value": {"stringValue": "h"}}]}}},
        ]}});
        for (log, (name, number, text)) in
            [("_userauth.sign_in", 9, "INFO"), ("userNotification", 17, "ERROR")].into_iter().enumerate()
        {
            let log = &logs[log];
            assert_eq!(log["timeUnixNano"], "1767323045123000000");
            assert!(log["observedTimeUnixNano"].is_string());
            assert_eq!((&log["severityNumber"], &log["severityText"]), (&json!(number), &json!(text)));
            assert_eq!(log["eventName"], name);
            assert_eq!(log["body"], members);
        }
        assert_eq!(logs.as_array().unwrap().len(), 2);
        assert!(otlp.take(records.into()).await.unwrap_err().reason.contains("503"));
        assert!(!format!("{otlp:?}").contains("Bearer"));
    }
}
