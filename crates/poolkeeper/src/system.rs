//! The only place that reads the system's clock.

use std::time::{SystemTime, UNIX_EPOCH};

use wire::Timestamp;

/// The present moment.
#[expect(clippy::disallowed_methods, reason = "here the moments come from that everything else is handed")]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    // A clock before 1970 shows 1970.
    Timestamp(since.map_or(0, |duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
}
