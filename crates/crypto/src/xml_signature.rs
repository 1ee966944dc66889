//! Signatures under XML documents (XML-DSig; RFC 4051, RFC 6931): the keys of certificates, and what these have signed. How
//! a document becomes bytes is not known here.
//!
//! Taken are public keys alone: RSA (PKCS #1 v1.5) of at least 2,048 bits, and ECDSA on the curve that goes with its hash,
//! all with SHA-2. Which of them a signature uses depends on the key, so that no public key is ever taken for a shared
//! secret. A certificate is a key with two dates: who has signed it is not looked at, because SAML providers sign their own.

use aws_lc_rs::{
    digest,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, RSA_PKCS1_2048_8192_SHA256,
        RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, UnparsedPublicKey, VerificationAlgorithm,
    },
};
use domain::Timestamp;
use x509_parser::{certificate::X509Certificate, prelude::FromDer};

/// How bytes are hashed for a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DigestMethod(&'static digest::Algorithm);

impl DigestMethod {
    /// The method with this identifier; none where it is not taken, as SHA-1 is not.
    #[must_use]
    pub fn of_uri(uri: &str) -> Option<Self> {
        Some(Self(match uri {
            "http://www.w3.org/2001/04/xmlenc#sha256" => &digest::SHA256,
            "http://www.w3.org/2001/04/xmldsig-more#sha384" => &digest::SHA384,
            "http://www.w3.org/2001/04/xmlenc#sha512" => &digest::SHA512,
            _ => return None,
        }))
    }

    /// The hash of some bytes.
    #[must_use]
    pub fn digest(self, bytes: &[u8]) -> Vec<u8> {
        digest::digest(self.0, bytes).as_ref().to_vec()
    }
}

/// How a signature is made.
#[derive(Clone, Copy)]
pub struct SignatureMethod(&'static dyn VerificationAlgorithm);

impl SignatureMethod {
    /// The method with this identifier; none where it is not taken, as keyed hashes and SHA-1 are not.
    #[must_use]
    pub fn of_uri(uri: &str) -> Option<Self> {
        Some(Self(match uri.strip_prefix("http://www.w3.org/2001/04/xmldsig-more#")? {
            "rsa-sha256" => &RSA_PKCS1_2048_8192_SHA256,
            "rsa-sha384" => &RSA_PKCS1_2048_8192_SHA384,
            "rsa-sha512" => &RSA_PKCS1_2048_8192_SHA512,
            "ecdsa-sha256" => &ECDSA_P256_SHA256_FIXED,
            "ecdsa-sha384" => &ECDSA_P384_SHA384_FIXED,
            "ecdsa-sha512" => &ECDSA_P521_SHA512_FIXED,
            _ => return None,
        }))
    }
}

/// A certificate (RFC 5280), as far as signatures need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// `SubjectPublicKeyInfo` as DER.
    key: Vec<u8>,
    valid_from: Timestamp,
    valid_until: Timestamp,
}

impl Certificate {
    /// Reads a certificate from DER; none where it is not one, or where something follows it.
    #[must_use]
    pub fn read(der: &[u8]) -> Option<Self> {
        let ([], certificate) = X509Certificate::from_der(der).ok()? else { return None };
        let validity = certificate.validity();
        Some(Self {
            key: certificate.public_key().raw.to_vec(),
            valid_from: Timestamp::from_seconds(validity.not_before.timestamp()),
            // The last second counts.
            valid_until: Timestamp::from_seconds(validity.not_after.timestamp().saturating_add(1)),
        })
    }

    /// Whether it counts at a moment.
    #[must_use]
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        self.valid_from <= now && now < self.valid_until
    }

    /// Whether its key has signed some bytes. A signature of another method than the key is for is none.
    #[must_use]
    pub fn has_signed(&self, method: SignatureMethod, signed: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(method.0, &self.key).verify(signed, signature).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::{
        rand::SystemRandom,
        rsa::KeyPair as RsaKeyPair,
        signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256},
    };

    use super::{Certificate, DigestMethod, SignatureMethod, Timestamp};

    const RSA: &[u8] = include_bytes!("../tests/data/xml-signature-rsa.der");
    const RSA_KEY: &[u8] = include_bytes!("../tests/data/xml-signature-rsa.pkcs8.der");
    const EC: &[u8] = include_bytes!("../tests/data/xml-signature-ec.der");
    const EC_KEY: &[u8] = include_bytes!("../tests/data/xml-signature-ec.pkcs8.der");
    const MORE: &str = "http://www.w3.org/2001/04/xmldsig-more#";

    #[test]
    fn a_key_has_signed_what_it_has_signed() {
        let random = SystemRandom::new();
        let mut by_rsa = vec![0; 256];
        RsaKeyPair::from_pkcs8(RSA_KEY).unwrap().sign(&RSA_PKCS1_SHA256, &random, b"text", &mut by_rsa).unwrap();
        let ec = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, EC_KEY).unwrap();
        let by_ec = ec.sign(&random, b"text").unwrap().as_ref().to_vec();
        let methods = ["rsa-sha256", "rsa-sha384", "rsa-sha512", "ecdsa-sha256", "ecdsa-sha384", "ecdsa-sha512"];
        for (der, signature, its) in [(RSA, by_rsa, "rsa-sha256"), (EC, by_ec, "ecdsa-sha256")] {
            let certificate = Certificate::read(der).unwrap();
            for name in methods {
                let method = SignatureMethod::of_uri(&format!("{MORE}{name}")).unwrap();
                assert_eq!(certificate.has_signed(method, b"text", &signature), name == its, "{its} {name}");
                assert!(!certificate.has_signed(method, b"other", &signature));
                assert!(!certificate.has_signed(method, b"text", &signature[1..]));
                assert!(!certificate.has_signed(method, b"text", b""));
            }
        }
    }

    #[test]
    fn weak_methods_are_unknown() {
        for name in ["rsa-sha1", "hmac-sha256", "rsa-md5", "rsa-sha224", "ecdsa-sha1", "", "RSA-SHA256"] {
            assert!(SignatureMethod::of_uri(&format!("{MORE}{name}")).is_none(), "{name}");
        }
        assert!(SignatureMethod::of_uri("http://www.w3.org/2000/09/xmldsig#rsa-sha1").is_none());
        assert!(SignatureMethod::of_uri("rsa-sha256").is_none());
        assert!(DigestMethod::of_uri("http://www.w3.org/2000/09/xmldsig#sha1").is_none());
        let sha384 = DigestMethod::of_uri("http://www.w3.org/2001/04/xmldsig-more#sha384").unwrap();
        assert_eq!((sha384.digest(b"").len(), sha384.digest(b"").first()), (48, Some(&0x38)));
    }

    #[test]
    fn certificates_have_their_time_and_nothing_behind_them() {
        let certificate = Certificate::read(RSA).unwrap();
        let (from, until) = (certificate.valid_from, certificate.valid_until);
        assert!(certificate.is_valid_at(from) && certificate.is_valid_at(until.plus(-1)));
        assert!(!certificate.is_valid_at(from.plus(-1)) && !certificate.is_valid_at(until));
        assert_eq!(until, Timestamp::from_seconds(4_102_444_800));
        for der in [&[][..], b"text", &RSA[..RSA.len() - 1], &[RSA, &[0]].concat(), RSA_KEY] {
            assert_eq!(Certificate::read(der), None);
        }
    }
}
