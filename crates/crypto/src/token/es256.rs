//! Tokens by which a pool proves itself to a provider that knows no shared secret (RFC 7515, 7518 §3.4): ES256.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::json;
use zeroize::Zeroizing;

use super::TokenError;

/// Signs claims, which must be the JSON of an object: `header.claims.signature`. The key is a P-256 key in PKCS#8, as PEM
/// or as base64 alone, and `kid` its id. The library draws the randomness of the signature from its own generator.
///
/// # Errors
/// [`TokenError::Key`] for what is no such key, [`TokenError::Signing`].
pub fn sign(private_key: &str, kid: &str, claims_json: &[u8]) -> Result<String, TokenError> {
    let base64: Zeroizing<String> = Zeroizing::new(
        private_key
            .lines()
            .filter(|line| !line.trim_start().starts_with("-----"))
            .flat_map(str::chars)
            .filter(|c| !c.is_whitespace())
            .collect(),
    );
    let der = Zeroizing::new(STANDARD.decode(base64.as_bytes()).map_err(|_| TokenError::Key)?);
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der).map_err(|_| TokenError::Key)?;
    let header = json!({"alg": "ES256", "kid": kid}).to_string();
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims_json));
    let signature = pair.sign(&SystemRandom::new(), signed.as_bytes()).map_err(|_| TokenError::Signing)?;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, KeyPair};
    use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
    use serde_json::Value;

    use super::*;

    #[test]
    fn another_library_takes_what_is_signed() {
        let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.as_ref()).unwrap();
        let public = pair.public_key().as_ref();
        let [x, y] = [&public[1..33], &public[33..]].map(|part| URL_SAFE_NO_PAD.encode(part));
        let base64 = STANDARD.encode(der.as_ref());
        let (first, rest) = base64.split_at(64);
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{first}\r\n{rest}\n-----END PRIVATE KEY-----\n");
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_audience(&["a"]);
        let claims = json!({"aud": "a", "exp": 4_000_000_000_i64, "iss": "team"});
        for key in [&base64, &pem] {
            let token = sign(key, "key-1", claims.to_string().as_bytes()).unwrap();
            let read = decode::<Value>(&token, &DecodingKey::from_ec_components(&x, &y).unwrap(), &validation).unwrap();
            assert_eq!((read.header.kid.as_deref(), &read.claims), (Some("key-1"), &claims));
        }
        let other = EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &SystemRandom::new()).unwrap();
        for bad in ["", "secret", &STANDARD.encode(other.as_ref())] {
            assert_eq!(sign(bad, "key-1", b"{}"), Err(TokenError::Key));
        }
    }
}
