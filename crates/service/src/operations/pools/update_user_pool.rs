//! UpdateUserPool (accounts.md §13.4): everything that the request leaves out goes back to its default.

use store::Changes;
use wire::{UpdateUserPoolRequest, UpdateUserPoolResponse};

use super::settings::{self, Settings};
use crate::{ApiError, Ctx, lookup, retry};

/// Replaces the pool's settings.
///
/// # Errors
/// `ResourceNotFoundException`, `InvalidParameterException` and the others of §13.5.
pub async fn run(ctx: &Ctx, input: UpdateUserPoolRequest) -> Result<UpdateUserPoolResponse, ApiError> {
    let pool_id = input.user_pool_id.clone();
    let pool_name = input.pool_name.clone();
    let settings = Settings::from(input);
    retry::on_conflict(ctx, async || {
        // Load.
        let before = lookup::current_pool(ctx, &pool_id).await?;

        // Decide.
        let mut after = before.value.clone();
        settings::apply(&mut after, &settings)?;
        after.name = pool_name.clone().unwrap_or(after.name);
        after.modified_at = ctx.now;

        // Commit.
        let mut changes = Changes::new();
        changes.replace(&before, after);
        ctx.app.commit(changes).await?;
        Ok(UpdateUserPoolResponse {})
    })
    .await
}
