//! YAML 1.2 with its core schema, and CloudFormation's short tags: `!Ref x` is `{Ref: x}`, `!GetAtt x` is
//! `{"Fn::GetAtt": x}`.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};
use serde_json::Number;

use super::super::node::{Complaint, Entry, Node, Value};

/// Most values in a file, those that aliases repeat included.
const MOST_VALUES: usize = 200_000;
/// How deep values may lie in each other.
const DEEPEST: usize = 64;

/// Reads a file with one document.
///
/// # Errors
/// The line and what is wrong with it.
pub fn parse(text: &str) -> Result<Node, Complaint> {
    let mut reader = Reader { parser: Parser::new_from_str(text), anchors: BTreeMap::new(), values: 0 };
    let mut document = None;
    loop {
        let (event, span) = reader.next()?;
        match event {
            Event::StreamEnd => break,
            Event::DocumentStart(_) if document.is_some() => {
                return Err(complaint(span, "there is a second document: one file holds one"));
            }
            Event::DocumentStart(_) => {
                let (event, span) = reader.next()?;
                document = Some(reader.node(event, span, 0)?);
            }
            _ => {}
        }
    }
    document.ok_or_else(|| Complaint::new(1, "", "the file is empty"))
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    /// What was named for later use.
    anchors: BTreeMap<usize, (Node, usize)>,
    values: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Complaint> {
        match self.parser.next() {
            Some(event) => event.map_err(|error: ScanError| {
                Complaint::new(error.marker().line(), "", format!("this is no YAML: {}", error.info()))
            }),
            None => Err(Complaint::new(1, "", "the file ends too early")),
        }
    }

    fn count(&mut self, more: usize, span: Span) -> Result<(), Complaint> {
        self.values += more;
        if self.values > MOST_VALUES { Err(complaint(span, "the file holds too many values")) } else { Ok(()) }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, Complaint> {
        let line = span.start.line();
        if depth > DEEPEST {
            return Err(complaint(span, "values lie too deep in each other"));
        }
        let before = self.values;
        self.count(1, span)?;
        let (value, anchor, tag) = match event {
            Event::Alias(id) => {
                let Some((node, size)) = self.anchors.get(&id).cloned() else {
                    return Err(complaint(span, "this names nothing that was said before"));
                };
                self.count(size, span)?;
                return Ok(node);
            }
            Event::Scalar(text, style, anchor, tag) => {
                let is_text = style != ScalarStyle::Plain || tag.is_some();
                (if is_text { Value::Text(text.into_owned()) } else { plain(&text) }, anchor, tag)
            }
            Event::SequenceStart(anchor, tag) => {
                let mut items = Vec::new();
                loop {
                    let (event, span) = self.next()?;
                    if event == Event::SequenceEnd {
                        break;
                    }
                    items.push(self.node(event, span, depth + 1)?);
                }
                (Value::List(items), anchor, tag)
            }
            Event::MappingStart(anchor, tag) => {
                let mut entries = Vec::new();
                loop {
                    let (event, key_span) = self.next()?;
                    let Event::Scalar(key, ..) = event else {
                        if event == Event::MappingEnd {
                            break;
                        }
                        return Err(complaint(key_span, "only a text can be a name here"));
                    };
                    let (event, span) = self.next()?;
                    let value = self.node(event, span, depth + 1)?;
                    entries.push(Entry { key: key.into_owned(), line: key_span.start.line(), value });
                }
                (Value::Map(entries), anchor, tag)
            }
            _ => return Err(complaint(span, "a value is missing here")),
        };
        let node = match tag {
            Some(tag) => tagged(Node { line, value }, &tag, span)?,
            None => Node { line, value },
        };
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), self.values - before));
        }
        Ok(node)
    }
}

/// A plain word in the core schema.
fn plain(text: &str) -> Value {
    let radix =
        |digits: &str, radix| i64::from_str_radix(digits, radix).map(|number| Value::Number(number.into())).ok();
    let number = || {
        let starts = text.trim_start_matches(['-', '+', '.']).starts_with(|first: char| first.is_ascii_digit());
        let is_number = starts && text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
        let whole = text.parse::<i64>().ok().map(Number::from);
        let number = whole.or_else(|| text.parse().ok().and_then(Number::from_f64))?;
        is_number.then_some(Value::Number(number))
    };
    let other = match (text.strip_prefix("0x"), text.strip_prefix("0o")) {
        (Some(digits), _) => radix(digits, 16),
        (_, Some(digits)) => radix(digits, 8),
        _ => number(),
    };
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => other.unwrap_or_else(|| Value::Text(text.to_owned())),
    }
}

/// What a tag makes of a value.
fn tagged(node: Node, tag: &Tag, span: Span) -> Result<Node, Complaint> {
    let line = node.line;
    if tag.is_yaml_core_schema() {
        return match (tag.suffix.as_str(), node.value) {
            ("str", value @ Value::Text(_)) | ("map", value @ Value::Map(_)) | ("seq", value @ Value::List(_)) => {
                Ok(Node { line, value })
            }
            ("int" | "float" | "bool" | "null", Value::Text(text)) => Ok(Node { line, value: plain(&text) }),
            _ => Err(complaint(span, "this tag does not fit the value")),
        };
    }
    match (tag.handle.as_str(), tag.suffix.as_str()) {
        // `!` alone: what it looks like.
        ("" | "!", "") | ("", "!") => Ok(node),
        ("!", name) => {
            let key = if ["Ref", "Condition"].contains(&name) { name.to_owned() } else { format!("Fn::{name}") };
            Ok(Node::map(line, vec![Entry { key, line, value: node }]))
        }
        _ => Err(complaint(span, "this tag is not known")),
    }
}

fn complaint(span: Span, reason: &str) -> Complaint {
    Complaint::new(span.start.line(), "", reason)
}
