//! What a pool has to know of a SAML provider before anybody signs in: where browsers are sent (oauth-federation.md
//! §15.1). The metadata are kept whole; certificates are looked at when an answer has to be checked.
//!
//! The reader knows elements, attributes and the five entities that need no declaration. A document type, with which
//! files grow or reach for other files, is refused.

/// The binding by which browsers carry requests.
const REDIRECT: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect";
/// Deepest nesting that is read.
const DEEPEST: usize = 64;
/// Most attributes of one element: each is compared with those before it.
const MOST_ATTRIBUTES: usize = 64;

/// What metadata say.
#[derive(Debug, PartialEq, Eq)]
pub struct Metadata {
    /// Where browsers are sent to sign in.
    pub sign_in: String,
    /// Where they are sent to sign out, if the provider offers that.
    pub sign_out: Option<String>,
}

/// Reads metadata.
///
/// # Errors
/// What is wrong, in words for the caller.
pub fn read(text: &str) -> Result<Metadata, String> {
    let malformed = || "Invalid metadata: the file is not well-formed XML without a document type.".to_owned();
    let elements = elements(text).ok_or_else(malformed)?;
    let is_provider = elements.first().is_some_and(|root| {
        root.path == ["EntityDescriptor"] && root.attribute("entityID").is_some_and(|id| !id.is_empty())
    });
    if !is_provider {
        return Err("Invalid metadata: the file is not an EntityDescriptor with an entityID.".to_owned());
    }
    let location = |name: &str| {
        let found = elements.iter().find(|element| {
            element.path == ["EntityDescriptor", "IDPSSODescriptor", name]
                && element.attribute("Binding") == Some(REDIRECT)
        });
        found.and_then(|element| element.attribute("Location")).filter(|location| is_page(location)).map(str::to_owned)
    };
    let sign_in = location("SingleSignOnService")
        .ok_or_else(|| "No SingleSignOn Http redirect binding location found in metadata.".to_owned())?;
    let has_certificate = elements.iter().any(|element| {
        element.path.starts_with(&["EntityDescriptor", "IDPSSODescriptor", "KeyDescriptor"])
            && element.path.last() == Some(&"X509Certificate")
    });
    if !has_certificate {
        return Err("Invalid metadata: the provider has no certificate.".to_owned());
    }
    Ok(Metadata { sign_in, sign_out: location("SingleLogoutService") })
}

/// Whether a browser can be sent there.
fn is_page(location: &str) -> bool {
    ["https://", "http://"].iter().any(|scheme| location.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()))
}

/// An element where it begins.
struct Element<'a> {
    /// The names from the root's to its own, without prefixes.
    path: Vec<&'a str>,
    attributes: Vec<(&'a str, String)>,
}

impl Element<'_> {
    fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(present, _)| *present == name).map(|(_, value)| value.as_str())
    }
}

/// The elements of a file in order; nothing where it is not well-formed.
fn elements(text: &str) -> Option<Vec<Element<'_>>> {
    let mut elements = Vec::new();
    let mut open: Vec<&str> = Vec::new();
    let mut rest = text.trim_start_matches('\u{feff}');
    while let Some((between, tag)) = rest.split_once('<') {
        if open.is_empty() && !between.trim().is_empty() {
            return None;
        }
        if let Some(comment) = tag.strip_prefix("!--") {
            rest = comment.split_once("-->")?.1;
        } else if let Some(data) = tag.strip_prefix("![CDATA[") {
            open.last()?;
            rest = data.split_once("]]>")?.1;
        } else if let Some(instruction) = tag.strip_prefix('?') {
            rest = instruction.split_once("?>")?.1;
        } else if tag.starts_with('!') {
            return None;
        } else if let Some(end) = tag.strip_prefix('/') {
            let (name, after) = end.split_once('>')?;
            (open.pop()? == name.trim_end()).then_some(())?;
            rest = after;
        } else {
            // A second root is no document.
            let is_root = open.is_empty();
            if open.len() >= DEEPEST || is_root && !elements.is_empty() {
                return None;
            }
            let (name, attributes, is_empty, after) = start(tag)?;
            open.push(name);
            elements.push(Element { path: open.iter().map(|name| local(name)).collect(), attributes });
            if is_empty {
                open.pop();
            }
            rest = after;
        }
    }
    (open.is_empty() && rest.trim().is_empty() && !elements.is_empty()).then_some(elements)
}

/// A name without its prefix.
fn local(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}

type Start<'a> = (&'a str, Vec<(&'a str, String)>, bool, &'a str);

