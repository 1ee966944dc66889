//! An authenticator of passkeys, with the browser in front of it: it makes credentials and signs challenges, and it lies
//! wherever a test tells it to.

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::KeySize,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// Somebody is there.
pub const USER_PRESENT: u8 = 0x01;
/// It has been verified who that is.
pub const USER_VERIFIED: u8 = 0x04;
/// Copies of the key may be kept elsewhere.
pub const BACKUP_ELIGIBLE: u8 = 0x08;
/// Copies of the key are kept elsewhere.
pub const BACKED_UP: u8 = 0x10;
/// The data holds a new credential.
const CREDENTIAL_INCLUDED: u8 = 0x40;

/// Algorithms, by their numbers.
const ES256: i64 = -7;
const RS256: i64 = -257;
const EDDSA: i64 = -8;

/// One passkey and the authenticator that holds it.
pub struct Authenticator {
    key: Key,
    /// The credential's id.
    pub id: Vec<u8>,
    /// How often it has signed; it counts on at each answer.
    pub counter: u32,
    /// `platform` or `cross-platform`.
    pub attachment: &'static str,
    /// The ways by which it is reached.
    pub transports: &'static [&'static str],
    /// The page on which it is used.
    pub origin: String,
}

enum Key {
    Es256(EcdsaKeyPair),
    Rs256(RsaKeyPair),
}

/// What goes into an answer; a test may change any of it before it is signed.
pub struct Facts {
    /// `type` of the client data.
    pub kind: String,
    /// `challenge` of the client data, base64url.
    pub challenge: String,
    /// `origin` of the client data.
    pub origin: String,
    /// `crossOrigin` of the client data.
    pub cross_origin: bool,
    /// The relying party whose hash is signed.
    pub relying_party_id: String,
    /// What is said about the user and the key.
    pub flags: u8,
    /// The count of signatures.
    pub counter: u32,
    /// The credential's id.
    pub id: Vec<u8>,
    /// Whose passkey it is, in an answer to a sign-in.
    pub user_handle: Option<Vec<u8>>,
    /// The public key of a new credential, as COSE.
    pub public_key: Vec<u8>,
    /// The form of the attestation of a new credential.
    pub format: String,
}

impl Authenticator {
    /// A security key with the algorithm ES256, on a page of `https://auth.example.com`. `number` makes its id.
    #[must_use]
    pub fn es256(number: u8) -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("a key can be made");
        Self::new(Key::Es256(key), number)
    }

    /// The same with the algorithm RS256.
    #[must_use]
    pub fn rs256(number: u8) -> Self {
        Self::new(Key::Rs256(RsaKeyPair::generate(KeySize::Rsa2048).expect("a key can be made")), number)
    }

    fn new(key: Key, number: u8) -> Self {
        Self {
            key,
            id: vec![number; 16],
            counter: 0,
            attachment: "cross-platform",
            transports: &["usb"],
            origin: "https://auth.example.com".to_owned(),
        }
    }

    /// What a phone or a laptop has: it keeps copies elsewhere, and does not count.
    #[must_use]
    pub fn platform(self) -> Self {
        Self { attachment: "platform", transports: &["hybrid", "internal"], ..self }
    }

    /// The credential's id, as requests and answers have it.
    #[must_use]
    pub fn credential_id(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.id)
    }

    /// RegistrationResponseJSON for `CredentialCreationOptions`, with `change` made to it before it is put together.
    pub fn create(&mut self, options: &Value, change: impl FnOnce(&mut Facts)) -> Value {
        let mut facts = self.facts("webauthn.create", options, &options["rp"]["id"]);
        facts.flags |= CREDENTIAL_INCLUDED;
        change(&mut facts);
        let mut data = facts.authenticator_data();
        data.extend([0; 16]);
        data.extend(u16::try_from(facts.id.len()).expect("ids are short").to_be_bytes());
        data.extend(&facts.id);
        data.extend(&facts.public_key);
        let mut attestation = cbor::map(3);
        attestation
            .extend([cbor::text("fmt"), cbor::text(&facts.format), cbor::text("attStmt"), cbor::map(0)].concat());
        attestation.extend([cbor::text("authData"), cbor::bytes(&data)].concat());
        json!({
            "id": URL_SAFE_NO_PAD.encode(&facts.id),
            "rawId": URL_SAFE_NO_PAD.encode(&facts.id),
            "type": "public-key",
            "authenticatorAttachment": self.attachment,
            "clientExtensionResults": {"credProps": {"rk": true}},
            "response": {
                "clientDataJSON": URL_SAFE_NO_PAD.encode(facts.client_data()),
                "attestationObject": URL_SAFE_NO_PAD.encode(attestation),
                "transports": self.transports,
                "publicKeyAlgorithm": self.algorithm(),
            },
        })
    }

    /// AuthenticationResponseJSON for `CREDENTIAL_REQUEST_OPTIONS`, with `change` made to it before it is signed.
    pub fn get(&mut self, options: &Value, change: impl FnOnce(&mut Facts)) -> Value {
        let mut facts = self.facts("webauthn.get", options, &options["rpId"]);
        change(&mut facts);
        let (data, client_data) = (facts.authenticator_data(), facts.client_data());
        let signature = self.sign(&[data.as_slice(), &crypto::hash::sha256(client_data.as_bytes())].concat());
        json!({
            "id": URL_SAFE_NO_PAD.encode(&facts.id),
            "rawId": URL_SAFE_NO_PAD.encode(&facts.id),
            "type": "public-key",
            "authenticatorAttachment": self.attachment,
            "clientExtensionResults": {},
            "response": {
                "authenticatorData": URL_SAFE_NO_PAD.encode(data),
                "clientDataJSON": URL_SAFE_NO_PAD.encode(client_data),
                "signature": URL_SAFE_NO_PAD.encode(signature),
                "userHandle": facts.user_handle.map(|handle| URL_SAFE_NO_PAD.encode(handle)),
            },
        })
    }

    /// The truth. An authenticator that is part of a device does not count.
    fn facts(&mut self, kind: &str, options: &Value, relying_party_id: &Value) -> Facts {
        let text = |value: &Value| value.as_str().expect("options are whole").to_owned();
        let is_platform = self.attachment == "platform";
        if !is_platform {
            self.counter += 1;
        }
        Facts {
            kind: kind.to_owned(),
            challenge: text(&options["challenge"]),
            origin: self.origin.clone(),
            cross_origin: false,
            relying_party_id: text(relying_party_id),
            flags: USER_PRESENT | USER_VERIFIED | if is_platform { BACKUP_ELIGIBLE | BACKED_UP } else { 0 },
            counter: self.counter,
            id: self.id.clone(),
            user_handle: None,
            public_key: self.public_key(),
            format: "none".to_owned(),
        }
    }

    fn algorithm(&self) -> i64 {
        match &self.key {
            Key::Es256(_) => ES256,
            Key::Rs256(_) => RS256,
        }
    }

    /// The public key, as COSE (RFC 9053).
    fn public_key(&self) -> Vec<u8> {
        let (key_type, of_the_key) = match &self.key {
            Key::Es256(pair) => {
                // 4, x, y: an uncompressed point.
                let point = pair.public_key().as_ref();
                let curve = [cbor::integer(-1), cbor::integer(1)].concat();
                let x = [cbor::integer(-2), cbor::bytes(&point[1..33])].concat();
                (2, [curve, x, cbor::integer(-3), cbor::bytes(&point[33..65])].concat())
            }
            Key::Rs256(pair) => {
                // PKCS #1: a sequence of the modulus, after nine bytes, and the exponent 65537.
                let der = pair.public_key().as_ref();
                let modulus = [cbor::integer(-1), cbor::bytes(&der[9..265])].concat();
                (3, [modulus, cbor::integer(-2), cbor::bytes(&der[267..270])].concat())
            }
        };
        cose(key_type, self.algorithm(), &of_the_key)
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.key {
            Key::Es256(pair) => pair.sign(&random, message).expect("it signs").as_ref().to_vec(),
            Key::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).expect("it signs");
                signature
            }
        }
    }
}

