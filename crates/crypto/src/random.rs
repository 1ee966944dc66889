//! Random identifiers and codes over [`domain::Entropy`], without bias, and the generator used in production.

use aws_lc_rs::rand;
use domain::Entropy;

use crate::hash::hex_digits;

/// The generator of the operating system, by way of aws-lc.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    #[expect(clippy::expect_used, reason = "no input leads here, and going on without randomness would let anyone in")]
    fn fill(&self, out: &mut [u8]) {
        rand::fill(out).expect("the operating system has no randomness");
    }
}

/// `N` random bytes.
#[must_use]
pub fn bytes<const N: usize>(entropy: &dyn Entropy) -> [u8; N] {
    let mut bytes = [0; N];
    entropy.fill(&mut bytes);
    bytes
}

/// A random UUID (RFC 9562, version 4) in lower case.
#[must_use]
pub fn uuid_v4(entropy: &dyn Entropy) -> String {
    uuid_from(&bytes::<16>(entropy))
}

/// A UUID that begins with a time in `milliseconds` since 1970 and is random after that (RFC 9562, version 7), in lower
/// case. Rows that have such keys lie beside each other in the order of time, so that writing many of them at once
/// touches few pages.
#[must_use]
pub fn uuid_v7(entropy: &dyn Entropy, milliseconds: i64) -> String {
    let mut value = bytes::<16>(entropy);
    value[..6].copy_from_slice(&milliseconds.to_be_bytes()[2..]);
    uuid(&value, 7)
}

/// The first sixteen of `bytes` in the form of a version 4 UUID, for stand-ins that must not be told from random
/// ones. Missing bytes count as zero.
#[must_use]
pub fn uuid_from(bytes: &[u8]) -> String {
    uuid(bytes, 4)
}

fn uuid(bytes: &[u8], version: u128) -> String {
    let mut value =
        bytes.iter().chain(std::iter::repeat(&0)).take(16).fold(0_u128, |value, byte| value << 8 | u128::from(*byte));
    value = value & !(0xf_u128 << 76) | version << 76;
    value = value & !(0x3_u128 << 62) | 0x2_u128 << 62;
    let mut text = String::with_capacity(36);
    for (index, byte) in value.to_be_bytes().into_iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.extend(hex_digits(byte));
    }
    text
}

/// A code of `count` decimal digits, each as likely as any other; it may begin with 0.
#[must_use]
pub fn digits(entropy: &dyn Entropy, count: usize) -> String {
    alphanumeric(entropy, count, "0123456789")
}

/// `count` characters of `alphabet`, each as likely as any other. The alphabet has 1 to 256 ASCII characters, all
/// different; from an empty one nothing can be drawn, and the result is empty.
///
/// Random bytes that would favour the first characters are thrown away. After a thousand bytes thrown away in a
/// row, which happens by chance once in more runs than there will ever be, the generator is taken to be a constant
/// one of a test, and the next byte is used anyway.
#[must_use]
pub fn alphanumeric(entropy: &dyn Entropy, count: usize, alphabet: &str) -> String {
    let alphabet = alphabet.as_bytes();
    let size = alphabet.len().min(256);
    let Some(fair) = 256_usize.checked_rem(size).map(|rest| 256 - rest) else { return String::new() };
    let mut text = String::with_capacity(count);
    let mut refused = 0;
    while text.len() < count {
        for byte in bytes::<32>(entropy) {
            if text.len() == count {
                break;
            }
            let byte = usize::from(byte);
            if byte >= fair && refused < 1_000 {
                refused += 1;
                continue;
            }
            refused = 0;
            if let Some(character) = alphabet.get(byte % size) {
                text.push(char::from(*character));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::testing::{Constant, Counter};

    #[test]
    fn uuids_have_their_marks() {
        assert_eq!(uuid_v4(&Constant(0)), "00000000-0000-4000-8000-000000000000");
        assert_eq!(uuid_v4(&Constant(0xff)), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(uuid_from(&(0x10..0x30).collect::<Vec<u8>>()), "10111213-1415-4617-9819-1a1b1c1d1e1f");
        assert_eq!(uuid_from(&[0xab]), "ab000000-0000-4000-8000-000000000000");
        assert_eq!(uuid_v7(&Constant(0), 0), "00000000-0000-7000-8000-000000000000");
        // The example of RFC 9562, appendix A.6, but for its random part.
        assert_eq!(uuid_v7(&Constant(0xff), 0x017f_22e2_79b0), "017f22e2-79b0-7fff-bfff-ffffffffffff");
    }

    #[test]
    fn digits_are_fair() {
        let entropy = Counter::new();
        let mut counts = BTreeMap::<char, u32>::new();
        for _ in 0..2_000 {
            let code = digits(&entropy, 6);
            assert_eq!(code.len(), 6);
            for digit in code.chars() {
                *counts.entry(digit).or_default() += 1;
            }
        }
        assert_eq!(counts.len(), 10);
        // 1,200 expected each, with a standard deviation of 33.
        assert!(counts.values().all(|count| (1_030..1_370).contains(count)), "{counts:?}");
    }

    #[test]
    fn bytes_that_would_favour_some_are_thrown_away() {
        // 250 to 255 would favour the digits 0 to 5.
        struct Rising(std::sync::atomic::AtomicU8);
        impl Entropy for Rising {
            fn fill(&self, out: &mut [u8]) {
                out.fill_with(|| self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
            }
        }
        assert_eq!(digits(&Rising(248.into()), 4), "8901");
    }

    #[test]
    fn odd_alphabets_and_generators_come_to_an_end() {
        assert_eq!(alphanumeric(&Counter::new(), 5, ""), "");
        assert_eq!(alphanumeric(&Counter::new(), 3, "x"), "xxx");
        assert_eq!(digits(&Constant(0xff), 3), "555");
        assert_eq!(digits(&Counter::new(), 0), "");
    }

    #[test]
    fn the_system_does_not_repeat_itself() {
        let seen: BTreeSet<_> = (0..100).map(|_| uuid_v4(&SystemEntropy)).collect();
        assert_eq!(seen.len(), 100);
    }
}
