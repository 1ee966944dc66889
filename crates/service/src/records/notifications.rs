//! The log `userNotification` of a pool (triggers-security.md §18): messages that could not be delivered.

use domain::{Medium, Message, Pool};
use serde_json::json;
use wire::{EventSourceName, LogLevel, Timestamp};

use super::{Record, tell_log};
use crate::App;

/// Tells of a message that was given up at this moment. When the pool cannot be read, nobody is told.
pub async fn tell_undelivered(app: &App, message: &Message, now: Timestamp) {
    let pool = match app.pool(&message.pool_id).await {
        Ok(Some(pool)) => pool,
        Ok(None) => return,
        Err(error) => return tracing::debug!(%error, "the log of a pool is not told of a message that was given up"),
    };
    let Some(arn) = log_group(&pool) else { return };
    let body = json!({
        "eventTimestamp": now.milliseconds().to_string(),
        "eventSource": "USER_NOTIFICATION",
        "logLevel": LogLevel::Error.as_str(),
        "message": {"details": details(message)},
        "logSourceId": {"userPoolId": pool.id},
    });
    let record = Record {
        name: "userNotification",
        pool_id: pool.id.clone(),
        arn: None,
        moment: now,
        level: LogLevel::Error,
        body,
    };
    tell_log(app, arn, record);
}

/// Where the pool wants it.
fn log_group(pool: &Pool) -> Option<&str> {
    let mut logs = pool.log_delivery.iter();
    let log = logs.find(|log| log.event_source == EventSourceName::UserNotification)?;
    log.cloud_watch_logs_configuration.as_ref()?.log_group_arn.as_deref()
}

/// What is told.
///
/// Decision: the service's words are not recorded. What mail servers and functions say stays in the server's own log and
/// in the outbox: they can repeat addresses, and functions the event with the code in it.
fn details(message: &Message) -> String {
    let medium = match message.medium {
        Medium::Email => "email",
        Medium::Sms => "text message",
    };
    format!(
        "The {medium} for {} could not be delivered and was given up, tries: {}, message: {}, user: {}.",
        message.purpose.as_str(),
        message.tries,
        message.id,
        message.sub
    )
}
