//! Times in the two forms that a request may carry: `YYYYMMDDTHHMMSSZ`, and the date of HTTP.

use jiff::{Timestamp, civil, fmt::rfc2822, tz::TimeZone};

/// The last second of the year 9999.
pub(super) const LAST_SECOND: i64 = 253_402_300_799;

/// Seconds since 1970 from either form; `None` for anything else, and before 1970.
pub(super) fn parse(text: &str) -> Option<i64> {
    let seconds = match parse_basic(text) {
        Some(seconds) => seconds,
        None => rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?.as_second(),
    };
    (0..=LAST_SECOND).contains(&seconds).then_some(seconds)
}

/// Writes `YYYYMMDDTHHMMSSZ`; a time outside the calendar is drawn to its nearer end.
pub(super) fn basic(epoch_seconds: i64) -> String {
    let moment = Timestamp::from_second(epoch_seconds.clamp(0, LAST_SECOND)).unwrap_or(Timestamp::MAX);
    moment.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ").to_string()
}

fn parse_basic(text: &str) -> Option<i64> {
    let (day, time) = text.strip_suffix('Z')?.split_once('T')?;
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if day.len() != 8 || time.len() != 6 || !is_digits(day) || !is_digits(time) {
        return None;
    }
    let field = |part: &str, range| part.get::<std::ops::Range<usize>>(range)?.parse::<i8>().ok();
    let date = civil::Date::new(day.get(..4)?.parse().ok()?, field(day, 4..6)?, field(day, 6..8)?).ok()?;
    let time = civil::Time::new(field(time, 0..2)?, field(time, 2..4)?, field(time, 4..6)?, 0).ok()?;
    Some(date.to_datetime(time).to_zoned(TimeZone::UTC).ok()?.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        assert_eq!(parse("20260102T030405Z"), Some(1_767_323_045));
        assert_eq!(parse("Fri, 02 Jan 2026 03:04:05 GMT"), Some(1_767_323_045));
        assert_eq!(basic(1_767_323_045), "20260102T030405Z");
        assert_eq!(basic(i64::MIN), "19700101T000000Z");
        assert!(basic(i64::MAX).starts_with("99991"));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "Z",
            "T",
            "TZ",
            "20260102T030405",
            "20260102t030405z",
            "2026-01-02T03:04:05Z",
            "20261302T030405Z",
            "20260230T030405Z",
            "20260102T250405Z",
            "+0260102T030405Z",
            "19691231T235959Z",
            "２0260102T030405Z",
            "1767323045",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
