//! The issuer of a pool and the two documents under it (oauth-federation.md §1).

use std::collections::BTreeMap;

use crypto::token::Jwk;
use serde_json::{Value, json};

use crate::{
    ApiError, App,
    hosted::public_base,
    settings::{Issuer, Settings},
};

/// What a pool's domain serves, by the names that discovery has for it.
const ENDPOINTS: [(&str, &str); 5] = [
    ("authorization_endpoint", "/oauth2/authorize"),
    ("end_session_endpoint", "/logout"),
    ("revocation_endpoint", "/oauth2/revoke"),
    ("token_endpoint", "/oauth2/token"),
    ("userinfo_endpoint", "/oauth2/userInfo"),
];

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
/// Decision: the keys that name endpoints on a pool's domain are left out where it has none. Of two domains the document
/// names the custom one.
///
/// # Errors
/// When the store cannot be read.
pub async fn discovery(app: &App, pool_id: &str) -> Result<Option<Value>, ApiError> {
    let Some(pool) = app.pool(pool_id).await? else { return Ok(None) };
    let domains = app.store.domains(&pool.id).await?;
    let mut document: BTreeMap<&str, Value> = [
        ("id_token_signing_alg_values_supported", json!(["RS256"])),
        ("issuer", json!(issuer(&app.settings, &pool.id))),
        // Decision: the keys are where the server really is, also when the issuer only looks like AWS's.
        ("jwks_uri", json!(format!("{}/{}/.well-known/jwks.json", app.settings.base_url, pool.id))),
        ("response_types_supported", json!(["code", "token"])),
        ("scopes_supported", json!(["openid", "email", "phone", "profile"])),
        ("subject_types_supported", json!(["public"])),
        ("token_endpoint_auth_methods_supported", json!(["client_secret_basic", "client_secret_post"])),
    ]
    .into();
    if let Some(base) = public_base(&app.settings, &domains) {
        document.extend(ENDPOINTS.map(|(name, path)| (name, Value::from(format!("{base}{path}")))));
    }
    Ok(Some(json!(document)))
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
