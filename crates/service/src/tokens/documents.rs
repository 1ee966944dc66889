//! The issuer of a pool and the two documents under it (oauth-federation.md §1).

use crypto::token::Jwk;
use serde_json::{Value, json};

use crate::{
    ApiError, App,
    settings::{Issuer, Settings},
};

/// The `iss` claim of a pool's tokens.
#[must_use]
pub fn issuer(settings: &Settings, pool_id: &str) -> String {
    match settings.issuer {
        Issuer::Server => format!("{}/{pool_id}", settings.base_url),
        Issuer::Aws => {
            let region = pool_id.split_once('_').map_or(pool_id, |(region, _)| region);
            format!("https://cognito-idp.{region}.amazonaws.com/{pool_id}")
        }
    }
}

/// `/.well-known/openid-configuration` of a pool, keys in alphabetical order; `None` when there is no such pool.
///
/// The keys that name endpoints on a pool's domain are left out as long as pools have none.
///
/// # Errors
/// When the store cannot be read.
pub async fn discovery(app: &App, pool_id: &str) -> Result<Option<Value>, ApiError> {
    let Some(pool) = app.pool(pool_id).await? else { return Ok(None) };
    let issuer = issuer(&app.settings, &pool.id);
    // Decision: the keys are where the server really is, also when the issuer only looks like AWS's.
    let jwks = format!("{}/{}/.well-known/jwks.json", app.settings.base_url, pool.id);
    Ok(Some(json!({
        "id_token_signing_alg_values_supported": ["RS256"],
        "issuer": issuer,
        "jwks_uri": jwks,
        "response_types_supported": ["code", "token"],
        "scopes_supported": ["openid", "email", "phone", "profile"],
        "subject_types_supported": ["public"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
    })))
}

/// `/.well-known/jwks.json` of a pool; `None` when there is no such pool.
///
/// # Errors
/// When the store cannot be read.
pub async fn jwks(app: &App, pool_id: &str) -> Result<Option<Value>, ApiError> {
    let Some(pool) = app.pool(pool_id).await? else { return Ok(None) };
    let keys = app.store.signing_keys(&pool.id).await?;
    let now = app.clock.now();
    let counting = keys.iter().filter(|key| key.state.verifies(now));
    let keys: Vec<Jwk> = counting.map(|key| Jwk::new(&key.kid, &key.modulus, &key.exponent)).collect();
    Ok(Some(json!({ "keys": keys })))
}