/// A public key of an algorithm that nobody asks for: Ed25519.
#[must_use]
pub fn ed25519_key() -> Vec<u8> {
    let curve = [cbor::integer(-1), cbor::integer(6)].concat();
    cose(1, EDDSA, &[curve, cbor::integer(-2), cbor::bytes(&[7; 32])].concat())
}

/// A COSE key: type, algorithm, and what its type has besides.
fn cose(key_type: i64, algorithm: i64, of_the_key: &[u8]) -> Vec<u8> {
    let entries = if key_type == 2 { 5 } else { 4 };
    let head = [cbor::map(entries), cbor::integer(1), cbor::integer(key_type), cbor::integer(3)].concat();
    [head, cbor::integer(algorithm), of_the_key.to_vec()].concat()
}

impl Facts {
    fn client_data(&self) -> String {
        let Self { kind, challenge, origin, cross_origin, .. } = self;
        json!({"type": kind, "challenge": challenge, "origin": origin, "crossOrigin": cross_origin}).to_string()
    }

    fn authenticator_data(&self) -> Vec<u8> {
        let hash = crypto::hash::sha256(self.relying_party_id.as_bytes());
        [hash.as_slice(), &[self.flags], &self.counter.to_be_bytes()].concat()
    }
}

/// As much of CBOR (RFC 8949) as authenticators write.
mod cbor {
    pub(super) fn integer(value: i64) -> Vec<u8> {
        let magnitude = if value < 0 { -1 - value } else { value };
        head(u8::from(value < 0), usize::try_from(magnitude).expect("it is not negative"))
    }

    pub(super) fn bytes(value: &[u8]) -> Vec<u8> {
        [head(2, value.len()), value.to_vec()].concat()
    }

    pub(super) fn text(value: &str) -> Vec<u8> {
        [head(3, value.len()), value.as_bytes().to_vec()].concat()
    }

    /// The head of a map of so many entries.
    pub(super) fn map(entries: usize) -> Vec<u8> {
        head(5, entries)
    }

    fn head(major: u8, value: usize) -> Vec<u8> {
        let [high, low] = u16::try_from(value).expect("nothing here is longer").to_be_bytes();
        let major = major << 5;
        match value {
            0..=23 => vec![major | low],
            24..=255 => vec![major | 24, low],
            _ => vec![major | 25, high, low],
        }
    }
}
