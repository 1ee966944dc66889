//! What an assertion says, and whether it is meant for the pool now (oauth-federation.md §17.4; SAML core §2, SAML profiles
//! §4.1.4.3).

use std::collections::BTreeMap;

use roxmltree::Node;
use wire::Timestamp;

use crate::{
    Error,
    xml::{ASSERTION, at_most_one, attribute, elements, is, moment, named, one, plain_text, text},
};

/// Decision: how far a provider's clock may be from ours, in milliseconds. The service's allowance is not known.
const SKEW: i64 = 60_000;
/// The one way of confirming a subject that browsers can: whoever brings it is it.
const BEARER: &str = "urn:oasis:names:tc:SAML:2.0:cm:bearer";
/// The format of a name that says nothing of it.
const UNSPECIFIED: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified";

/// What an assertion says. It counts only if it comes from signed bytes, and if [`Assertion::check`] agrees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assertion {
    /// Its id, which no other assertion of the provider has.
    pub id: String,
    /// The provider that has made it.
    pub issuer: String,
    /// When it was made.
    pub issued_at: Timestamp,
    /// Who it is about.
    pub name_id: NameId,
    /// `SessionIndex` of the first statement about a sign-in.
    pub session_index: Option<String>,
    /// The values of each attribute, in order; repeated attributes are one.
    pub attributes: BTreeMap<String, Vec<String>>,
    confirmations: Vec<Confirmation>,
    not_before: Option<Timestamp>,
    not_on_or_after: Option<Timestamp>,
    /// Of each list of audiences one must be the reader.
    audiences: Vec<Vec<String>>,
}

/// The provider's name for its user. Case counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameId {
    /// The name, byte for byte.
    pub value: String,
    /// What kind of name it is.
    pub format: String,
}

/// Who may show an assertion where and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Confirmation {
    recipient: Option<String>,
    in_response_to: Option<String>,
    not_before: Option<Timestamp>,
    not_on_or_after: Option<Timestamp>,
}

/// What an assertion must be.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The entity id in the provider's metadata.
    pub issuer: &'a str,
    /// The pool's own entity id.
    pub audience: &'a str,
    /// Addresses of which one must be where it was to be taken.
    pub recipients: &'a [String],
    /// The id of the request that it must answer; none for one that answers none.
    pub in_response_to: Option<&'a str>,
    /// The moment.
    pub now: Timestamp,
}

impl Assertion {
    /// Reads an `Assertion` element.
    pub(crate) fn of(node: Node<'_, '_>) -> Result<Self, Error> {
        if !is(node, ASSERTION, "Assertion") || attribute(node, "Version") != Some("2.0") {
            return Err(Error::Form);
        }
        let subject = one(node, ASSERTION, "Subject")?;
        let name = one(subject, ASSERTION, "NameID")?;
        let conditions = one(node, ASSERTION, "Conditions")?;
        // A condition that is not understood may be one that is not met.
        let is_known = |condition: Node<'_, '_>| {
            ["AudienceRestriction", "OneTimeUse", "ProxyRestriction"].iter().any(|name| is(condition, ASSERTION, name))
        };
        if !elements(conditions).all(is_known) {
            return Err(Error::Form);
        }
        let audiences = named(conditions, ASSERTION, "AudienceRestriction")
            .map(|restriction| named(restriction, ASSERTION, "Audience").map(plain_text).collect());
        let bearers = named(subject, ASSERTION, "SubjectConfirmation")
            .filter(|confirmation| attribute(*confirmation, "Method") == Some(BEARER));
        let sign_in = named(node, ASSERTION, "AuthnStatement").next();
        Ok(Self {
            id: attribute(node, "ID").filter(|id| !id.is_empty()).ok_or(Error::Form)?.to_owned(),
            issuer: plain_text(one(node, ASSERTION, "Issuer")?)?,
            issued_at: moment(node, "IssueInstant")?.ok_or(Error::Form)?,
            name_id: NameId {
                value: plain_text(name)?,
                format: attribute(name, "Format").unwrap_or(UNSPECIFIED).to_owned(),
            },
            session_index: sign_in.and_then(|statement| attribute(statement, "SessionIndex")).map(str::to_owned),
            attributes: attributes(node)?,
            confirmations: bearers.map(Confirmation::of).collect::<Result<_, _>>()?,
            not_before: moment(conditions, "NotBefore")?,
            not_on_or_after: moment(conditions, "NotOnOrAfter")?,
            audiences: audiences.collect::<Result<_, _>>()?,
        })
    }

