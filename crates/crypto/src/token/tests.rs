use std::sync::LazyLock;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const KID: &str = "k+/1=";

static DER: LazyLock<Zeroizing<Vec<u8>>> = LazyLock::new(|| generate_rsa_2048().unwrap());
static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::from_pkcs8(KID, &DER).unwrap());

fn verifier() -> VerifyingKey {
    let jwk = KEY.public_jwk();
    VerifyingKey::new(&jwk.n, &jwk.e).unwrap()
}

fn claims() -> Vec<u8> {
    serde_json::to_vec(&json!({"sub": "s", "exp": 4_102_444_800_i64})).unwrap()
}

/// A token with this header and these claims, signed by our key.
fn token_with_header(header: &str) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims()));
    let mut signature = vec![0; 256];
    KEY.pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[test]
fn the_header_is_exactly_cognitos() {
    let token = KEY.sign(&claims()).unwrap();
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    assert_eq!(header, br#"{"kid":"k+/1=","alg":"RS256"}"#);
    assert_eq!(unverified_kid(&token), Ok(KID.to_owned()));
    assert_eq!(KEY.kid(), KID);
}

#[test]
fn another_library_accepts_ours() {
    let jwk = KEY.public_jwk();
    let key = DecodingKey::from_rsa_components(&jwk.n, &jwk.e).unwrap();
    let decoded = decode::<Value>(KEY.sign(&claims()).unwrap(), &key, &Validation::new(Algorithm::RS256)).unwrap();
    assert_eq!(
        serde_json::to_vec(&decoded.claims).unwrap(),
        serde_json::to_vec(&serde_json::from_slice::<Value>(&claims()).unwrap()).unwrap()
    );
    assert_eq!(decoded.header.kid.as_deref(), Some(KID));
}

#[test]
fn we_accept_another_librarys() {
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        base64::engine::general_purpose::STANDARD.encode(DER.as_slice())
    );
    let mut header = Header::new(Algorithm::RS256);
    header.kid = Some("other".to_owned());
    let key = EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap();
    let token = encode(&header, &json!({"sub": "s"}), &key).unwrap();
    assert_eq!(verifier().verify(&token).unwrap(), br#"{"sub":"s"}"#);
    assert_eq!(unverified_kid(&token), Ok("other".to_owned()));
}

#[test]
fn what_is_signed_is_verified() {
    let token = KEY.sign(&claims()).unwrap();
    assert_eq!(verifier().verify(&token), Ok(claims()));
    assert_eq!(KEY.verifying_key().unwrap().verify(&token), Ok(claims()));
    let other = SigningKey::from_pkcs8(KID, &generate_rsa_2048().unwrap()).unwrap();
    assert_eq!(other.verifying_key().unwrap().verify(&token), Err(TokenError::Signature));
}

#[test]
fn no_other_algorithm_is_accepted() {
    assert!(verifier().verify(&token_with_header(r#"{"kid":"k","alg":"RS256"}"#)).is_ok());
    for header in [
        r#"{"kid":"k","alg":"none"}"#,
        r#"{"kid":"k","alg":"HS256"}"#,
        r#"{"kid":"k","alg":"RS512"}"#,
        r#"{"kid":"k","alg":"PS256"}"#,
        r#"{"kid":"k","alg":"rs256"}"#,
        r#"{"kid":"k","alg":"RS256","crit":["exp"]}"#,
    ] {
        assert_eq!(verifier().verify(&token_with_header(header)), Err(TokenError::Algorithm), "{header}");
    }
    for header in [
        r#"{"alg":"RS256"}"#,
        r#"{"kid":"k"}"#,
        r#"{"kid":1,"alg":"RS256"}"#,
        r#"{"kid":"k","alg":"RS256","alg":"RS256"}"#,
        r#"{"kid":"k","alg":"RS256"} x"#,
        "[]",
        "",
    ] {
        assert_eq!(verifier().verify(&token_with_header(header)), Err(TokenError::Malformed), "{header}");
    }
}

/// The public key taken for the secret of a symmetric algorithm, and no signature at all.
#[test]
fn confused_algorithms_are_refused() {
    let public = KEY.pair.public_key().as_ref().to_vec();
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some(KID.to_owned());
    let forged = encode(&header, &json!({"sub": "s"}), &EncodingKey::from_secret(&public)).unwrap();
    assert_eq!(verifier().verify(&forged), Err(TokenError::Algorithm));
    let body = URL_SAFE_NO_PAD.encode(claims());
    for alg in ["none", "RS256"] {
        let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"kid":"k","alg":"{alg}"}}"#));
        assert!(verifier().verify(&format!("{header}.{body}.")).is_err());
    }
}

#[test]
fn the_form_is_strict() {
    let token = KEY.sign(&claims()).unwrap();
    let (signed, _) = token.rsplit_once('.').unwrap();
    for text in [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        signed,
        &format!("{token}."),
        &format!(".{token}"),
        &format!("{token}="),
        &format!("{token}\n"),
        &format!(" {token}"),
        &token.replace('.', "=."),
    ] {
        assert_eq!(verifier().verify(text), Err(TokenError::Malformed), "{text}");
        assert_eq!(unverified_kid(text), Err(TokenError::Malformed));
    }
    assert_eq!(verifier().verify(&"a".repeat(LONGEST_TOKEN + 1)), Err(TokenError::TooLong));
    let long = KEY.sign(&vec![b' '; MOST_CLAIMS]).unwrap();
    assert_eq!(verifier().verify(&long).map(|claims| claims.len()), Ok(MOST_CLAIMS));
}

#[test]
fn the_jwks_entry_has_cognitos_order() {
    let text = serde_json::to_string(&Jwk::new("k", "N", "AQAB")).unwrap();
    assert_eq!(text, r#"{"alg":"RS256","e":"AQAB","kid":"k","kty":"RSA","n":"N","use":"sig"}"#);
    let jwk = KEY.public_jwk();
    assert_eq!((jwk.e.as_str(), URL_SAFE_NO_PAD.decode(&jwk.n).unwrap().len()), ("AQAB", 256));
}

#[test]
fn weak_and_broken_keys_are_refused() {
    assert_eq!(SigningKey::from_pkcs8("k", b"").unwrap_err(), TokenError::Key);
    assert_eq!(SigningKey::from_pkcs8("k", DER.split_at(100).0).unwrap_err(), TokenError::Key);
    let jwk = KEY.public_jwk();
    let short = URL_SAFE_NO_PAD.encode([0xc1; 128]);
    for (n, e) in [("", "AQAB"), (short.as_str(), "AQAB"), (jwk.n.as_str(), ""), ("!", "AQAB")] {
        assert_eq!(VerifyingKey::new(n, e).unwrap_err(), TokenError::Key, "{n} {e}");
    }
    assert_eq!(format!("{:?}", *KEY), r#"SigningKey { kid: "k+/1=", .. }"#);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_changed_character_is_noticed(at in any::<prop::sample::Index>(), character in "[A-Za-z0-9_.-]") {
        let token = KEY.sign(&claims()).unwrap();
        let at = at.index(token.len());
        let changed = format!("{}{character}{}", &token[..at], &token[at + 1..]);
        prop_assume!(changed != token);
        prop_assert!(verifier().verify(&changed).is_err());
    }

    #[test]
    fn any_text_is_survived(text in "\\PC*") {
        prop_assert!(verifier().verify(&text).is_err());
    }
}
