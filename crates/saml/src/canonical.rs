//! Exclusive XML Canonicalization 1.0 without comments, of one element and what is in it: the form in which elements are
//! hashed, which says nothing of where they stand.
//!
//! An element declares those namespaces alone that it uses, or that the prefix list names, unless the nearest element
//! around it in the output has declared them alike. Declarations come first, by prefix; attributes follow, by namespace
//! and name. There are no processing instructions: [`xml::parse`](crate::xml::parse) refuses them.

use std::{collections::BTreeMap, fmt::Write};

use roxmltree::{Attribute, Node, NodeId};

use crate::{Error, xml::LONGEST_CANONICAL};

/// Namespaces by prefix, as they are declared at a place of the output; the default namespace has the prefix `""`.
type Declared<'a> = BTreeMap<&'a str, &'a str>;

/// The canonical form of an element, without one element that is in it. `prefixes` are those of the algorithm's
/// `InclusiveNamespaces`, the default namespace as `#default`.
pub(crate) fn canonical(apex: Node<'_, '_>, without: Option<NodeId>, prefixes: &[&str]) -> Result<String, Error> {
    let prefixes = prefixes.iter().map(|prefix| if *prefix == "#default" { "" } else { prefix }).collect();
    let mut writer = Writer { output: String::new(), without, prefixes };
    writer.element(apex, &Declared::new())?;
    Ok(writer.output)
}

struct Writer<'a> {
    output: String,
    without: Option<NodeId>,
    prefixes: Vec<&'a str>,
}

impl Writer<'_> {
    fn element<'a>(&mut self, node: Node<'a, '_>, around: &Declared<'a>) -> Result<(), Error> {
        let name = qualified_name(node)?;
        let mut attributes: Vec<_> = node.attributes().collect();
        attributes.sort_by_key(|attribute| (attribute.namespace().unwrap_or_default(), attribute.name()));
        let new = self.declarations(node, name, &attributes, around)?;

        self.write(format_args!("<{name}"))?;
        for (prefix, namespace) in &new {
            let colon = if prefix.is_empty() { "" } else { ":" };
            self.write(format_args!(" xmlns{colon}{prefix}=\"{}\"", escaped(namespace, ATTRIBUTE)))?;
        }
        for attribute in &attributes {
            let name = attribute_name(node, attribute)?;
            self.write(format_args!(" {name}=\"{}\"", escaped(attribute.value(), ATTRIBUTE)))?;
        }
        self.write(format_args!(">"))?;
        let within;
        let declared = if new.is_empty() {
            around
        } else {
            within = around.iter().chain(&new).map(|(prefix, namespace)| (*prefix, *namespace)).collect();
            &within
        };
        for child in node.children() {
            if child.is_element() && Some(child.id()) != self.without {
                self.element(child, declared)?;
            } else if child.is_text() {
                self.write(format_args!("{}", escaped(child.text().unwrap_or_default(), TEXT)))?;
            }
        }
        self.write(format_args!("</{name}>"))
    }

    /// What an element has to declare.
    fn declarations<'a>(
        &self,
        node: Node<'a, '_>,
        name: &'a str,
        attributes: &[Attribute<'a, '_>],
        around: &Declared<'a>,
    ) -> Result<Declared<'a>, Error> {
        let mut used = vec![prefix(name)];
        for attribute in attributes.iter().filter(|attribute| attribute.namespace().is_some()) {
            used.push(prefix(attribute_name(node, attribute)?));
        }
        let listed = node.namespaces().map(|namespace| namespace.name().unwrap_or_default());
        used.extend(listed.filter(|prefix| self.prefixes.contains(prefix)));
        let mut new = Declared::new();
        for prefix in used.into_iter().filter(|prefix| *prefix != "xml") {
            let namespace = node.lookup_namespace_uri(Some(prefix).filter(|prefix| !prefix.is_empty()));
            let namespace = namespace.unwrap_or_default();
            if around.get(prefix).copied().unwrap_or_default() != namespace {
                new.insert(prefix, namespace);
            }
        }
        Ok(new)
    }

    fn write(&mut self, piece: std::fmt::Arguments<'_>) -> Result<(), Error> {
        self.output.write_fmt(piece).map_err(|_| Error::Xml)?;
        if self.output.len() > LONGEST_CANONICAL { Err(Error::Xml) } else { Ok(()) }
    }
}

