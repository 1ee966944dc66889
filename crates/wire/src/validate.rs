//! Checks a request against its schema before anything else looks at it (accounts.md §1.3, §1.4).
//!
//! First pass: JSON types; the first clash is a `SerializationException`. Second pass: constraints; all of them are
//! collected into one `InvalidParameterException`. Values of sensitive shapes never enter a message.

use serde_json::Value;

use crate::{
    ErrorKind,
    schema::{Kind, Pattern, Shape},
};

/// Deepest nesting that is looked at; the model needs 6.
const DEEPEST: usize = 32;
/// Longest value that a message repeats, in characters; a hostile request must not be mirrored whole.
const LONGEST_SHOWN: usize = 2_048;

/// Why a request was not accepted.
#[derive(Debug, PartialEq, Eq)]
pub struct Rejection {
    /// `SerializationException` or `InvalidParameterException`.
    pub kind: ErrorKind,
    /// The service's words.
    pub message: String,
}

/// Most violations that a message spells out; the rest are only counted, so that a large request full of them does
/// not become a larger answer.
const MOST_SPELLED_OUT: usize = 50;

/// What is wrong with a request.
#[derive(Default)]
struct Violations {
    count: usize,
    texts: Vec<String>,
}

impl Violations {
    fn add(&mut self, text: impl FnOnce() -> String) {
        self.count += 1;
        if self.texts.len() < MOST_SPELLED_OUT {
            self.texts.push(text());
        }
    }
}

/// Checks `value` against `shape`. Members that the schema does not know are ignored, nulls count as absent.
///
/// # Errors
/// The first type clash, or else all constraint violations together.
pub fn check(shape: &Shape, value: &Value) -> Result<(), Rejection> {
    if !value.is_object() {
        let message =
            "Unrecognized token or unexpected start of the request body, a JSON object was expected".to_owned();
        return Err(Rejection { kind: ErrorKind::Serialization, message });
    }
    types(shape, value, 0).map_err(|message| Rejection { kind: ErrorKind::Serialization, message })?;
    let mut violations = Violations::default();
    constraints(shape, value, "", false, &mut violations);
    match violations.count {
        0 => Ok(()),
        count => {
            let noun = if count == 1 { "error" } else { "errors" };
            let message = format!("{count} validation {noun} detected: {}", violations.texts.join("; "));
            Err(Rejection { kind: ErrorKind::InvalidParameter, message })
        }
    }
}

fn types(shape: &Shape, value: &Value, depth: usize) -> Result<(), String> {
    if depth > DEEPEST {
        return Err("The request is nested too deeply".to_owned());
    }
    match (&shape.kind, value) {
        (_, Value::Null) | (Kind::Document, _) => Ok(()),
        (Kind::Structure { members }, Value::Object(object)) => members
            .iter()
            .try_for_each(|member| types(member.shape, object.get(member.name).unwrap_or(&Value::Null), depth + 1)),
        (Kind::List { member, .. }, Value::Array(items)) => items.iter().try_for_each(|item| match item {
            Value::Null => Err(expected_not_null(member)),
            item => types(member, item, depth + 1),
        }),
        (Kind::Map { value: shape, .. }, Value::Object(entries)) => {
            entries.values().try_for_each(|entry| types(shape, entry, depth + 1))
        }
        (Kind::String { .. }, Value::String(_))
        | (Kind::Boolean, Value::Bool(_))
        | (Kind::Timestamp, Value::Number(_)) => Ok(()),
        (Kind::Integer { .. }, Value::Number(number)) if number.is_i64() => Ok(()),
        (Kind::Blob { .. }, Value::String(text)) => {
            match serde_json::from_value::<crate::Blob>(Value::from(text.as_str())) {
                Ok(_) => Ok(()),
                Err(_) => Err("A binary member is not valid base64".to_owned()),
            }
        }
        (_, Value::Object(_)) => Err("Start of structure or map found where not expected.".to_owned()),
        (_, Value::Array(_)) => Err("Start of list found where not expected".to_owned()),
        (Kind::Structure { .. } | Kind::List { .. } | Kind::Map { .. }, _) => {
            Err(format!("Unexpected value found where a {} was expected", type_name(&shape.kind)))
        }
        _ => Err(format!("class {} can not be converted to an {}", java_class(value), type_name(&shape.kind))),
    }
}

