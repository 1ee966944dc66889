//! RS256 tokens (RFC 7515, 7518, 7519) as Cognito writes them, and their keys (auth-flows.md §17).
//!
//! Header exactly `{"kid":"…","alg":"RS256"}`, no `typ`. Signing goes straight to aws-lc-rs, although there are
//! libraries for tokens: `jsonwebtoken` keeps the key as DER and parses it again at each signature
//! (`try_sign_rsa` of its aws-lc backend, 11.1), and an RSA-2048 signature is what a sign-in spends its time on. It is
//! kept as the oracle of the tests.
//!
//! Verifying takes the steps of RFC 7515 §5.2 in this order: length, three segments, header, algorithm, signature.
//! What the claims mean is the caller's business.

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{KeyPair as _, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaPublicKeyComponents},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

mod der;
pub mod es256;
pub mod foreign;
pub mod refresh;

/// Longest token that is looked at, in bytes. An access token with a hundred groups of 128 letters that have four bytes
/// each, and fifty scopes of 256 characters, has 90,000.
pub const LONGEST_TOKEN: usize = 128 * 1_024;
/// Most bytes of claims whose token is not longer than that: base64 makes four of three, and header and signature of the
/// largest key have less than 2 KiB.
pub const MOST_CLAIMS: usize = (LONGEST_TOKEN - 2 * 1_024) / 4 * 3;

/// Why a token, or a key, is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Longer than [`LONGEST_TOKEN`].
    #[error("the token is too long")]
    TooLong,
    /// Not three segments of unpadded base64url with a JSON header that has `kid` and `alg`.
    #[error("not a token")]
    Malformed,
    /// Another algorithm than RS256 (of [`foreign`] tokens: than those of public keys), or an extension that must be
    /// understood (`crit`).
    #[error("the token's algorithm is not taken")]
    Algorithm,
    /// The signature is not this key's.
    #[error("the token's signature is wrong")]
    Signature,
    /// Not an RSA key of at least 2048 bits.
    #[error("not a usable RSA key")]
    Key,
    /// The signature could not be computed, for want of memory or for a fault that the library noticed.
    #[error("signing failed")]
    Signing,
}

/// The public half of a key as JWKS shows it (RFC 7517), members in Cognito's order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Jwk {
    /// Always `RS256`.
    pub alg: &'static str,
    /// Public exponent, unpadded base64url.
    pub e: String,
    /// Key id.
    pub kid: String,
    /// Always `RSA`.
    pub kty: &'static str,
    /// Modulus, unpadded base64url.
    pub n: String,
    /// Always `sig`.
    #[serde(rename = "use")]
    pub usage: &'static str,
}

impl Jwk {
    /// The entry for a key, from its parts.
    #[must_use]
    pub fn new(kid: &str, modulus: &str, exponent: &str) -> Self {
        Self {
            alg: "RS256",
            e: exponent.to_owned(),
            kid: kid.to_owned(),
            kty: "RSA",
            n: modulus.to_owned(),
            usage: "sig",
        }
    }
}

/// Makes an RSA-2048 key: its PKCS#8 DER. Takes 70 to 190 ms, and draws from the library's own generator, the only
/// place where randomness cannot be injected.
///
/// # Errors
/// [`TokenError::Key`] when the library fails.
pub fn generate_rsa_2048() -> Result<Zeroizing<Vec<u8>>, TokenError> {
    let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|_| TokenError::Key)?;
    let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| TokenError::Key)?;
    Ok(Zeroizing::new(der.as_ref().to_vec()))
}

/// A key that signs, parsed once.
pub struct SigningKey {
    kid: String,
    pair: KeyPair,
    modulus: Vec<u8>,
    exponent: Vec<u8>,
    /// The first segment and its dot.
    header: String,
}

impl SigningKey {
    /// Parses a PKCS#8 key of at least 2048 bits.
    ///
    /// # Errors
    /// [`TokenError::Key`].
    pub fn from_pkcs8(kid: &str, der: &[u8]) -> Result<Self, TokenError> {
        let pair = KeyPair::from_pkcs8(der).map_err(|_| TokenError::Key)?;
        let (modulus, exponent) = der::rsa_public_key(pair.public_key().as_ref()).ok_or(TokenError::Key)?;
        let (modulus, exponent) = (modulus.to_vec(), exponent.to_vec());
        let header = URL_SAFE_NO_PAD.encode(header_json(kid)?) + ".";
        Ok(Self { kid: kid.to_owned(), pair, modulus, exponent, header })
    }

