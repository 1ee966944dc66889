//! What cryptography reads. Nothing that was tampered with may pass.

use std::{cell::RefCell, sync::LazyLock};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD as BASE64, URL_SAFE_NO_PAD},
};
use crypto::{
    encoded_data,
    envelope::{self, Context, Draft, RawAesKey, local_key},
    hash,
    password::{argon2id_verify, imported::ImportedHash},
    seal::{KeyRing, MasterKey, Purpose},
    sigv4::{self, SessionToken, SignedRequest},
    srp::{self, Verifier},
    token::{
        self, SigningKey, VerifyingKey,
        foreign::{self, ForeignKeys},
        refresh,
    },
};
use domain::{Passkey, Sealed, User, passkey::Ceremony};
use serde_json::{Value, json};
use service::web_authn::{self, Answer};
use testkit::{SeededEntropy, authenticator::Authenticator, stock};
use wire::{Timestamp, UserStatusType};

use crate::input;

/// 2026-01-02T03:04:05Z.
const NOW: Timestamp = Timestamp(1_767_323_045_000);
/// What sealed values are for.
const IDENTITY: &str = "client";

/// A ring, and what it has sealed and signed. libFuzzer sees what is compared, and so comes to know all of it.
struct Made {
    ring: KeyRing,
    verifying: VerifyingKey,
    foreign: ForeignKeys,
    signed: String,
    refresh: String,
    sealed: Vec<u8>,
    sealed_text: Sealed,
    raw_key: RawAesKey,
    message: Vec<u8>,
    data_key: Vec<u8>,
    verifier: Verifier,
}

