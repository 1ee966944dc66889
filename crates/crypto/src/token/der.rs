//! Reads the `RSAPublicKey` of RFC 8017: `SEQUENCE { modulus INTEGER, publicExponent INTEGER }`.

/// Modulus and exponent, big-endian without leading zeros. `None` when the DER is anything else.
pub(super) fn rsa_public_key(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (sequence, []) = element(der, 0x30)? else { return None };
    let (modulus, rest) = element(sequence, 0x02)?;
    let (exponent, []) = element(rest, 0x02)? else { return None };
    Some((positive(modulus)?, positive(exponent)?))
}

/// The contents of the first element, which must have this tag, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (length, rest) = match der {
        [first, length @ ..=0x7f, rest @ ..] if *first == tag => (usize::from(*length), rest),
        [first, 0x81, length, rest @ ..] if *first == tag => (usize::from(*length), rest),
        [first, 0x82, high, low, rest @ ..] if *first == tag => (usize::from(*high) << 8 | usize::from(*low), rest),
        _ => return None,
    };
    rest.split_at_checked(length)
}

/// A positive integer without its sign byte.
fn positive(contents: &[u8]) -> Option<&[u8]> {
    match contents {
        [0, rest @ ..] if rest.first().is_some_and(|first| *first >= 0x80) => Some(rest),
        [1..=0x7f, ..] => Some(contents),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_keys_are_read() {
        assert_eq!(rsa_public_key(&[0x30, 6, 2, 1, 15, 2, 1, 3]), Some((&[15][..], &[3][..])));
        assert_eq!(rsa_public_key(&[0x30, 7, 2, 2, 0, 0x81, 2, 1, 3]), Some((&[0x81][..], &[3][..])));
        assert_eq!(rsa_public_key(&[0x30, 0x81, 6, 2, 1, 15, 2, 1, 3]), Some((&[15][..], &[3][..])));
    }

    #[test]
    fn anything_else_is_refused() {
        for der in [
            &[][..],
            &[0x30],
            &[0x31, 6, 2, 1, 15, 2, 1, 3],
            &[0x30, 7, 2, 1, 15, 2, 1, 3],
            &[0x30, 6, 2, 1, 15, 2, 1, 3, 0],
            &[0x30, 6, 2, 1, 0x81, 2, 1, 3],
            &[0x30, 7, 2, 2, 0, 1, 2, 1, 3],
            &[0x30, 6, 2, 1, 15, 4, 1, 3],
            &[0x30, 0x83, 0, 0, 6, 2, 1, 15, 2, 1, 3],
        ] {
            assert_eq!(rsa_public_key(der), None, "{der:?}");
        }
    }
}
