//! What a provider publishes of itself (SAML metadata §2; oauth-federation.md §15.1, §17.4): its name, where browsers are
//! sent, and the certificates of its keys.
//!
//! Administrators name the metadata, so that they are trusted as they are: their own signature is not looked at, and
//! elements are found by their names alone, whatever their namespace.

use base64::{Engine, engine::general_purpose::STANDARD};
use crypto::xml_signature::Certificate;
use roxmltree::Node;
use wire::Timestamp;

use crate::xml::{self, LONGEST_METADATA, attribute, elements, moment, text};

/// The binding by which browsers carry requests.
const REDIRECT: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect";
/// Longest certificate that is taken, in characters of base64 (oauth-federation.md §17.4).
const LONGEST_CERTIFICATE: usize = 4_096;
/// Most certificates that are looked at.
const MOST_CERTIFICATES: usize = 16;

/// What metadata say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// The provider's entity id.
    pub entity_id: String,
    /// Where browsers are sent to sign in.
    pub sign_in: String,
    /// Where they are sent to sign out, if the provider offers that.
    pub sign_out: Option<String>,
    /// The certificates of the keys that it signs with, so far as they can be read.
    pub certificates: Vec<Certificate>,
    /// From this moment on, others have to be asked for.
    pub valid_until: Option<Timestamp>,
}

impl Metadata {
    /// Reads metadata.
    ///
    /// # Errors
    /// What is wrong, in words for the caller.
    pub fn read(text: &str) -> Result<Self, String> {
        let malformed = |_| "Invalid metadata: the file is not well-formed XML without a document type.".to_owned();
        let document = xml::parse(text, LONGEST_METADATA).map_err(malformed)?;
        let root = document.root_element();
        let entity_id =
            attribute(root, "entityID").filter(|id| root.tag_name().name() == "EntityDescriptor" && !id.is_empty());
        let entity_id = entity_id
            .ok_or_else(|| "Invalid metadata: the file is not an EntityDescriptor with an entityID.".to_owned())?;
        let roles: Vec<_> = children(root, "IDPSSODescriptor").collect();
        let location = |name: &'static str| {
            let mut services = roles.iter().flat_map(|role| children(*role, name));
            let found = services.find(|service| attribute(*service, "Binding") == Some(REDIRECT));
            found.and_then(|service| attribute(service, "Location")).filter(|url| is_page(url)).map(str::to_owned)
        };
        let sign_in = location("SingleSignOnService")
            .ok_or_else(|| "No SingleSignOn Http redirect binding location found in metadata.".to_owned())?;
        let keys = roles.iter().flat_map(|role| children(*role, "KeyDescriptor"));
        let keys = keys.filter(|key| attribute(*key, "use").is_none_or(|usage| usage == "signing"));
        let certificates: Vec<_> = keys
            .flat_map(|key| key.descendants())
            .filter(|node| node.is_element() && node.tag_name().name() == "X509Certificate")
            .take(MOST_CERTIFICATES)
            .collect();
        if certificates.is_empty() {
            return Err("Invalid metadata: the provider has no certificate.".to_owned());
        }
        Ok(Self {
            entity_id: entity_id.to_owned(),
            sign_in,
            sign_out: location("SingleLogoutService"),
            certificates: certificates.into_iter().filter_map(certificate).collect(),
            valid_until: moment(root, "validUntil").map_err(malformed)?,
        })
    }

    /// Whether anything that the provider signs at a moment can count: one of its certificates must.
    ///
    /// # Errors
    /// What is wrong, in words for the caller.
    pub fn check_certificates(&self, now: Timestamp) -> Result<(), String> {
        if self.certificates.is_empty() {
            return Err("Invalid metadata: no certificate of the provider can be read.".to_owned());
        }
        if !self.certificates.iter().any(|certificate| certificate.is_valid_at(now)) {
            let words =
                "Invalid metadata: no certificate of the provider is valid now, each has expired or begins later.";
            return Err(words.to_owned());
        }
        Ok(())
    }
}

fn children<'a, 'input>(node: Node<'a, 'input>, name: &'static str) -> impl Iterator<Item = Node<'a, 'input>> {
    elements(node).filter(move |child| child.tag_name().name() == name)
}

