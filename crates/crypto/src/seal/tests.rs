use aws_lc_rs::hkdf;
use proptest::prelude::*;

use super::*;
use crate::testing::{Constant, Counter};

fn key(id: &str) -> MasterKey {
    MasterKey::new(id, crate::hash::sha256(id.as_bytes())).unwrap()
}

fn ring(ids: &[&str]) -> KeyRing {
    KeyRing::new(ids.iter().map(|id| key(id)).collect()).unwrap()
}

#[test]
fn a_value_opens_for_its_purpose_and_identity_only() {
    let ring = ring(&["a"]);
    let entropy = Counter::new();
    for purpose in Purpose::ALL {
        let text = ring.seal(&entropy, purpose, "row", b"secret");
        let bytes = ring.seal_bytes(&entropy, purpose, "row", b"secret");
        assert!(text.0.starts_with("v1.a."));
        assert_eq!(bytes.len(), 6 + 30 + 1);
        assert_eq!(ring.open(purpose, "row", &text).unwrap().as_slice(), b"secret");
        assert_eq!(ring.open_bytes(purpose, "row", &bytes).unwrap().as_slice(), b"secret");
        for other in Purpose::ALL {
            assert_eq!(ring.open(other, "row", &text).is_ok(), other == purpose);
            assert_eq!(ring.open_bytes(other, "row", &bytes).is_ok(), other == purpose);
        }
        assert_eq!(ring.open(purpose, "wor", &text), Err(SealError::Forged));
        assert_eq!(ring.open_bytes(purpose, "", &bytes), Err(SealError::Forged));
    }
}

#[test]
fn the_numbers_of_purposes_never_change() {
    let numbers: Vec<u16> = Purpose::ALL.iter().map(|purpose| *purpose as u16).collect();
    assert_eq!(numbers, (1..=19).collect::<Vec<_>>());
    assert_eq!(Purpose::SigningKey as u16, 1);
    assert_eq!(Purpose::SignInSession as u16, 6);
    assert_eq!(Purpose::MasterKeyCheck as u16, 10);
    assert_eq!(Purpose::ProviderSecret as u16, 11);
    assert_eq!(Purpose::Export as u16, 12);
    assert_eq!(Purpose::SoftwareToken as u16, 13);
    assert_eq!(Purpose::DeviceVerifier as u16, 14);
    assert_eq!(Purpose::DataKey as u16, 15);
    assert_eq!(Purpose::LimitedAccessKeySecret as u16, 16);
    assert_eq!(Purpose::FeedbackToken as u16, 17);
    assert_eq!(Purpose::BrowserSession as u16, 18);
    assert_eq!(Purpose::ProviderState as u16, 19);
}

/// Databases outlive versions of this program: what was sealed once must open for ever. The value comes from another
/// implementation (Python's `cryptography`).
#[test]
fn a_value_of_the_first_version_still_opens() {
    let ring = ring(&["a"]);
    let sealed = ring.seal(&Constant(7), Purpose::SigningKey, "row", b"secret");
    assert_eq!(sealed.0, "v1.a.BwcHBwcHBwcHBwcHxeiY05nFWwrN7SaF2npIIHgKRLusMw");
}

#[test]
fn keys_are_derived_as_hkdf_does_it() {
    struct Length;
    impl hkdf::KeyType for Length {
        fn len(&self) -> usize {
            32
        }
    }
    let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, b"poolkeeper master key 1").extract(key("a").bytes());
    let mut derived = [0; 32];
    prk.expand(&[b"seal", &[0, 3]], Length).unwrap().fill(&mut derived).unwrap();
    let mut sealed = b"secret".to_vec();
    let data = associated_data(Purpose::PasswordVerifier, "a", "row");
    aead_key(&derived)
        .seal_in_place_append_tag(Nonce::assume_unique_for_key([9; 12]), Aad::from(&data), &mut sealed)
        .unwrap();
    let ours = ring(&["a"]).seal(&Constant(9), Purpose::PasswordVerifier, "row", b"secret");
    assert_eq!(ours.0, format!("v1.a.{}", URL_SAFE_NO_PAD.encode([[9; 12].as_slice(), &sealed].concat())));
}

#[test]
fn a_rotation_opens_the_old_and_seals_with_the_new() {
    let entropy = Counter::new();
    let (before, after) = (ring(&["old"]), ring(&["new", "old"]));
    let old = before.seal(&entropy, Purpose::ClientSecret, "row", b"secret");
    assert_eq!(after.open(Purpose::ClientSecret, "row", &old).unwrap().as_slice(), b"secret");
    assert!(after.is_outdated(&old) && !before.is_outdated(&old));
    let new = after.seal(&entropy, Purpose::ClientSecret, "row", b"secret");
    assert!(!after.is_outdated(&new));
    assert_eq!(after.active_id(), "new");
    assert_eq!(before.open(Purpose::ClientSecret, "row", &new), Err(SealError::UnknownKey));
    let bytes = after.seal_bytes(&entropy, Purpose::ClientSecret, "row", b"secret");
    assert_eq!(before.open_bytes(Purpose::ClientSecret, "row", &bytes), Err(SealError::UnknownKey));
    // Keyed hashes cannot be re-sealed, so their key stays.
    assert_eq!(before.subkey("codes"), after.subkey("codes"));
    assert_eq!(before.subkey("codes"), ring(&["newest", "new", "old"]).subkey("codes"));
    assert_ne!(before.subkey("codes"), before.subkey("decoys"));
    assert_ne!(before.subkey("codes"), ring(&["new"]).subkey("codes"));
}

