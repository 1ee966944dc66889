//! AdminAddUserToGroup (accounts.md §17).

use store::Changes;
use wire::{AdminAddUserToGroupRequest, ErrorKind};

use super::named;
use crate::{ApiError, Ctx, lookup, retry, tokens::MOST_GROUPS};

/// Makes a user a member of a group; one who is a member already stays one.
///
/// # Errors
/// `ResourceNotFoundException` for an unknown group, `UserNotFoundException`; `LimitExceededException` for the 101st
/// group of a user.
pub async fn run(ctx: &Ctx, input: AdminAddUserToGroupRequest) -> Result<(), ApiError> {
    let pool = lookup::pool(ctx, &input.user_pool_id).await?;
    retry::on_conflict(ctx, async || {
        // Load. Decision: the group is looked for first.
        let group = named(ctx, &pool, &input.group_name).await?;
        let user = lookup::user_for_administrator(ctx, &pool, &input.username).await?;
        let groups = ctx.app.store.groups_of_user(&pool.id, &user.sub, None, MOST_GROUPS).await?;

        // Decide.
        if groups.iter().any(|other| other.id == group.id) {
            return Ok(());
        }
        if groups.len() >= MOST_GROUPS {
            // Decision: the model does not list this error here, and the service's words are not recorded; every other
            // limit on a number of things is answered so.
            return Err(ApiError::new(
                ErrorKind::LimitExceeded,
                format!("A user cannot be in more than {MOST_GROUPS} groups. Remove the user from another one first."),
            ));
        }

        // Commit. The user's row gets another version, so that of two requests at once only one sees the last place.
        let mut changes = Changes::new();
        changes.assert_part(&group);
        changes.replace(&user, user.value.clone());
        changes.join(&group, &user.sub);
        Ok(ctx.app.commit(changes).await?)
    })
    .await
}
