//! The reference's messages, round trips, and messages that were changed. The official SDKs read ours in e2e/.

use proptest::prelude::*;

use super::*;
use crate::{
    seal::{KeyRing, MasterKey, Purpose},
    testing::{Constant, Counter},
};

const POOL: &str = "eu-west-1_AbCdEf123";
const ARN: &str = "arn:aws:kms:eu-west-1:000000000000:key/11111111-2222-3333-4444-555555555555";

/// triggers-security.md §12.3, read by the official SDKs for Python and JavaScript.
const SIGNED: &str = "AYADeNj0keyYT0CGaTsI43xctKsAgQACABVhd3MtY3J5cHRvLXB1YmxpYy1rZXkAREEySGltaSsxdmdjZ0NENmRrb2JHUkJSY1VJRDVmcGMwcjd2L3NrT3JBbHJXekFPaWJaRmRoMWJGZ0lnb0swM3lPZz09AAt1c2VycG9vbC1pZAATZXUtd2VzdC0xX0FiQ2RFZjEyMwABAA1jb2duaXRvLWxvY2FsAB5jb2RlLWtleS0xAAAAgAAAAAyHuGiVbHBt1wW8wWQAMC8Yww8lRZN68xtVgYN63Rp2te8dSBheFz4MMiThUR5Tp/h/L2afTyRfbSr65rbsYQIAAAAADAAAEAAAAAAAAAAAAAAAAABF87wnwAXzDxYj/iD3NX/A/////wAAAAEAAAAAAAAAAAAAAAEAAAAGcKhWIH8uYKoDMLB+EMv7uhoFVAy9IQBnMGUCMQCDA2fjjCDfPcmZZYPrvFAs7s1qoSXnu0bxMqIIJ7Vz0fmEm0yO4bmr3cUmBsYcbK4CMElnqLjhjSdU8d8Q0u//DwqrC8/eBCsJJ7VvBKd1Aytzc/Gmccc/AUy9sRNNcPz86w==";
const COMMITTED: &str = "AgR4VpFB7BC2GuryzS8ZR5s3Sx+Ctpee/iZsLU7fqwCsUskAJAABAAt1c2VycG9vbC1pZAATZXUtd2VzdC0xX0FiQ2RFZjEyMwABAA1jb2duaXRvLWxvY2FsAB5jb2RlLWtleS0xAAAAgAAAAAygYSEsACGFYNvmbnQAMK3vZd1/YBHjP9ASSnChkjTdkVXECbBHUAeEn2bvRBMZ4kZzvt9NDNfhyFggSOWRyQIAABAAEEthAJXVKUFVf5PkRTsHd9k419Wqs4blZmONQVkHMtVzBqG2Ue4GrbDiBwsqxgR8/////wAAAAEAAAAAAAAAAAAAAAEAAAAGFaJqhNWwlBDgGmAoEXRhKU49eL4Zhg==";

fn raw_key() -> RawAesKey {
    let bytes: Vec<u8> = (0..32).collect();
    RawAesKey::new("cognito-local", "code-key-1", &bytes).unwrap()
}

fn pool() -> Context {
    Context::new([("userpool-id", POOL)]).unwrap()
}

fn read(message: &[u8]) -> Result<(Vec<u8>, Context), OpenError> {
    open(message, |encrypted, context| raw_key().decrypt(encrypted, context))
}

/// A message under the raw key.
fn written(entropy: &dyn Entropy, plaintext: &[u8]) -> Vec<u8> {
    let draft = Draft::new(pool()).unwrap();
    let data_key = raw_key().data_key(entropy, draft.context()).unwrap();
    draft.seal(entropy, &data_key, plaintext).unwrap()
}

#[test]
fn the_messages_of_the_reference_are_read() {
    for (text, pairs) in [(SIGNED, 2), (COMMITTED, 1)] {
        let message = STANDARD.decode(text).unwrap();
        let (plaintext, context) = read(&message).unwrap();
        assert_eq!(plaintext, b"123456");
        assert_eq!(context.get("userpool-id"), Some(POOL));
        assert_eq!(context.pairs().count(), pairs);
        let other = RawAesKey::new("cognito-local", "code-key-1", &[9; 32]).unwrap();
        assert_eq!(open(&message, |key, context| other.decrypt(key, context)), Err(OpenError::NoDataKey));
        assert_eq!(open(&message, |_, _| Some(Zeroizing::new([9; 32]))), Err(OpenError::Forged));
    }
}