static MADE: LazyLock<Made> = LazyLock::new(|| {
    let entropy = SeededEntropy::new(1);
    let ring = ring();
    let key = stock(&ring, &entropy, 1, NOW).pop().expect("a key");
    let private = ring.open(Purpose::SigningKey, &key.kid, &key.private).expect("our own key");
    let key = SigningKey::from_pkcs8(&key.kid, &private).expect("a key");
    let raw_key = RawAesKey::new("fuzz", "key", &[7; 32]).expect("a key");
    let draft = Draft::new(context()).expect("a context with room");
    let data_key = raw_key.data_key(&entropy, draft.context()).expect("a data key");
    Made {
        verifying: key.verifying_key().expect("a key"),
        foreign: ForeignKeys::read(json!({"keys": [key.public_jwk()]}).to_string().as_bytes()).expect("a key set"),
        signed: key.sign(br#"{"sub":"s","token_use":"access","exp":1767326645}"#).expect("it signs"),
        refresh: refresh::seal(&ring, &entropy, IDENTITY, b"{}"),
        sealed: ring.seal_bytes(&entropy, Purpose::SignInSession, IDENTITY, b"{}"),
        sealed_text: ring.seal(&entropy, Purpose::ClientSecret, IDENTITY, b"secret"),
        message: draft.seal(&entropy, &data_key, b"123456").expect("a message"),
        data_key: local_key::data_key(&ring, &entropy, "arn:aws:kms:x", &context()).encrypted.ciphertext,
        verifier: srp::make_verifier(&entropy, "Pool", "alice", "Passw0rd!"),
        raw_key,
        ring,
    }
});

fn ring() -> KeyRing {
    KeyRing::new(vec![MasterKey::generate(&SeededEntropy::new(2))]).expect("one key makes a ring")
}

fn context() -> Context {
    Context::new([("userpool-id", "eu-west-1_Pool")]).expect("a context")
}

/// Access tokens, refresh tokens, sealed values, key files, tokens of other issuers and their keys: as they come, or
/// tampered with (see [`input::patched`]).
pub fn tokens(data: &[u8]) {
    let Some((way, rest)) = input::choice(data, 11) else { return };
    let made = &*MADE;
    let text = String::from_utf8_lossy(rest);
    let patched = |valid: &[u8]| input::patched(valid, rest);
    let patched_text = |valid: &str| patched(valid.as_bytes()).and_then(|bytes| String::from_utf8(bytes).ok());
    let opened = match way {
        0 => {
            _ = token::unverified_kid(&text);
            *text != made.signed && made.verifying.verify(&text).is_ok()
        }
        1 => patched_text(&made.signed).is_some_and(|token| made.verifying.verify(&token).is_ok()),
        2 => *text != made.refresh && refresh::open(&made.ring, IDENTITY, &text).is_ok(),
        3 => patched_text(&made.refresh).is_some_and(|token| refresh::open(&made.ring, IDENTITY, &token).is_ok()),
        4 => rest != made.sealed && made.ring.open_bytes(Purpose::SignInSession, IDENTITY, rest).is_ok(),
        5 => patched(&made.sealed)
            .is_some_and(|sealed| made.ring.open_bytes(Purpose::SignInSession, IDENTITY, &sealed).is_ok()),
        6 => {
            let sealed = patched_text(&made.sealed_text.0).map_or_else(|| Sealed(text.into_owned()), Sealed);
            _ = made.ring.is_outdated(&sealed);
            sealed != made.sealed_text && made.ring.open(Purpose::ClientSecret, IDENTITY, &sealed).is_ok()
        }
        7 => {
            _ = KeyRing::parse(&text);
            false
        }
        9 => patched_text(&made.signed).is_some_and(|token| made.foreign.verify(&token).is_ok()),
        10 => {
            let (token, jwks) = input::line(&text);
            // Its own keys may have signed it.
            _ = foreign::unverified_kid(token);
            _ = ForeignKeys::read(jwks.as_bytes()).map(|keys| keys.verify(token));
            false
        }
        _ => {
            let (modulus, exponent) = input::line(&text);
            _ = (SigningKey::from_pkcs8("kid", rest), VerifyingKey::new(modulus, exponent.trim_end()));
            false
        }
    };
    assert!(!opened, "what nobody has made opens: {:?}", String::from_utf8_lossy(data));
}

/// A request as [`crate::requests::http_requests`] has it: its own signature never fits, a right one always does.
pub fn signatures(data: &[u8]) {
    const SECRET: &str = "a secret that no input knows";
    let text = String::from_utf8_lossy(data);
    let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    let mut lines = head.lines();
    let (method, target) = lines.next().and_then(|line| line.split_once(' ')).unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers: Vec<(String, &str)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim()))
        .collect();
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let request = SignedRequest { method, path, query, headers: &headers, body: body.as_bytes() };
    let check = |request: &SignedRequest<'_>| {
        let credential = sigv4::parse_authorization(request)?;
        // Whenever it says that it was made: most inputs would end there.
        sigv4::verify(sigv4::SERVICE, request, &credential, SECRET, credential.timestamp, SessionToken::None)
    };
    assert!(check(&request).is_err(), "a signature without the secret fits: {text:?}");

    // What signing adds must not be there before. A client signs what it sends, and HTTP carries nothing else than this.
    let is_added = |name: &str| matches!(name, "authorization" | "date") || name.starts_with("x-amz-");
    let is_http = |(name, value): &(&str, &str)| {
        http::HeaderName::from_bytes(name.as_bytes()).is_ok() && http::HeaderValue::from_str(value).is_ok()
    };
    if headers.iter().any(|(name, _)| is_added(name)) || !headers.iter().all(is_http) {
        return;
    }
    if format!("{path}?{query}").parse::<http::Uri>().is_err() || !path.starts_with('/') {
        return;
    }
    let Ok(added) = sigv4::sign(&request, "AKIAIOSFODNN7EXAMPLE", SECRET, None, "eu-west-1", NOW.seconds()) else {
        return;
    };
    let added = added.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let headers: Vec<(&str, &str)> = headers.iter().copied().chain(added).collect();
    let signed = SignedRequest { headers: &headers, ..request };
    assert_eq!(check(&signed), Ok(()), "a right signature does not fit: {headers:?} {text:?}");
}

