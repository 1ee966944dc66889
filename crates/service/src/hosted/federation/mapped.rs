//! What a provider says of its user, as attributes of the pool (oauth-federation.md §15.2).

use std::collections::BTreeMap;

use domain::{Client, IdentityProvider, attributes::is_writable, identity_provider::USERNAME};
use serde_json::{Map, Value};

/// The provider's own id of a user, by which it is known who that is here: the claim that the mapping names for the
/// username.
pub(crate) fn subject(provider: &IdentityProvider, claims: &Map<String, Value>) -> Option<String> {
    let source = provider.attribute_mapping.get(USERNAME).map_or("sub", String::as_str);
    claims.get(source).and_then(text)
}

/// The values that the provider's mapping finds, by attributes of the pool; blank ones are there, absent ones are not.
/// `replaced` is what the pool's function has put in the place of what the provider has said.
///
/// Decision: a function names what is to be mapped as the provider does, or by the attribute; where it names both, the
/// provider's name counts.
pub(super) fn values(
    provider: &IdentityProvider,
    claims: &Map<String, Value>,
    replaced: Option<&BTreeMap<String, String>>,
) -> BTreeMap<String, String> {
    let value = |attribute: &str, source: &str| match replaced {
        Some(replaced) => replaced.get(source).or_else(|| replaced.get(attribute)).cloned(),
        None => claims.get(source).and_then(text),
    };
    let cleared = |value: String| if value.trim().is_empty() { String::new() } else { value };
    let mapping = provider.attribute_mapping.iter().filter(|(attribute, _)| *attribute != USERNAME);
    mapping.filter_map(|(attribute, source)| Some((attribute.clone(), cleared(value(attribute, source)?)))).collect()
}

/// Whether a sign-in through this client writes the attribute. Others are left out: the sign-in goes on without them. A
/// verified flag goes with its address.
pub(super) fn is_written(client: &Client, attribute: &str) -> bool {
    match attribute {
        "email_verified" => is_writable(client, "email"),
        "phone_number_verified" => is_writable(client, "phone_number"),
        other => is_writable(client, other),
    }
}

/// A value as an attribute holds it; none for one that is not there. Several are put together as `[v1,v2]`.
///
/// Decision: of an object its member `formatted` is taken, as OpenID Connect has it in the claim `address`; any other
/// object is JSON.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Array(values) => {
            let texts = values.iter().filter_map(text);
            let encoded: Vec<String> =
                texts.map(|text| form_urlencoded::byte_serialize(text.as_bytes()).collect()).collect();
            Some(format!("[{}]", encoded.join(",")))
        }
        Value::Object(members) => match members.get("formatted") {
            Some(Value::String(formatted)) => Some(formatted.clone()),
            _ => Some(value.to_string()),
        },
    }
}

/// The same claims as texts, which is how functions are told of them.
pub(super) fn texts(claims: &Map<String, Value>) -> Value {
    let texts = claims.iter().filter_map(|(name, value)| Some((name.clone(), Value::from(text(value)?))));
    Value::Object(texts.collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::text;

    #[test]
    fn values_are_texts() {
        for (value, expected) in [
            (json!(null), None),
            (json!(""), Some("")),
            (json!(true), Some("true")),
            (json!(1_767_323_045), Some("1767323045")),
            (json!(["a b", "c,d", 3, "é.-*_"]), Some("[a+b,c%2Cd,3,%C3%A9.-*_]")),
            (json!([]), Some("[]")),
            (json!({"formatted": "1 Main St\nTown", "country": "x"}), Some("1 Main St\nTown")),
            (json!({"country": "x"}), Some(r#"{"country":"x"}"#)),
        ] {
            assert_eq!(text(&value).as_deref(), expected, "{value}");
        }
    }
}
