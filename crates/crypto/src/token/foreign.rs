//! Tokens of other issuers (RFC 7515, 7517, 7518): the public keys that they publish, and what these have signed.
//!
//! Taken are signatures with public keys alone: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512. What a key
//! is good for depends on the key; a token only chooses among that, so that no public key is ever taken for a shared secret.
//! A token has to name its key.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384,
    RSA_PSS_2048_8192_SHA512, RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::Value;

use super::{TokenError, take_apart};

/// The algorithms that are taken.
const ALGORITHMS: [&str; 9] = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"];
/// Bytes of the shortest RSA modulus.
const SHORTEST_MODULUS: usize = 256;

/// The keys of an issuer.
#[derive(Debug)]
pub struct ForeignKeys(Vec<Key>);

/// One of them.
#[derive(Debug)]
struct Key {
    kid: String,
    /// The one algorithm that it is for, where its issuer says so.
    alg: Option<String>,
    material: Material,
}

#[derive(Debug)]
enum Material {
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// An uncompressed point.
    P256(Vec<u8>),
    /// The same.
    P384(Vec<u8>),
    /// The same.
    P521(Vec<u8>),
}

/// A token whose signature is right.
#[derive(Debug, PartialEq, Eq)]
pub struct ForeignToken {
    /// What kind of token its header says that it is.
    pub typ: Option<String>,
    /// The bytes of its claims, which are not parsed here.
    pub claims: Vec<u8>,
}

impl ForeignKeys {
    /// Reads a JWKS document. Keys that are for something else, or of a kind that is not known, are left out.
    ///
    /// # Errors
    /// [`TokenError::Key`] when it is no such document.
    pub fn read(jwks: &[u8]) -> Result<Self, TokenError> {
        #[derive(Deserialize)]
        struct Jwks {
            keys: Vec<Value>,
        }
        let jwks: Jwks = serde_json::from_slice(jwks).map_err(|_| TokenError::Key)?;
        Ok(Self(jwks.keys.into_iter().filter_map(key).collect()))
    }

    /// Whether a key has this id.
    #[must_use]
    pub fn has(&self, kid: &str) -> bool {
        self.0.iter().any(|key| key.kid == kid)
    }

    /// Checks the signature of a token by the key that it names.
    ///
    /// # Errors
    /// See [`TokenError`]; [`TokenError::Key`] when there is no such key.
    pub fn verify(&self, token: &str) -> Result<ForeignToken, TokenError> {
        let parts = take_apart(token)?;
        if !ALGORITHMS.contains(&parts.alg.as_str()) {
            return Err(TokenError::Algorithm);
        }
        if !self.has(&parts.kid) {
            return Err(TokenError::Key);
        }
        // Keys of several kinds may share an id.
        let mut named = self.0.iter().filter(|key| key.kid == parts.kid);
        if named.any(|key| key.has_signed(&parts.alg, parts.signed.as_bytes(), &parts.signature)) {
            Ok(ForeignToken { typ: parts.typ, claims: parts.claims })
        } else {
            Err(TokenError::Signature)
        }
    }
}

/// The `kid` of a token whose signature has not been checked, to find the key that checks it. Nothing else may be read off
/// an unchecked token.
///
/// # Errors
/// See [`TokenError`]; never [`TokenError::Signature`].
pub fn unverified_kid(token: &str) -> Result<String, TokenError> {
    let parts = take_apart(token)?;
    if ALGORITHMS.contains(&parts.alg.as_str()) { Ok(parts.kid) } else { Err(TokenError::Algorithm) }
}

