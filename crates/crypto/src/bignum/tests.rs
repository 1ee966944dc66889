use crypto_bigint::{
    NonZero, Odd, U3072,
    modular::{FixedMontyForm, FixedMontyParams},
};
use proptest::prelude::*;

use super::*;

/// The prime as RFC 3526 prints it, to check the library's against.
const PRIME: &str = include_str!("../../tests/data/prime.hex");

fn oracle(bytes: &[u8]) -> FixedMontyForm<{ U3072::LIMBS }> {
    let mut padded = [0; BYTES];
    padded[BYTES - bytes.len()..].copy_from_slice(bytes);
    let modulus = U3072::from_be_hex(PRIME.trim());
    let params = FixedMontyParams::new(Odd::new(modulus).unwrap());
    FixedMontyForm::new(&U3072::from_be_slice(&padded).rem(&NonZero::new(modulus).unwrap()), &params)
}

fn value(number: &FixedMontyForm<{ U3072::LIMBS }>) -> Vec<u8> {
    number.retrieve().to_be_bytes().as_ref().to_vec()
}

fn number() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..=BYTES),
        // Values about and above the modulus, whose first eight bytes are all ones.
        1 => prop::collection::vec(any::<u8>(), BYTES - 16).prop_map(|tail| [vec![0xff; 16], tail].concat()),
        1 => Just(modulus().to_vec()),
        1 => Just(Vec::new()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_another_library(a in number(), b in number(), exponent in prop::collection::vec(any::<u8>(), 0..40)) {
        let (ours_a, ours_b) = (Residue::from_bytes(&a), Residue::from_bytes(&b));
        let (theirs_a, theirs_b) = (oracle(&a), oracle(&b));
        prop_assert_eq!(ours_a.to_bytes().to_vec(), value(&theirs_a));
        prop_assert_eq!(ours_a.product(&ours_b).to_bytes().to_vec(), value(&(theirs_a * theirs_b)));
        prop_assert_eq!(ours_a.sum(&ours_b).to_bytes().to_vec(), value(&(theirs_a + theirs_b)));
        prop_assert_eq!(ours_a.difference(&ours_b).to_bytes().to_vec(), value(&(theirs_a - theirs_b)));
        let mut padded = [0; BYTES];
        padded[BYTES - exponent.len()..].copy_from_slice(&exponent);
        prop_assert_eq!(ours_a.power(&exponent).to_bytes().to_vec(), value(&theirs_a.pow(&U3072::from_be_slice(&padded))));
    }

    #[test]
    fn the_table_agrees_with_plain_exponentiation(exponent in any::<[u8; 32]>()) {
        let two = Residue::from_bytes(&[2]);
        prop_assert_eq!(Residue::generator_power(&exponent).to_bytes(), two.power(&exponent).to_bytes());
    }

    #[test]
    fn what_is_added_can_be_taken_away(a in number(), b in number()) {
        let (a, b) = (Residue::from_bytes(&a), Residue::from_bytes(&b));
        prop_assert_eq!(a.sum(&b).difference(&b).to_bytes(), a.to_bytes());
        prop_assert!(a.difference(&a).is_zero());
    }
}

#[test]
fn the_table_holds_at_its_edges() {
    let two = Residue::from_bytes(&[2]);
    let mut one = [0; 32];
    one[31] = 1;
    let mut top = [0; 32];
    top[0] = 0xf0;
    for exponent in [[0; 32], one, top, [0xff; 32], [0x0f; 32]] {
        assert_eq!(Residue::generator_power(&exponent).to_bytes(), two.power(&exponent).to_bytes());
    }
}

#[test]
fn the_modulus_is_the_one_of_the_specification() {
    assert_eq!(U3072::from_be_slice(&modulus()), U3072::from_be_hex(PRIME.trim()));
    assert!(Residue::from_bytes(&modulus()).is_zero());
    let mut next = modulus();
    next[BYTES - 1] = 0;
    assert!(!Residue::from_bytes(&next).is_zero());
}

#[test]
fn integers_longer_than_the_modulus_are_reduced() {
    let twice = [modulus().as_slice(), modulus().as_slice()].concat();
    assert!(Residue::from_bytes(&twice).is_zero());
}

#[test]
fn a_power_of_zero_is_zero_and_a_power_to_zero_is_one() {
    let zero = Residue::from_bytes(&[]);
    assert!(zero.power(&[5]).is_zero());
    let one = Residue::from_bytes(&[1]).to_bytes();
    assert_eq!(Residue::from_bytes(&[7]).power(&[]).to_bytes(), one);
    assert_eq!(Residue::from_bytes(&[7]).power(&[0; 32]).to_bytes(), one);
}

#[test]
fn threads_share_the_group() {
    let expected = Residue::from_bytes(&[3]).power(&[9; 32]).to_bytes();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20 {
                    assert_eq!(Residue::from_bytes(&[3]).power(&[9; 32]).to_bytes(), expected);
                    assert_eq!(
                        Residue::generator_power(&[9; 32]).to_bytes(),
                        Residue::from_bytes(&[2]).power(&[9; 32]).to_bytes()
                    );
                }
            });
        }
    });
}

/// Two versions would be two copies of the C library, and this module would call the one that nobody else uses.
#[test]
fn there_is_one_version_of_the_c_library() {
    let lock = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock")).unwrap();
    assert_eq!(lock.lines().filter(|line| *line == "name = \"aws-lc-sys\"").count(), 1);
}
