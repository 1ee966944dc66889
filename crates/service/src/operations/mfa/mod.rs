//! Second factors of a user: software tokens, and which factors are switched on (auth-flows.md §13, §19). Sign-ins ask
//! for them in `sign_in`.

pub mod admin_delete_software_token;
pub mod admin_get_user_auth_factors;
pub mod admin_set_user_mfa_preference;
pub mod admin_set_user_settings;
pub mod associate_software_token;
pub mod get_user_auth_factors;
pub mod set_user_mfa_preference;
pub mod set_user_settings;
pub mod verify_software_token;

mod auth_factors;
mod preference;

use domain::{MfaMethod, Pool, User};
use wire::{ErrorKind, UserStatusType};

use crate::{ApiError, tokens::access::not_confirmed};

/// What says whose software token a request is about.
enum Credential<'a> {
    /// The token of somebody who is signed in.
    AccessToken(&'a str),
    /// The session of a sign-in that waits for MFA_SETUP.
    Session(&'a str),
}

impl<'a> Credential<'a> {
    /// The one that the request has.
    ///
    /// # Errors
    /// `InvalidParameterException` when there is none, or both: they might be of two users.
    fn of(access_token: Option<&'a str>, session: Option<&'a str>) -> Result<Self, ApiError> {
        match (access_token, session) {
            (Some(token), None) => Ok(Self::AccessToken(token)),
            (None, Some(session)) => Ok(Self::Session(session)),
            // Decision: the service's words are not recorded.
            _ => Err(ApiError::invalid_parameter("Exactly one of AccessToken and Session is required.")),
        }
    }
}

/// Refuses a new software token where the pool does not offer them.
fn check_offered(pool: &Pool) -> Result<(), ApiError> {
    if pool.offers(MfaMethod::SoftwareToken) {
        return Ok(());
    }
    Err(ApiError::new(ErrorKind::SoftwareTokenMFANotFound, "Software Token MFA has not been enabled by the userPool"))
}

/// Refuses a user who has not confirmed the sign-up, and so cannot sign in with any factor.
fn check_confirmed(user: &User) -> Result<(), ApiError> {
    if user.status == UserStatusType::Unconfirmed { Err(not_confirmed()) } else { Ok(()) }
}
