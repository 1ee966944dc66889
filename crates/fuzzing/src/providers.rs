//! What identity providers say: nothing counts that they have not signed.

use std::sync::LazyLock;

use crypto::xml_signature::Certificate;
use saml::{Assertion, Metadata};
use wire::Timestamp;

use crate::input;

/// 2026-01-02T03:04:05Z.
const NOW: Timestamp = Timestamp(1_767_323_045_000);

static CERTIFICATES: LazyLock<[Certificate; 2]> = LazyLock::new(|| {
    let rsa = include_bytes!("../../crypto/tests/data/xml-signature-rsa.der");
    let ec = include_bytes!("../../crypto/tests/data/xml-signature-ec.der");
    [&rsa[..], &ec[..]].map(|der| Certificate::read(der).expect("a certificate"))
});

/// The assertions that these certificates have signed (crates/saml/tests/data), which say the same.
static SIGNED: LazyLock<Assertion> = LazyLock::new(|| {
    let text = include_str!("../../saml/tests/data/assertion-alone.xml");
    saml::read(text, &*CERTIFICATES, NOW).expect("a signed assertion").assertion
});

/// Responses, assertions and metadata of SAML providers; the first as they are or in base64.
pub fn saml_messages(data: &[u8]) {
    let Some((way, rest)) = input::choice(data, 3) else { return };
    let text = String::from_utf8_lossy(rest);
    let message = match way {
        0 => saml::read(&text, &*CERTIFICATES, NOW),
        1 => saml::decoded(&text).and_then(|text| saml::read(&text, &*CERTIFICATES, NOW)),
        _ => {
            let _ = Metadata::read(&text);
            return;
        }
    };
    if let Ok(message) = message {
        assert_eq!(message.assertion, *SIGNED, "{text}");
    }
}
