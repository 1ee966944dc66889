//! CreateResourceServer (oauth-federation.md §19).

use domain::ResourceServer;
use store::Changes;
use wire::{CreateResourceServerRequest, CreateResourceServerResponse};

use super::{answer, scopes};
use crate::{ApiError, Ctx, capacity, lookup, retry};

/// Makes a resource server.
///
/// # Errors
/// `ResourceNotFoundException`, `LimitExceededException`; `InvalidParameterException` for an identifier that is taken
/// and for scopes of one name.
pub async fn run(ctx: &Ctx, input: CreateResourceServerRequest) -> Result<CreateResourceServerResponse, ApiError> {
    retry::on_conflict(ctx, async || {
        // Load.
        let pool = lookup::current_pool(ctx, &input.user_pool_id).await?;
        let present = ctx.app.store.part::<ResourceServer>(&pool.id, &input.identifier).await?;

        // Decide.
        let server = ResourceServer {
            pool_id: pool.id.clone(),
            identifier: input.identifier.clone(),
            name: input.name.clone(),
            scopes: scopes(input.scopes.as_deref())?,
        };
        if present.is_some() {
            let message = format!("{} already exists in user pool {}.", server.identifier, pool.id);
            return Err(ApiError::invalid_parameter(message));
        }
        let most = ctx.app.settings.quotas.counts.resource_servers_per_pool;
        capacity::room_for::<ResourceServer>(ctx, &pool, most, "resource servers").await?;

        // Commit.
        let mut changes = Changes::new();
        capacity::hold(&mut changes, &pool);
        changes.insert(&server);
        ctx.app.commit(changes).await?;
        Ok(CreateResourceServerResponse { resource_server: answer(&server) })
    })
    .await
}
