//! Messages that xmlsec1 has signed (data/make.py), as they are and as attackers would like them to be.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use crypto::xml_signature::Certificate;
use proptest::prelude::*;
use saml::{Assertion, Error, Message, read};
use wire::Timestamp;

const NOW: Timestamp = Timestamp(1_767_323_045_000);
const RESPONSE: &str = include_str!("data/response-signed.xml");
const EMPTY_URI: &str = include_str!("data/response-signed-empty-uri.xml");
const ASSERTION: &str = include_str!("data/assertion-signed.xml");
const BOTH: &str = include_str!("data/both-signed.xml");
const ALONE: &str = include_str!("data/assertion-alone.xml");
const ALL: [&str; 5] = [RESPONSE, EMPTY_URI, ASSERTION, BOTH, ALONE];

fn certificates() -> [Certificate; 2] {
    let rsa = include_bytes!("../../crypto/tests/data/xml-signature-rsa.der");
    let ec = include_bytes!("../../crypto/tests/data/xml-signature-ec.der");
    [&rsa[..], &ec[..]].map(|der| Certificate::read(der).unwrap())
}

fn verified(text: &str) -> Result<Message, Error> {
    read(text, &certificates(), NOW)
}

/// The first piece of a text from one word to the end of another.
fn piece<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let begin = text.find(from).unwrap();
    let end = begin + text[begin..].find(to).unwrap() + to.len();
    &text[begin..end]
}

fn assertion(text: &str) -> &str {
    piece(text, "<saml:Assertion", "</saml:Assertion>")
}

fn signature(text: &str) -> &str {
    piece(text, "<ds:Signature ", "</ds:Signature>")
}

/// An assertion that says what an attacker wants, with another id and without a signature.
fn evil(assertion: &str) -> String {
    let evil = if assertion.contains("<ds:Signature ") {
        assertion.replace(signature(assertion), "")
    } else {
        assertion.to_owned()
    };
    evil.replace("_assertion", "_evil").replace("alice", "mallory")
}

fn is_alices(assertion: &Assertion) -> bool {
    assertion.name_id.value == "alice@example.com"
        && assertion.attributes["mail"] == ["alice@example.com"]
        && assertion.attributes["groups"] == ["R & D", "Büro <1>"]
}

#[test]
fn what_xmlsec1_has_signed_is_taken() {
    for text in ALL {
        let message = verified(text).unwrap();
        assert!(is_alices(&message.assertion), "{message:?}");
        assert_eq!(message.assertion.session_index.as_deref(), Some("_session"));
        assert_eq!(message.response.is_none(), text == ALONE);
        if let Some(response) = message.response {
            assert_eq!(response.in_response_to.as_deref(), Some("_request"));
            assert_eq!(response.destination.as_deref(), Some("https://pool.example/saml2/idpresponse"));
        }
        // How lines end is no part of what is signed, nor what surrounds it.
        assert!(is_alices(&verified(&text.replace('\n', "\r\n")).unwrap().assertion));
        assert!(is_alices(&verified(&format!("{text}<!-- end -->")).unwrap().assertion));
    }
}

#[test]
fn only_the_providers_keys_count_and_only_in_their_time() {
    for (text, error) in [
        (RESPONSE, Error::ResponseSignature),
        (EMPTY_URI, Error::ResponseSignature),
        (BOTH, Error::ResponseSignature),
        (ASSERTION, Error::AssertionSignature),
        (ALONE, Error::AssertionSignature),
    ] {
        let [rsa, ec] = certificates();
        let (own, other) = if text == ASSERTION { (ec, rsa) } else { (rsa, ec) };
        assert!(read(text, std::slice::from_ref(&own), NOW).is_ok());
        assert_eq!(read(text, &[], NOW), Err(error));
        assert_eq!(read(text, &[other], NOW), Err(error));
        assert_eq!(read(text, &[own], Timestamp::from_seconds(4_102_444_800)), Err(error));
        // A key that comes along is no key.
        let with_key = text.replacen(
            "</ds:SignatureValue>",
            "</ds:SignatureValue><ds:KeyInfo><ds:X509Data><ds:X509Certificate>MII</ds:X509Certificate></ds:X509Data></ds:KeyInfo>",
            1,
        );
        assert!(verified(&with_key).is_ok());
        let with_object = text.replacen("</ds:SignatureValue>", "</ds:SignatureValue><ds:Object/>", 1);
        assert_eq!(verified(&with_object), Err(error));
    }
}

