//! Passkeys (auth-flows.md §14): users register them, look at them and delete them. Signing in with one is in
//! [`crate::sign_in`], what authenticators are asked and answer in [`crate::web_authn`].

pub mod complete_web_authn_registration;
pub mod delete_web_authn_credential;
pub mod list_web_authn_credentials;
pub mod start_web_authn_registration;

use domain::{Pool, passkey::MOST_PASSKEYS};
use wire::{AuthFactorType, ErrorKind};

use crate::ApiError;

/// Refuses registrations in a pool whose users do not sign in with passkeys.
///
/// # Errors
/// `WebAuthnNotEnabledException`.
fn check_enabled(pool: &Pool) -> Result<(), ApiError> {
    if pool.sign_in.first_factors.contains(&AuthFactorType::WebAuthn) {
        return Ok(());
    }
    Err(ApiError::new(
        ErrorKind::WebAuthnNotEnabled,
        "Passkeys are not enabled for this user pool: WEB_AUTHN is not among its AllowedFirstAuthFactors.",
    ))
}

/// Refuses another passkey to a user who has `count`.
///
/// # Errors
/// `LimitExceededException`.
fn check_count(count: usize) -> Result<(), ApiError> {
    if count < MOST_PASSKEYS {
        return Ok(());
    }
    let message = format!("A user can have {MOST_PASSKEYS} passkeys. Delete one before you register another.");
    Err(ApiError::new(ErrorKind::LimitExceeded, message))
}
