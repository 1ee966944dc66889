//! SAML providers for tests: they make metadata, assertions and responses, and sign them with keys of their own. What they
//! write is in canonical form already, so that it needs no canonicalisation; the server's is tested against another
//! implementation (crates/saml).

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::KeyPair,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::pools::with;

/// When the tests begin.
pub const NOW: i64 = 1_767_323_045;
/// What the provider is called.
pub const ENTITY: &str = "https://idp.example/metadata";
/// Where browsers sign in.
pub const SIGN_IN: &str = "https://idp.example/in?tenant=a&x=%20";

/// The certificate of the usual provider, valid from 2020 to the end of 2099.
pub const CERTIFICATE: &[u8] = include_bytes!("../../../crypto/tests/data/xml-signature-rsa.der");
const ASSERTION: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
const PROTOCOL: &str = "urn:oasis:names:tc:SAML:2.0:protocol";

/// What tells one provider from another.
pub struct Provider {
    /// What it is called.
    pub entity: &'static str,
    certificate: &'static [u8],
    method: &'static str,
    sign: fn(&[u8]) -> Vec<u8>,
}

/// The usual one.
pub const PROVIDER: Provider =
    Provider { entity: ENTITY, certificate: CERTIFICATE, method: "rsa-sha256", sign: by_rsa };
/// Another one, with another key.
pub const OTHER: Provider = Provider {
    entity: "https://other.example/metadata",
    certificate: include_bytes!("../../../crypto/tests/data/xml-signature-ec.der"),
    method: "ecdsa-sha256",
    sign: by_ec,
};

fn by_rsa(bytes: &[u8]) -> Vec<u8> {
    let key = KeyPair::from_pkcs8(include_bytes!("../../../crypto/tests/data/xml-signature-rsa.pkcs8.der")).unwrap();
    let mut signature = vec![0; 256];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), bytes, &mut signature).unwrap();
    signature
}

fn by_ec(bytes: &[u8]) -> Vec<u8> {
    let key = include_bytes!("../../../crypto/tests/data/xml-signature-ec.pkcs8.der");
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key).unwrap();
    key.sign(&SystemRandom::new(), bytes).unwrap().as_ref().to_vec()
}

/// The usual provider's metadata.
pub fn metadata(attributes: &str) -> String {
    PROVIDER.metadata(attributes)
}

/// An assertion for a pool about alice, made now and good for five minutes, with changes; `null` takes something away.
/// Moments are in seconds.
pub fn assertion(pool: &str, change: &Value) -> String {
    let usual = json!({"id": "_1", "issuer": ENTITY, "name": "Alice@idp", "audience": format!("urn:amazon:cognito:sp:{pool}"),
        "recipient": format!("http://127.0.0.1:9229/{pool}"), "request": null, "made": NOW, "from": NOW - 30, "until": NOW + 300,
        "attributes": {"mail": ["alice@idp.example"]}});
    let says = with(usual, change);
    let text = |name: &str| says[name].as_str().unwrap_or_default();
    let moment = |name: &str| {
        let moment = jiff::Timestamp::from_second(says[name].as_i64().unwrap()).unwrap();
        moment.to_string()
    };
    let optional = |attribute: &str, name: &str| match says[name].as_str() {
        Some(value) => format!(" {attribute}=\"{value}\""),
        None => String::new(),
    };
    let attributes: String = says["attributes"].as_object().unwrap().iter().map(attribute).collect();
    format!(
        "<Assertion xmlns=\"{ASSERTION}\" ID=\"{}\" IssueInstant=\"{}\" Version=\"2.0\"><Issuer>{}</Issuer><Subject><NameID>{}</NameID>\
         <SubjectConfirmation Method=\"urn:oasis:names:tc:SAML:2.0:cm:bearer\"><SubjectConfirmationData{} NotOnOrAfter=\"{}\"{}></SubjectConfirmationData>\
         </SubjectConfirmation></Subject><Conditions NotBefore=\"{}\"><AudienceRestriction><Audience>{}</Audience></AudienceRestriction></Conditions>\
         <AuthnStatement SessionIndex=\"s1\"></AuthnStatement><AttributeStatement>{attributes}</AttributeStatement></Assertion>",
        text("id"),
        moment("made"),
        text("issuer"),
        text("name"),
        optional("InResponseTo", "request"),
        moment("until"),
        optional("Recipient", "recipient"),
        moment("from"),
        text("audience"),
    )
}

fn attribute((name, values): (&String, &Value)) -> String {
    let values = values.as_array().unwrap().iter();
    let values = values.map(|value| format!("<AttributeValue>{}</AttributeValue>", value.as_str().unwrap()));
    format!("<Attribute Name=\"{name}\">{}</Attribute>", values.collect::<String>())
}

/// A response around an assertion; without a request it answers none.
pub fn response(assertion: &str, destination: &str, request: &str) -> String {
    let request = if request.is_empty() { String::new() } else { format!(" InResponseTo=\"{request}\"") };
    format!(
        "<Response xmlns=\"{PROTOCOL}\" Destination=\"{destination}\" ID=\"_response\"{request} Version=\"2.0\">\
         <Issuer xmlns=\"{ASSERTION}\">{ENTITY}</Issuer><Status><StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\"></StatusCode>\
         </Status>{assertion}</Response>"
    )
}

/// The same element with the usual provider's signature in it.
pub fn signed(element: &str) -> String {
    PROVIDER.signed(element, "")
}

impl Provider {
    /// Metadata with the provider's certificate; `attributes` are added to the root.
    pub fn metadata(&self, attributes: &str) -> String {
        let certificate = STANDARD.encode(self.certificate);
        let location = SIGN_IN.replace('&', "&amp;");
        format!(
            "<EntityDescriptor xmlns=\"urn:oasis:names:tc:SAML:2.0:metadata\" entityID=\"{}\"{attributes}><IDPSSODescriptor>\
             <KeyDescriptor use=\"signing\"><X509Certificate>{certificate}</X509Certificate></KeyDescriptor>\
             <SingleSignOnService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect\" Location=\"{location}\"/>\
             </IDPSSODescriptor></EntityDescriptor>",
            self.entity
        )
    }

    /// The same element with the provider's signature in it, and a text in `SignedInfo`.
    pub fn signed(&self, element: &str, text: &str) -> String {
        let id = element.split(" ID=\"").nth(1).unwrap().split('"').next().unwrap();
        let digest = STANDARD.encode(crypto::hash::sha256(element.as_bytes()));
        let info = format!(
            "<SignedInfo xmlns=\"http://www.w3.org/2000/09/xmldsig#\">{text}\
             <CanonicalizationMethod Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"></CanonicalizationMethod>\
             <SignatureMethod Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#{}\"></SignatureMethod>\
             <Reference URI=\"#{id}\"><Transforms><Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"></Transform>\
             <Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"></Transform></Transforms>\
             <DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"></DigestMethod><DigestValue>{digest}</DigestValue></Reference></SignedInfo>",
            self.method
        );
        let value = STANDARD.encode((self.sign)(info.as_bytes()));
        // Within the signature the declaration is one too many.
        let within = info.replacen(" xmlns=\"http://www.w3.org/2000/09/xmldsig#\"", "", 1);
        let signature = format!(
            "<Signature xmlns=\"http://www.w3.org/2000/09/xmldsig#\">{within}<SignatureValue>{value}</SignatureValue></Signature>"
        );
        element.replacen("</Issuer>", &format!("</Issuer>{signature}"), 1)
    }
}

/// A message as it travels.
pub fn encoded(message: &str) -> String {
    STANDARD.encode(message)
}