/// Byte by byte against the message of the reference: everything but what is random.
#[test]
fn our_messages_are_built_like_the_one_of_the_reference() {
    let theirs = STANDARD.decode(SIGNED).unwrap();
    let ours = written(&Counter::new(), b"123456");
    assert!(STANDARD.encode(&ours).starts_with("AYADe"));
    let (message_id, public_key, nonce, data_key) = (4..20, 49..117, 188..200, 202..250);
    let (tag, frame, signature) = (272..288, 312..334, 334);
    let random = [message_id, public_key, nonce, data_key, tag, frame];
    let fixed = (0..signature).filter(|index| !random.iter().any(|range| range.contains(index)));
    let differing: Vec<usize> = fixed.filter(|index| theirs[*index] != ours[*index]).collect();
    assert_eq!(differing, Vec::<usize>::new());
    let length = usize::from(u16::from_be_bytes([ours[signature], ours[signature + 1]]));
    assert_eq!(ours.len(), signature + 2 + length);
}

#[test]
fn a_local_key_decrypts_for_its_own_context_only() {
    let ring = |byte| KeyRing::new(vec![MasterKey::new("k", [byte; 32]).unwrap()]).unwrap();
    let (right, entropy) = (ring(1), Counter::new());
    let draft = Draft::new(pool()).unwrap();
    let context = draft.context().clone();
    let data_key = local_key::data_key(&right, &entropy, ARN, &context);
    assert_eq!(data_key.encrypted.provider, "aws-kms");
    assert_eq!(data_key.encrypted.info, ARN.as_bytes());
    let blob = data_key.encrypted.ciphertext.clone();
    let decrypted = local_key::decrypt(&right, &blob, &context).unwrap();
    assert_eq!((decrypted.key_arn.as_str(), decrypted.plaintext.as_ref()), (ARN, data_key.plaintext.as_ref()));

    let message = draft.seal(&entropy, &data_key, b"012345").unwrap();
    let unwrap = |key: &EncryptedDataKey, context: &Context| {
        local_key::decrypt(&right, &key.ciphertext, context).map(|decrypted| decrypted.plaintext)
    };
    assert_eq!(open(&message, unwrap).unwrap().0, b"012345");

    assert!(local_key::decrypt(&ring(2), &blob, &context).is_none(), "another ring");
    assert!(local_key::decrypt(&right, &blob, &pool()).is_none(), "a part of the context");
    assert!(local_key::decrypt(&right, &blob, &Draft::new(pool()).unwrap().context).is_none(), "another message's");
    let mut more = context.clone();
    more.insert("purpose", "x").unwrap();
    assert!(local_key::decrypt(&right, &blob, &more).is_none(), "more than the context");
    let other_purpose = right.seal_bytes(&entropy, Purpose::Message, "", &[1; 64]);
    assert!(local_key::decrypt(&right, &other_purpose, &Context::default()).is_none());
    for index in 0..blob.len() {
        let mut changed = blob.clone();
        changed[index] ^= 1;
        assert!(local_key::decrypt(&right, &changed, &context).is_none(), "byte {index}");
    }
}

#[test]
fn contexts_are_sorted_and_bounded() {
    let context = Context::new([("b", "2"), ("a", ""), ("ä", "ö")]).unwrap();
    assert_eq!(context.serialized(), b"\0\x03\0\x01a\0\0\0\x01b\0\x012\0\x02\xc3\xa4\0\x02\xc3\xb6");
    assert_eq!(Context::default().serialized(), b"");
    assert_eq!(Context::new([("a", "1"), ("a", "1")]), Err(ContextError::Twice("a".to_owned())));
    let long = "x".repeat(65_535 - 2 - 4 - 1);
    assert_eq!(Context::new([("a", long.as_str())]).unwrap().serialized().len(), 65_535);
    assert_eq!(Context::new([("aa", long.as_str())]), Err(ContextError::TooLong));
    // As many pairs as there is room for, and one more.
    let names: Vec<String> = (0..8_192).map(|number| format!("{number:04x}")).collect();
    let of = |count: usize| Context::new(names.iter().take(count).map(|name| (name.as_str(), "")));
    assert_eq!(of(8_191).unwrap().serialized().len(), 2 + 8_191 * 8);
    assert_eq!(of(8_192), Err(ContextError::TooLong));
    // The signature's key has no room, or its name is taken.
    assert_eq!(Draft::new(Context::new([("a", long.as_str())]).unwrap()).unwrap_err(), ContextError::TooLong);
    let taken = Context::new([(PUBLIC_KEY, "x")]).unwrap();
    assert_eq!(Draft::new(taken).unwrap_err(), ContextError::Twice(PUBLIC_KEY.to_owned()));
}

