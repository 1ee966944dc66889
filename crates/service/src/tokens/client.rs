//! Access tokens that speak for a client and for no user (auth-flows.md §19; oauth-federation.md on
//! `client_credentials`).

use std::collections::BTreeMap;

use domain::{Client, Pool};
use serde::Serialize;

use super::{issue::encoded, issuer, pre_token_generation};
use crate::{ApiError, Ctx};

/// The claims, in the order in which they are written. Decision: `sub` and `version`, which nobody has recorded of this
/// operation, are those of the token endpoint.
#[derive(Serialize)]
struct ClientClaims<'a> {
    sub: &'a str,
    token_use: &'static str,
    scope: &'a str,
    auth_time: i64,
    iss: &'a str,
    exp: i64,
    iat: i64,
    version: u8,
    jti: &'a str,
    client_id: &'a str,
}

/// An access token of the client itself, good for these scopes; the pool's function, if it has one of the third version,
/// is told the `ClientMetadata` and asked what the token is to contain.
///
/// # Errors
/// When the pool's keys cannot be read or opened; those of the function.
pub async fn issue_to_client(
    ctx: &Ctx,
    pool: &Pool,
    client: &Client,
    scopes: &[String],
    metadata: Option<&BTreeMap<String, String>>,
) -> Result<String, ApiError> {
    let overrides = pre_token_generation::ask_for_client(ctx, pool, client, scopes, metadata).await?;
    let keys = ctx.app.tokens.pool_keys(&ctx.app, &pool.id).await?;
    let iat = ctx.now.seconds();
    let claims = ClientClaims {
        sub: &client.id,
        token_use: "access",
        scope: &scopes.join(" "),
        auth_time: iat,
        iss: &issuer(&ctx.app.settings, &pool.id),
        exp: iat.saturating_add(client.access_token_seconds()),
        iat,
        version: 2,
        jti: &ctx.uuid(),
        client_id: &client.id,
    };
    let claims = encoded(&claims, overrides.as_ref(), |overrides, claims| {
        overrides.change_access_token(claims, &client.id);
    })?;
    keys.access.sign(&claims).map_err(ApiError::internal)
}