    /// Whether it is meant for the reader now, by whoever brings it; and if so, from which moment on it is refused.
    ///
    /// # Errors
    /// The first that is not so: [`Error::Issuer`], [`Error::Audience`], [`Error::NotYet`], [`Error::Expired`],
    /// [`Error::Confirmation`].
    pub fn check(&self, expected: &Expected<'_>) -> Result<Timestamp, Error> {
        if self.issuer != expected.issuer {
            return Err(Error::Issuer);
        }
        let is_meant = |audiences: &Vec<String>| audiences.iter().any(|audience| audience == expected.audience);
        if self.audiences.is_empty() || !self.audiences.iter().all(is_meant) {
            return Err(Error::Audience);
        }
        if self.issued_at > expected.now.plus(SKEW) {
            return Err(Error::NotYet);
        }
        check_time(self.not_before, self.not_on_or_after, expected.now)?;
        let mut refusal = Error::Confirmation;
        for confirmation in &self.confirmations {
            match confirmation.check(expected) {
                Ok(until) => return Ok(self.not_on_or_after.map_or(until, |own| own.plus(SKEW).min(until))),
                // That its time is over says more than that another one was for somebody else.
                Err(error) if refusal == Error::Confirmation => refusal = error,
                Err(_) => (),
            }
        }
        Err(refusal)
    }
}

impl Confirmation {
    fn of(node: Node<'_, '_>) -> Result<Self, Error> {
        let data = at_most_one(node, ASSERTION, "SubjectConfirmationData")?;
        let Some(data) = data else {
            return Ok(Self { recipient: None, in_response_to: None, not_before: None, not_on_or_after: None });
        };
        Ok(Self {
            recipient: attribute(data, "Recipient").map(str::to_owned),
            in_response_to: attribute(data, "InResponseTo").map(str::to_owned),
            not_before: moment(data, "NotBefore")?,
            not_on_or_after: moment(data, "NotOnOrAfter")?,
        })
    }

    /// From which moment on it is refused; it must have an end.
    fn check(&self, expected: &Expected<'_>) -> Result<Timestamp, Error> {
        let recipient = self.recipient.as_ref().ok_or(Error::Confirmation)?;
        let until = self.not_on_or_after.ok_or(Error::Confirmation)?;
        if !expected.recipients.contains(recipient) || self.in_response_to.as_deref() != expected.in_response_to {
            return Err(Error::Confirmation);
        }
        check_time(self.not_before, Some(until), expected.now)?;
        Ok(until.plus(SKEW))
    }
}

fn check_time(not_before: Option<Timestamp>, until: Option<Timestamp>, now: Timestamp) -> Result<(), Error> {
    if not_before.is_some_and(|not_before| now.plus(SKEW) < not_before) {
        return Err(Error::NotYet);
    }
    if until.is_some_and(|until| now >= until.plus(SKEW)) { Err(Error::Expired) } else { Ok(()) }
}

/// Decision: a value that has elements in it is the text in these.
fn attributes(node: Node<'_, '_>) -> Result<BTreeMap<String, Vec<String>>, Error> {
    let mut attributes = BTreeMap::<_, Vec<String>>::new();
    let statements = named(node, ASSERTION, "AttributeStatement");
    for found in statements.flat_map(|statement| named(statement, ASSERTION, "Attribute")) {
        let name = attribute(found, "Name").ok_or(Error::Form)?;
        attributes.entry(name.to_owned()).or_default().extend(named(found, ASSERTION, "AttributeValue").map(text));
    }
    Ok(attributes)
}

#[cfg(test)]
mod tests {
    use super::{Assertion, Error, Expected, Timestamp};
    use crate::xml;

