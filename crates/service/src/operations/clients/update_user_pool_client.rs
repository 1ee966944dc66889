//! UpdateUserPoolClient (accounts.md §14.1): everything that the request leaves out goes back to its default. Id,
//! name when it is left out, and secrets stay.

use store::Changes;
use wire::{UpdateUserPoolClientRequest, UpdateUserPoolClientResponse};

use super::{
    answer, oauth,
    settings::{self, Deed, Settings},
};
use crate::{ApiError, Ctx, lookup, retry};

/// Replaces a client's settings.
///
/// # Errors
/// `ResourceNotFoundException` and the errors of §14.2.
pub async fn run(ctx: &Ctx, input: UpdateUserPoolClientRequest) -> Result<UpdateUserPoolClientResponse, ApiError> {
    let (pool_id, client_id) = (input.user_pool_id.clone(), input.client_id.clone());
    let name = input.client_name.clone();
    let settings = Settings::from(input);
    retry::on_conflict(ctx, async || {
        // Load.
        let (before, pool) = lookup::current_client_of_pool(ctx, &pool_id, &client_id).await?;
        let known = oauth::known(ctx, &pool, &settings).await?;

        // Decide.
        let mut after = before.value.clone();
        settings::apply(ctx, &mut after, &pool, &settings, &known, Deed::Updating)?;
        // Decision: a name that is left out is kept (unconfirmed).
        after.name = name.clone().unwrap_or(after.name);
        if ctx.own.is_seeding && after == before.value {
            let answer = answer::user_pool_client(ctx, &after)?;
            return Ok(UpdateUserPoolClientResponse { user_pool_client: Some(answer) });
        }
        after.modified_at = ctx.now;
        let answer = answer::user_pool_client(ctx, &after)?;

        // Commit.
        let mut changes = Changes::new();
        changes.replace(&before, after);
        ctx.app.commit(changes).await?;
        Ok(UpdateUserPoolClientResponse { user_pool_client: Some(answer) })
    })
    .await
}
