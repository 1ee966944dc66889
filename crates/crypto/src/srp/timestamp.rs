//! The `TIMESTAMP` of a claim: `EEE MMM d HH:mm:ss 'UTC' yyyy` in English, the day without a leading zero, such as
//! `Tue Mar 3 04:05:06 UTC 2026` (auth-flows.md §11).

use jiff::{Timestamp, civil, tz::TimeZone};

const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Seconds since 1970, or `None` when the text is not of this form or no moment of the calendar. A second of 60 is
/// refused. That the weekday fits the date is not asked: the service reads dates as Java does, where the day of the
/// month wins.
#[must_use]
pub fn parse_timestamp(text: &str) -> Option<i64> {
    let mut words = text.split(' ');
    let mut word = || words.next();
    let (weekday, month, day, time, zone, year) = (word()?, word()?, word()?, word()?, word()?, word()?);
    if word().is_some() || !WEEKDAYS.contains(&weekday) || zone != "UTC" || day.starts_with('0') {
        return None;
    }
    let month = (1..).zip(MONTHS).find(|(_, name)| *name == month)?.0;
    let [hour, minute, second] = time.split(':').collect::<Vec<_>>().try_into().ok()?;
    let date = civil::Date::new(number(year, 4..=4)?, month, i8::try_from(number(day, 1..=2)?).ok()?).ok()?;
    let [hour, minute, second] = [hour, minute, second].map(|part| i8::try_from(number(part, 2..=2)?).ok());
    let time = civil::Time::new(hour?, minute?, second?, 0).ok()?;
    Some(date.to_datetime(time).to_zoned(TimeZone::UTC).ok()?.timestamp().as_second())
}

/// Whether [`parse_timestamp`] can read the text.
#[must_use]
pub fn timestamp_is_well_formed(text: &str) -> bool {
    parse_timestamp(text).is_some()
}

/// The text for a moment in seconds since 1970; `None` outside the years 0 to 9999.
#[must_use]
pub fn format_timestamp(epoch_seconds: i64) -> Option<String> {
    let moment = Timestamp::from_second(epoch_seconds).ok()?.to_zoned(TimeZone::UTC);
    (moment.year() >= 0).then(|| moment.strftime("%a %b %-d %H:%M:%S UTC %Y").to_string())
}

/// Digits only, this many of them.
fn number(text: &str, length: std::ops::RangeInclusive<usize>) -> Option<i16> {
    let is_number = length.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_moments() {
        assert_eq!(parse_timestamp("Thu Jan 1 00:00:00 UTC 1970"), Some(0));
        assert_eq!(parse_timestamp("Tue Mar 3 04:05:06 UTC 2026"), Some(1_772_510_706));
        assert_eq!(parse_timestamp("Thu Feb 29 23:59:59 UTC 2024"), Some(1_709_251_199));
        // The weekday is not compared with the date.
        assert_eq!(parse_timestamp("Mon Jan 1 00:00:00 UTC 1970"), Some(0));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            " ",
            "Tue Mar 03 04:05:06 UTC 2026",
            "Tue Mar  3 04:05:06 UTC 2026",
            "Tue Mar 3 4:05:06 UTC 2026",
            "Tue Mar 3 04:05 UTC 2026",
            "Tue Mar 3 04:05:06:07 UTC 2026",
            "Tue Mar 3 04:05:06 GMT 2026",
            "Tue Mar 3 04:05:06 UTC 26",
            "Tue Mar 3 04:05:06 UTC 02026",
            "Tue Mar 3 04:05:06 UTC +026",
            "Tue Mar 3 04:05:06 UTC 2026 ",
            " Tue Mar 3 04:05:06 UTC 2026",
            "tue Mar 3 04:05:06 UTC 2026",
            "Tue mar 3 04:05:06 UTC 2026",
            "Die Mär 3 04:05:06 UTC 2026",
            "Tue Mar 0 04:05:06 UTC 2026",
            "Tue Mar 32 04:05:06 UTC 2026",
            "Sun Feb 29 04:05:06 UTC 2026",
            "Tue Mar 3 24:05:06 UTC 2026",
            "Tue Mar 3 04:60:06 UTC 2026",
            "Tue Mar 3 04:05:60 UTC 2026",
            "Tue Mar ３ 04:05:06 UTC 2026",
            "2026-03-03T04:05:06Z",
        ] {
            assert_eq!(parse_timestamp(text), None, "{text}");
            assert!(!timestamp_is_well_formed(text));
        }
    }

    proptest! {
        #[test]
        fn what_is_written_can_be_read(seconds in -62_167_219_200_i64..253_402_300_799) {
            let text = format_timestamp(seconds).unwrap_or_default();
            prop_assert_eq!(parse_timestamp(&text), Some(seconds), "{}", text);
        }

        #[test]
        fn any_text_is_survived(text in "\\PC*") {
            let _ = parse_timestamp(&text);
        }
    }
}
