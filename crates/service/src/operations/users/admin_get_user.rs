//! AdminGetUser (accounts.md §10.2): a user by username, alias or sub.

use wire::{AdminGetUserRequest, AdminGetUserResponse};

use crate::{ApiError, Ctx, lookup, users::attribute_list};

/// Shows a user.
///
/// # Errors
/// `UserNotFoundException`.
pub async fn run(ctx: &Ctx, input: AdminGetUserRequest) -> Result<AdminGetUserResponse, ApiError> {
    let pool = lookup::pool(ctx, &input.user_pool_id).await?;
    let user = lookup::user_for_administrator(ctx, &pool, &input.username).await?;
    Ok(AdminGetUserResponse {
        user_attributes: Some(attribute_list(&user)),
        user_create_date: Some(user.created_at),
        user_last_modified_date: Some(user.modified_at),
        enabled: Some(user.enabled),
        user_status: Some(user.status),
        mfa_options: user.mfa.options(),
        preferred_mfa_setting: user.mfa.preferred_setting(),
        user_mfa_setting_list: user.mfa.setting_list(),
        username: user.value.username,
    })
}
