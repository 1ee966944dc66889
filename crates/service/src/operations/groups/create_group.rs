//! CreateGroup (accounts.md §17).

use domain::Group;
use store::{Changes, Key};
use wire::{CreateGroupRequest, CreateGroupResponse, ErrorKind};

use super::{check_precedence, group_type};
use crate::{ApiError, Ctx, lookup, retry};

/// Most groups of a pool. Requests that arrive at the same moment can get past it by as many as they are.
const MOST: usize = 10_000;

/// Makes a group.
///
/// # Errors
/// `GroupExistsException`; `LimitExceededException` for the 10,001st group of a pool.
pub async fn run(ctx: &Ctx, input: CreateGroupRequest) -> Result<CreateGroupResponse, ApiError> {
    check_precedence(input.precedence)?;
    retry::on_conflict(ctx, async || {
        // Load.
        let pool = lookup::current_pool(ctx, &input.user_pool_id).await?;
        let existing = ctx.app.store.part::<Group>(&pool.id, &input.group_name).await?;

        // Decide.
        if existing.is_some() {
            return Err(ApiError::new(ErrorKind::GroupExists, "A group with the name already exists."));
        }
        if ctx.app.store.count_parts::<Group>(&pool.id, MOST).await? >= MOST {
            // Decision: the service's words are not recorded.
            return Err(ApiError::new(
                ErrorKind::LimitExceeded,
                format!(
                    "A user pool cannot have more than {MOST} groups. Delete one that is not needed any more first."
                ),
            ));
        }
        let group = Group {
            pool_id: pool.id.clone(),
            name: input.group_name.clone(),
            id: ctx.uuid(),
            description: input.description.clone(),
            role_arn: input.role_arn.clone(),
            precedence: input.precedence,
            created_at: ctx.now,
            modified_at: ctx.now,
        };

        // Commit. A pool that is deleted meanwhile must not leave a group behind.
        let mut changes = Changes::new();
        changes.assert(Key::Pool { id: pool.id.clone() }, pool.version);
        changes.insert(&group);
        ctx.app.commit(changes).await?;
        Ok(CreateGroupResponse { group: Some(group_type(&group)) })
    })
    .await
}
