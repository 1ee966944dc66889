//! Users as administrators and the users themselves see them (accounts.md §10, §11.5, §12.1).

pub mod admin_create_user;
pub mod admin_delete_user;
pub mod admin_disable_user;
pub mod admin_enable_user;
pub mod admin_get_user;
pub mod admin_set_user_password;
pub mod admin_update_user_attributes;
pub mod delete_user;
pub mod get_user;
pub mod list_users;

mod removal;

use domain::User;
use wire::UserType;

use crate::users::attribute_list;

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
        mfa_options: None,
    }
}