    /// 2026-01-02T03:04:05Z.
    const NOW: Timestamp = Timestamp(1_767_323_045_000);
    const TEXT: &str = r#"<Assertion xmlns="urn:oasis:names:tc:SAML:2.0:assertion" ID="_1" IssueInstant="2026-01-02T03:04:05Z" Version="2.0">
        <Issuer>https://idp.example</Issuer>
        <Subject><NameID>Alice</NameID><SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><SubjectConfirmationData
            Recipient="https://pool.example/acs" InResponseTo="_2" NotOnOrAfter="2026-01-02T03:09:05Z"/></SubjectConfirmation></Subject>
        <Conditions NotBefore="2026-01-02T03:04:05Z" NotOnOrAfter="2026-01-02T03:08:05Z"><AudienceRestriction>
            <Audience>urn:other</Audience><Audience>urn:pool</Audience></AudienceRestriction><OneTimeUse/></Conditions>
        <AuthnStatement AuthnInstant="2026-01-02T03:04:05Z" SessionIndex="s1"/><AuthnStatement SessionIndex="s2"/>
        <AttributeStatement><Attribute Name="a"><AttributeValue>1</AttributeValue><AttributeValue/></Attribute></AttributeStatement>
        <AttributeStatement><Attribute Name="a"><AttributeValue><NameID>2</NameID></AttributeValue></Attribute><Attribute Name="b"/></AttributeStatement>
    </Assertion>"#;

    fn read(text: &str) -> Result<Assertion, Error> {
        Assertion::of(xml::parse(text, xml::LONGEST)?.root_element())
    }

    fn changed(from: &str, to: &str) -> Result<Assertion, Error> {
        assert!(TEXT.contains(from), "{from}");
        read(&TEXT.replacen(from, to, 1))
    }

    /// Whether it is meant for us at a moment.
    fn check(assertion: &Assertion, now: Timestamp) -> Result<Timestamp, Error> {
        let recipients = ["https://pool.example/acs".to_owned(), "https://own.example/acs".to_owned()];
        assertion.check(&Expected {
            issuer: "https://idp.example",
            audience: "urn:pool",
            recipients: &recipients,
            in_response_to: Some("_2"),
            now,
        })
    }

    #[test]
    fn everything_is_read() {
        let assertion = read(TEXT).unwrap();
        assert_eq!((assertion.id.as_str(), assertion.issued_at), ("_1", NOW));
        assert_eq!(assertion.name_id.value, "Alice");
        assert_eq!(assertion.name_id.format, "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified");
        assert_eq!(assertion.session_index.as_deref(), Some("s1"));
        let values = |name: &str| assertion.attributes[name].join(",");
        assert_eq!((values("a"), values("b"), assertion.attributes.len()), ("1,,2".to_owned(), String::new(), 2));
    }

    #[test]
    fn what_is_not_whole_is_none() {
        for (from, to) in [
            ("Version=\"2.0\"", "Version=\"1.1\""),
            ("ID=\"_1\" ", ""),
            ("ID=\"_1\" ", "ID=\"\" "),
            ("IssueInstant=\"2026-01-02T03:04:05Z\"", ""),
            ("IssueInstant=\"2026-01-02T03:04:05Z\"", "IssueInstant=\"2026-01-02T03:04:05\""),
            ("<Issuer>https://idp.example</Issuer>", ""),
            ("<Issuer>https://idp.example</Issuer>", "<Issuer>a</Issuer><Issuer>b</Issuer>"),
            ("<NameID>Alice</NameID>", ""),
            ("<NameID>Alice</NameID>", "<NameID/>"),
            ("<NameID>Alice</NameID>", "<NameID>A</NameID><NameID>B</NameID>"),
            ("<NameID>Alice</NameID>", "<NameID>Al<b>ice</b></NameID>"),
            ("<OneTimeUse/>", "<Condition/>"),
            ("<OneTimeUse/>", "<OneTimeUse xmlns='urn:x'/>"),
            ("<Audience>urn:other</Audience>", "<Audience/>"),
            ("Name=\"b\"", ""),
            ("NotBefore=\"2026-01-02T03:04:05Z\"", "NotBefore=\"then\""),
            ("NotOnOrAfter=\"2026-01-02T03:09:05Z\"", "NotOnOrAfter=\"\""),
            ("xmlns=\"urn:oasis:names:tc:SAML:2.0:assertion\"", "xmlns=\"urn:oasis:names:tc:SAML:1.0:assertion\""),
            ("xmlns=\"urn:oasis:names:tc:SAML:2.0:assertion\"", ""),
        ] {
            assert_eq!(changed(from, to).err(), Some(Error::Form), "{from} {to}");
        }
    }

