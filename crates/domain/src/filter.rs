//! What ListUsers is asked to find (accounts.md §12.1): one condition, `attribute = "value"` or `attribute ^= "value"`.
//!
//! Blanks may stand around everything. The attribute may be in quotes. In quotes `\"` is a quote and `\\` a backslash; a
//! backslash before anything else stands for itself.

use wire::UserStatusType;

use crate::search::{self, SearchKind};

/// A condition that users may meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// What is compared.
    pub subject: Subject,
    /// How.
    pub comparison: Comparison,
    /// With what, as it was given.
    pub value: String,
}

/// What a filter can compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// `username`: the stored username.
    Username,
    /// `sub`: the user's id.
    Sub,
    /// `status`: `Enabled` or `Disabled`.
    Enabled,
    /// `cognito:user_status`: the name of the status.
    UserStatus,
    /// An attribute that users are found by.
    Attribute(SearchKind),
}

/// How a filter compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `=`
    Equals,
    /// `^=`
    BeginsWith,
}

/// Why a filter is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FilterRefusal {
    /// It is not one condition.
    Grammar,
    /// Nobody can be found by the attribute of this name.
    NotSearchable(String),
}

impl Comparison {
    /// Whether a text compares with a value in this way.
    #[must_use]
    pub fn holds(self, text: &str, value: &str) -> bool {
        match self {
            Self::Equals => text == value,
            Self::BeginsWith => text.starts_with(value),
        }
    }
}

impl Filter {
    /// The values of [`SearchKind::Status`] that meet a condition on `status` or `cognito:user_status`, in the order in
    /// which users are listed; none for conditions on anything else.
    #[must_use]
    pub fn status_values(&self) -> Vec<String> {
        let meets = |status: UserStatusType, enabled: bool| match self.subject {
            Subject::UserStatus => self.comparison.holds(status.as_str(), &self.value.to_ascii_uppercase()),
            Subject::Enabled => self.comparison.holds(if enabled { "Enabled" } else { "Disabled" }, &self.value),
            Subject::Username | Subject::Sub | Subject::Attribute(_) => false,
        };
        let all = search::STATUSES.into_iter().flat_map(|status| [(status, true), (status, false)]);
        all.filter(|(status, enabled)| meets(*status, *enabled))
            .map(|(status, enabled)| search::status_value(&status, enabled))
            .collect()
    }
}

/// Reads a filter; nothing when it is empty, which everybody meets.
///
/// # Errors
/// When it is not one condition, or not on something that users can be found by.
pub fn parse(text: &str) -> Result<Option<Filter>, FilterRefusal> {
    if text.is_empty() {
        return Ok(None);
    }
    let (RawCondition { name, comparison, value }, rest) = condition(text)?;
    if !rest.trim_start().is_empty() {
        return Err(FilterRefusal::Grammar);
    }
    let subject = subject(&name).ok_or(FilterRefusal::NotSearchable(name))?;
    Ok(Some(Filter { subject, comparison, value }))
}

/// A condition before anybody has asked what it is on.
pub(crate) struct RawCondition {
    /// The attribute.
    pub name: String,
    /// How it is compared.
    pub comparison: Comparison,
    /// With what.
    pub value: String,
}

/// The condition at the beginning, and what follows it.
pub(crate) fn condition(text: &str) -> Result<(RawCondition, &str), FilterRefusal> {
    let (name, rest) = name(text.trim_start()).ok_or(FilterRefusal::Grammar)?;
    let rest = rest.trim_start();
    let (comparison, rest) = match (rest.strip_prefix("^="), rest.strip_prefix('=')) {
        (Some(rest), _) => (Comparison::BeginsWith, rest),
        (None, Some(rest)) => (Comparison::Equals, rest),
        (None, None) => return Err(FilterRefusal::Grammar),
    };
    let (value, rest) = quoted(rest.trim_start()).ok_or(FilterRefusal::Grammar)?;
    Ok((RawCondition { name, comparison, value }, rest))
}

/// The attribute at the beginning, and what follows it.
fn name(text: &str) -> Option<(String, &str)> {
    if text.starts_with('"') {
        return quoted(text).filter(|(name, _)| !name.is_empty());
    }
    let end = text.find(|c: char| c.is_whitespace() || matches!(c, '=' | '^' | '"')).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    (!name.is_empty()).then(|| (name.to_owned(), rest))
}

/// What stands in quotes at the beginning, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let inside = text.strip_prefix('"')?;
    let mut value = String::new();
    let mut characters = inside.char_indices().peekable();
    while let Some((index, character)) = characters.next() {
        match character {
            '"' => return Some((value, inside.split_at(index + 1).1)),
            '\\' => match characters.next_if(|(_, next)| matches!(next, '"' | '\\')) {
                Some((_, escaped)) => value.push(escaped),
                None => value.push('\\'),
            },
            _ => value.push(character),
        }
    }
    None
}

