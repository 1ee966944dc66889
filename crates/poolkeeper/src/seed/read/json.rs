//! JSON. Where a value stands is seen from where its text lies within the file's.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{
    super::node::{Complaint, Entry, Node, Value},
    line_of,
};

/// Reads a document.
///
/// # Errors
/// The line and what is wrong with it.
pub fn parse(text: &str) -> Result<Node, Complaint> {
    // All of it once, for its faults and for how deep it is.
    let whole: serde_json::Value = serde_json::from_str(text)
        .map_err(|error| Complaint::new(error.line().max(1), "", format!("this is no JSON: {error}")))?;
    drop(whole);
    node(text, text.trim()).map_err(|error| Complaint::new(1, "", format!("this is no JSON: {error}")))
}

/// A map in the file's order, with whatever it has twice.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = access.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}

/// The value whose text is `part` of the whole one.
fn node(whole: &str, part: &str) -> serde_json::Result<Node> {
    let line = line_of(whole, part.as_ptr().addr().saturating_sub(whole.as_ptr().addr()));
    let value = match part.as_bytes().first() {
        Some(b'{') => {
            let Members(members) = serde_json::from_str(part)?;
            let entry = |(key, raw): (String, &RawValue)| {
                let value = node(whole, raw.get())?;
                Ok(Entry { key, line: value.line, value })
            };
            Value::Map(members.into_iter().map(entry).collect::<serde_json::Result<_>>()?)
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(part)?;
            Value::List(items.into_iter().map(|raw| node(whole, raw.get())).collect::<serde_json::Result<_>>()?)
        }
        Some(b'"') => Value::Text(serde_json::from_str(part)?),
        Some(b't' | b'f') => Value::Bool(serde_json::from_str(part)?),
        Some(b'n') => Value::Null,
        _ => Value::Number(serde_json::from_str(part)?),
    };
    Ok(Node { line, value })
}
