//! How SRP integers are written: shortest hexadecimal on the wire, shortest two's complement in hashes.

use crate::hash::hex;

/// The shortest two's-complement big-endian form of a non-negative big-endian integer, which is what is hashed: no
/// leading zero byte, except one where the top bit would otherwise be set, and one for zero itself.
#[must_use]
pub fn encode_integer(bytes: &[u8]) -> Vec<u8> {
    let bytes = minimal(bytes);
    let needs_sign = bytes.first().is_none_or(|first| *first >= 0x80);
    let mut encoded = Vec::with_capacity(bytes.len() + 1);
    if needs_sign {
        encoded.push(0);
    }
    encoded.extend_from_slice(bytes);
    encoded
}

/// A big-endian integer as lower-case hexadecimal without leading zeros; `0` for zero.
#[must_use]
pub fn to_hex(bytes: &[u8]) -> String {
    let digits = hex(bytes);
    match digits.trim_start_matches('0') {
        "" => "0".to_owned(),
        trimmed => trimmed.to_owned(),
    }
}

/// Big-endian bytes from hexadecimal of either case and of odd or even length, leading zero bytes kept. `None` when
/// it is empty or holds anything but digits. The caller bounds the length.
#[must_use]
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    let (head, pairs) = text.as_bytes().split_at_checked(text.len() % 2)?;
    let mut bytes = Vec::with_capacity(text.len().div_ceil(2));
    for digits in head.chunks(1).chain(pairs.chunks(2)) {
        bytes.push(digits.iter().try_fold(0, |value, digit| Some(value << 4 | digit_value(*digit)?))?);
    }
    (!bytes.is_empty()).then_some(bytes)
}

fn digit_value(digit: u8) -> Option<u8> {
    u8::try_from(char::from(digit).to_digit(16)?).ok()
}

/// The integer's bytes without leading zeros; empty for zero.
pub(super) fn minimal(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    bytes.get(start..).unwrap_or_default()
}
