use base64::{Engine, engine::general_purpose::STANDARD};
use proptest::prelude::*;
use serde_json::Value;

use super::{
    client::{Answer, Client, Login},
    *,
};
use crate::{
    hash::{hex, secret_hash},
    testing::{Constant, Counter},
};

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../tests/data/srp-vectors.json")).unwrap()
}

fn text<'a>(vector: &'a Value, name: &str) -> &'a str {
    vector[name].as_str().unwrap_or_else(|| unreachable!("{name} is missing"))
}

/// Walks one vector through every intermediate value, from both sides.
fn check(vector: &Value, pool_name: &str, user_id: &str, password: &str) {
    let salt = from_hex(text(vector, "salt_hex")).unwrap();
    assert_eq!(hex(&encode_integer(&salt)), text(vector, "salt_bytes_hashed_hex"));
    let identity = format!("{pool_name}{user_id}:{password}");
    assert_eq!(hex(&sha256(identity.as_bytes())), text(vector, "inner_hash_hex"));
    let x = private_key(&salt, pool_name, user_id, password);
    assert_eq!(hex(x.as_ref()), text(vector, "x_hex"));
    let verifier = Verifier { salt, verifier: from_hex(text(vector, "verifier_hex")).unwrap() };
    assert_eq!(to_hex(Residue::generator_power(&x).to_bytes().as_ref()), text(vector, "verifier_hex"));
    assert!(verify_password(&verifier, pool_name, user_id, password));
    assert!(!verify_password(&verifier, pool_name, user_id, &format!("{password} ")));
    assert!(!verify_password(&verifier, pool_name, &format!("{user_id}x"), password));

    // The server.
    let client_public = parse_client_public(text(vector, "SRP_A")).unwrap();
    let enc_a = encode_integer(client_public.as_bytes());
    assert_eq!(Some(enc_a.len() as u64), vector["A_bytes_hashed_len"].as_u64());
    let b = from_hex(text(vector, "b_hex")).unwrap().try_into().unwrap();
    let challenge = challenge_with(b, &verifier).unwrap();
    assert_eq!(to_hex(&challenge.public), text(vector, "SRP_B"));
    assert_eq!(Some(encode_integer(&challenge.public).len() as u64), vector["B_bytes_hashed_len"].as_u64());
    let u = scrambler(client_public.as_bytes(), &challenge.public).unwrap();
    assert_eq!(hex(&u), text(vector, "u_hex"));
    assert_eq!(hex(&encode_integer(&u)), text(vector, "u_bytes_as_hkdf_salt_hex"));
    let v = Residue::from_bytes(&verifier.verifier);
    let secret = Residue::from_bytes(client_public.as_bytes()).product(&v.power(&u)).power(&challenge.secret_exponent);
    assert_eq!(to_hex(secret.to_bytes().as_ref()), text(vector, "S_hex"));
    let secret = encode_integer(secret.to_bytes().as_ref());
    assert_eq!(Some(secret.len() as u64), vector["S_bytes_len"].as_u64());
    assert_eq!(hex(&hmac_sha256(&encode_integer(&u), &secret)), text(vector, "hkdf_prk_hex"));
    let key = proof_key(&client_public, &challenge, &verifier).unwrap();
    assert_eq!(hex(key.as_ref()), text(vector, "hkdf_key_hex"));
    let secret_block = STANDARD.decode(text(vector, "SECRET_BLOCK")).unwrap();
    let timestamp = text(vector, "TIMESTAMP");
    assert!(timestamp_is_well_formed(timestamp));
    let signature = STANDARD.decode(text(vector, "PASSWORD_CLAIM_SIGNATURE")).unwrap();
    assert_eq!(claim_signature(&key, pool_name, user_id, &secret_block, timestamp).as_slice(), signature);
    assert!(verify_claim(&key, pool_name, user_id, &secret_block, timestamp, &signature));
    assert!(!verify_claim(&key, pool_name, user_id, &secret_block, timestamp, &signature[..31]));
    assert!(!verify_claim(&key, pool_name, user_id, &secret_block[1..], timestamp, &signature));
    assert!(!verify_claim(&key, pool_name, user_id, &secret_block, "", &signature));

    // The client.
    let client = Client::new(&from_hex(text(vector, "a_hex")).unwrap());
    assert_eq!(client.srp_a(), text(vector, "SRP_A"));
    let answer = Answer { salt: text(vector, "salt_hex"), srp_b: text(vector, "SRP_B"), secret_block: &secret_block };
    assert_eq!(client.sign(Login { pool_name, user_id, password }, answer, timestamp).unwrap().as_slice(), signature);
}