/// A key of a JWKS document; none where it does not check signatures that are taken.
fn key(jwk: Value) -> Option<Key> {
    #[derive(Deserialize)]
    struct Jwk {
        kid: String,
        kty: String,
        alg: Option<String>,
        #[serde(rename = "use")]
        usage: Option<String>,
        key_ops: Option<Vec<String>>,
        crv: Option<String>,
        n: Option<String>,
        e: Option<String>,
        x: Option<String>,
        y: Option<String>,
    }
    let jwk: Jwk = serde_json::from_value(jwk).ok()?;
    let is_for_signatures = jwk.usage.is_none_or(|usage| usage == "sig")
        && jwk.key_ops.is_none_or(|operations| operations.iter().any(|operation| operation == "verify"));
    if !is_for_signatures {
        return None;
    }
    let decoded = |text: Option<String>| URL_SAFE_NO_PAD.decode(text?).ok();
    let material = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("RSA", _) => {
            let (modulus, exponent) = (decoded(jwk.n)?, decoded(jwk.e)?);
            if modulus.len() < SHORTEST_MODULUS {
                return None;
            }
            Material::Rsa { modulus, exponent }
        }
        ("EC", Some("P-256")) => Material::P256(point(&decoded(jwk.x)?, &decoded(jwk.y)?, 32)?),
        ("EC", Some("P-384")) => Material::P384(point(&decoded(jwk.x)?, &decoded(jwk.y)?, 48)?),
        ("EC", Some("P-521")) => Material::P521(point(&decoded(jwk.x)?, &decoded(jwk.y)?, 66)?),
        _ => return None,
    };
    Some(Key { kid: jwk.kid, alg: jwk.alg, material })
}

/// An uncompressed point of two coordinates with so many bytes each. Whether it is on the curve is seen when it is used.
fn point(x: &[u8], y: &[u8], bytes: usize) -> Option<Vec<u8>> {
    (x.len() == bytes && y.len() == bytes).then(|| [&[4], x, y].concat())
}

