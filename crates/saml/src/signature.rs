//! Which element of a message is signed, and the bytes that were (XML-DSig 1.1 within the profile of SAML core §5.4).
//!
//! Order: form of the message, places of signatures, then for each signature its form and size, its value by one of the
//! provider's keys, and the hash of its element. Anybody can send a message, so that until the value is known to be right only
//! `SignedInfo` is canonicalised and hashed, which is small. A signature stands right in the element that it is for, refers to
//! nothing else, and uses enveloped-signature and exclusive canonicalisation alone. What is read of it is read from the bytes
//! that it covers. Keys come from the provider's metadata; one that comes along is ignored.

use crypto::{
    hash::constant_time_eq,
    xml_signature::{Certificate, DigestMethod, SignatureMethod},
};
use roxmltree::Node;
use wire::Timestamp;

use crate::{
    Assertion, Error,
    canonical::canonical,
    xml::{
        self, ASSERTION, LONGEST, LONGEST_CANONICAL, PROTOCOL, SIGNATURE, attribute, bytes, elements, is, named, one,
    },
};

const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
const SUCCESS: &str = "urn:oasis:names:tc:SAML:2.0:status:Success";
/// Most prefixes of namespaces that a signature lists.
const MOST_PREFIXES: usize = 32;
/// Most elements, texts and comments of `SignedInfo`; it needs eleven elements, and twelve texts where it is indented.
const MOST_NODES: usize = 100;
/// Longest canonical form of `SignedInfo`, in bytes; most have one or two thousand.
const LONGEST_INFO: usize = 16 * 1_024;

/// What a provider has sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The response that the assertion came in, if it did.
    pub response: Option<Response>,
    /// What is vouched for: read from the bytes that were signed.
    pub assertion: Assertion,
}

/// What a response says besides its assertion. Where only the assertion is signed, anybody may have written this: it can
/// speak against a sign-in, never for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Where the provider has sent it.
    pub destination: Option<String>,
    /// The id of the request that it answers.
    pub in_response_to: Option<String>,
}

/// Reads a response with one assertion, or an assertion, that one of the certificates has signed.
///
/// Decision: where both the response and its assertion are signed, both signatures must be good. Certificates count only as
/// long as they are valid.
///
/// # Errors
/// [`Error::Xml`], [`Error::Form`], [`Error::Status`], [`Error::Encrypted`], [`Error::Unsigned`] and those of signatures.
pub fn read(text: &str, certificates: &[Certificate], now: Timestamp) -> Result<Message, Error> {
    let document = xml::parse(text, LONGEST)?;
    let root = document.root_element();
    let certificates: Vec<_> = certificates.iter().filter(|certificate| certificate.is_valid_at(now)).collect();
    if is(root, ASSERTION, "Assertion") {
        check_places(root, &[root])?;
        let signed = signed(root, &certificates)?.ok_or(Error::Unsigned)?;
        return Ok(Message { response: None, assertion: assertion_in(&signed)? });
    }
    if !is(root, PROTOCOL, "Response") {
        return Err(Error::Form);
    }
    check_status(root)?;
    if root.descendants().any(|node| is(node, ASSERTION, "EncryptedAssertion")) {
        return Err(Error::Encrypted);
    }
    let assertion = one(root, ASSERTION, "Assertion")?;
    check_places(root, &[root, assertion])?;
    let (whole, part) = (signed(root, &certificates)?, signed(assertion, &certificates)?);
    match (whole, part) {
        (Some(whole), _) => {
            let document = xml::parse(&whole, LONGEST_CANONICAL)?;
            let root = document.root_element();
            check_status(root)?;
            let assertion = Assertion::of(one(root, ASSERTION, "Assertion")?)?;
            Ok(Message { response: Some(response(root)?), assertion })
        }
        (None, Some(part)) => Ok(Message { response: Some(response(root)?), assertion: assertion_in(&part)? }),
        (None, None) => Err(Error::Unsigned),
    }
}

fn assertion_in(signed: &str) -> Result<Assertion, Error> {
    Assertion::of(xml::parse(signed, LONGEST_CANONICAL)?.root_element())
}

/// There is one assertion at most, and signatures stand right in the elements that may have one.
fn check_places(root: Node<'_, '_>, signable: &[Node<'_, '_>]) -> Result<(), Error> {
    if root.descendants().filter(|node| is(*node, ASSERTION, "Assertion")).count() > 1 {
        return Err(Error::Form);
    }
    let mut signatures = root.descendants().filter(|node| is(*node, SIGNATURE, "Signature"));
    let is_in_place = signatures.all(|signature| signature.parent().is_some_and(|parent| signable.contains(&parent)));
    if is_in_place { Ok(()) } else { Err(Error::Form) }
}

fn check_status(root: Node<'_, '_>) -> Result<(), Error> {
    let code = one(one(root, PROTOCOL, "Status")?, PROTOCOL, "StatusCode")?;
    if attribute(code, "Value") == Some(SUCCESS) { Ok(()) } else { Err(Error::Status) }
}

fn response(root: Node<'_, '_>) -> Result<Response, Error> {
    if attribute(root, "Version") != Some("2.0") {
        return Err(Error::Form);
    }
    let owned = |name: &str| attribute(root, name).map(str::to_owned);
    Ok(Response { destination: owned("Destination"), in_response_to: owned("InResponseTo") })
}