fn expected_not_null(shape: &Shape) -> String {
    format!("null found in a list of {}", type_name(&shape.kind))
}

const fn type_name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Structure { .. } => "structure",
        Kind::List { .. } => "list",
        Kind::Map { .. } => "map",
        Kind::String { .. } => "String",
        Kind::Integer { .. } => "Integer",
        Kind::Boolean => "Boolean",
        Kind::Timestamp => "Date",
        Kind::Blob { .. } => "Blob",
        Kind::Document => "document",
    }
}

fn java_class(value: &Value) -> &'static str {
    match value {
        Value::Bool(_) => "java.lang.Boolean",
        Value::Number(number) if number.is_i64() => "java.lang.Integer",
        Value::Number(_) => "java.lang.Double",
        _ => "java.lang.String",
    }
}

fn constraints(shape: &Shape, value: &Value, path: &str, hidden: bool, violations: &mut Violations) {
    let hidden = hidden || shape.sensitive;
    for rule in rules(shape, value) {
        violations.add(|| {
            let value = if hidden { String::new() } else { format!(" '{}'", shown(shape, value)) };
            format!("Value{value} at '{path}' failed to satisfy constraint: {rule}")
        });
    }
    match (&shape.kind, value) {
        (Kind::Structure { members }, Value::Object(object)) => {
            for member in *members {
                let path = if path.is_empty() { member.path.to_owned() } else { format!("{path}.{}", member.path) };
                match object.get(member.name) {
                    None | Some(Value::Null) if member.required => {
                        let value = if hidden || member.shape.sensitive { "Value" } else { "Value null" };
                        violations.add(|| {
                            format!("{value} at '{path}' failed to satisfy constraint: Member must not be null")
                        });
                    }
                    None | Some(Value::Null) => {}
                    Some(value) => constraints(member.shape, value, &path, hidden, violations),
                }
            }
        }
        (Kind::List { member, .. }, Value::Array(items)) if !is_scalar(member) => {
            for (index, item) in items.iter().enumerate() {
                constraints(member, item, &format!("{path}.{}.member", index + 1), hidden, violations);
            }
        }
        (Kind::Map { value: shape, .. }, Value::Object(entries)) if !is_scalar(shape) => {
            for (key, entry) in entries {
                constraints(shape, entry, &format!("{path}.{key}.member"), hidden, violations);
            }
        }
        _ => {}
    }
}

/// The rules that a value itself breaks. A list or map of plain values answers for its elements: one violation of
/// the list names every rule that its elements have to satisfy, as the service words it.
fn rules(shape: &Shape, value: &Value) -> Vec<String> {
    let mut broken = Vec::new();
    match (&shape.kind, value) {
        (Kind::String { min, max, pattern, values }, Value::String(text)) => {
            length(text.chars().count(), *min, *max, &mut broken);
            if let Some(pattern) = pattern.filter(|pattern| !pattern.matches(text)) {
                broken.push(pattern_rule(pattern));
            }
            if !values.is_empty() && !values.contains(&text.as_str()) {
                broken.push(values_rule(values));
            }
        }
        (Kind::Integer { min, max }, Value::Number(number)) => {
            let number = number.as_i64().unwrap_or_default();
            if let Some(min) = min.filter(|min| number < *min) {
                broken.push(format!("Member must have value greater than or equal to {min}"));
            }
            if let Some(max) = max.filter(|max| number > *max) {
                broken.push(format!("Member must have value less than or equal to {max}"));
            }
        }
        (Kind::Blob { min, max }, Value::String(text)) => {
            // Base64: four characters stand for three bytes, less the padding.
            let bytes = text.len() / 4 * 3 - text.bytes().rev().take_while(|byte| *byte == b'=').count().min(2);
            length(bytes, *min, *max, &mut broken);
        }
        (Kind::List { min, max, member }, Value::Array(items)) => {
            length(items.len(), *min, *max, &mut broken);
            if is_scalar(member) && items.iter().any(|item| !rules(member, item).is_empty()) {
                broken.push(format!("Member must satisfy constraint: [{}]", all_rules(member).join(", ")));
            }
        }
        (Kind::Map { min, max, key, value: element }, Value::Object(entries)) => {
            length(entries.len(), *min, *max, &mut broken);
            if entries.keys().any(|name| !rules(key, &Value::from(name.as_str())).is_empty()) {
                broken.push(format!("Map keys must satisfy constraint: [{}]", all_rules(key).join(", ")));
            }
            if is_scalar(element) && entries.values().any(|entry| !rules(element, entry).is_empty()) {
                broken.push(format!("Map value must satisfy constraint: [{}]", all_rules(element).join(", ")));
            }
        }
        _ => {}
    }
    broken
}

