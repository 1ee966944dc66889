//! UpdateResourceServer (oauth-federation.md §19): name and scopes are replaced whole; the identifier never changes.
//! A scope that goes away stays with the clients that name it, and counts again when it comes back.

use store::Changes;
use wire::{UpdateResourceServerRequest, UpdateResourceServerResponse};

use super::{answer, find, scopes};
use crate::{ApiError, Ctx, lookup, retry};

/// Replaces a resource server's name and scopes.
///
/// # Errors
/// `ResourceNotFoundException`; `InvalidParameterException` for scopes of one name.
pub async fn run(ctx: &Ctx, input: UpdateResourceServerRequest) -> Result<UpdateResourceServerResponse, ApiError> {
    retry::on_conflict(ctx, async || {
        let pool = lookup::current_pool(ctx, &input.user_pool_id).await?;
        let before = find(ctx, &pool.id, &input.identifier).await?;
        let mut after = before.value.clone();
        after.name.clone_from(&input.name);
        after.scopes = scopes(input.scopes.as_deref())?;
        let mut changes = Changes::new();
        changes.replace(&before, &after);
        ctx.app.commit(changes).await?;
        Ok(UpdateResourceServerResponse { resource_server: answer(&after) })
    })
    .await
}
