//! Codes that apps make from a shared secret and the time (RFC 6238 over RFC 4226): HMAC-SHA-1, six digits, steps of
//! 30 seconds. SHA-1 is what every app understands; HMAC does not rest on what SHA-1 has lost.

use aws_lc_rs::hmac;
use domain::Timestamp;

use crate::hash::constant_time_eq;

/// Bytes of a secret; it is shown as 52 characters.
pub const SECRET_LENGTH: usize = 32;
/// Milliseconds of a step.
const STEP: i64 = 30_000;
/// The alphabet of RFC 4648 §6.
const BASE32: [char; 32] = [
    'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O', 'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W',
    'X', 'Y', 'Z', '2', '3', '4', '5', '6', '7',
];

/// What a code is found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeCheck {
    /// The code of this step, which must be remembered as the last one that was used.
    Right {
        /// The step.
        step: i64,
    },
    /// A code of the present, but not of a step after the last one that was used.
    Reused,
    /// Not a code of the present.
    Wrong,
}

/// What `code` is at the moment `now`: a code of the present step, of the one before or of the one after is right,
/// once. `last_step` is the step of the code that was used last. How long this takes does not show how much of the
/// code is right.
#[must_use]
pub fn check(secret: &[u8], code: &str, now: Timestamp, last_step: Option<i64>) -> CodeCheck {
    let present = step_at(now);
    let mut found = CodeCheck::Wrong;
    for step in present - 1..=present + 1 {
        if constant_time_eq(code_of(secret, step).as_bytes(), code.as_bytes()) {
            let is_new = last_step.is_none_or(|last| step > last);
            match (is_new, found) {
                (true, CodeCheck::Wrong | CodeCheck::Reused) => found = CodeCheck::Right { step },
                (false, CodeCheck::Wrong) => found = CodeCheck::Reused,
                _ => {}
            }
        }
    }
    found
}

/// The step of a moment.
#[must_use]
pub const fn step_at(now: Timestamp) -> i64 {
    now.milliseconds().div_euclid(STEP)
}

/// The code of a step: six digits.
#[must_use]
pub fn code_of(secret: &[u8], step: i64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let tag = tag.as_ref();
    // RFC 4226 §5.3: the low half of the last byte says where four bytes are taken from.
    let offset = usize::from(tag.last().copied().unwrap_or_default() & 0xf);
    let number = tag.iter().skip(offset).take(4).fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
    format!("{:06}", (number & 0x7fff_ffff) % 1_000_000)
}

/// A secret as people type it into an app: base32 without padding (RFC 4648 §6).
#[must_use]
pub fn secret_code(secret: &[u8]) -> String {
    let mut text = String::with_capacity(secret.len().div_ceil(5) * 8);
    for group in secret.chunks(5) {
        let bits = (0..5).fold(0_u64, |bits, index| bits << 8 | u64::from(group.get(index).copied().unwrap_or(0)));
        for index in 0..(group.len() * 8).div_ceil(5) {
            let digit = usize::try_from(bits >> (35 - 5 * index) & 31).unwrap_or_default();
            text.extend(BASE32.get(digit));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B, whose codes of eight digits end in those of six.
    const SECRET: &[u8] = b"12345678901234567890";

    #[test]
    fn the_codes_of_the_standard() {
        for (seconds, code) in [
            (59, "94287082"),
            (1_111_111_109, "07081804"),
            (1_111_111_111, "14050471"),
            (1_234_567_890, "89005924"),
            (2_000_000_000, "69279037"),
            (20_000_000_000, "65353130"),
        ] {
            let now = Timestamp::from_seconds(seconds);
            assert_eq!(code_of(SECRET, step_at(now)), code[2..]);
        }
        // RFC 4226, appendix D.
        for (step, code) in (0..).zip(["755224", "287082", "359152", "969429", "338314", "254676"]) {
            assert_eq!(code_of(SECRET, step), code);
        }
    }

    #[test]
    fn one_step_either_side_is_right_and_no_more() {
        let step = 50_000_000;
        let code = code_of(SECRET, step);
        let at = |step: i64, within: i64| check(SECRET, &code, Timestamp(step * STEP + within), None);
        for now in step - 1..=step + 1 {
            for within in [0, STEP - 1] {
                assert_eq!(at(now, within), CodeCheck::Right { step });
            }
        }
        assert_eq!(at(step - 2, STEP - 1), CodeCheck::Wrong);
        assert_eq!(at(step + 2, 0), CodeCheck::Wrong);
    }

    #[test]
    fn no_code_is_right_twice() {
        let step = 50_000_000;
        let now = Timestamp(step * STEP);
        let checked = |of: i64, last: Option<i64>| check(SECRET, &code_of(SECRET, of), now, last);
        assert_eq!(checked(step, Some(step - 1)), CodeCheck::Right { step });
        assert_eq!(checked(step, Some(step)), CodeCheck::Reused);
        assert_eq!(checked(step - 1, Some(step)), CodeCheck::Reused);
        assert_eq!(checked(step + 1, Some(step)), CodeCheck::Right { step: step + 1 });
        // One of another time was not used once, but it is no code at all.
        assert_eq!(checked(step - 2, Some(step)), CodeCheck::Wrong);
    }

    #[test]
    fn only_six_digits_are_a_code() {
        let code = code_of(SECRET, 1);
        assert_eq!(code, "287082");
        for wrong in ["", "28708", "2870822", "94287082", " 287082", "２８７０８２"] {
            assert_eq!(check(SECRET, wrong, Timestamp(STEP), None), CodeCheck::Wrong, "{wrong}");
        }
    }

    #[test]
    fn moments_before_the_epoch_have_steps_too() {
        assert_eq!(step_at(Timestamp(-1)), -1);
        assert!(matches!(check(SECRET, &code_of(SECRET, -1), Timestamp(-1), None), CodeCheck::Right { step: -1 }));
    }

    #[test]
    fn secrets_are_shown_as_the_standard_says() {
        // RFC 4648 §10, without the padding.
        for (bytes, text) in [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(secret_code(bytes.as_bytes()), text);
        }
        assert_eq!(secret_code(&[0xff; SECRET_LENGTH]).len(), 52);
    }
}
