//! AdminListGroupsForUser (accounts.md §12.2, §17): the groups of a user by name.

use wire::{AdminListGroupsForUserRequest, AdminListGroupsForUserResponse};

use super::group_type;
use crate::{ApiError, Ctx, lookup, paging};

/// One page of groups.
///
/// # Errors
/// `UserNotFoundException`; `InvalidParameterException` for a bad token.
pub async fn run(ctx: &Ctx, input: AdminListGroupsForUserRequest) -> Result<AdminListGroupsForUserResponse, ApiError> {
    let pool = lookup::pool(ctx, &input.user_pool_id).await?;
    let user = lookup::user_for_administrator(ctx, &pool, &input.username).await?;
    let scope = format!("AdminListGroupsForUser\n{}\n{}", pool.id, user.sub);
    let size = paging::size(input.limit);
    let after = paging::read(ctx, &scope, input.next_token.as_deref())?;
    let mut groups = ctx.app.store.groups_of_user(&pool.id, &user.sub, after.as_deref(), size + 1).await?;
    let next_token = paging::cut(ctx, &scope, &mut groups, size, |group| &group.name);
    let groups = groups.iter().map(|group| group_type(group)).collect();
    Ok(AdminListGroupsForUserResponse { groups: Some(groups), next_token })
}
