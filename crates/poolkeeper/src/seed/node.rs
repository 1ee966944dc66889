//! Values of a file, each with the line that it begins on.

use serde_json::{Map, Number, Value as Json};

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// From 1.
    pub line: usize,
    /// The value.
    pub value: Value,
}

/// A value of any of the formats.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Counts as absent.
    Null,
    /// True or false.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A text.
    Text(String),
    /// Values in order.
    List(Vec<Node>),
    /// Values by name, in the file's order.
    Map(Vec<Entry>),
}

/// A named value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The name.
    pub key: String,
    /// The line of the name.
    pub line: usize,
    /// What it names.
    pub value: Node,
}

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// From 1.
    pub line: usize,
    /// The path of the value, such as `UserPools[0].Users[2].Username`; empty for the whole file.
    pub key: String,
    /// What is wrong and what to do. Never a value that may be secret.
    pub reason: String,
}

impl Complaint {
    /// About the value under that path.
    pub fn new(line: usize, key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { line, key: key.into(), reason: reason.into() }
    }

    /// As an error about a file.
    pub fn of_file(&self, file: &str) -> anyhow::Error {
        match self.key.as_str() {
            "" => anyhow::anyhow!("{file}:{}: {}", self.line, self.reason),
            key => anyhow::anyhow!("{file}:{}: {key}: {}", self.line, self.reason),
        }
    }
}

impl Node {
    /// A map on that line.
    pub fn map(line: usize, entries: Vec<Entry>) -> Self {
        Self { line, value: Value::Map(entries) }
    }

    /// A text on that line.
    pub fn text(line: usize, text: impl Into<String>) -> Self {
        Self { line, value: Value::Text(text.into()) }
    }

    /// The line of a name of this map, or else of the map.
    pub fn line_of(&self, key: &str) -> usize {
        let Value::Map(entries) = &self.value else { return self.line };
        entries.iter().find(|entry| entry.key == key).map_or(self.line, |entry| entry.line)
    }

    /// What a name of this map stands for, unless that is nothing.
    pub fn get(&self, key: &str) -> Option<&Self> {
        let Value::Map(entries) = &self.value else { return None };
        entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value).filter(|node| !node.is_null())
    }

    /// Takes what a name of this map stands for out of it, unless that is nothing.
    pub fn take(&mut self, key: &str) -> Option<Self> {
        let Value::Map(entries) = &mut self.value else { return None };
        let position = entries.iter().position(|entry| entry.key == key)?;
        Some(entries.remove(position).value).filter(|node| !node.is_null())
    }

    /// Adds a name to this map, which it does not have yet.
    pub fn put(&mut self, key: &str, value: Self) {
        if let Value::Map(entries) = &mut self.value {
            entries.push(Entry { key: key.to_owned(), line: value.line, value });
        }
    }

    /// The names and values of a map.
    ///
    /// # Errors
    /// When it is none.
    pub fn entries(&self, key: &str) -> Result<&[Entry], Complaint> {
        if let Value::Map(entries) = &self.value { Ok(entries) } else { Err(self.is_not(key, "a table")) }
    }

    /// The values of a list.
    ///
    /// # Errors
    /// When it is none.
    pub fn items(&self, key: &str) -> Result<&[Self], Complaint> {
        if let Value::List(items) = &self.value { Ok(items) } else { Err(self.is_not(key, "a list")) }
    }

    /// A text.
    ///
    /// # Errors
    /// When it is none.
    pub fn as_text(&self, key: &str) -> Result<&str, Complaint> {
        if let Value::Text(text) = &self.value { Ok(text) } else { Err(self.is_not(key, "a text")) }
    }

    /// True or false.
    ///
    /// # Errors
    /// When it is neither.
    pub fn as_bool(&self, key: &str) -> Result<bool, Complaint> {
        if let Value::Bool(value) = self.value { Ok(value) } else { Err(self.is_not(key, "true or false")) }
    }

    /// A text, a number or a truth value, as a text.
    pub fn scalar(&self) -> Option<String> {
        match &self.value {
            Value::Text(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(value) => Some(value.to_string()),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// The complaint that this is not what it should be.
    pub fn is_not(&self, key: &str, expected: &str) -> Complaint {
        let found = match &self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::Text(_) => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a table",
        };
        Complaint::new(self.line, key, format!("this must be {expected}, and it is {found}"))
    }

    /// Whether it counts as absent.
    pub const fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }

    /// As JSON; what counts as absent is left out.
    pub fn json(&self) -> Json {
        match &self.value {
            Value::Null => Json::Null,
            Value::Bool(value) => Json::Bool(*value),
            Value::Number(number) => Json::Number(number.clone()),
            Value::Text(text) => Json::String(text.clone()),
            Value::List(items) => items.iter().map(Self::json).collect(),
            Value::Map(entries) => {
                let present = entries.iter().filter(|entry| !entry.value.is_null());
                Json::Object(present.map(|entry| (entry.key.clone(), entry.value.json())).collect::<Map<_, _>>())
            }
        }
    }
}
