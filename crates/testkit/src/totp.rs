//! An app that makes codes from a secret and the server's time.

use crypto::totp;

use crate::Server;

/// The code of the step that lies so many steps after the present one, from a `SecretCode`.
#[must_use]
pub fn code(server: &Server, secret_code: &str, steps: i64) -> String {
    totp::code_of(&secret(secret_code), totp::step_at(server.app.clock.now()) + steps)
}

/// The bytes behind base32 text without padding.
fn secret(secret_code: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (mut bits, mut held) = (0_u64, 0);
    for digit in secret_code.bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'2'..=b'7' => digit - b'2' + 26,
            _ => panic!("{secret_code} is not base32"),
        };
        bits = bits << 5 | u64::from(value);
        held += 5;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 0xff).expect("eight bits"));
        }
    }
    bytes
}