#[test]
fn every_user_vector() {
    let vectors = vectors();
    let users = vectors["user_srp"].as_array().unwrap();
    assert_eq!(users.len(), 6);
    for vector in users {
        let (pool_name, user_id) = (text(vector, "pool_name"), text(vector, "USER_ID_FOR_SRP"));
        assert!(text(vector, "user_pool_id").ends_with(&format!("_{pool_name}")));
        check(vector, pool_name, user_id, text(vector, "password"));
        if let Some(client_id) = vector["client_id"].as_str() {
            let alias = vector["sign_in_alias_sent_as_USERNAME"].as_str().unwrap_or(user_id);
            let client_secret = text(vector, "client_secret");
            assert_eq!(secret_hash(alias, client_id, client_secret), text(vector, "SECRET_HASH_for_alias"));
            assert_eq!(secret_hash(user_id, client_id, client_secret), text(vector, "SECRET_HASH_for_user_id"));
        }
    }
}

#[test]
fn every_device_vector() {
    let vectors = vectors();
    let devices = vectors["device_srp"].as_array().unwrap();
    assert_eq!(devices.len(), 2);
    for vector in devices {
        check(vector, text(vector, "device_group_key"), text(vector, "device_key"), text(vector, "device_secret"));
        let sent = &vector["ConfirmDevice"];
        let verifier = Verifier::from_client(
            &STANDARD.decode(text(sent, "Salt")).unwrap(),
            &STANDARD.decode(text(sent, "PasswordVerifier")).unwrap(),
        )
        .unwrap();
        assert_eq!(to_hex(&verifier.salt), text(vector, "salt_hex"));
        assert_eq!(to_hex(&verifier.verifier), text(vector, "verifier_hex"));
        assert_eq!(STANDARD.encode(encode_integer(&verifier.salt)), text(sent, "Salt"));
        assert_eq!(STANDARD.encode(encode_integer(&verifier.verifier)), text(sent, "PasswordVerifier"));
    }
}

#[test]
fn the_constants() {
    let vectors = vectors();
    let constants = &vectors["constants"];
    assert_eq!(hex(&bignum::modulus()), text(constants, "N_hex"));
    assert_eq!(to_hex(multiplier().to_bytes().as_ref()), text(constants, "k_hex"));
    assert_eq!(constants["derived_key_bytes"].as_u64(), Some(16));
}

#[test]
fn the_encoding_of_integers() {
    for example in vectors()["enc_examples"].as_array().unwrap() {
        let bytes = from_hex(text(example, "n_hex")).unwrap();
        assert_eq!(hex(&encode_integer(&bytes)), text(example, "enc_hex"));
        assert_eq!(to_hex(&bytes), text(example, "n_hex"));
    }
    assert_eq!(encode_integer(&[]), [0]);
    assert_eq!(encode_integer(&[0, 0]), [0]);
    assert_eq!(to_hex(&[]), "0");
}

#[test]
fn a_multiple_of_the_modulus_is_refused() {
    let vectors = vectors();
    for value in vectors["reject_SRP_A"]["values"].as_array().unwrap() {
        assert!(parse_client_public(text(value, "SRP_A")).is_err(), "{value}");
    }
    let modulus = hex(&bignum::modulus());
    assert_eq!(parse_client_public("0"), Err(SrpError::Zero));
    assert_eq!(parse_client_public("000"), Err(SrpError::Zero));
    assert_eq!(parse_client_public(&modulus), Err(SrpError::Zero));
    assert_eq!(parse_client_public(&modulus.to_uppercase()), Err(SrpError::Zero));
    assert_eq!(parse_client_public(&format!("00{modulus}")), Err(SrpError::Zero));
    assert_eq!(Verifier::from_client(&[1], &bignum::modulus()), Err(SrpError::Zero));
    assert_eq!(Verifier::from_client(&[1], &[]), Err(SrpError::Zero));
    assert_eq!(Verifier::from_client(&[1], &[1; 385]), Err(SrpError::TooLong));
    assert_eq!(Verifier::from_client(&[1; 65], &[2]), Err(SrpError::TooLong));
}

