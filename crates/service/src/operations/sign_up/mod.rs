//! Users who register themselves (accounts.md §9), and the administrator's word in place of their code.

pub mod admin_confirm_sign_up;
pub mod confirm_sign_up;
pub mod resend_confirmation_code;
#[expect(clippy::module_inception, reason = "a file is named like its operation, and this topic like its first one")]
pub mod sign_up;

use domain::{Medium, Pool, User};

/// Where the code of a sign-up goes: to an address that the pool verifies and the user gave, the phone before the
/// email.
#[must_use]
pub fn verification_medium<'a>(pool: &Pool, user: &'a User) -> Option<(Medium, &'a str)> {
    [Medium::Sms, Medium::Email]
        .into_iter()
        .filter(|medium| pool.auto_verifies(*medium))
        .find_map(|medium| user.address(medium).map(|address| (medium, address)))
}
