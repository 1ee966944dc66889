//! What goes to a function and comes from it: sizes, and the payload of an error (triggers-security.md §13.1).

use serde_json::Value;

/// The longest event of a call whose answer is waited for, in bytes.
pub const LONGEST_EVENT: usize = 6 * 1_024 * 1_024;
/// The longest event of a call whose answer is not waited for, in bytes.
pub const LONGEST_TOLD_EVENT: usize = 1_024 * 1_024;
/// The longest answer, in bytes: the room that the Runtime API leaves for what is around a payload of six megabytes.
pub const LONGEST_ANSWER: usize = LONGEST_EVENT + 100;

/// What is said of an answer that is too long.
pub fn too_long() -> String {
    format!("Response payload size exceeded maximum allowed payload size ({LONGEST_ANSWER} bytes).")
}

/// `errorMessage` of an error's payload. Where there is none, the error's type, which a runtime may also send as a
/// header.
pub fn error_message(body: &[u8], error_type: Option<&str>) -> String {
    let payload: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |name: &str| payload.get(name).and_then(Value::as_str).map(str::to_owned);
    text("errorMessage")
        .or_else(|| text("errorType"))
        .or_else(|| error_type.map(str::to_owned))
        .unwrap_or_else(|| "Unknown".to_owned())
}

/// The message of an answer that is an error, for those who send it without a header that says so.
///
/// An error is a JSON object with `errorMessage` or `errorType` and without `response`, which every event has and no
/// error.
pub fn error_without_header(body: &[u8]) -> Option<String> {
    let payload: Value = serde_json::from_slice(body).ok()?;
    let is_error = ["errorMessage", "errorType"].iter().any(|name| payload.get(name).is_some())
        && payload.get("response").is_none();
    is_error.then(|| error_message(body, None))
}

/// The answer as text. What is no UTF-8 is no JSON either: nothing is left of it, and its reader will say so.
pub fn text(body: Vec<u8>) -> String {
    String::from_utf8(body).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{error_message, error_without_header, text};

    #[test]
    fn errors_have_a_message_or_at_least_a_type() {
        let message = |body: &str| error_message(body.as_bytes(), Some("Runtime.Header"));
        assert_eq!(message(r#"{"errorMessage": "No.", "errorType": "E", "trace": []}"#), "No.");
        assert_eq!(message(r#"{"errorMessage": "", "errorType": "E"}"#), "");
        assert_eq!(message(r#"{"errorMessage": null, "errorType": "E"}"#), "E");
        for other in ["{}", "[]", "", "\u{0}", "\"text\""] {
            assert_eq!(message(other), "Runtime.Header", "{other}");
        }
        assert_eq!(error_message(b"", None), "Unknown");
    }

    #[test]
    fn events_are_told_from_errors() {
        let found = |body: &str| error_without_header(body.as_bytes());
        assert_eq!(found(r#"{"errorMessage": "No."}"#).as_deref(), Some("No."));
        assert_eq!(found(r#"{"errorType": "E"}"#).as_deref(), Some("E"));
        assert_eq!(found(r#"{"errorMessage": "No.", "response": {}}"#), None, "an event to which something was added");
        for other in ["null", "{}", "", "errorMessage", "[\"errorMessage\"]", r#"{"response": {}}"#] {
            assert_eq!(found(other), None, "{other}");
        }
        assert_eq!(text(vec![b'{', 0xff, b'}']), "");
    }
}
