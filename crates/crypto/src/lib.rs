//! SRP, sealing, password hashing, secret hashes, tokens and request signatures.
//!
//! Everything secret of Poolkeeper is computed here, and nowhere else. Time and randomness come from the caller;
//! the one exception is [`token::generate_rsa_2048`], because the library that makes RSA keys draws from its own
//! generator. This is the only crate that may say `unsafe`, and only [`bignum`] does.

pub mod bignum;
pub mod hash;
pub mod password;
pub mod random;
pub mod seal;
pub mod sigv4;
pub mod srp;
pub mod token;
pub mod totp;

#[cfg(test)]
mod testing;