/// `SRP_A`; a device's salt and verifier, each in a line; a claim's timestamp.
pub fn srp(data: &[u8]) {
    let Some((way, rest)) = input::choice(data, 3) else { return };
    let made = &*MADE;
    match way {
        0 => {
            let Ok(public) = srp::parse_client_public(&String::from_utf8_lossy(rest)) else { return };
            let challenge = srp::challenge(&SeededEntropy::new(3), &made.verifier);
            let key = srp::proof_key(&public, &challenge, &made.verifier).expect("u is never zero");
            assert!(!srp::verify_claim(&key, "Pool", "alice", b"block", "timestamp", rest), "{rest:?}");
        }
        1 => {
            let mut parts = rest.splitn(2, |byte| *byte == b'\n');
            let (salt, verifier) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            let Ok(verifier) = Verifier::from_client(salt, verifier) else { return };
            _ = srp::challenge(&SeededEntropy::new(3), &verifier);
        }
        _ => {
            let text = String::from_utf8_lossy(rest);
            let Some(seconds) = srp::timestamp::parse_timestamp(&text) else { return };
            let written = srp::timestamp::format_timestamp(seconds).expect("a year with four digits");
            assert_eq!(srp::timestamp::parse_timestamp(&written), Some(seconds), "{text:?} {written:?}");
        }
    }
}

/// Password hashes that an import brings along. Dear ones are recognized and not checked.
pub fn password_hashes(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let Ok(hash) = ImportedHash::parse(text) else { return };
    let is_cheap = if text.starts_with("$2") {
        text.get(4..6).is_some_and(|cost| cost <= "06")
    } else {
        let costs = text.split('$').nth_back(2).unwrap_or_default();
        costs.split(',').all(|cost| match cost.split_once('=') {
            Some(("ln", bits)) => bits.parse().is_ok_and(|bits: u32| bits <= 10),
            Some((_, number)) => number.parse().is_ok_and(|number: u32| number <= 1_024),
            None => false,
        })
    };
    if is_cheap {
        assert!(!hash.matches("a password that nobody has chosen"), "{text}");
        _ = argon2id_verify(text, "");
    }
}

/// What apps say of their devices: the whole as it comes, or what is signed, its version in the first line.
pub fn encoded_data(data: &[u8]) {
    let Some((way, rest)) = input::choice(data, 2) else { return };
    let text = String::from_utf8_lossy(rest);
    if way == 0 {
        // The key is no secret: whoever makes inputs may sign them.
        _ = encoded_data::open(&text, "1example23456789");
        return;
    }
    let (version, payload) = input::line(&text);
    let signed = [version.as_bytes(), payload.as_bytes()].concat();
    let signature = BASE64.encode(hash::hmac_sha256(IDENTITY.as_bytes(), &signed));
    let whole = json!({"payload": payload, "signature": signature, "version": version}).to_string();
    let Some(opened) = encoded_data::open(&BASE64.encode(whole), IDENTITY) else { return };
    let encoded_data::EncodedData {
        device_id,
        user_agent,
        device_name,
        manufacturer,
        platform,
        system_version,
        timezone,
    } = opened;
    for value in [device_id, user_agent, device_name, manufacturer, platform, system_version, timezone] {
        let is_plain = |text: &str| text.len() <= 1_024 && !text.is_empty() && !text.contains(char::is_control);
        assert!(value.as_deref().is_none_or(is_plain), "{value:?} in {payload:?}");
    }
}

/// Messages of the AWS Encryption SDK, data keys of our own KMS, and encryption contexts.
pub fn encrypted_messages(data: &[u8]) {
    let Some((way, rest)) = input::choice(data, 4) else { return };
    let made = &*MADE;
    let opens = |message: &[u8]| {
        // Keys are tried until one fits, and none that is wrong opens anything.
        let found = envelope::open(message, |key, context| made.raw_key.decrypt(key, context));
        _ = envelope::open(message, |_, _| Some([7; 32].into()));
        found.is_ok()
    };
    let opened = match way {
        0 => rest != made.message && opens(rest),
        1 => input::patched(&made.message, rest).is_some_and(|message| opens(&message)),
        2 => input::patched(&made.data_key, rest)
            .is_some_and(|key| local_key::decrypt(&made.ring, &key, &context()).is_some()),
        _ => {
            let pairs: Vec<(String, String)> = serde_json::from_slice(rest).unwrap_or_default();
            let pairs = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            Context::new(pairs).is_ok_and(|other| {
                other != context() && local_key::decrypt(&made.ring, &made.data_key, &other).is_some()
            })
        }
    };
    assert!(!opened, "what nobody has made opens: {data:?}");
}