impl Key {
    fn has_signed(&self, alg: &str, signed: &[u8], signature: &[u8]) -> bool {
        if self.alg.as_deref().is_some_and(|own| own != alg) {
            return false;
        }
        let verified = match (&self.material, alg) {
            (Material::Rsa { modulus: n, exponent: e }, _) => {
                let parameters = match alg {
                    "RS256" => &RSA_PKCS1_2048_8192_SHA256,
                    "RS384" => &RSA_PKCS1_2048_8192_SHA384,
                    "RS512" => &RSA_PKCS1_2048_8192_SHA512,
                    "PS256" => &RSA_PSS_2048_8192_SHA256,
                    "PS384" => &RSA_PSS_2048_8192_SHA384,
                    "PS512" => &RSA_PSS_2048_8192_SHA512,
                    _ => return false,
                };
                RsaPublicKeyComponents { n, e }.verify(parameters, signed, signature)
            }
            (Material::P256(point), "ES256") => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed, signature)
            }
            (Material::P384(point), "ES384") => {
                UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point).verify(signed, signature)
            }
            (Material::P521(point), "ES512") => {
                UnparsedPublicKey::new(&ECDSA_P521_SHA512_FIXED, point).verify(signed, signature)
            }
            _ => return false,
        };
        verified.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use aws_lc_rs::{
        rand::SystemRandom,
        rsa::KeyPair as RsaKeyPair,
        signature::{
            ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING,
            EcdsaKeyPair, EcdsaSigningAlgorithm, KeyPair, RSA_PKCS1_SHA256,
        },
    };
    use base64::engine::general_purpose::STANDARD;
    use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
    use serde_json::json;

    use super::*;
    use crate::token::{SigningKey, generate_rsa_2048};

    static DER: LazyLock<Vec<u8>> = LazyLock::new(|| generate_rsa_2048().unwrap().to_vec());

    /// The public half of the RSA key as an issuer publishes it, with other members.
    fn rsa_jwk(members: Value) -> Value {
        let public = SigningKey::from_pkcs8("one", &DER).unwrap().public_jwk();
        let mut jwk = json!({"kty": "RSA", "kid": "one", "n": public.n, "e": public.e});
        jwk.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        jwk
    }

    /// A key on a curve: PKCS#8, and what is published.
    fn ec(algorithm: &'static EcdsaSigningAlgorithm, curve: &str, bytes: usize) -> (Vec<u8>, Value) {
        let der = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, der.as_ref()).unwrap();
        let public = pair.public_key().as_ref();
        let [x, y] = [&public[1..=bytes], &public[bytes + 1..]].map(|part| URL_SAFE_NO_PAD.encode(part));
        (der.as_ref().to_vec(), json!({"kty": "EC", "kid": curve, "crv": curve, "x": x, "y": y}))
    }

    fn keys(jwks: &[Value]) -> ForeignKeys {
        ForeignKeys::read(json!({"keys": jwks}).to_string().as_bytes()).unwrap()
    }

    /// A token made by another library.
    fn token(algorithm: Algorithm, kid: &str, key: &EncodingKey) -> String {
        let header = Header { kid: Some(kid.to_owned()), ..Header::new(algorithm) };
        encode(&header, &json!({"sub": "s"}), key).unwrap()
    }

    /// A token of the key `P-521`, whose algorithm that library does not know.
    fn es512_token(der: &[u8], claims: &Value) -> String {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P521_SHA512_FIXED_SIGNING, der).unwrap();
        let header = json!({"typ": "JWT", "alg": "ES512", "kid": "P-521"});
        let [header, claims] = [&header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let signed = format!("{header}.{claims}");
        let signature = pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn rsa_key() -> EncodingKey {
        let pem = STANDARD.encode(&*DER);
        EncodingKey::from_rsa_pem(format!("-----BEGIN PRIVATE KEY-----\n{pem}\n-----END PRIVATE KEY-----\n").as_bytes())
            .unwrap()
    }

    #[test]
    fn what_another_library_signs_is_taken() {
        let (p256_der, p256) = ec(&ECDSA_P256_SHA256_FIXED_SIGNING, "P-256", 32);
        let (p384_der, p384) = ec(&ECDSA_P384_SHA384_FIXED_SIGNING, "P-384", 48);
        let (p521_der, p521) = ec(&ECDSA_P521_SHA512_FIXED_SIGNING, "P-521", 66);
        let keys = keys(&[rsa_jwk(json!({"use": "sig", "key_ops": ["verify"]})), p256, p384, p521]);
        let rsa = rsa_key();
        let mut tokens: Vec<String> = [
            Algorithm::RS256,
            Algorithm::RS384,
            Algorithm::RS512,
            Algorithm::PS256,
            Algorithm::PS384,
            Algorithm::PS512,
        ]
        .map(|algorithm| token(algorithm, "one", &rsa))
        .to_vec();
        tokens.push(token(Algorithm::ES256, "P-256", &EncodingKey::from_ec_der(&p256_der)));
        tokens.push(token(Algorithm::ES384, "P-384", &EncodingKey::from_ec_der(&p384_der)));
        tokens.push(es512_token(&p521_der, &json!({"sub": "s"})));
        for token in &tokens {
            let verified = keys.verify(token).unwrap();
            assert_eq!((verified.typ.as_deref(), verified.claims.as_slice()), (Some("JWT"), &br#"{"sub":"s"}"#[..]));
            // Any other claims are not.
            let [header, _, signature] = token.split('.').collect::<Vec<_>>()[..] else { unreachable!() };
            let forged = format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode(r#"{"sub":"t"}"#));
            assert_eq!(keys.verify(&forged), Err(TokenError::Signature));
        }
        // By the name of another key, of the same kind or another one.
        for (algorithm, kid) in [(Algorithm::RS256, "P-256"), (Algorithm::PS256, "P-384"), (Algorithm::RS512, "P-521")]
        {
            assert_eq!(keys.verify(&token(algorithm, kid, &rsa)), Err(TokenError::Signature));
        }
        assert_eq!(keys.verify(&token(Algorithm::RS256, "two", &rsa)), Err(TokenError::Key));
        assert_eq!(unverified_kid(&tokens[0]).as_deref(), Ok("one"));
    }

    #[test]
    fn no_public_key_is_a_secret_and_no_token_goes_unsigned() {
        let jwk = rsa_jwk(json!({}));
        let keys = keys(&[jwk.clone(), json!({"kty": "oct", "kid": "shared", "k": "c2VjcmV0"})]);
        assert!(!keys.has("shared"));
        for secret in [jwk["n"].as_str().unwrap().as_bytes().to_vec(), DER.clone(), jwk.to_string().into_bytes()] {
            for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
                let token = token(algorithm, "one", &EncodingKey::from_secret(&secret));
                assert_eq!(keys.verify(&token), Err(TokenError::Algorithm));
                assert_eq!(unverified_kid(&token), Err(TokenError::Algorithm));
            }
        }
        let claims = URL_SAFE_NO_PAD.encode(r#"{"sub":"s"}"#);
        for (header, error) in [
            (json!({"alg": "none", "kid": "one"}), TokenError::Algorithm),
            (json!({"alg": "None", "kid": "one"}), TokenError::Algorithm),
            (json!({"alg": "", "kid": "one"}), TokenError::Algorithm),
            (json!({"alg": "ES256K", "kid": "one"}), TokenError::Algorithm),
            (json!({"alg": "ES512", "kid": "one"}), TokenError::Signature),
            (json!({"alg": "RS256", "kid": "one", "crit": ["exp"]}), TokenError::Algorithm),
            (json!({"alg": "RS256"}), TokenError::Malformed),
            (json!({"alg": "RS256", "kid": null}), TokenError::Malformed),
            (json!({"alg": "RS256", "kid": "one"}), TokenError::Signature),
            // A key that comes along counts for nothing.
            (json!({"alg": "RS256", "kid": "other", "jwk": jwk}), TokenError::Key),
        ] {
            let token = format!("{}.{claims}.", URL_SAFE_NO_PAD.encode(header.to_string()));
            assert_eq!(keys.verify(&token), Err(error), "{header}");
        }
    }

    #[test]
    fn keys_are_for_what_their_issuer_says() {
        let rsa = rsa_key();
        let [pkcs, pss] = [Algorithm::RS256, Algorithm::PS256].map(|algorithm| token(algorithm, "one", &rsa));
        for members in [
            json!({"use": "enc"}),
            json!({"key_ops": ["encrypt"]}),
            json!({"kty": "EC"}),
            json!({"kid": null}),
            json!({"n": "AQAB"}),
            json!({"n": "!"}),
            json!({"e": null}),
        ] {
            assert_eq!(keys(&[rsa_jwk(members.clone())]).verify(&pkcs), Err(TokenError::Key), "{members}");
        }
        let bound = keys(&[rsa_jwk(json!({"alg": "PS256"}))]);
        assert_eq!(bound.verify(&pkcs), Err(TokenError::Signature));
        assert!(bound.verify(&pss).is_ok());
        // What cannot be read is left out, and harms none of the others.
        assert!(keys(&[json!(1), json!({}), rsa_jwk(json!({}))]).verify(&pkcs).is_ok());
        for text in ["", "[]", "{}", r#"{"keys": {}}"#] {
            assert!(matches!(ForeignKeys::read(text.as_bytes()), Err(TokenError::Key)), "{text}");
        }
    }

    #[test]
    fn points_must_be_on_their_curve() {
        let (der, mut jwk) = ec(&ECDSA_P256_SHA256_FIXED_SIGNING, "P-256", 32);
        let token = token(Algorithm::ES256, "P-256", &EncodingKey::from_ec_der(&der));
        assert!(keys(std::slice::from_ref(&jwk)).verify(&token).is_ok());
        jwk["x"] = jwk["y"].clone();
        assert_eq!(keys(std::slice::from_ref(&jwk)).verify(&token), Err(TokenError::Signature));
        jwk["x"] = json!(URL_SAFE_NO_PAD.encode([1; 31]));
        assert_eq!(keys(&[jwk]).verify(&token), Err(TokenError::Key));
    }

    #[test]
    fn short_signatures_are_not_taken() {
        let keys = keys(&[rsa_jwk(json!({}))]);
        let signed = format!("{}.e30", URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","kid":"one"}"#));
        let pair = RsaKeyPair::from_pkcs8(&DER).unwrap();
        let mut signature = vec![0; 256];
        pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
        let with = |signature: &[u8]| keys.verify(&format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)));
        assert!(with(&signature).is_ok());
        assert_eq!(with(&signature[..255]), Err(TokenError::Signature));
        assert_eq!(with(&[0; 256]), Err(TokenError::Signature));
    }
}