#[test]
fn weak_and_unusual_signatures_are_refused() {
    for text in [
        include_str!("data/refused-sha1.xml"),
        include_str!("data/refused-sha1-digest.xml"),
        include_str!("data/refused-hmac.xml"),
        include_str!("data/refused-xpath.xml"),
        include_str!("data/refused-inclusive.xml"),
    ] {
        assert_eq!(verified(text), Err(Error::AssertionSignature), "{text}");
    }
    // Whatever a signature says of itself, it has to be right.
    for (from, to) in [
        ("#rsa-sha256", "#rsa-sha512"),
        ("#rsa-sha256", "#hmac-sha256"),
        ("xmlenc#sha256", "xmlenc#sha512"),
        ("URI=\"#_assertion\"", "URI=\"\""),
        ("URI=\"#_assertion\"", "URI=\"#_other\""),
        ("URI=\"#_assertion\"", "URI=\"https://evil.example/#_assertion\""),
        ("URI=\"#_assertion\"", "URI=\"#xpointer(id('_assertion'))\""),
        ("URI=\"#_assertion\"", ""),
        ("xml-exc-c14n#\"/><ds:SignatureMethod", "xml-exc-c14n#WithComments\"/><ds:SignatureMethod"),
        ("<ds:DigestValue>", "<ds:DigestValue>AAAA"),
        ("<ds:SignatureValue>", "<ds:SignatureValue>AAAA"),
        ("<ds:SignatureValue>", "<ds:SignatureValue>?"),
        ("<ds:Reference ", "<ds:Reference URI=\"#_evil\"/><ds:Reference "),
        ("PrefixList=\"xs\"", "PrefixList=\"\""),
    ] {
        assert!(ALONE.contains(from), "{from}");
        assert_eq!(verified(&ALONE.replacen(from, to, 1)), Err(Error::AssertionSignature), "{to}");
    }
}

/// Comments are no part of what is signed.
#[test]
fn what_is_canonicalised_before_a_key_is_tried_is_small() {
    let with_comments = |count: usize| {
        let comments = "<!-- -->".repeat(count);
        ALONE.replacen("<ds:SignatureMethod ", &format!("{comments}<ds:SignatureMethod "), 1)
    };
    assert!(is_alices(&verified(&with_comments(80)).unwrap().assertion));
    assert_eq!(verified(&with_comments(100)), Err(Error::AssertionSignature));
}

#[test]
fn nothing_but_what_is_signed_is_read() {
    for (text, is_whole) in [(RESPONSE, true), (EMPTY_URI, true), (BOTH, true), (ASSERTION, false)] {
        let unsigned = text.replace(signature(text), "");
        if text != BOTH {
            assert_eq!(verified(&unsigned), Err(Error::Unsigned));
        }
        for (from, to) in [
            ("alice<!--", "mallory<!--"),
            ("R &amp; D", "R &amp; E"),
            ("2026-01-02T03:09:00Z", "2027-01-02T03:09:00Z"),
            ("urn:amazon:cognito:sp:us-east-1_A", "urn:amazon:cognito:sp:us-east-1_B"),
            ("ID=\"_assertion\"", "ID=\"_evil\""),
            ("<saml:AttributeStatement>", "<saml:AttributeStatement><saml:Attribute Name=\"admin\"/>"),
            (
                "<saml:Attribute Name=\"mail\">",
                "<saml:Attribute Name=\"mail\"><saml:AttributeValue>m</saml:AttributeValue>",
            ),
        ] {
            assert!(text.contains(from), "{from}");
            let error = if is_whole { Error::ResponseSignature } else { Error::AssertionSignature };
            assert_eq!(verified(&text.replacen(from, to, 1)), Err(error), "{to}");
        }
    }
    // Comments split nothing, wherever they are.
    let comment =
        ALONE.replace("alice<!-- not the end -->@example.com", "a<!---->lice@example.com<!-- .evil.example -->");
    assert!(is_alices(&verified(&comment).unwrap().assertion));
    // A status from outside can only speak against the sign-in.
    let failed = ASSERTION.replace("status:Success", "status:Responder");
    assert_eq!(verified(&failed), Err(Error::Status));
}

