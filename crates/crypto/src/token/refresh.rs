//! Refresh tokens: opaque to clients, and in the shape that Cognito's have (auth-flows.md §17), five segments of a
//! compact JWE (RFC 7516).
//!
//! Header `{"cty":"JWT","enc":"A256GCM","alg":"dir","kid":"<master key id>"}`: Cognito wraps a random key with RSA,
//! while here the ring's key encrypts directly, so the second segment is empty. Beyond what RFC 7516 authenticates,
//! the identity is authenticated too.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::Entropy;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::LONGEST_TOKEN;
use crate::seal::{KeyRing, Purpose, SealError};

const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;

/// Seals `payload` into a token that opens only with the same `identity`, for instance the client id.
#[must_use]
pub fn seal(ring: &KeyRing, entropy: &dyn Entropy, identity: &str, payload: &[u8]) -> String {
    // A key id has nothing that JSON would escape.
    let header = format!(r#"{{"cty":"JWT","enc":"A256GCM","alg":"dir","kid":"{}"}}"#, ring.active_id());
    let header = URL_SAFE_NO_PAD.encode(header);
    let sealed = ring.encrypt(entropy, Purpose::RefreshToken, &associated_data(&header, identity), payload);
    let (nonce, rest) = sealed.split_at_checked(NONCE_BYTES).unwrap_or_default();
    let (ciphertext, tag) = rest.split_at_checked(rest.len().saturating_sub(TAG_BYTES)).unwrap_or_default();
    let [nonce, ciphertext, tag] = [nonce, ciphertext, tag].map(|part| URL_SAFE_NO_PAD.encode(part));
    format!("{header}..{nonce}.{ciphertext}.{tag}")
}

/// Opens what [`seal`] made with the same identity. Tokens above [`LONGEST_TOKEN`] are not looked at.
///
/// # Errors
/// See [`SealError`].
pub fn open(ring: &KeyRing, identity: &str, token: &str) -> Result<Zeroizing<Vec<u8>>, SealError> {
    #[derive(Deserialize)]
    struct Header<'a> {
        enc: &'a str,
        alg: &'a str,
        kid: &'a str,
    }
    if token.len() > LONGEST_TOKEN {
        return Err(SealError::Malformed);
    }
    let segments: Vec<&str> = token.splitn(6, '.').collect();
    let [header_segment, "", nonce, ciphertext, tag] = segments.as_slice() else { return Err(SealError::Malformed) };
    let decode = |segment: &str| URL_SAFE_NO_PAD.decode(segment).map_err(|_| SealError::Malformed);
    let header = decode(header_segment)?;
    let header: Header<'_> = serde_json::from_slice(&header).map_err(|_| SealError::Malformed)?;
    let (nonce, ciphertext, tag) = (decode(nonce)?, decode(ciphertext)?, decode(tag)?);
    if header.enc != "A256GCM" || header.alg != "dir" || nonce.len() != NONCE_BYTES || tag.len() != TAG_BYTES {
        return Err(SealError::Malformed);
    }
    let data = associated_data(header_segment, identity);
    ring.decrypt(header.kid, Purpose::RefreshToken, &data, [nonce, ciphertext, tag].concat())
}

/// Base64url has no dot, so where the header ends is plain.
fn associated_data(header: &str, identity: &str) -> Vec<u8> {
    [header, ".", identity].concat().into_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{seal::MasterKey, testing::Counter};

    fn ring(ids: &[(&str, u8)]) -> KeyRing {
        KeyRing::new(ids.iter().map(|(id, byte)| MasterKey::new(id, [*byte; 32]).unwrap()).collect()).unwrap()
    }

    #[test]
    fn it_looks_like_cognitos() {
        let token = seal(&ring(&[("a", 1)]), &Counter::new(), "client", b"payload");
        assert!(token.starts_with("eyJjdHkiOiJKV1Qi"), "{token}");
        let segments: Vec<_> = token.split('.').collect();
        assert_eq!(segments.len(), 5);
        let header = URL_SAFE_NO_PAD.decode(segments.first().unwrap()).unwrap();
        assert_eq!(header, br#"{"cty":"JWT","enc":"A256GCM","alg":"dir","kid":"a"}"#);
    }

    #[test]
    fn it_opens_for_its_identity_and_with_older_keys() {
        let (before, after) = (ring(&[("old", 1)]), ring(&[("new", 2), ("old", 1)]));
        let token = seal(&before, &Counter::new(), "client", b"payload");
        assert_eq!(open(&before, "client", &token).unwrap().as_slice(), b"payload");
        assert_eq!(open(&after, "client", &token).unwrap().as_slice(), b"payload");
        assert_eq!(open(&before, "other", &token), Err(SealError::Forged));
        let token = seal(&after, &Counter::new(), "client", b"payload");
        assert_eq!(open(&before, "client", &token), Err(SealError::UnknownKey));
    }

    #[test]
    fn a_header_cannot_be_exchanged() {
        let ring = ring(&[("a", 1)]);
        let token = seal(&ring, &Counter::new(), "client", b"payload");
        let (_, rest) = token.split_once('.').unwrap();
        for (header, error) in [
            (r#"{"enc":"A256GCM","alg":"dir","kid":"a"}"#, SealError::Forged),
            (r#"{"cty":"JWT","enc":"A256GCM","alg":"none","kid":"a"}"#, SealError::Malformed),
            (r#"{"cty":"JWT","enc":"A128GCM","alg":"dir","kid":"a"}"#, SealError::Malformed),
            (r#"{"cty":"JWT","enc":"A256GCM","alg":"dir","kid":"b"}"#, SealError::UnknownKey),
            (r#"{"cty":"JWT","enc":"A256GCM","alg":"dir"}"#, SealError::Malformed),
            ("", SealError::Malformed),
        ] {
            let forged = format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header));
            assert_eq!(open(&ring, "client", &forged), Err(error), "{header}");
        }
    }

    #[test]
    fn garbage_is_refused() {
        let ring = ring(&[("a", 1)]);
        let token = seal(&ring, &Counter::new(), "client", b"payload");
        for text in
            ["", ".", "....", ".....", &format!("{token}."), &token.replace("..", ".AAAA."), &"a".repeat(20_000)]
        {
            assert_eq!(open(&ring, "client", text), Err(SealError::Malformed), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_payload_goes_there_and_back(payload in any::<Vec<u8>>(), identity in "\\PC*") {
            let ring = ring(&[("a", 1)]);
            let token = seal(&ring, &Counter::new(), &identity, &payload);
            prop_assert_eq!(open(&ring, &identity, &token).unwrap().to_vec(), payload);
        }

        #[test]
        fn any_changed_character_is_noticed(at in any::<prop::sample::Index>(), character in "[A-Za-z0-9_.-]") {
            let ring = ring(&[("a", 1)]);
            let token = seal(&ring, &Counter::new(), "client", b"payload");
            let at = at.index(token.len());
            let changed = format!("{}{character}{}", &token[..at], &token[at + 1..]);
            prop_assume!(changed != token);
            prop_assert!(open(&ring, "client", &changed).is_err());
        }
    }
}
