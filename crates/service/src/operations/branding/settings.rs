//! `Settings` of a managed login style (oauth-federation.md §12.2): a document that holds what differs from the default
//! style, whose members it may have and no others.

use std::sync::LazyLock;

use serde_json::Value;

use crate::ApiError;

/// The default style. Where a style says nothing, this is how pages look.
static DEFAULT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("default_settings.json")).unwrap_or_default());
/// Longest text that is no colour, in characters.
const LONGEST_TEXT: usize = 128;
/// Where styles of single providers stand, each like the one of all providers beside it.
const CUSTOM: &str = "custom";
const STANDARD: &str = "standard";

/// Checks that every member is one that the default style has, and that its value is of the same kind. Colours are
/// eight hexadecimal digits.
///
/// # Errors
/// `InvalidParameterException` naming the first member that is wrong.
pub fn check(settings: &Value) -> Result<(), ApiError> {
    // Decision: the service's words are not recorded.
    fault(&DEFAULT, settings, "Settings").map_or(Ok(()), |fault| Err(ApiError::invalid_parameter(fault)))
}

fn fault(default: &Value, given: &Value, path: &str) -> Option<String> {
    match (default, given) {
        (Value::Object(known), Value::Object(members)) => members.iter().find_map(|(name, value)| {
            let path = format!("{path}.{name}");
            match (known.get(name), known.get(STANDARD)) {
                (Some(_), Some(standard)) if name == CUSTOM => by_provider(standard, value, &path),
                (Some(default), _) => fault(default, value, &path),
                (None, _) => Some(format!("{} is not a member of Settings.", shortened(&path))),
            }
        }),
        (Value::Array(elements), Value::Array(items)) => {
            let example = elements.first().cloned().unwrap_or_else(|| Value::from(""));
            items.iter().find_map(|item| fault(&example, item, path))
        }
        (Value::String(default), Value::String(_)) if is_colour(default) && !given.as_str().is_some_and(is_colour) => {
            Some(format!("{path} must be a colour of eight hexadecimal digits, such as 0972d3ff."))
        }
        (Value::String(_), Value::String(text)) if text.chars().count() > LONGEST_TEXT => {
            Some(format!("{path} must not be longer than {LONGEST_TEXT} characters."))
        }
        (Value::Number(_), Value::Number(number)) if !number.as_f64().is_some_and(|number| number >= 0.0) => {
            Some(format!("{path} must not be negative."))
        }
        (Value::String(_), Value::String(_))
        | (Value::Number(_), Value::Number(_))
        | (Value::Bool(_), Value::Bool(_)) => None,
        (default, _) => Some(format!("{path} must be {}.", kind(default))),
    }
}

/// Styles by the name of a provider.
fn by_provider(standard: &Value, given: &Value, path: &str) -> Option<String> {
    let Value::Object(providers) = given else { return Some(format!("{path} must be an object.")) };
    providers.iter().find_map(|(name, style)| fault(standard, style, &shortened(&format!("{path}.{name}"))))
}

fn is_colour(text: &str) -> bool {
    text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn shortened(path: &str) -> String {
    path.chars().take(200).collect()
}

const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Object(_) => "an object",
        Value::Array(_) => "a list",
        Value::String(_) => "a text",
        Value::Number(_) => "a number",
        Value::Bool(_) => "true or false",
        Value::Null => "absent",
    }
}

/// Puts the members of `wanted` into `present`, those of objects one by one, all others whole.
pub fn merge(present: &mut Value, wanted: &Value) {
    match (present, wanted) {
        (Value::Object(present), Value::Object(wanted)) => {
            for (name, value) in wanted {
                merge(present.entry(name.as_str()).or_insert(Value::Null), value);
            }
        }
        (present, wanted) => *present = wanted.clone(),
    }
}

/// The default style with what these settings change about it.
pub fn merged(settings: Option<&Value>) -> Value {
    let mut all = DEFAULT.clone();
    if let Some(settings) = settings {
        merge(&mut all, settings);
    }
    all
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{DEFAULT, check, merge, merged};

    #[test]
    fn the_default_style_is_a_style() {
        assert!(DEFAULT.as_object().is_some_and(|members| members.len() == 3));
        check(&DEFAULT).unwrap();
        assert_eq!(merged(None), *DEFAULT);
    }

    #[test]
    fn only_members_of_the_default_style_and_of_its_kinds_are_taken() {
        for good in [
            json!({}),
            json!({"components": {"primaryButton": {"lightMode": {"defaults": {"backgroundColor": "0A0b0c0d"}}}}}),
            json!({"categories": {"global": {"colorSchemeMode": "DARK"}, "auth": {"federation": {"order": ["Google"]}}}}),
            json!({"components": {"idpButton": {"custom": {"Acme": {"lightMode": {"hover": {"textColor": "000000ff"}}}}}}}),
            json!({"componentClasses": {"buttons": {"borderRadius": 2.5}}}),
        ] {
            assert!(check(&good).is_ok(), "{good}");
        }
        for (bad, words) in [
            (json!(1), "Settings must be an object."),
            (json!({"nonsense": {}}), "Settings.nonsense is not a member of Settings."),
            (json!({"components": {"alert": 1}}), "Settings.components.alert must be an object."),
            (
                json!({"componentClasses": {"focusState": {"darkMode": {"borderColor": "#fff"}}}}),
                "Settings.componentClasses.focusState.darkMode.borderColor must be a colour of eight hexadecimal digits, such as 0972d3ff.",
            ),
            (
                json!({"componentClasses": {"buttons": {"borderRadius": "8"}}}),
                "Settings.componentClasses.buttons.borderRadius must be a number.",
            ),
            (
                json!({"componentClasses": {"buttons": {"borderRadius": -1}}}),
                "Settings.componentClasses.buttons.borderRadius must not be negative.",
            ),
            (
                json!({"categories": {"auth": {"federation": {"order": [1]}}}}),
                "Settings.categories.auth.federation.order must be a text.",
            ),
            (
                json!({"components": {"idpButton": {"custom": {"Acme": {"x": 1}}}}}),
                "Settings.components.idpButton.custom.Acme.x is not a member of Settings.",
            ),
        ] {
            assert_eq!(check(&bad).unwrap_err().message, words);
        }
    }

    #[test]
    fn merging_keeps_what_is_not_named() {
        let mut present = json!({"a": {"b": 1, "c": [1, 2]}});
        merge(&mut present, &json!({"a": {"c": [3]}, "d": {"e": true}}));
        assert_eq!(present, json!({"a": {"b": 1, "c": [3]}, "d": {"e": true}}));
    }
}
