//! ListUsersInGroup (accounts.md §12.2, §17): the members of a group by their ids.

use wire::{ListUsersInGroupRequest, ListUsersInGroupResponse};

use super::named;
use crate::{ApiError, Ctx, lookup, operations::users::user_type, paging};

/// One page of members.
///
/// # Errors
/// `ResourceNotFoundException`; `InvalidParameterException` for a bad token.
pub async fn run(ctx: &Ctx, input: ListUsersInGroupRequest) -> Result<ListUsersInGroupResponse, ApiError> {
    let pool = lookup::pool(ctx, &input.user_pool_id).await?;
    let group = named(ctx, &pool, &input.group_name).await?;
    let scope = format!("ListUsersInGroup\n{}\n{}", pool.id, group.id);
    let size = paging::size(input.limit);
    let after = paging::read(ctx, &scope, input.next_token.as_deref())?;
    let mut users = ctx.app.store.members(&group, after.as_deref(), size + 1).await?;
    let next_token = paging::cut(ctx, &scope, &mut users, size, |user| &user.sub);
    Ok(ListUsersInGroupResponse { users: Some(users.iter().map(|user| user_type(user)).collect()), next_token })
}