#[test]
fn raw_keys_have_a_name_and_32_bytes() {
    let refused = |namespace: &str, name: &str, key: &[u8]| RawAesKey::new(namespace, name, key).unwrap_err();
    assert_eq!(refused("", "n", &[0; 32]), RawKeyError::Length);
    assert_eq!(refused("s", "", &[0; 32]), RawKeyError::Length);
    assert_eq!(refused("s", &"n".repeat(257), &[0; 32]), RawKeyError::Length);
    assert_eq!(refused("aws-kms", "n", &[0; 32]), RawKeyError::Namespace);
    assert_eq!(refused("s", "n", &[0; 16]), RawKeyError::Bytes);
    assert!(!format!("{:?}", RawAesKey::new("s", "n", &[0x5a; 32]).unwrap()).contains("90"));
}

#[test]
fn data_keys_that_a_message_cannot_hold_are_refused() {
    let entropy = Constant(1);
    let draft = || Draft::new(pool()).unwrap();
    let mut data_key = raw_key().data_key(&entropy, draft().context()).unwrap();
    data_key.encrypted.ciphertext = vec![0; 65_536];
    assert_eq!(draft().seal(&entropy, &data_key, b""), Err(EnvelopeError::DataKeyTooLong));
    data_key.encrypted.ciphertext = vec![0; 65_535];
    assert!(draft().seal(&entropy, &data_key, b"").is_ok());
}

/// Every single byte of a message counts, and so does its end.
#[test]
fn a_changed_message_does_not_open() {
    let message = written(&Counter::new(), b"123456");
    assert!(read(&message).is_ok());
    for index in 0..message.len() {
        for change in [0x01, 0x80] {
            let mut changed = message.clone();
            changed[index] ^= change;
            assert!(read(&changed).is_err(), "byte {index} ^ {change:#x}");
        }
        assert!(read(&message[..index]).is_err(), "cut at {index}");
    }
    assert_eq!(read(&[&message[..], &[0]].concat()), Err(OpenError::Malformed));
}

#[test]
fn frames_cannot_be_left_out_or_exchanged() {
    let plaintext = [vec![1; 4_096], vec![2; 4_096], vec![3; 10]].concat();
    let message = written(&Counter::new(), &plaintext);
    assert_eq!(read(&message).unwrap().0, plaintext);
    let number = [&1_u32.to_be_bytes()[..], &nonce(1)].concat();
    let start = message.windows(number.len()).position(|window| window == number).unwrap();
    let frame = 4 + NONCE_LEN + 4_096 + 16;
    let mut without_first = message.clone();
    without_first.drain(start..start + frame);
    assert!(read(&without_first).is_err());
    let mut exchanged = message.clone();
    let (first, second) = exchanged[start..start + 2 * frame].split_at_mut(frame);
    first.swap_with_slice(second);
    assert!(read(&exchanged).is_err());
}

proptest! {
    // Each case makes a key of P-384 and signs.
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_is_written_is_read(
        plaintext in proptest::collection::vec(any::<u8>(), 0..600),
        filled_frames in 0_usize..3,
        pool_id in "[a-z0-9_-]{1,55}",
    ) {
        let plaintext = [vec![7; filled_frames * 4_096], plaintext].concat();
        let entropy = Counter::new();
        let draft = Draft::new(Context::new([("userpool-id", pool_id.as_str())]).unwrap()).unwrap();
        let data_key = raw_key().data_key(&entropy, draft.context()).unwrap();
        let message = draft.seal(&entropy, &data_key, &plaintext).unwrap();
        let (read, context) = read(&message).unwrap();
        prop_assert_eq!(read, plaintext);
        prop_assert_eq!(context.get("userpool-id"), Some(pool_id.as_str()));
    }

    #[test]
    fn garbage_is_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400), signed in any::<bool>()) {
        let begin = if signed { [&VERSION_AND_TYPE[..], &ALGORITHM].concat() } else { vec![0x02, 0x04, 0x78] };
        prop_assert!(open(&bytes, |_, _| Some(Zeroizing::new([0; 32]))).is_err());
        prop_assert!(open(&[begin, bytes].concat(), |_, _| Some(Zeroizing::new([0; 32]))).is_err());
    }
}