fn length(length: usize, min: Option<i64>, max: Option<i64>, broken: &mut Vec<String>) {
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    if let Some(min) = min.filter(|min| length < *min) {
        broken.push(format!("Member must have length greater than or equal to {min}"));
    }
    if let Some(max) = max.filter(|max| length > *max) {
        broken.push(format!("Member must have length less than or equal to {max}"));
    }
}

fn pattern_rule(pattern: &Pattern) -> String {
    format!("Member must satisfy regular expression pattern: {}", pattern.text)
}

fn values_rule(values: &[&str]) -> String {
    format!("Member must satisfy enum value set: [{}]", values.join(", "))
}

/// Every rule that a plain shape has.
fn all_rules(shape: &Shape) -> Vec<String> {
    let mut all = Vec::new();
    let (min, max, noun) = match &shape.kind {
        Kind::String { min, max, .. } | Kind::Blob { min, max } => (min, max, "length"),
        Kind::Integer { min, max } => (min, max, "value"),
        _ => return all,
    };
    all.extend(max.map(|max| format!("Member must have {noun} less than or equal to {max}")));
    all.extend(min.map(|min| format!("Member must have {noun} greater than or equal to {min}")));
    if let Kind::String { pattern, values, .. } = &shape.kind {
        all.extend(pattern.map(pattern_rule));
        all.extend((!values.is_empty()).then(|| values_rule(values)));
    }
    all
}

const fn is_scalar(shape: &Shape) -> bool {
    !matches!(shape.kind, Kind::Structure { .. } | Kind::List { .. } | Kind::Map { .. })
}

/// A value as messages show it: lists in brackets, structures as `Name(member=value)`, sensitive parts hidden.
fn shown(shape: &Shape, value: &Value) -> String {
    let mut text = printed(shape, value);
    if let Some((end, _)) = text.char_indices().nth(LONGEST_SHOWN) {
        text.truncate(end);
    }
    text
}

