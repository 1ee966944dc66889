//! SRP, sealing, password hashing, secret hashes, tokens, signatures of requests and of XML documents, and encrypted
//! messages.
//!
//! Everything secret of Poolkeeper is computed here, and nowhere else. Time and randomness come from the caller;
//! the exceptions are [`token::generate_rsa_2048`] and [`envelope::Draft`], because the library that makes their keys
//! draws from its own generator. This is the only crate that may say `unsafe`, and only [`bignum`] does.

pub mod bignum;
pub mod encoded_data;
pub mod envelope;
pub mod hash;
pub mod password;
pub mod random;
pub mod seal;
pub mod sigv4;
pub mod srp;
pub mod token;
pub mod totp;
pub mod xml_signature;

#[cfg(test)]
mod testing;

use domain::Entropy;

/// Prepares what the first requests would otherwise do themselves: the seed of the library's generator, and the table of
/// powers for SRP. It takes some 3 milliseconds; a server does it beside its start.
pub fn warm_up(entropy: &dyn Entropy) {
    std::hint::black_box(bignum::Residue::generator_power(&random::bytes(entropy)));
}
