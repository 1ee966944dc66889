//! An answer of the server, whole.

use serde_json::Value;

/// Status, headers and body.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Names in lower case, in the order sent.
    pub headers: Vec<(String, String)>,
    /// The body as JSON; null when it was empty, a text when it was not JSON.
    pub body: Value,
}

impl Answer {
    /// The first header of that name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(present, _)| present == name).map(|(_, value)| value.as_str())
    }

    /// The body of a success.
    pub fn ok(self) -> Value {
        assert_eq!(self.status, 200, "not a success: {self:?}");
        assert!(self.header("x-amzn-errortype").is_none(), "{self:?}");
        self.body
    }

    /// `<type>: <message>` of an error, whose headers must say the same as its body.
    #[must_use]
    pub fn error(&self) -> String {
        assert!(self.status >= 400, "not an error: {self:?}");
        let member = |name: &str| self.body.get(name).and_then(Value::as_str).unwrap_or_default();
        let kind = member("__type");
        let message = member(if kind == "AccessDeniedException" { "Message" } else { "message" });
        assert_eq!(self.header("x-amzn-errortype"), Some(format!("{kind}:").as_str()), "{self:?}");
        assert!(self.header("x-amzn-requestid").is_some_and(|id| id.len() == 36), "{self:?}");
        assert!(self.header("x-amzn-errormessage").is_some(), "{self:?}");
        format!("{kind}: {message}")
    }
}
