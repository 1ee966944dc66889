//! TOML, by the parser that reads the configuration.

use serde_json::Number;
use toml::{
    Spanned,
    de::{DeString, DeTable, DeValue},
};

use super::{
    super::node::{Complaint, Entry, Node, Value},
    line_of,
};

/// Reads a document.
///
/// # Errors
/// The line and what is wrong with it.
pub fn parse(text: &str) -> Result<Node, Complaint> {
    let table = DeTable::parse(text).map_err(|error| {
        let line = line_of(text, error.span().map_or(0, |span| span.start));
        Complaint::new(line, "", error.message().replace('\n', ", "))
    })?;
    Ok(Node { line: 1, value: map(text, table.get_ref())? })
}

fn map(text: &str, table: &DeTable<'_>) -> Result<Value, Complaint> {
    let entry = |(key, found): (&Spanned<DeString<'_>>, &Spanned<DeValue<'_>>)| {
        let line = line_of(text, key.span().start);
        Ok(Entry { key: key.get_ref().to_string(), line, value: node(text, found)? })
    };
    let mut entries = table.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(|entry| entry.line);
    Ok(Value::Map(entries))
}

fn node(text: &str, found: &Spanned<DeValue<'_>>) -> Result<Node, Complaint> {
    let line = line_of(text, found.span().start);
    let unreadable = || Complaint::new(line, "", "this number cannot be read");
    let value = match found.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => {
            let digits = i64::from_str_radix(number.as_str(), number.radix()).map_err(|_error| unreadable())?;
            Value::Number(digits.into())
        }
        DeValue::Float(number) => {
            let number: f64 = number.as_str().parse().map_err(|_error| unreadable())?;
            Value::Number(Number::from_f64(number).ok_or_else(unreadable)?)
        }
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::Datetime(_) => {
            return Err(Complaint::new(line, "", "nothing here is a date: put it in quotes if it is a text"));
        }
        DeValue::Array(items) => Value::List(items.iter().map(|item| node(text, item)).collect::<Result<_, _>>()?),
        DeValue::Table(table) => map(text, table)?,
    };
    Ok(Node { line, value })
}
