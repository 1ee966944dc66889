//! XML within limits, and how elements are read.
//!
//! The parser knows no entities but the five that need no declaration. Its work grows with the square of an element's
//! attributes and of the namespaces that are known there, each time with the length of a namespace's name, and ours with the
//! depth, so that all of these are bounded: all but the last before anything is parsed.

use std::collections::HashSet;

use base64::{
    Engine,
    alphabet::STANDARD as STANDARD_ALPHABET,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use roxmltree::{Document, Node, ParsingOptions};
use wire::Timestamp;

use crate::Error;

/// Longest message, in bytes of XML.
pub const LONGEST: usize = 100_000;
/// Longest canonical form, in bytes: it can repeat the names of namespaces.
pub(crate) const LONGEST_CANONICAL: usize = 4 * LONGEST;
/// Longest metadata, in bytes.
pub(crate) const LONGEST_METADATA: usize = 256 * 1_024;
/// Deepest nesting.
const DEEPEST: usize = 64;
/// Most attributes of one element, declarations of namespaces among them.
const MOST_ATTRIBUTES: usize = 64;
/// Most prefixes of namespaces in a document.
const MOST_PREFIXES: usize = 32;
/// Longest declaration of a namespace, in bytes, with the name of its element where that stands right before it.
const LONGEST_DECLARATION: usize = 256;
/// Most elements, texts and comments of a document.
const MOST_NODES: u32 = 20_000;

/// The namespace of assertions.
pub(crate) const ASSERTION: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
/// The namespace of responses.
pub(crate) const PROTOCOL: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
/// The namespace of signatures.
pub(crate) const SIGNATURE: &str = "http://www.w3.org/2000/09/xmldsig#";

/// A message as it travels: in base64 or base64url, with or without padding, blanks and line breaks.
///
/// # Errors
/// [`Error::Xml`] for anything else, and for more than [`LONGEST`] characters.
pub fn decoded(text: &str) -> Result<String, Error> {
    const LENIENT: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    if text.len() > LONGEST {
        return Err(Error::Xml);
    }
    let plain = text.chars().filter(|c| !c.is_ascii_whitespace()).map(|c| match c {
        '-' => '+',
        '_' => '/',
        other => other,
    });
    let bytes = GeneralPurpose::new(&STANDARD_ALPHABET, LENIENT).decode(plain.collect::<String>());
    String::from_utf8(bytes.map_err(|_| Error::Xml)?).map_err(|_| Error::Xml)
}

/// Parses a document of at most so many bytes.
pub(crate) fn parse(text: &str, longest: usize) -> Result<Document<'_>, Error> {
    if text.len() > longest || text.contains("<!DOCTYPE") {
        return Err(Error::Xml);
    }
    if text.split('<').any(is_too_much) || has_too_many_prefixes(text) {
        return Err(Error::Xml);
    }
    let options = ParsingOptions { nodes_limit: MOST_NODES, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options).map_err(|_| Error::Xml)?;
    check_depth(&document)?;
    let mut ids = HashSet::new();
    let mut attributes = document.descendants().flat_map(|node| node.attributes());
    let is_new =
        attributes.all(|attribute| !attribute.name().eq_ignore_ascii_case("id") || ids.insert(attribute.value()));
    if is_new && !document.descendants().any(|node| node.is_pi()) { Ok(document) } else { Err(Error::Xml) }
}

/// Whether a tag, of which the `<` is missing and which some text follows, has too many attributes, or declares a namespace
/// of too long a name.
fn is_too_much(tag: &str) -> bool {
    let (mut rest, mut count) = (tag, 0);
    while let Some(at) = rest.find(['"', '\'', '>']) {
        let (name, found) = rest.split_at(at);
        let Some(quote) = found.chars().next().filter(|found| *found != '>') else { return false };
        let Some((value, after)) = found.strip_prefix(quote).and_then(|value| value.split_once(quote)) else {
            return false;
        };
        (rest, count) = (after, count + 1);
        let is_long = name.contains("xmlns") && name.len() + value.len() > LONGEST_DECLARATION;
        if count > MOST_ATTRIBUTES || is_long {
            return true;
        }
    }
    false
}

