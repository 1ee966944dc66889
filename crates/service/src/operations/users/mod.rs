//! Users as administrators and the users themselves see them (accounts.md §10, §11.5, §12.1).

pub mod admin_create_user;
pub mod admin_delete_user;
pub mod admin_delete_user_attributes;
pub mod admin_disable_provider_for_user;
pub mod admin_disable_user;
pub mod admin_enable_user;
pub mod admin_get_user;
pub mod admin_link_provider_for_user;
pub mod admin_set_user_password;
pub mod admin_update_user_attributes;
pub mod delete_user;
pub mod delete_user_attributes;
pub mod get_user;
pub mod get_user_attribute_verification_code;
pub mod list_users;
pub mod update_user_attributes;
pub mod verify_user_attribute;

mod attribute_change;
mod external;
mod removal;

use domain::{Medium, User, attributes::MEDIA};
use wire::UserType;

use crate::{ApiError, users::attribute_list};

/// A user as AdminCreateUser and ListUsers show it.
#[must_use]
pub fn user_type(user: &User) -> UserType {
    UserType {
        username: Some(user.username.clone()),
        attributes: Some(attribute_list(user)),
        user_create_date: Some(user.created_at),
        user_last_modified_date: Some(user.modified_at),
        enabled: Some(user.enabled),
        user_status: Some(user.status),
        mfa_options: user.mfa.options(),
    }
}

/// The medium of an attribute that codes verify.
fn verifiable(attribute: &str) -> Result<Medium, ApiError> {
    // Decision: the service's words are not recorded.
    MEDIA.into_iter().find(|medium| medium.attribute() == attribute).ok_or_else(|| {
        ApiError::invalid_parameter("Invalid attribute name. Only phone_number and email can be verified.")
    })
}