/// The bytes of an element that its signature covers; none where it has no signature.
fn signed(element: Node<'_, '_>, certificates: &[&Certificate]) -> Result<Option<String>, Error> {
    let mut signatures = named(element, SIGNATURE, "Signature");
    let Some(signature) = signatures.next() else { return Ok(None) };
    let is_only = signatures.next().is_none();
    let is_response = is(element, PROTOCOL, "Response");
    let invalid = if is_response { Error::ResponseSignature } else { Error::AssertionSignature };
    let covered = if is_only { covered(element, signature, certificates) } else { None };
    covered.map(Some).ok_or(invalid)
}

/// The same where there is a signature; none where it is not good.
fn covered(element: Node<'_, '_>, signature: Node<'_, '_>, certificates: &[&Certificate]) -> Option<String> {
    let parts: Vec<_> = elements(signature).collect();
    let (info, value) = match parts[..] {
        [info, value] => (info, value),
        [info, value, key] if is(key, SIGNATURE, "KeyInfo") => (info, value),
        _ => return None,
    };
    let is_small = info.descendants().nth(MOST_NODES).is_none();
    if !is_small || !is(info, SIGNATURE, "SignedInfo") || !is(value, SIGNATURE, "SignatureValue") {
        return None;
    }
    let method = elements(info).next().filter(|method| is(*method, SIGNATURE, "CanonicalizationMethod"))?;
    let info = canonical(info, None, &exclusive_prefixes(method)?).ok()?;
    let info = xml::parse(&info, LONGEST_INFO).ok()?;
    let [_, method, reference] = elements(info.root_element()).collect::<Vec<_>>()[..] else { return None };
    let method = SignatureMethod::of_uri(algorithm(method, "SignatureMethod").filter(|_| is_empty(method))?)?;
    let value = bytes(value)?;
    if !certificates.iter().any(|key| key.has_signed(method, info.input_text().as_bytes(), &value)) {
        return None;
    }
    referenced(element, signature, reference)
}

/// The bytes of the element, if the reference is to it and has their hash.
fn referenced(element: Node<'_, '_>, signature: Node<'_, '_>, reference: Node<'_, '_>) -> Option<String> {
    if !is(reference, SIGNATURE, "Reference") {
        return None;
    }
    let id = attribute(element, "ID").filter(|id| !id.is_empty())?;
    let is_root = element.parent_element().is_none();
    match attribute(reference, "URI")? {
        "" if is_root => (),
        uri if uri.strip_prefix('#') == Some(id) => (),
        _ => return None,
    }
    let [transforms, method, digest] = elements(reference).collect::<Vec<_>>()[..] else { return None };
    let [enveloped, exclusive] = elements(transforms).collect::<Vec<_>>()[..] else { return None };
    if !is(transforms, SIGNATURE, "Transforms")
        || algorithm(enveloped, "Transform") != Some(ENVELOPED)
        || !is_empty(enveloped)
        || !is(exclusive, SIGNATURE, "Transform")
        || !is(digest, SIGNATURE, "DigestValue")
    {
        return None;
    }
    let method = DigestMethod::of_uri(algorithm(method, "DigestMethod").filter(|_| is_empty(method))?)?;
    let covered = canonical(element, Some(signature.id()), &exclusive_prefixes(exclusive)?).ok()?;
    constant_time_eq(&method.digest(covered.as_bytes()), &bytes(digest)?).then_some(covered)
}

/// The prefixes that an element lists which names exclusive canonicalisation; none where it names anything else.
fn exclusive_prefixes<'a>(method: Node<'a, '_>) -> Option<Vec<&'a str>> {
    if attribute(method, "Algorithm") != Some(EXCLUSIVE) {
        return None;
    }
    let prefixes: Vec<_> = match elements(method).collect::<Vec<_>>()[..] {
        [] => Vec::new(),
        [list] if is(list, EXCLUSIVE, "InclusiveNamespaces") && is_empty(list) => {
            attribute(list, "PrefixList")?.split_ascii_whitespace().collect()
        }
        _ => return None,
    };
    (prefixes.len() <= MOST_PREFIXES).then_some(prefixes)
}

/// What an element of that name says is its algorithm.
fn algorithm<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    attribute(node, "Algorithm").filter(|_| is(node, SIGNATURE, name))
}

fn is_empty(node: Node<'_, '_>) -> bool {
    elements(node).next().is_none()
}

#[cfg(test)]
mod tests {
    use super::{EXCLUSIVE, exclusive_prefixes};
    use crate::xml;

    #[test]
    fn a_signature_lists_few_prefixes() {
        let listed = |count: usize| {
            let list: Vec<_> = (0..count).map(|number| format!("p{number}")).collect();
            let text = format!(
                "<m Algorithm='{EXCLUSIVE}'><e:InclusiveNamespaces xmlns:e='{EXCLUSIVE}' PrefixList='{}'/></m>",
                list.join(" ")
            );
            let document = xml::parse(&text, 1_000).unwrap();
            exclusive_prefixes(document.root_element()).map(|prefixes| prefixes.len())
        };
        assert_eq!([0, 1, 32, 33].map(listed), [Some(0), Some(1), Some(32), None]);
    }
}