/// Whether too many prefixes are declared; what looks like a declaration in a text counts as one.
fn has_too_many_prefixes(text: &str) -> bool {
    let declared = text.split("xmlns:").skip(1).filter_map(|after| after.split(['=', ' ', '\t', '\r', '\n']).next());
    declared.collect::<HashSet<_>>().len() > MOST_PREFIXES
}

fn check_depth(document: &Document<'_>) -> Result<(), Error> {
    let mut depth = 0;
    let mut node = document.root();
    loop {
        if let Some(child) = node.first_child() {
            depth += 1;
            if depth > DEEPEST {
                return Err(Error::Xml);
            }
            node = child;
            continue;
        }
        while node.next_sibling().is_none() {
            let Some(parent) = node.parent() else { return Ok(()) };
            node = parent;
            depth = depth.saturating_sub(1);
        }
        let Some(sibling) = node.next_sibling() else { return Ok(()) };
        node = sibling;
    }
}

/// Whether it is the element of that name.
pub(crate) fn is(node: Node<'_, '_>, namespace: &str, name: &str) -> bool {
    node.is_element() && node.tag_name().namespace() == Some(namespace) && node.tag_name().name() == name
}

/// The elements right below another one.
pub(crate) fn elements<'a, 'input>(node: Node<'a, 'input>) -> impl Iterator<Item = Node<'a, 'input>> {
    node.children().filter(Node::is_element)
}

/// Those of them with a name.
pub(crate) fn named<'a, 'input>(
    node: Node<'a, 'input>,
    namespace: &str,
    name: &str,
) -> impl Iterator<Item = Node<'a, 'input>> {
    elements(node).filter(move |child| is(*child, namespace, name))
}

/// The one element with a name right below another one, if it is there; a second one is an error.
pub(crate) fn at_most_one<'a, 'input>(
    node: Node<'a, 'input>,
    namespace: &str,
    name: &str,
) -> Result<Option<Node<'a, 'input>>, Error> {
    let mut found = named(node, namespace, name);
    let first = found.next();
    if found.next().is_none() { Ok(first) } else { Err(Error::Form) }
}

/// The same where it has to be there.
pub(crate) fn one<'a, 'input>(node: Node<'a, 'input>, namespace: &str, name: &str) -> Result<Node<'a, 'input>, Error> {
    at_most_one(node, namespace, name)?.ok_or(Error::Form)
}

/// All text in an element, whatever elements it is in.
pub(crate) fn text(node: Node<'_, '_>) -> String {
    node.descendants().filter(Node::is_text).filter_map(|text| text.text()).collect()
}

/// The text of an element that has no elements in it and is not empty.
pub(crate) fn plain_text(node: Node<'_, '_>) -> Result<String, Error> {
    let text = text(node);
    if elements(node).next().is_none() && !text.is_empty() { Ok(text) } else { Err(Error::Form) }
}

/// An attribute without a namespace.
pub(crate) fn attribute<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    let found = node.attributes().find(|attribute| attribute.namespace().is_none() && attribute.name() == name);
    found.map(|attribute| attribute.value())
}

/// A moment in an attribute, which need not be there.
pub(crate) fn moment(node: Node<'_, '_>, name: &str) -> Result<Option<Timestamp>, Error> {
    attribute(node, name).map(|text| timestamp(text).ok_or(Error::Form)).transpose()
}

/// A moment such as `2026-01-02T03:04:05.678Z`.
pub(crate) fn timestamp(text: &str) -> Option<Timestamp> {
    text.parse::<jiff::Timestamp>().ok().map(|moment| Timestamp(moment.as_millisecond()))
}

