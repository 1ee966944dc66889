//! AdminDeleteUser (accounts.md §10.2).

use wire::AdminDeleteUserRequest;

use super::removal;
use crate::{ApiError, Ctx, lookup, retry};

/// Deletes a user.
///
/// # Errors
/// `UserNotFoundException`.
pub async fn run(ctx: &Ctx, input: AdminDeleteUserRequest) -> Result<(), ApiError> {
    let pool = lookup::pool(ctx, &input.user_pool_id).await?;
    retry::on_conflict(ctx, || async {
        let user = lookup::user_for_administrator(ctx, &pool, &input.username).await?;
        removal::remove(ctx, &pool, &user).await
    })
    .await
}