    #[test]
    fn it_counts_between_its_moments_and_a_minute_around_them() {
        let assertion = read(TEXT).unwrap();
        let end = NOW.plus(5 * 60_000);
        for (now, result) in [
            (NOW.plus(-60_001), Err(Error::NotYet)),
            (NOW.plus(-60_000), Ok(end)),
            (NOW, Ok(end)),
            (end.plus(-1), Ok(end)),
            (end, Err(Error::Expired)),
        ] {
            assert_eq!(check(&assertion, now), result, "{now:?}");
        }
        // The confirmation has its own end, which may be sooner.
        let sooner = changed("03:09:05Z", "03:06:05Z").unwrap();
        assert_eq!(check(&sooner, NOW), Ok(NOW.plus(3 * 60_000)));
        assert_eq!(check(&sooner, NOW.plus(3 * 60_000)), Err(Error::Expired));
        let endless = changed(" NotOnOrAfter=\"2026-01-02T03:08:05Z\"", "").unwrap();
        assert_eq!(check(&endless, NOW), Ok(NOW.plus(6 * 60_000)));
        let early = changed("IssueInstant=\"2026-01-02T03:04:05Z\"", "IssueInstant=\"2026-01-02T03:05:06Z\"").unwrap();
        assert_eq!(check(&early, NOW), Err(Error::NotYet));
    }

    #[test]
    fn it_must_be_meant_for_us() {
        for (from, to, error) in [
            ("https://idp.example", "https://idp.example/", Error::Issuer),
            ("<Audience>urn:pool</Audience>", "", Error::Audience),
            ("<Audience>urn:pool</Audience>", "<Audience>URN:pool</Audience>", Error::Audience),
            ("<OneTimeUse/>", "<AudienceRestriction><Audience>urn:x</Audience></AudienceRestriction>", Error::Audience),
            ("<OneTimeUse/>", "<AudienceRestriction/>", Error::Audience),
            ("https://pool.example/acs", "https://evil.example/acs", Error::Confirmation),
            ("Recipient=\"https://pool.example/acs\"", "", Error::Confirmation),
            ("InResponseTo=\"_2\"", "", Error::Confirmation),
            ("InResponseTo=\"_2\"", "InResponseTo=\"_3\"", Error::Confirmation),
            ("NotOnOrAfter=\"2026-01-02T03:09:05Z\"", "", Error::Confirmation),
            ("cm:bearer", "cm:sender-vouches", Error::Confirmation),
            ("<SubjectConfirmationData", "<x xmlns='urn:x'", Error::Confirmation),
        ] {
            assert_eq!(check(&changed(from, to).unwrap(), NOW), Err(error), "{from} {to}");
        }
        let without =
            TEXT.replace("<AudienceRestriction>", "<OneTimeUse>").replace("</AudienceRestriction>", "</OneTimeUse>");
        assert_eq!(check(&read(&without).unwrap(), NOW), Err(Error::Audience));
        // One good confirmation is enough.
        let other = "<SubjectConfirmation Method='urn:oasis:names:tc:SAML:2.0:cm:bearer'/><SubjectConfirmation Method=";
        assert!(check(&changed("<SubjectConfirmation Method=", other).unwrap(), NOW).is_ok());
        // An answer to nobody's request answers none.
        let unasked = changed("InResponseTo=\"_2\"", "").unwrap();
        let recipients = ["https://pool.example/acs".to_owned()];
        let expected = Expected {
            issuer: "https://idp.example",
            audience: "urn:pool",
            recipients: &recipients,
            in_response_to: None,
            now: NOW,
        };
        assert!(unasked.check(&expected).is_ok());
        assert_eq!(read(TEXT).unwrap().check(&expected), Err(Error::Confirmation));
    }
}
