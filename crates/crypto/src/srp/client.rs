//! The client's half, for tests and the load driver.

use zeroize::{Zeroize, Zeroizing};

use super::{
    Residue, SrpError, claim_signature, derive_key, from_hex, integer, multiplier, private_key, scrambler, to_hex,
};

/// A client about to sign in: its secret a and its public `A = g^a mod N`.
pub struct Client {
    secret_exponent: Vec<u8>,
    public: Vec<u8>,
}

/// Who signs in and with what. For a device: device group key, device key, device secret.
#[derive(Clone, Copy)]
pub struct Login<'a> {
    /// The part of the pool id after the underscore.
    pub pool_name: &'a str,
    /// `USER_ID_FOR_SRP`.
    pub user_id: &'a str,
    /// The password.
    pub password: &'a str,
}

/// What the server answered, as it stands in `ChallengeParameters`.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// `SALT`, hexadecimal.
    pub salt: &'a str,
    /// `SRP_B`, hexadecimal.
    pub srp_b: &'a str,
    /// `SECRET_BLOCK`, decoded.
    pub secret_block: &'a [u8],
}

impl Client {
    /// Starts with this a, big-endian: 128 random bytes as the official clients do; 32 are as safe and faster.
    #[must_use]
    pub fn new(secret_exponent: &[u8]) -> Self {
        let public = Residue::from_bytes(&[2]).power(secret_exponent).to_bytes();
        Self { secret_exponent: secret_exponent.to_vec(), public: integer::minimal(public.as_ref()).to_vec() }
    }

    /// `SRP_A`.
    #[must_use]
    pub fn srp_a(&self) -> String {
        to_hex(&self.public)
    }

    /// The key that both sides derive, `S = (B - k*g^x)^(a + u*x)`. Costs three to four exponentiations.
    ///
    /// # Errors
    /// When the server's values are not hexadecimal, or B or u is zero.
    pub fn proof_key(&self, login: Login<'_>, answer: Answer<'_>) -> Result<Zeroizing<[u8; 16]>, SrpError> {
        let salt = from_hex(answer.salt).ok_or(SrpError::NotHexadecimal)?;
        let server_public = from_hex(answer.srp_b).ok_or(SrpError::NotHexadecimal)?;
        let b = Residue::from_bytes(&server_public);
        if b.is_zero() {
            return Err(SrpError::Zero);
        }
        let u = scrambler(&self.public, &server_public)?;
        let x = private_key(&salt, login.pool_name, login.user_id, login.password);
        let base = b.difference(&multiplier().product(&Residue::generator_power(&x)));
        // Two powers one after the other spare the arithmetic of a + u*x, which is longer than N's own residues.
        let secret = base.power(&self.secret_exponent).product(&base.power(&u).power(x.as_ref()));
        Ok(derive_key(&u, &secret))
    }

    /// `PASSWORD_CLAIM_SIGNATURE` before base64.
    ///
    /// # Errors
    /// As [`proof_key`](Self::proof_key).
    pub fn sign(&self, login: Login<'_>, answer: Answer<'_>, timestamp: &str) -> Result<[u8; 32], SrpError> {
        let key = self.proof_key(login, answer)?;
        Ok(claim_signature(&key, login.pool_name, login.user_id, answer.secret_block, timestamp))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.secret_exponent.zeroize();
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("public", &to_hex(&self.public)).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Login<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").field("user_id", &self.user_id).finish_non_exhaustive()
    }
}
