//! Scopes of access tokens (oauth-federation.md §10, §19): those that every pool has, and those of its resource servers.

use std::collections::BTreeMap;

use domain::{Pool, ResourceServer};

use crate::{ApiError, Ctx};

/// Scopes that every pool has.
pub const STANDARD: [&str; 5] = ["phone", "email", "openid", "profile", "aws.cognito.signin.user.admin"];

/// Those of `scopes` that a resource server of the pool has now, in the order given.
///
/// # Errors
/// When the store cannot be read.
pub async fn of_resource_servers(ctx: &Ctx, pool: &Pool, scopes: &[String]) -> Result<Vec<String>, ApiError> {
    let mut servers = BTreeMap::new();
    let mut present = Vec::new();
    for scope in scopes {
        // An identifier may hold slashes, the name of a scope holds none.
        let Some((identifier, name)) = scope.rsplit_once('/') else { continue };
        if !servers.contains_key(identifier) {
            let server = ctx.app.store.part::<ResourceServer>(&pool.id, identifier).await?;
            servers.insert(identifier, server);
        }
        if servers.get(identifier).is_some_and(|server| server.as_ref().is_some_and(|server| server.has_scope(name))) {
            present.push(scope.clone());
        }
    }
    Ok(present)
}

/// Those of `scopes` that mean something in the pool now, in the order given. One whose resource server was deleted
/// means nothing until it is there again.
///
/// # Errors
/// When the store cannot be read.
pub async fn existing(ctx: &Ctx, pool: &Pool, scopes: &[String]) -> Result<Vec<String>, ApiError> {
    let custom = of_resource_servers(ctx, pool, scopes).await?;
    let exists = |scope: &&String| STANDARD.contains(&scope.as_str()) || custom.contains(scope);
    Ok(scopes.iter().filter(exists).cloned().collect())
}