/// The eight ways of "On Breaking SAML: Be Whoever You Want to Be" (2012), and some more.
#[test]
fn signatures_cannot_be_wrapped() {
    let whole = piece(RESPONSE, "<samlp:Response", "</samlp:Response>");
    let mark = signature(RESPONSE);
    let unsigned_whole = whole.replace(mark, "");
    let evil_whole =
        unsigned_whole.replace("_response", "_evil").replace("_assertion", "_evil2").replace("alice", "mallory");
    let inside = |text: &str, inner: &str| {
        text.replacen("</ds:Signature>", &format!("<ds:Object>{inner}</ds:Object></ds:Signature>"), 1)
    };
    let evil_around = |inner: &str| evil_whole.replacen("<samlp:Status>", &format!("{inner}<samlp:Status>"), 1);

    let signed = assertion(ASSERTION);
    let mark_of_signed = signature(signed);
    let bare = signed.replace(mark_of_signed, "");
    let evil = evil(signed);
    let evil_marked = evil.replacen("</saml:Issuer>", &format!("</saml:Issuer>{mark_of_signed}"), 1);
    let with = |assertions: &str| ASSERTION.replacen(signed, assertions, 1);
    let last = |outer: &str, inner: &str| outer.replacen("</saml:Assertion>", &format!("{inner}</saml:Assertion>"), 1);
    let advice = |inner: &str| format!("<saml:Advice>{inner}</saml:Advice>");
    let extensions = |inner: &str| format!("<samlp:Extensions>{inner}</samlp:Extensions>");

    let attacks = [
        // 1, 2: a response of the attacker's around the signature and the original.
        evil_around(&inside(mark, &unsigned_whole)),
        evil_around(&format!("{unsigned_whole}{mark}")),
        evil_around(mark),
        evil_around(&extensions(whole)),
        // 3: the attacker's assertion before the original; and behind it.
        with(&format!("{evil}{signed}")),
        with(&format!("{signed}{evil}")),
        // 4: around it.
        with(&last(&evil, signed)),
        // 5: the signature in the attacker's, the original behind it.
        with(&format!("{evil_marked}{bare}")),
        // 6: the original in the signature in the attacker's.
        with(&inside(&evil_marked, &bare)),
        // 7: in extensions.
        ASSERTION.replacen(signed, &evil, 1).replacen(
            "<samlp:Status>",
            &format!("{}<samlp:Status>", extensions(signed)),
            1,
        ),
        // 8: the attacker's within the original's signature.
        with(&inside(signed, &evil)),
        with(&evil.replacen("<saml:Subject>", &format!("{}<saml:Subject>", inside(mark_of_signed, &bare)), 1)),
        with(&last(&evil, &advice(signed))),
        // The attacker's alone with somebody else's signature, and with the original's id.
        with(&evil_marked),
        with(&evil_marked.replace("_evil", "_assertion")),
        with(&format!("{}{signed}", evil.replace("_evil", "_assertion"))),
        // The right assertion in another place.
        ASSERTION.replacen(signed, "", 1).replacen(
            "<samlp:Status>",
            &format!("{}<samlp:Status>", extensions(signed)),
            1,
        ),
        format!("<x>{ASSERTION}</x>"),
        ASSERTION.replacen("<samlp:Response ", "<samlp:Request ", 1).replace("</samlp:Response>", "</samlp:Request>"),
        ASSERTION.replace("SAML:2.0:protocol", "SAML:1.0:protocol"),
        // Encrypted ones.
        ASSERTION.replacen(
            signed,
            "<saml:EncryptedAssertion xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\"/>",
            1,
        ),
        // With a document type, or with an instruction.
        format!("<!DOCTYPE x [<!ENTITY e 'x'>]>{whole}"),
        format!("<?x?>{whole}"),
    ];
    for attack in attacks {
        let result = verified(&attack.replace("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n", ""));
        assert!(result.is_err(), "{attack}\n{result:?}");
    }
    // The original stays what it is when another one says that it surrounds it.
    assert!(is_alices(
        &verified(&with(&signed.replacen("</saml:Assertion>", "<!-- x --></saml:Assertion>", 1))).unwrap().assertion
    ));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// Whatever is changed: nothing is taken that the provider has not said.
    #[test]
    fn no_change_changes_what_is_read(which in 0..ALL.len(), at in 0.0..1.0_f64, length in 0..40_usize, new in "([a-zA-Z0-9 <>/\"=&;:#-]|alice|<!---->|</saml:NameID>){0,3}") {
        let text = ALL[which];
        let begin = text.floor_char_boundary((at * text.len() as f64) as usize);
        let end = text.floor_char_boundary((begin + length).min(text.len()));
        let changed = format!("{}{new}{}", &text[..begin], &text[end..]);
        if let Ok(message) = verified(&changed) {
            prop_assert_eq!(message.assertion, verified(text).unwrap().assertion, "{}", changed);
        }
    }
}