    /// The key id.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Signs claims, which must be the JSON of an object: `header.claims.signature`. Takes about 0.25 ms.
    ///
    /// # Errors
    /// [`TokenError::Signing`].
    pub fn sign(&self, claims_json: &[u8]) -> Result<String, TokenError> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        let mut token = String::with_capacity(self.header.len() + (claims_json.len() + signature.len()) * 4 / 3 + 8);
        token.push_str(&self.header);
        URL_SAFE_NO_PAD.encode_string(claims_json, &mut token);
        // PKCS#1 v1.5 uses no randomness; the library's signature asks for a generator and ignores it.
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), token.as_bytes(), &mut signature)
            .map_err(|_| TokenError::Signing)?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(&signature, &mut token);
        Ok(token)
    }

    /// The entry for JWKS.
    #[must_use]
    pub fn public_jwk(&self) -> Jwk {
        Jwk::new(&self.kid, &URL_SAFE_NO_PAD.encode(&self.modulus), &URL_SAFE_NO_PAD.encode(&self.exponent))
    }

    /// The key that checks what this one signs.
    ///
    /// # Errors
    /// [`TokenError::Key`], which cannot happen to a key that was parsed.
    pub fn verifying_key(&self) -> Result<VerifyingKey, TokenError> {
        VerifyingKey::from_components(&self.modulus, &self.exponent)
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// A public key that checks tokens, parsed once.
#[derive(Debug)]
pub struct VerifyingKey(ParsedPublicKey);

impl VerifyingKey {
    /// From modulus and exponent in unpadded base64url, as JWKS and the database hold them.
    ///
    /// # Errors
    /// [`TokenError::Key`].
    pub fn new(modulus: &str, exponent: &str) -> Result<Self, TokenError> {
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| TokenError::Key);
        Self::from_components(&decode(modulus)?, &decode(exponent)?)
    }

    fn from_components(n: &[u8], e: &[u8]) -> Result<Self, TokenError> {
        // The library checks the size only when it verifies; a key that is too small must not come that far.
        if n.len() < 256 {
            return Err(TokenError::Key);
        }
        RsaPublicKeyComponents { n, e }
            .to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
            .map(Self)
            .map_err(|_| TokenError::Key)
    }

    /// Checks the signature and returns the claims: the bytes of the second segment, which are not parsed here.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub fn verify(&self, token: &str) -> Result<Vec<u8>, TokenError> {
        let parts = split(token)?;
        self.0.verify_sig(parts.signed.as_bytes(), &parts.signature).map_err(|_| TokenError::Signature)?;
        Ok(parts.claims)
    }
}

/// The `kid` of a token whose signature has not been checked, to find the key that checks it. Nothing else may be
/// read off an unchecked token.
///
/// # Errors
/// See [`TokenError`]; never [`TokenError::Signature`].
pub fn unverified_kid(token: &str) -> Result<String, TokenError> {
    split(token).map(|parts| parts.kid)
}

/// A token taken apart.
struct Parts<'a> {
    kid: String,
    alg: String,
    typ: Option<String>,
    claims: Vec<u8>,
    signature: Vec<u8>,
    /// The first two segments, which are what is signed.
    signed: &'a str,
}

/// A token as this server writes them.
fn split(token: &str) -> Result<Parts<'_>, TokenError> {
    let parts = take_apart(token)?;
    if parts.alg == "RS256" { Ok(parts) } else { Err(TokenError::Algorithm) }
}

/// A token of any algorithm.
fn take_apart(token: &str) -> Result<Parts<'_>, TokenError> {
    #[derive(Deserialize)]
    struct Header {
        kid: String,
        alg: String,
        typ: Option<String>,
        crit: Option<serde_json::Value>,
    }
    if token.len() > LONGEST_TOKEN {
        return Err(TokenError::TooLong);
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
    let (header, claims) = signed.split_once('.').ok_or(TokenError::Malformed)?;
    // Unpadded base64url has no dot, so a fourth segment fails here.
    let decode = |segment: &str| URL_SAFE_NO_PAD.decode(segment).map_err(|_| TokenError::Malformed);
    let (header, claims, signature) = (decode(header)?, decode(claims)?, decode(signature)?);
    let header: Header = serde_json::from_slice(&header).map_err(|_| TokenError::Malformed)?;
    if header.crit.is_some() {
        return Err(TokenError::Algorithm);
    }
    Ok(Parts { kid: header.kid, alg: header.alg, typ: header.typ, claims, signature, signed })
}

fn header_json(kid: &str) -> Result<String, TokenError> {
    let kid = serde_json::to_string(kid).map_err(|_| TokenError::Key)?;
    Ok(format!(r#"{{"kid":{kid},"alg":"RS256"}}"#))
}

#[cfg(test)]
mod tests;
