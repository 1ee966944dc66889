//! Versions that are dates: 14 digits, to the second, in UTC (oauth-federation.md §12.3, §14).

use wire::Timestamp;

/// The moment as a version, such as `20260102030405`.
#[must_use]
pub fn of(moment: Timestamp) -> String {
    jiff::Timestamp::from_second(moment.seconds()).unwrap_or_default().strftime("%Y%m%d%H%M%S").to_string()
}