fn certificate(node: Node<'_, '_>) -> Option<Certificate> {
    let mut text = text(node);
    text.retain(|c| !c.is_ascii_whitespace());
    if text.len() > LONGEST_CERTIFICATE {
        return None;
    }
    Certificate::read(&STANDARD.decode(text).ok()?)
}

/// Whether a browser can be sent there.
fn is_page(location: &str) -> bool {
    ["https://", "http://"].iter().any(|scheme| location.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()))
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::STANDARD};

    use super::{Certificate, Metadata, Timestamp};

    const CERTIFICATE: &[u8] = include_bytes!("../../crypto/tests/data/xml-signature-rsa.der");
    const REDIRECT: &str = "Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect\"";

    fn key(attributes: &str, certificate: &str) -> String {
        format!(
            "<md:KeyDescriptor{attributes}><ds:X509Certificate>{certificate}</ds:X509Certificate></md:KeyDescriptor>"
        )
    }

    fn with_keys(keys: &str, services: &str) -> String {
        format!(
            "\u{feff}<?xml version=\"1.0\"?>\n<!-- <a> -->\n<md:EntityDescriptor xmlns:md='urn:x' xmlns:ds='urn:y' \
             entityID=\"https://idp.example\" validUntil=\"2026-01-02T03:04:05Z\"><md:IDPSSODescriptor>{keys}\
             {services}</md:IDPSSODescriptor></md:EntityDescriptor>\n"
        )
    }

    fn metadata(services: &str) -> String {
        with_keys(&key("", "MII<![CDATA[<]]>"), services)
    }

    #[test]
    fn locations_are_those_of_the_redirect_binding() {
        let text = metadata(&format!(
            "<md:SingleLogoutService {REDIRECT} Location='https://idp.example/out'/>\
             <md:SingleSignOnService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" Location=\"https://idp.example/post\"/>\
             <md:SingleSignOnService\n{REDIRECT}\n  Location = \"https://idp.example/in?a=1&amp;b=&#x32;\" />"
        ));
        let expected = Metadata {
            entity_id: "https://idp.example".to_owned(),
            sign_in: "https://idp.example/in?a=1&b=2".to_owned(),
            sign_out: Some("https://idp.example/out".to_owned()),
            certificates: Vec::new(),
            valid_until: Some(Timestamp(1_767_323_045_000)),
        };
        assert_eq!(Metadata::read(&text), Ok(expected));
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
            assert_eq!(Metadata::read(&metadata(&services)).unwrap_err(), none, "{services}");
        }
    }

    #[test]
    fn certificates_are_those_for_signatures() {
        let base64 = STANDARD.encode(CERTIFICATE);
        let (first, rest) = base64.split_at(64);
        let services = format!("<md:SingleSignOnService {REDIRECT} Location=\"https://idp.example/\"/>");
        let keys = [
            key("", &format!("\n {first}\n {rest}\n")),
            key(" use='signing'", &base64),
            key(" use='encryption'", &base64),
            key("", rest),
            key("", &STANDARD.encode([CERTIFICATE, &[0; 3_000]].concat())),
        ];
        let expected = Certificate::read(CERTIFICATE).unwrap();
        let read = Metadata::read(&with_keys(&keys.concat(), &services)).unwrap();
        assert_eq!(read.certificates, [expected.clone(), expected]);
        let none = Metadata::read(&with_keys(&keys[2], &services)).unwrap_err();
        assert_eq!(none, "Invalid metadata: the provider has no certificate.");
    }

    #[test]
    fn what_is_not_metadata_is_refused() {
        let good = metadata(&format!("<md:SingleSignOnService {REDIRECT} Location=\"https://idp.example/\"/>"));
        assert!(Metadata::read(&good).is_ok());
        for bad in [
            "",
            "text",
            "<a>",
            "<a></b>",
            "<a b='&nbsp;'/>",
            "<!DOCTYPE a [<!ENTITY x 'y'>]><a/>",
            &good.replace("</md:IDPSSODescriptor>", ""),
            &good.replace("05Z", "05"),
            &format!("{good}trailing"),
        ] {
            assert!(
                Metadata::read(bad).unwrap_err().starts_with("Invalid metadata: the file is not well-formed"),
                "{bad}"
            );
        }
        for other in
            ["<a entityID='b'/>", &good.replace(" entityID", " id"), &good.replace("https://idp.example\"", "\"")]
        {
            assert!(Metadata::read(other).unwrap_err().contains("EntityDescriptor"), "{other}");
        }
    }
}
