//! Text that becomes a header's value.

use std::fmt::Write;

use http::HeaderValue;

/// Most bytes. A validation message repeats the offending value, which may have a hundred thousand characters; clients
/// refuse answers with headers above 8 or 16 KiB. The body has the whole text.
const LONGEST: usize = 1_024;

/// The text with everything but visible ASCII characters and spaces percent-encoded, cut off at 1,024 bytes.
pub(crate) fn value(text: &str) -> HeaderValue {
    let mut safe = String::with_capacity(text.len().min(LONGEST));
    for byte in text.bytes() {
        if safe.len() > LONGEST - 3 {
            break;
        }
        if byte == b' ' || byte.is_ascii_graphic() {
            safe.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            _ = write!(safe, "%{byte:02X}");
        }
    }
    HeaderValue::from_str(&safe).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::value;

    #[test]
    fn texts_are_made_safe() {
        assert_eq!(value("User does not exist."), "User does not exist.");
        assert_eq!(value("a\r\nSet-Cookie: x"), "a%0D%0ASet-Cookie: x");
        assert_eq!(value("Jürgen\u{0}"), "J%C3%BCrgen%00");
        assert_eq!(value(&"x".repeat(100_000)).len(), 1_022);
        assert!(value(&"ü".repeat(100_000)).len() <= 1_024);
    }

    proptest::proptest! {
        #[test]
        fn no_text_breaks_a_header(text in ".{0,400}") {
            let value = value(&text);
            let visible = value.as_bytes().iter().all(|byte| (0x20..0x7f).contains(byte));
            proptest::prop_assert!(visible && value.len() <= 1_024);
        }
    }
}