/// A start tag after its `<`: name, attributes, whether the element ends with it, and what follows.
fn start(tag: &str) -> Option<Start<'_>> {
    let is_name = |c: char| c.is_alphanumeric() || "_:.-".contains(c);
    let name_end = tag.find(|c| !is_name(c))?;
    let (name, mut rest) = tag.split_at_checked(name_end)?;
    if name.is_empty() {
        return None;
    }
    let mut attributes: Vec<(&str, String)> = Vec::new();
    loop {
        let trimmed = rest.trim_start();
        if let Some(after) = trimmed.strip_prefix("/>") {
            return Some((name, attributes, true, after));
        }
        if let Some(after) = trimmed.strip_prefix('>') {
            return Some((name, attributes, false, after));
        }
        // Attributes stand apart, from the name and from one another.
        if trimmed.len() == rest.len() {
            return None;
        }
        let (attribute, value) = trimmed.split_once('=')?;
        let attribute = attribute.trim_end();
        let value = value.trim_start();
        let quote = value.chars().next().filter(|quote| "\"'".contains(*quote))?;
        let (value, after) = value.strip_prefix(quote)?.split_once(quote)?;
        let is_new = attributes.iter().all(|(present, _)| *present != attribute);
        let is_one_too_many = attributes.len() >= MOST_ATTRIBUTES;
        if attribute.is_empty() || !attribute.chars().all(is_name) || !is_new || is_one_too_many || value.contains('<')
        {
            return None;
        }
        attributes.push((attribute, unescaped(value)?));
        rest = after;
    }
}

/// An attribute's value with its entities resolved; nothing where one is unknown.
fn unescaped(value: &str) -> Option<String> {
    let mut text = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, entity)) = rest.split_once('&') {
        text.push_str(before);
        let (name, after) = entity.split_once(';')?;
        text.push(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            number => {
                let number = number.strip_prefix('#')?;
                let code = match number.strip_prefix('x') {
                    Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16).ok()?,
                    None => number.parse().ok()?,
                };
                char::from_u32(code).filter(|c| !c.is_control())?
            }
        });
        rest = after;
    }
    text.push_str(rest);
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::{Metadata, read};

    fn metadata(services: &str) -> String {
        format!(
            "\u{feff}<?xml version=\"1.0\"?>\n<!-- <a> -->\n<md:EntityDescriptor xmlns:md='urn:x' entityID=\"https://idp.example\">\
             <md:IDPSSODescriptor><md:KeyDescriptor><ds:X509Certificate>MII<![CDATA[<]]></ds:X509Certificate></md:KeyDescriptor>\
             {services}</md:IDPSSODescriptor></md:EntityDescriptor>\n"
        )
    }

    fn with_attributes(count: usize) -> String {
        let attributes: String = (0..count).map(|number| format!(" a{number}=''")).collect();
        format!("<a{attributes}/>")
    }

    const REDIRECT: &str = "Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect\"";

    #[test]
    fn locations_are_those_of_the_redirect_binding() {
        let text = metadata(&format!(
            "<md:SingleLogoutService {REDIRECT} Location='https://idp.example/out'/>\
             <md:SingleSignOnService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" Location=\"https://idp.example/post\"/>\
             <md:SingleSignOnService\n{REDIRECT}\n  Location = \"https://idp.example/in?a=1&amp;b=&#x32;\" />"
        ));
        let expected = Metadata {
            sign_in: "https://idp.example/in?a=1&b=2".to_owned(),
            sign_out: Some("https://idp.example/out".to_owned()),
        };
        assert_eq!(read(&text), Ok(expected));
    }

    #[test]
    fn a_provider_without_a_place_to_sign_in_is_none() {
        let none = "No SingleSignOn Http redirect binding location found in metadata.";
        for services in [
            String::new(),
            "<md:SingleSignOnService Binding=\"urn:x\" Location=\"https://idp.example/\"/>".to_owned(),
            format!("<md:SingleSignOnService {REDIRECT} Location=\"javascript:alert(1)\"/>"),
            format!("<md:SingleSignOnService {REDIRECT}/>"),
            format!("<!-- <md:SingleSignOnService {REDIRECT} Location=\"https://idp.example/\"/> -->"),
        ] {
            assert_eq!(read(&metadata(&services)).unwrap_err(), none, "{services}");
        }
    }

    #[test]
    fn what_is_not_metadata_is_refused() {
        let good = metadata(&format!("<md:SingleSignOnService {REDIRECT} Location=\"https://idp.example/\"/>"));
        assert!(read(&good).is_ok());
        for bad in [
            "",
            "text",
            "<a>",
            "<a></b>",
            "<a/><b/>",
            "<a b></a>",
            "<a b='1' b='2'/>",
            "<a b='&nbsp;'/>",
            "<a b='1'c='2'/>",
            "<!DOCTYPE a [<!ENTITY x 'y'>]><a/>",
            &good.replace("</md:IDPSSODescriptor>", ""),
            &format!("{good}trailing"),
            &"<a>".repeat(100),
            &with_attributes(65),
        ] {
            assert!(read(bad).unwrap_err().starts_with("Invalid metadata: the file is not well-formed"), "{bad}");
        }
        for well_formed in ["<a/>", &with_attributes(64)] {
            assert!(read(well_formed).unwrap_err().contains("EntityDescriptor"));
        }
        assert!(read(&good.replace("X509Certificate", "X509")).unwrap_err().contains("no certificate"));
    }
}