/// Bytes that stand in base64 in an element, with blanks and line breaks.
pub(crate) fn bytes(node: Node<'_, '_>) -> Option<Vec<u8>> {
    let mut text = text(node);
    text.retain(|c| !c.is_ascii_whitespace());
    STANDARD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::{Error, LONGEST, Timestamp, decoded, parse, timestamp};

    #[test]
    fn what_could_grow_is_refused() {
        let attributes = |count: usize| -> String { (0..count).map(|number| format!(" a{number}='>'")).collect() };
        let nested = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
        let prefixes = |count: usize| -> String {
            let begin: String = (0..count).map(|number| format!("<a xmlns:p{number}='u:'>")).collect();
            format!("{begin}{}", "</a>".repeat(count))
        };
        for good in [
            nested(63),
            prefixes(31),
            format!("<a{}/>", attributes(64)),
            format!("<a xmlns='{}' b='{}'/>", "x".repeat(200), "xmlns".repeat(100)),
            "\u{feff}<?xml version='1.0'?><a/>".to_owned(),
        ] {
            assert!(parse(&good, 10_000).is_ok(), "{good}");
        }
        for bad in [
            nested(65),
            prefixes(3_500),
            format!("<r>{}</r>", (0..33).map(|number| format!("<a xmlns:p{number}\n='u:'/>")).collect::<String>()),
            format!("<a{}/>", attributes(65)),
            format!("<a xmlns='{}'/>", "x".repeat(250)),
            format!("<a b='c'\n\txmlns:d = \"{}\"/>", "x".repeat(250)),
            format!("<a xmlns:{}='b'/>", "x".repeat(250)),
            "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>".to_owned(),
            "<!DOCTYPE a><a/>".to_owned(),
            "<a>&b;</a>".to_owned(),
            "<?xml-stylesheet href='x'?><a/>".to_owned(),
            "<a><?b?></a>".to_owned(),
            "<a ID='1'><b ID='1'/></a>".to_owned(),
            "<a ID='1'><b xmlns:c='c' c:id='1'/></a>".to_owned(),
            "<a xmlns:b='c' xmlns:b='d'/>".to_owned(),
            "<a b='1' b='2'/>".to_owned(),
            "<a/><a/>".to_owned(),
            "<a:b/>".to_owned(),
            "<a>".to_owned(),
            "a".to_owned(),
            String::new(),
            format!("<a>{}</a>", "<b/>".repeat(20_001)),
        ] {
            assert_eq!(parse(&bad, 200_000).err(), Some(Error::Xml), "{bad:.200}");
        }
        assert!(parse("<a/>", 4).is_ok() && parse("<a/>", 3).is_err());
    }

    #[test]
    fn messages_travel_in_base64() {
        for good in ["PGE+Pz8/PC9hPg==", "PGE+Pz8/PC9hPg", "PGE-Pz8_PC9hPg", " PGE+\r\nPz8/PC9hPg==\n"] {
            assert_eq!(decoded(good).as_deref(), Ok("<a>???</a>"), "{good}");
        }
        for bad in ["<a/>", "PGE+P", "gA==", &"A".repeat(LONGEST + 4)] {
            assert_eq!(decoded(bad), Err(Error::Xml), "{bad:.20}");
        }
    }

    #[test]
    fn moments_are_in_utc_or_say_where() {
        assert_eq!(timestamp("2026-01-02T03:04:05Z"), Some(Timestamp(1_767_323_045_000)));
        assert_eq!(timestamp("2026-01-02T03:04:05.6789012Z"), Some(Timestamp(1_767_323_045_678)));
        assert_eq!(timestamp("2026-01-02T05:04:05+02:00"), Some(Timestamp(1_767_323_045_000)));
        for bad in ["2026-01-02T03:04:05", "2026-01-02", "", "now", "1767323045"] {
            assert_eq!(timestamp(bad), None, "{bad}");
        }
    }
}
