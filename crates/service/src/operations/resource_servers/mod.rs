//! Resource servers (accounts.md §17, oauth-federation.md §19).

pub mod create_resource_server;
pub mod delete_resource_server;
pub mod describe_resource_server;
pub mod list_resource_servers;
pub mod update_resource_server;

use domain::ResourceServer;
use store::Stored;
use wire::{ResourceServerScopeType, ResourceServerType};

use crate::{ApiError, Ctx};

/// A resource server of a pool that is there.
///
/// # Errors
/// `ResourceNotFoundException`.
pub(super) async fn find(ctx: &Ctx, pool_id: &str, identifier: &str) -> Result<Stored<ResourceServer>, ApiError> {
    let found = ctx.app.store.part::<ResourceServer>(pool_id, identifier).await?;
    found.ok_or_else(|| ApiError::not_found(format!("Resource server {identifier} does not exist.")))
}

/// A resource server as answers show it.
fn answer(server: &ResourceServer) -> ResourceServerType {
    ResourceServerType {
        user_pool_id: Some(server.pool_id.clone()),
        identifier: Some(server.identifier.clone()),
        name: Some(server.name.clone()),
        scopes: (!server.scopes.is_empty()).then(|| server.scopes.clone()),
        managed_by: None,
    }
}

/// The scopes that a request gives, of which no two have one name.
///
/// # Errors
/// `InvalidParameterException`.
fn scopes(given: Option<&[ResourceServerScopeType]>) -> Result<Vec<ResourceServerScopeType>, ApiError> {
    let given = given.unwrap_or_default();
    for (position, scope) in given.iter().enumerate() {
        if given.iter().take(position).any(|earlier| earlier.scope_name == scope.scope_name) {
            // Decision: the service's words are not recorded.
            return Err(ApiError::invalid_parameter(format!(
                "Duplicate scope name {} is not allowed.",
                scope.scope_name
            )));
        }
    }
    Ok(given.to_vec())
}
