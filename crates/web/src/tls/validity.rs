//! From when to when a certificate is good, read from its DER (RFC 5280 §4.1). TLS checks certificates of others by
//! itself; this is for telling an operator in time that the server's own one comes to its end.

use wire::Timestamp;

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
/// The version stands in an element of its own, and may be left out.
const VERSION: u8 = 0xa0;

/// When a certificate begins and when it ends. `None` when the DER is something else.
pub(super) fn of(der: &[u8]) -> Option<[Timestamp; 2]> {
    let (_, certificate, _) = element(der)?;
    let (_, mut rest, _) = element(certificate)?;
    if let Some((VERSION, _, after)) = element(rest) {
        rest = after;
    }
    // Serial number, algorithm, issuer.
    for expected in [INTEGER, SEQUENCE, SEQUENCE] {
        let (tag, _, after) = element(rest)?;
        rest = (tag == expected).then_some(after)?;
    }
    let (SEQUENCE, validity, _) = element(rest)? else { return None };
    let (tag, begin, rest) = element(validity)?;
    let begin = moment(tag, begin)?;
    let (tag, end, _) = element(rest)?;
    Some([begin, moment(tag, end)?])
}

/// Tag and contents of the first element, and what follows it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, length, rest) = match der {
        [tag, length @ ..=0x7f, rest @ ..] => (*tag, usize::from(*length), rest),
        [tag, 0x81, length, rest @ ..] => (*tag, usize::from(*length), rest),
        [tag, 0x82, high, low, rest @ ..] => (*tag, usize::from(*high) << 8 | usize::from(*low), rest),
        _ => return None,
    };
    let (contents, rest) = rest.split_at_checked(length)?;
    Some((tag, contents, rest))
}

/// `YYMMDDHHMMSSZ`, where 50 is 1950 and 49 is 2049, or `YYYYMMDDHHMMSSZ`.
fn moment(tag: u8, contents: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(contents).ok()?;
    let text = match tag {
        UTC_TIME if text < "50" => format!("20{text}"),
        UTC_TIME => format!("19{text}"),
        GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    let [year, month, day, hour, minute, second] =
        [0..4, 4..6, 6..8, 8..10, 10..12, 12..15].map(|digits| text.get(digits).unwrap_or_default());
    let moment: jiff::Timestamp = format!("{year}-{month}-{day}T{hour}:{minute}:{second}").parse().ok()?;
    Some(Timestamp(moment.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    use wire::Timestamp;

    use super::{GENERALIZED_TIME, UTC_TIME, moment, of};

    fn at(text: &str) -> Timestamp {
        Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
    }

    #[test]
    fn a_certificate_says_when_it_begins_and_ends() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/test-only-certificate.pem");
        let der = CertificateDer::from_pem_file(path).unwrap();
        // As `openssl x509 -dates` has it.
        assert_eq!(of(&der).unwrap(), [at("2020-01-01T00:00:00Z"), at("2120-01-01T00:00:00Z")]);
        for length in 0..der.len().min(200) {
            // Cut anywhere, it is no certificate; nothing is read beyond its end.
            assert_eq!(of(der.get(..length).unwrap()), None, "{length}");
        }
    }

    #[test]
    fn both_forms_of_a_moment_are_read() {
        assert_eq!(moment(UTC_TIME, b"491231235959Z").unwrap(), at("2049-12-31T23:59:59Z"));
        assert_eq!(moment(UTC_TIME, b"500101000000Z").unwrap(), at("1950-01-01T00:00:00Z"));
        assert_eq!(moment(GENERALIZED_TIME, b"20500101000000Z").unwrap(), at("2050-01-01T00:00:00Z"));
        for wrong in [&b""[..], b"4912312359Z", b"491331235959Z", b"\xff91231235959Z", b"491231235959+0100"] {
            assert_eq!(moment(UTC_TIME, wrong), None, "{wrong:?}");
        }
        assert_eq!(moment(0x04, b"491231235959Z"), None);
    }
}