#[test]
fn the_same_key_under_another_id_does_not_open() {
    let (a, b) = (MasterKey::new("a", [1; 32]).unwrap(), MasterKey::new("b", [1; 32]).unwrap());
    let sealed = KeyRing::new(vec![a]).unwrap().seal(&Counter::new(), Purpose::Message, "row", b"secret");
    let renamed = Sealed(sealed.0.replace("v1.a.", "v1.b."));
    assert_eq!(KeyRing::new(vec![b]).unwrap().open(Purpose::Message, "row", &renamed), Err(SealError::Forged));
}

#[test]
fn no_two_values_are_alike() {
    let ring = ring(&["a"]);
    let entropy = Counter::new();
    let seal = || ring.seal(&entropy, Purpose::Message, "row", b"secret").0;
    assert_ne!(seal(), seal());
}

#[test]
fn what_is_malformed_is_told_apart() {
    let ring = ring(&["a"]);
    for text in ["", "v1", "v1.", "v1.a", "v1.a.", "v1.a.AAAA", "v2.a.AAAA", "v1.a.!!!", "v1.a.AAAA=", "V1.a.AAAA"] {
        let opened = ring.open(Purpose::Message, "row", &Sealed(text.to_owned()));
        assert_eq!(opened, Err(SealError::Malformed), "{text}");
    }
    for bytes in [&[][..], &[1], &[0, 1, b'a'], &[1, 200, b'a'], &[1, 1, b'a'], &[1, 1, 0xff], &[1, 1, b'a', 0, 0]] {
        assert_eq!(ring.open_bytes(Purpose::Message, "row", bytes), Err(SealError::Malformed), "{bytes:?}");
    }
}

#[test]
fn key_files() {
    let text = format!("# active\n{}\n\n  {}  \r\n", key("new").to_text().as_str(), key("old").to_text().as_str());
    let parsed = KeyRing::parse(&text).unwrap();
    assert_eq!(parsed.active_id(), "new");
    assert_eq!(parsed.subkey("x"), ring(&["new", "old"]).subkey("x"));
    assert_eq!(KeyRing::parse("").unwrap_err(), RingError::Empty);
    assert_eq!(KeyRing::parse("# none\n").unwrap_err(), RingError::Empty);
    let twice = format!("{0}\n{0}", key("a").to_text().as_str());
    assert_eq!(KeyRing::parse(&twice).unwrap_err(), RingError::DuplicateId("a".to_owned()));
    let line = |text: &str| match KeyRing::parse(&format!("#\n{text}")).unwrap_err() {
        RingError::Line(2, error) => *error,
        error => error,
    };
    assert_eq!(line("secret"), RingError::Form);
    assert_eq!(line("a:secret"), RingError::Bytes);
    assert_eq!(line("a:AAAA"), RingError::Bytes);
    let bytes = STANDARD.encode([0; 32]);
    for id in ["", "a.b", "a b", "ä", &"a".repeat(33)] {
        assert_eq!(line(&format!("{id}:{bytes}")), RingError::Id, "{id}");
    }
    assert_eq!(KeyRing::parse("\nx").unwrap_err().to_string(), "line 2: a master key is written as id:base64");
}

#[test]
fn generated_keys_are_read_back() {
    let entropy = Counter::new();
    let (one, two) = (MasterKey::generate(&entropy), MasterKey::generate(&entropy));
    assert_ne!(one.id(), two.id());
    assert_ne!(one.bytes(), two.bytes());
    let back = MasterKey::parse(&one.to_text()).unwrap();
    assert_eq!((back.id(), back.bytes()), (one.id(), one.bytes()));
    let printed = format!("{one:?} {:?}", KeyRing::new(vec![one.clone(), two]).unwrap());
    assert!(!printed.contains(one.to_text().split_once(':').unwrap().1));
}

proptest! {
    #[test]
    fn anything_goes_there_and_back(identity in "\\PC*", plaintext in any::<Vec<u8>>()) {
        let ring = ring(&["a", "b"]);
        let entropy = Counter::new();
        let text = ring.seal(&entropy, Purpose::Message, &identity, &plaintext);
        prop_assert_eq!(ring.open(Purpose::Message, &identity, &text).unwrap().to_vec(), plaintext.clone());
        let bytes = ring.seal_bytes(&entropy, Purpose::Message, &identity, &plaintext);
        prop_assert_eq!(ring.open_bytes(Purpose::Message, &identity, &bytes).unwrap().to_vec(), plaintext);
    }

    #[test]
    fn any_changed_bit_is_noticed(plaintext in prop::collection::vec(any::<u8>(), 0..40), at in any::<prop::sample::Index>(), bit in 0..8) {
        let ring = ring(&["a"]);
        let mut bytes = ring.seal_bytes(&Counter::new(), Purpose::Message, "row", &plaintext);
        let at = at.index(bytes.len());
        bytes[at] ^= 1_u8 << bit;
        prop_assert!(ring.open_bytes(Purpose::Message, "row", &bytes).is_err());
    }

    #[test]
    fn any_input_is_survived(text in "\\PC*", bytes in any::<Vec<u8>>()) {
        let ring = ring(&["a"]);
        prop_assert!(ring.open(Purpose::Message, "row", &Sealed(text)).is_err());
        prop_assert!(ring.open_bytes(Purpose::Message, "row", &bytes).is_err());
    }
}
