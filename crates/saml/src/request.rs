//! What a browser takes to a provider: a request to sign in, by the binding HTTP-Redirect (oauth-federation.md §17.2; SAML
//! bindings §3.4).

use base64::{Engine, engine::general_purpose::STANDARD};
use wire::Timestamp;

use crate::canonical::escaped_attribute;

/// A request to sign in.
#[derive(Clone, Copy, Debug)]
pub struct SignInRequest<'a> {
    /// Its id, which the answer names: an `_` and a random UUID.
    pub id: &'a str,
    /// The moment.
    pub now: Timestamp,
    /// The pool's own entity id.
    pub issuer: &'a str,
    /// Where the provider sends its answer.
    pub answer_to: &'a str,
    /// Where the browser is sent.
    pub destination: &'a str,
}

impl SignInRequest<'_> {
    /// The request as the parameter `SAMLRequest`, not yet escaped for a URL; none for addresses that no request can hold.
    #[must_use]
    pub fn parameter(&self) -> Option<String> {
        let now = jiff::Timestamp::from_millisecond(self.now.milliseconds()).ok()?;
        let [answer_to, destination, id, issuer] =
            [self.answer_to, self.destination, self.id, self.issuer].map(escaped_attribute);
        let xml = format!(
            "<saml2p:AuthnRequest xmlns:saml2p=\"urn:oasis:names:tc:SAML:2.0:protocol\" \
             AssertionConsumerServiceURL=\"{answer_to}\" Destination=\"{destination}\" ID=\"{id}\" \
             IssueInstant=\"{now:.3}\" ProtocolBinding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" Version=\"2.0\">\
             <saml2:Issuer xmlns:saml2=\"urn:oasis:names:tc:SAML:2.0:assertion\">{issuer}</saml2:Issuer>\
             </saml2p:AuthnRequest>"
        );
        Some(STANDARD.encode(deflated(xml.as_bytes())?))
    }
}

/// The bytes as a DEFLATE stream (RFC 1951 §3.2.4) of one block that is stored as it is: the binding wants that form, and a
/// request of some 500 bytes gains nothing from compression. None for more than one block can hold.
fn deflated(bytes: &[u8]) -> Option<Vec<u8>> {
    let length = u16::try_from(bytes.len()).ok()?;
    Some([&[1][..], &length.to_le_bytes(), &(!length).to_le_bytes(), bytes].concat())
}

#[cfg(test)]
mod tests {
    use super::{Engine, STANDARD, SignInRequest, Timestamp, deflated};

    #[test]
    fn a_request_is_one_stored_block() {
        let request = SignInRequest {
            id: "_1",
            now: Timestamp(1_767_323_045_678),
            issuer: "urn:amazon:cognito:sp:us-east-1_A",
            answer_to: "https://pool.example/saml2/idpresponse",
            destination: "https://idp.example/in?a=\"&b=<",
        };
        let bytes = STANDARD.decode(request.parameter().unwrap()).unwrap();
        let xml = String::from_utf8(bytes[5..].to_vec()).unwrap();
        assert_eq!(
            xml,
            "<saml2p:AuthnRequest xmlns:saml2p=\"urn:oasis:names:tc:SAML:2.0:protocol\" \
             AssertionConsumerServiceURL=\"https://pool.example/saml2/idpresponse\" \
             Destination=\"https://idp.example/in?a=&quot;&amp;b=&lt;\" ID=\"_1\" IssueInstant=\"2026-01-02T03:04:05.678Z\" \
             ProtocolBinding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" Version=\"2.0\">\
             <saml2:Issuer xmlns:saml2=\"urn:oasis:names:tc:SAML:2.0:assertion\">urn:amazon:cognito:sp:us-east-1_A</saml2:Issuer>\
             </saml2p:AuthnRequest>"
        );
        let length = u16::try_from(xml.len()).unwrap();
        assert_eq!(bytes[..5], [&[1][..], &length.to_le_bytes(), &(!length).to_le_bytes()].concat());
        // What zlib makes of "ab" when it does not compress.
        assert_eq!(deflated(b"ab").unwrap(), [1, 2, 0, 0xfd, 0xff, b'a', b'b']);
        assert_eq!(deflated(&[0; 65_536]), None);
    }
}