#[test]
fn what_is_no_integer_is_refused() {
    for text in ["", "g", "-1", "+1", "0x1", " 1", "1 ", "ａ", "1\n"] {
        assert_eq!(parse_client_public(text), Err(SrpError::NotHexadecimal), "{text}");
    }
    assert_eq!(parse_client_public(&"1".repeat(769)), Err(SrpError::TooLong));
    assert_eq!(parse_client_public(&"0".repeat(1 << 20)), Err(SrpError::TooLong));
    assert_eq!(parse_client_public("aBc"), parse_client_public("0ABC"));
    assert_eq!(parse_client_public("aBc").unwrap().as_bytes(), [0x0a, 0xbc]);
}

#[test]
fn a_salt_never_begins_with_a_zero_digit() {
    let verifier = make_verifier(&Constant(0), "pool", "user", "password");
    assert_eq!(to_hex(&verifier.salt), "10000000000000000000000000000000");
    let entropy = Counter::new();
    for _ in 0..100 {
        assert_eq!(to_hex(&new_salt(random::bytes(&entropy))).len(), 32);
    }
    assert_eq!(new_salt([0xff; 16]), [0xff; 16]);
}

#[test]
fn a_stand_in_is_stable_and_never_right() {
    let key = [1; 32];
    let decoy = decoy_verifier(&key, "us-east-1_abc", "nobody");
    assert_eq!(decoy, decoy_verifier(&key, "us-east-1_abc", "nobody"));
    assert_eq!(decoy.salt, decoy_salt(&key, "us-east-1_abc", "nobody"));
    assert_eq!(to_hex(&decoy.salt).len(), 32);
    for other in [
        decoy_verifier(&[2; 32], "us-east-1_abc", "nobody"),
        decoy_verifier(&key, "us-east-1_abd", "nobody"),
        decoy_verifier(&key, "us-east-1_abc", "Nobody"),
        decoy_verifier(&key, "us-east-1_abcn", "obody"),
    ] {
        assert_ne!(decoy.salt, other.salt);
        assert_ne!(decoy.verifier, other.verifier);
    }
    assert!(!verify_password(&decoy, "abc", "nobody", "password"));
    assert!(!challenge(&Counter::new(), &decoy).public.is_empty());
}

#[test]
fn nothing_secret_is_printed() {
    let verifier = make_verifier(&Counter::new(), "pool", "user", "password");
    assert_eq!(format!("{verifier:?}"), "Verifier");
    let challenge = challenge_with([0xab; 32], &verifier).unwrap();
    let public = to_hex(&challenge.public);
    assert_eq!(format!("{challenge:?}"), format!("ServerChallenge {{ public: {public:?}, .. }}"));
    let login = Login { pool_name: "pool", user_id: "user", password: "hunter2" };
    assert!(!format!("{login:?} {:?}", Client::new(&[0xcd; 8])).contains("hunter2"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn client_and_server_agree(
        seed in any::<[u8; 32]>(),
        user_id in "\\PC{1,20}",
        password in "\\PC{1,20}",
        wrong in "\\PC{1,20}",
        secret_block in any::<Vec<u8>>(),
    ) {
        prop_assume!(wrong != password);
        let verifier = make_verifier(&Counter::new(), "Ab3dEfGh1", &user_id, &password);
        let client = Client::new(&seed);
        let public = parse_client_public(&client.srp_a()).unwrap();
        let challenge = challenge(&Counter::new(), &verifier);
        let key = proof_key(&public, &challenge, &verifier).unwrap();
        let (salt, srp_b) = (to_hex(&verifier.salt), to_hex(&challenge.public));
        let answer = Answer { salt: &salt, srp_b: &srp_b, secret_block: &secret_block };
        let login = Login { pool_name: "Ab3dEfGh1", user_id: &user_id, password: &password };
        let right = client.sign(login, answer, "t").unwrap();
        prop_assert!(verify_claim(&key, "Ab3dEfGh1", &user_id, &secret_block, "t", &right));
        let forged = client.sign(Login { password: &wrong, ..login }, answer, "t").unwrap();
        prop_assert!(!verify_claim(&key, "Ab3dEfGh1", &user_id, &secret_block, "t", &forged));
    }

    #[test]
    fn hexadecimal_goes_there_and_back(bytes in any::<Vec<u8>>()) {
        let back = from_hex(&to_hex(&bytes)).unwrap();
        prop_assert_eq!(encode_integer(&back), encode_integer(&bytes));
    }
}