/// An authenticator with a passkey, and what it says.
struct Authenticated {
    registration: Value,
    answer: Value,
    passkey: Passkey,
    user: User,
    ceremony: Ceremony,
}

thread_local! {
    static AUTHENTICATED: RefCell<Authenticated> = RefCell::new(authenticated());
}

fn authenticated() -> Authenticated {
    let ceremony = Ceremony {
        challenge: "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8".to_owned(),
        relying_party_id: "auth.example.com".to_owned(),
        verifies_user: true,
    };
    let user = User::new("eu-west-1_Pool", "sub", "alice", UserStatusType::Confirmed, [].into(), NOW);
    let mut authenticator = Authenticator::es256(1);
    let (challenge, relying_party) = (&ceremony.challenge, &ceremony.relying_party_id);
    let options = json!({"challenge": challenge, "rp": {"id": relying_party}, "rpId": relying_party});
    let registration = authenticator.create(&options, |_| ());
    let answer = authenticator.get(&options, |_| ());
    let registered = web_authn::register(&ceremony, &user, &[], registration.clone()).expect("a registration");
    let passkey = Passkey {
        pool_id: user.pool_id.clone(),
        sub: user.sub.clone(),
        id: registered.id,
        name: String::new(),
        relying_party_id: relying_party.clone(),
        attachment: registered.attachment,
        transports: registered.transports,
        created_at: NOW,
        verifier: registered.verifier,
    };
    Authenticated { registration, answer, passkey, user, ceremony }
}

/// What authenticators say: registrations and answers as JSON, or parts of right ones in the place of theirs or tampered
/// with.
pub fn passkeys(data: &[u8]) {
    let Some((way, rest)) = input::choice(data, 7) else { return };
    AUTHENTICATED.with_borrow(|made| {
        let register = |credential: Value| {
            let outcome = web_authn::register(&made.ceremony, &made.user, &[], credential);
            let fault = outcome.err().filter(|error| error.kind.is_server_fault());
            assert!(fault.is_none(), "{fault:?}");
        };
        let signs_in = |text: &str| {
            let Some(answer) = Answer::parse(text) else { return false };
            let outcome =
                web_authn::verify(&made.ceremony, &made.passkey, &answer).expect("an answer is no fault of ours");
            outcome.is_some()
        };
        let with = |whole: &Value, member: &str, bytes: &[u8]| {
            let mut whole = whole.clone();
            whole["response"][member] = json!(encoded(bytes));
            whole
        };
        let part = |whole: &Value, member: &str| decoded(whole["response"][member].as_str().unwrap_or_default());
        match way {
            0 => register(serde_json::from_slice(rest).unwrap_or_default()),
            1 => register(with(&made.registration, "attestationObject", rest)),
            2 => register(with(&made.registration, "clientDataJSON", rest)),
            3 => {
                let object = part(&made.registration, "attestationObject");
                let changed = input::patched(&object, rest).unwrap_or(object);
                register(with(&made.registration, "attestationObject", &changed));
            }
            4 => {
                // The one right answer would need the key of this run.
                assert!(!signs_in(&String::from_utf8_lossy(rest)), "{:?}", String::from_utf8_lossy(rest));
            }
            _ => {
                let member = if way == 5 { "authenticatorData" } else { "clientDataJSON" };
                let Some(changed) = input::patched(&part(&made.answer, member), rest) else { return };
                assert!(!signs_in(&with(&made.answer, member, &changed).to_string()), "{member}: {changed:?}");
            }
        }
    });
}

fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn decoded(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).expect("base64 of our own")
}