/// The name of an element as it stands in the document, with its prefix.
fn qualified_name<'a>(node: Node<'a, '_>) -> Result<&'a str, Error> {
    let tag = node.document().input_text().get(node.range()).and_then(|text| text.strip_prefix('<'));
    let name = tag.and_then(|tag| tag.split([' ', '\t', '\n', '\r', '/', '>']).next());
    name.ok_or(Error::Xml)
}

/// The same of an attribute.
fn attribute_name<'a>(node: Node<'a, '_>, attribute: &Attribute<'a, '_>) -> Result<&'a str, Error> {
    node.document().input_text().get(attribute.range_qname()).ok_or(Error::Xml)
}

fn prefix(name: &str) -> &str {
    name.split_once(':').map_or("", |(prefix, _)| prefix)
}

/// What stands for some characters in texts, and in attributes.
type Escapes = [(char, &'static str)];
const TEXT: &Escapes = &[('&', "&amp;"), ('<', "&lt;"), ('>', "&gt;"), ('\r', "&#xD;")];
const ATTRIBUTE: &Escapes =
    &[('&', "&amp;"), ('<', "&lt;"), ('"', "&quot;"), ('\t', "&#x9;"), ('\n', "&#xA;"), ('\r', "&#xD;")];

/// A text as the value of an attribute, or as text.
pub(crate) fn escaped_attribute(text: &str) -> String {
    escaped(text, ATTRIBUTE).replace('>', "&gt;")
}

fn escaped(text: &str, escapes: &Escapes) -> String {
    let mut result = String::with_capacity(text.len());
    for c in text.chars() {
        match escapes.iter().find(|(escaped, _)| *escaped == c) {
            Some((_, escape)) => result.push_str(escape),
            None => result.push(c),
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::canonical;
    use crate::{Error, xml};

    /// What libxml2 has made of the same elements (tests/data/make.py).
    const CASES: &str = include_str!("../tests/data/canonical.json");

    fn of_apex(text: &str, prefixes: &str) -> Result<String, Error> {
        let document = xml::parse(text, xml::LONGEST)?;
        let apex = document.descendants().find(|node| node.attribute("ID") == Some("apex")).unwrap();
        canonical(apex, None, &prefixes.split_whitespace().collect::<Vec<_>>())
    }

    #[test]
    fn another_implementation_agrees() {
        let cases: Vec<Value> = serde_json::from_str(CASES).unwrap();
        assert!(cases.len() > 250);
        for case in cases {
            let [input, prefixes, output] = ["input", "prefixes", "output"].map(|name| case[name].as_str().unwrap());
            let ours = of_apex(input, prefixes).unwrap();
            assert_eq!(ours, output, "{input} with {prefixes:?}");
            // What is canonical stays as it is.
            assert_eq!(of_apex(output, prefixes).unwrap(), output, "{output} with {prefixes:?}");
        }
    }

    #[test]
    fn what_repeats_its_namespaces_ends_somewhere() {
        let text = format!("<r xmlns:a='u:{}' ID='apex'>{}</r>", "x".repeat(200), "<a:b/>".repeat(8_000));
        assert_eq!(of_apex(&text, ""), Err(Error::Xml));
    }

    #[test]
    fn an_element_is_left_out() {
        let document = xml::parse("<r>1<s>2</s>3</r>", 100).unwrap();
        let root = document.root_element();
        let left_out = root.first_element_child().map(|node| node.id());
        assert_eq!(canonical(root, left_out, &[]).as_deref(), Ok("<r>13</r>"));
    }
}