fn printed(shape: &Shape, value: &Value) -> String {
    if shape.sensitive {
        return "***".to_owned();
    }
    match (&shape.kind, value) {
        (_, Value::String(text)) => text.clone(),
        (Kind::List { member, .. }, Value::Array(items)) => {
            let items: Vec<String> = items.iter().map(|item| printed(member, item)).collect();
            format!("[{}]", items.join(", "))
        }
        (Kind::Map { value: element, .. }, Value::Object(entries)) => {
            let entries: Vec<String> =
                entries.iter().map(|(key, entry)| format!("{key}={}", printed(element, entry))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        (Kind::Structure { members }, Value::Object(object)) => {
            let members: Vec<String> = members
                .iter()
                .filter_map(|member| {
                    Some(format!("{}={}", member.path, printed(member.shape, object.get(member.name)?)))
                })
                .collect();
            format!("{}({})", shape.name, members.join(", "))
        }
        (_, value) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Kind, Pattern, Shape, check};
    use crate::Operation;

    fn message(operation: Operation, body: &Value) -> String {
        let rejection = check(operation.input(), body).unwrap_err();
        format!("{}: {}", rejection.kind.as_str(), rejection.message)
    }

    #[test]
    fn violations_are_collected_and_worded_as_the_service_words_them() {
        insta::assert_snapshot!(
            message(Operation::DescribeUserPool, &json!({"UserPoolId": "bad"})),
            @r"InvalidParameterException: 1 validation error detected: Value 'bad' at 'userPoolId' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w-]+_[0-9a-zA-Z]+"
        );
        insta::assert_snapshot!(
            message(Operation::ConfirmForgotPassword, &json!({"ClientId": "c", "Username": "", "Password": "a b"})),
            @r"InvalidParameterException: 4 validation errors detected: Value at 'username' failed to satisfy constraint: Member must have length greater than or equal to 1; Value at 'username' failed to satisfy constraint: Member must satisfy regular expression pattern: [\p{L}\p{M}\p{S}\p{N}\p{P}]+; Value null at 'confirmationCode' failed to satisfy constraint: Member must not be null; Value at 'password' failed to satisfy constraint: Member must satisfy regular expression pattern: [\S]+"
        );
        insta::assert_snapshot!(
            message(Operation::CreateUserPool, &json!({
                "PoolName": "p",
                "Policies": {"PasswordPolicy": {"MinimumLength": 5}},
                "Schema": [{"Name": "a name that is too long"}],
                "AutoVerifiedAttributes": ["fax"],
            })),
            @r"InvalidParameterException: 4 validation errors detected: Value '5' at 'policies.passwordPolicy.minimumLength' failed to satisfy constraint: Member must have value greater than or equal to 6; Value '[fax]' at 'autoVerifiedAttributes' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [phone_number, email]]; Value 'a name that is too long' at 'schema.1.member.name' failed to satisfy constraint: Member must have length less than or equal to 20; Value 'a name that is too long' at 'schema.1.member.name' failed to satisfy constraint: Member must satisfy regular expression pattern: [\p{L}\p{M}\p{S}\p{N}\p{P}]+"
        );
    }

    #[test]
    fn types_are_checked_before_constraints() {
        insta::assert_snapshot!(
            message(Operation::ForgotPassword, &json!({"ClientId": 7})),
            @"SerializationException: class java.lang.Integer can not be converted to an String"
        );
        insta::assert_snapshot!(
            message(Operation::ListUserPools, &json!({"MaxResults": 1.5})),
            @"SerializationException: class java.lang.Double can not be converted to an Integer"
        );
        assert!(message(Operation::ListUserPools, &json!([])).starts_with("SerializationException"));
        assert!(message(Operation::SignUp, &json!({"Username": {"a": 1}})).starts_with("SerializationException"));
    }

    #[test]
    fn a_request_full_of_violations_gets_a_short_answer() {
        let body = json!({"ClientId": "c", "Username": "u", "UserAttributes": vec![json!({}); 100_000]});
        let message = message(Operation::SignUp, &body);
        assert!(message.starts_with("InvalidParameterException: 100000 validation errors detected: "), "{message}");
        assert!(message.len() < 10_000, "{}", message.len());
    }

    #[test]
    fn unknown_members_and_nulls_are_ignored() {
        let body = json!({"ClientId": "c", "Username": "u", "Nonsense": [1], "SecretHash": null});
        assert_eq!(check(Operation::ForgotPassword.input(), &body), Ok(()));
    }

    /// Every pattern of the model.
    fn patterns() -> Vec<&'static Pattern> {
        fn walk(
            shape: &'static Shape,
            seen: &mut std::collections::BTreeSet<&'static str>,
            patterns: &mut Vec<&'static Pattern>,
        ) {
            if !seen.insert(shape.name) {
                return;
            }
            match &shape.kind {
                Kind::String { pattern: Some(pattern), .. } => patterns.push(pattern),
                Kind::Structure { members } => members.iter().for_each(|member| walk(member.shape, seen, patterns)),
                Kind::List { member: element, .. } | Kind::Map { value: element, .. } => walk(element, seen, patterns),
                _ => {}
            }
        }
        let (mut seen, mut patterns) = (std::collections::BTreeSet::new(), Vec::new());
        for operation in Operation::ALL {
            walk(operation.input(), &mut seen, &mut patterns);
            operation.output().into_iter().for_each(|shape| walk(shape, &mut seen, &mut patterns));
        }
        assert!(seen.len() > 500);
        patterns
    }

    #[test]
    fn every_pattern_of_the_model_compiles() {
        for pattern in patterns() {
            assert!(pattern.is_valid(), "{}", pattern.text);
        }
    }

    proptest::proptest! {
        /// Most patterns are one class of characters, which is looked up and not searched for.
        #[test]
        fn looking_up_finds_what_searching_finds(text in "[a-zA-Z0-9_=.@+/ -]{0,9}|\\PC{0,4}|[\\x00-\\x7f]{0,3}") {
            for pattern in patterns() {
                proptest::prop_assert_eq!(pattern.matches(&text), pattern.searches(&text), "{}", pattern.text);
            }
        }
    }
}
