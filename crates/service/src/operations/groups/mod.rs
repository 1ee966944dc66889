//! Groups of users (accounts.md §17). What their members' tokens say of them is in [`crate::tokens`].

pub mod admin_add_user_to_group;
pub mod admin_list_groups_for_user;
pub mod admin_remove_user_from_group;
pub mod create_group;
pub mod delete_group;
pub mod get_group;
pub mod list_groups;
pub mod list_users_in_group;
pub mod update_group;

use domain::{Group, Pool};
use store::Stored;
use wire::GroupType;

use crate::{ApiError, Ctx};

/// A group as every operation shows it.
fn group_type(group: &Group) -> GroupType {
    GroupType {
        group_name: Some(group.name.clone()),
        user_pool_id: Some(group.pool_id.clone()),
        description: group.description.clone(),
        role_arn: group.role_arn.clone(),
        precedence: group.precedence,
        last_modified_date: Some(group.modified_at),
        creation_date: Some(group.created_at),
    }
}

/// The group of that name.
///
/// # Errors
/// `ResourceNotFoundException`.
async fn named(ctx: &Ctx, pool: &Pool, name: &str) -> Result<Stored<Group>, ApiError> {
    let group = ctx.app.store.part::<Group>(&pool.id, name).await?;
    group.ok_or_else(|| ApiError::not_found("Group not found."))
}

/// Checks a precedence, which the service keeps in 32 bits.
///
/// # Errors
/// `InvalidParameterException`.
fn check_precedence(precedence: Option<i64>) -> Result<(), ApiError> {
    match precedence {
        // Decision: the service's words are not recorded; these are what its model would say.
        Some(precedence) if precedence > i64::from(i32::MAX) => Err(ApiError::invalid_parameter(format!(
            "1 validation error detected: Value '{precedence}' at 'precedence' failed to satisfy constraint: Member must have value less than or equal to {}",
            i32::MAX
        ))),
        _ => Ok(()),
    }
}