pub(crate) fn subject(name: &str) -> Option<Subject> {
    Some(match name {
        "username" => Subject::Username,
        "sub" => Subject::Sub,
        "status" => Subject::Enabled,
        "cognito:user_status" => Subject::UserStatus,
        _ => Subject::Attribute(search::ATTRIBUTES.into_iter().find(|kind| kind.attribute() == Some(name))?),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Comparison, Filter, FilterRefusal, SearchKind, Subject, parse};

    fn filter(subject: Subject, comparison: Comparison, value: &str) -> Result<Option<Filter>, FilterRefusal> {
        Ok(Some(Filter { subject, comparison, value: value.to_owned() }))
    }

    #[test]
    fn every_way_to_write_a_condition() {
        use Comparison::{BeginsWith, Equals};
        let email = Subject::Attribute(SearchKind::Email);
        for text in [
            "email=\"x\"",
            "email = \"x\"",
            "  email\t=\n\"x\"  ",
            "\"email\"=\"x\"",
            "\"email\" = \"x\"",
            "email= \"x\"",
        ] {
            assert_eq!(parse(text), filter(email, Equals, "x"), "{text}");
        }
        for text in ["email^=\"x\"", "email ^= \"x\"", "\"email\"^=\"x\"", " \"email\" ^=\"x\" "] {
            assert_eq!(parse(text), filter(email, BeginsWith, "x"), "{text}");
        }
        for (name, subject) in [
            ("username", Subject::Username),
            ("sub", Subject::Sub),
            ("status", Subject::Enabled),
            ("cognito:user_status", Subject::UserStatus),
            ("phone_number", Subject::Attribute(SearchKind::PhoneNumber)),
            ("name", Subject::Attribute(SearchKind::Name)),
            ("given_name", Subject::Attribute(SearchKind::GivenName)),
            ("family_name", Subject::Attribute(SearchKind::FamilyName)),
            ("preferred_username", Subject::Attribute(SearchKind::PreferredUsername)),
        ] {
            assert_eq!(parse(&format!("{name} = \"x\"")), filter(subject, Equals, "x"), "{name}");
        }
        assert_eq!(parse(""), Ok(None));
    }

    #[test]
    fn quotes_and_backslashes_in_values() {
        for (written, meant) in [
            (r#""""#, ""),
            (r#""\"""#, "\""),
            (r#""a\"b\"c""#, "a\"b\"c"),
            (r#""\\""#, "\\"),
            (r#""\\\"""#, "\\\""),
            (r#""\n""#, "\\n"),
            (r#""a = b ^= c""#, "a = b ^= c"),
            (r#"" x ""#, " x "),
            (r#""'""#, "'"),
            ("\"Zoë 😀\"", "Zoë 😀"),
        ] {
            let expected = filter(Subject::Attribute(SearchKind::Name), Comparison::Equals, meant);
            assert_eq!(parse(&format!("name={written}")), expected, "{written}");
        }
    }

    #[test]
    fn what_is_not_one_condition() {
        for text in [
            " ",
            "x",
            "=",
            "\"\" = \"x\"",
            "= \"x\"",
            "email",
            "email =",
            "email = x",
            "email = 'x'",
            "email = \"x",
            "email = \"x\\\"",
            "email = x\"",
            "email == \"x\"",
            "email ^ \"x\"",
            "email ^ = \"x\"",
            "email ^^= \"x\"",
            "email != \"x\"",
            "email ~ \"x\"",
            "email \"x\"",
            "email name = \"x\"",
            "email = \"x\" y",
            "email = \"x\"\"y\"",
            "email = \"x\" and name = \"y\"",
            "email = \"x\" OR name = \"y\"",
            "(email = \"x\")",
            "\"email = \"x\"",
            "email\" = \"x\"",
        ] {
            assert_eq!(parse(text), Err(FilterRefusal::Grammar), "{text}");
        }
    }

    #[test]
    fn what_nobody_is_found_by() {
        for name in ["custom:x", "address", "email_verified", "Email", "USERNAME", "identities", "dev:custom:x", "*"] {
            let expected = Err(FilterRefusal::NotSearchable(name.to_owned()));
            assert_eq!(parse(&format!("{name} = \"x\"")), expected);
            assert_eq!(parse(&format!("\"{name}\" ^= \"\"")), expected);
        }
    }

    #[test]
    fn the_statuses_that_meet_a_condition() {
        let values = |text: &str| parse(text).unwrap().unwrap().status_values();
        assert_eq!(values("cognito:user_status = \"confirmed\""), ["CONFIRMED+", "CONFIRMED-"]);
        assert_eq!(
            values("cognito:user_status ^= \"Co\""),
            ["COMPROMISED+", "COMPROMISED-", "CONFIRMED+", "CONFIRMED-"]
        );
        assert_eq!(values("cognito:user_status = \"CONFIRMED+\""), [""; 0]);
        assert_eq!(values("status = \"enabled\""), [""; 0]);
        let disabled = values("status = \"Disabled\"");
        assert_eq!((disabled.len(), disabled.iter().all(|value| value.ends_with('-'))), (8, true));
        assert_eq!(values("status ^= \"\"").len(), 16);
        assert_eq!(values("name ^= \"\""), [""; 0]);
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_read_back(value in any::<String>(), exact: bool, quoted: bool, blanks in "[ \t]{0,3}") {
            let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
            let name = if quoted { "\"given_name\"" } else { "given_name" };
            let operator = if exact { "=" } else { "^=" };
            let text = format!("{blanks}{name}{blanks}{operator}{blanks}\"{escaped}\"{blanks}");
            let comparison = if exact { Comparison::Equals } else { Comparison::BeginsWith };
            prop_assert_eq!(parse(&text), filter(Subject::Attribute(SearchKind::GivenName), comparison, &value));
        }

        #[test]
        fn nothing_that_is_sent_does_harm(text in "[a-z:\"\\\\=^ é]{0,40}|\\PC{0,40}") {
            let _either = parse(&text);
        }
    }
}
