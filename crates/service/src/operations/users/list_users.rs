//! ListUsers (accounts.md §12.1): the users of a pool, page by page in the order of their ids, which says nothing
//! about when they came.

use domain::attributes::schema_of;
use wire::{ListUsersRequest, ListUsersResponse};

use super::user_type;
use crate::{ApiError, Ctx, lookup, paging};

/// Lists users.
///
/// # Errors
/// `InvalidParameterException` for attributes that the schema does not have and for a token that is not this list's.
pub async fn run(ctx: &Ctx, input: ListUsersRequest) -> Result<ListUsersResponse, ApiError> {
    let pool = lookup::pool(ctx, &input.user_pool_id).await?;
    if input.filter.is_some_and(|filter| !filter.is_empty()) {
        return Err(ApiError::not_supported("Filter in ListUsers"));
    }
    let wanted = input.attributes_to_get.filter(|names| !names.is_empty());
    if wanted.iter().flatten().any(|name| schema_of(&pool, name).is_none()) {
        return Err(ApiError::invalid_parameter("One or more requested attributes do not exist."));
    }
    let scope = format!("ListUsers\n{}", pool.id);
    let after = paging::read(ctx, &scope, input.pagination_token.as_deref())?;
    let size = paging::size(input.limit);

    // One more than asked for, to know whether another page follows.
    let mut found = ctx.app.store.users(&pool.id, after.as_deref(), size + 1).await?;
    let pagination_token = paging::cut(ctx, &scope, &mut found, size, |user| &user.sub);
    let mut users: Vec<_> = found.iter().map(|user| user_type(user)).collect();
    if let Some(wanted) = wanted {
        for attributes in users.iter_mut().filter_map(|user| user.attributes.as_mut()) {
            attributes.retain(|attribute| wanted.contains(&attribute.name));
        }
    }
    Ok(ListUsersResponse { users: Some(users), pagination_token })
}
