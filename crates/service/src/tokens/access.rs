//! An access token as the credential of an operation (auth-flows.md §17 "Using an access token on the API", §8).
//!
//! Order: form, signature and claims (remembered once they held), expiry, scope, pool and client, whether the key is
//! still the pool's, user, revocation.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use crypto::token::{TokenError, unverified_kid};
use domain::{Client, Pool, User};
use serde::{Deserialize, Serialize};
use store::Stored;
use wire::{ErrorKind, UserStatusType};

use super::issuer;
use crate::{ApiError, Ctx};

/// Longest token that is remembered, in bytes: ten thousand long ones would fill the memory.
const LONGEST_REMEMBERED: usize = 16 * 1_024;

/// The scope that API sign-ins get, and that operations with an access token ask for.
pub const SCOPE: &str = "aws.cognito.signin.user.admin";

/// The claims of an access token from an API sign-in, in the order in which they are written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AccessClaims {
    /// The user.
    pub sub: String,
    /// The device that the sign-in came from, where the pool keeps track of devices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_key: Option<String>,
    /// The names of the user's groups when the token was made. Not read back: this server asks the store, and tokens
    /// that are remembered should be small.
    #[serde(rename = "cognito:groups", skip_deserializing, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// The pool, as a URL.
    pub iss: String,
    /// The client.
    pub client_id: String,
    /// The sign-in; left out where the client has revocation switched off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin_jti: Option<String>,
    /// The request that made the token.
    pub event_id: String,
    /// The level of assurance that the sign-in satisfies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
    /// How the user signed in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub amr: Vec<String>,
    /// Who acts for the user with it, and for whom that one acts, where the token was exchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<serde_json::Value>,
    /// The service that the token is for, where it was exchanged for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aud: Option<String>,
    /// `access`.
    pub token_use: String,
    /// Scopes, separated by blanks; left out where there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub scope: String,
    /// When the user signed in interactively, in seconds.
    pub auth_time: i64,
    /// From this second on the token is refused.
    pub exp: i64,
    /// When it was made, in seconds.
    pub iat: i64,
    /// The token's own id.
    pub jti: String,
    /// The stored username.
    pub username: String,
    /// 2 where an application was granted it at the authorization endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u8>,
}

/// Whose token it is.
pub struct Authenticated {
    /// The user's pool.
    pub pool: Arc<Stored<Pool>>,
    /// The client that the token was given to.
    pub client: Arc<Stored<Client>>,
    /// The user, as the store has it now.
    pub user: Stored<User>,
    /// What the token says.
    pub claims: Arc<AccessClaims>,
}

/// Finds out whose token this is and whether it is still good.
///
/// # Errors
/// `NotAuthorizedException` with the texts of auth-flows.md §8, `UserNotFoundException` when the user is gone,
/// `PasswordResetRequiredException` and `UserNotConfirmedException` by the user's status.
pub async fn authenticate(ctx: &Ctx, token: &str) -> Result<Authenticated, ApiError> {
    authenticate_for(ctx, token, SCOPE, "Access Token does not have required scopes").await
}

/// The same for what takes another scope, with what is said of a token without it.
///
/// # Errors
/// Those of [`authenticate`].
pub async fn authenticate_for(
    ctx: &Ctx,
    token: &str,
    scope: &str,
    lacking: &'static str,
) -> Result<Authenticated, ApiError> {
    let Verified { kid, claims } = verified(ctx, token).await?;
    if ctx.now.seconds() >= claims.exp {
        return Err(ApiError::not_authorized("Access Token has expired"));
    }
    if !claims.scope.split(' ').any(|granted| granted == scope) {
        return Err(ApiError::not_authorized(lacking));
    }
    // A client that was deleted takes its tokens along.
    let client = ctx.app.client(&claims.client_id).await?.ok_or_else(invalid)?;
    let pool = ctx.app.pool(&client.pool_id).await?.ok_or_else(invalid)?;
    if claims.iss != issuer(&ctx.app.settings, &pool.id) {
        return Err(invalid());
    }
    // Remembered or not: when a key is withdrawn, so is all that it has signed.
    if ctx.app.tokens.pool_keys(&ctx.app, &pool.id).await?.access_verifier(&kid, ctx.now).is_none() {
        return Err(invalid());
    }
    let snapshot = ctx.app.store.token_snapshot(&pool.id, &claims.sub, claims.origin_jti.as_deref()).await?;
    let user = snapshot.user.ok_or_else(ApiError::no_such_user)?;
    if !user.enabled {
        return Err(ApiError::user_disabled());
    }
    if user.refuses_tokens_of(claims.auth_time) || snapshot.is_revoked {
        return Err(ApiError::not_authorized("Access Token has been revoked"));
    }
    match user.status {
        UserStatusType::ResetRequired => Err(password_reset_required()),
        UserStatusType::Unconfirmed => Err(not_confirmed()),
        _ => Ok(Authenticated { pool, client, user, claims }),
    }
}

/// Whether this sign-in was revoked.
///
/// # Errors
/// When the store cannot be read.
pub async fn is_revoked(ctx: &Ctx, pool: &Pool, origin_jti: Option<&str>) -> Result<bool, ApiError> {
    match origin_jti {
        Some(origin_jti) => Ok(ctx.app.store.revocation(&pool.id, origin_jti).await?.is_some()),
        None => Ok(false),
    }
}

/// The user must choose a new password by way of a reset code first.
#[must_use]
pub fn password_reset_required() -> ApiError {
    ApiError::new(ErrorKind::PasswordResetRequired, "Password reset required for the user")
}

/// The user has not confirmed the sign-up.
#[must_use]
pub fn not_confirmed() -> ApiError {
    ApiError::new(ErrorKind::UserNotConfirmed, "User is not confirmed.")
}

/// Not an access token, or not one for this.
#[must_use]
pub fn invalid() -> ApiError {
    ApiError::not_authorized("Invalid Access Token")
}

/// What is remembered of a token whose signature was right.
#[derive(Clone)]
pub(super) struct Verified {
    /// Id of the key that signed it. Whether that key still counts must be asked every time.
    kid: Arc<str>,
    claims: Arc<AccessClaims>,
}

/// Key and claims of a token that one of our pools signed as an access token.
async fn verified(ctx: &Ctx, token: &str) -> Result<Verified, ApiError> {
    let fingerprint = crypto::hash::sha256(token.as_bytes());
    if let Some(verified) = ctx.app.tokens.verified.get(&fingerprint) {
        return Ok(verified);
    }
    let kid = unverified_kid(token).map_err(|_| invalid())?;
    // The unchecked issuer only says which pool's keys to try; the claims that count come from the check.
    let pool_id = unverified_pool(token).ok_or_else(invalid)?;
    let pool = ctx.app.pool(&pool_id).await?.ok_or_else(invalid)?;
    let keys = ctx.app.tokens.pool_keys(&ctx.app, &pool.id).await?;
    // An ID token, which another key signs, ends here.
    let key = keys.access_verifier(&kid, ctx.now).ok_or_else(invalid)?;
    let claims = key.verify(token).map_err(|error| match error {
        TokenError::Signature => ApiError::not_authorized("Could not verify signature for Access Token"),
        _ => invalid(),
    })?;
    let claims: AccessClaims = serde_json::from_slice(&claims).map_err(|_| invalid())?;
    if claims.token_use != "access" || claims.iss != issuer(&ctx.app.settings, &pool.id) {
        return Err(invalid());
    }
    let verified = Verified { kid: kid.into(), claims: Arc::new(claims) };
    if token.len() <= LONGEST_REMEMBERED {
        ctx.app.tokens.verified.insert(fingerprint, verified.clone());
    }
    Ok(verified)
}

/// The pool id at the end of the issuer of a token that has not been checked.
fn unverified_pool(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Issued {
        iss: String,
    }
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let issued: Issued = serde_json::from_slice(&payload).ok()?;
    issued.iss.rsplit('/').next().map(str::to_owned)
}
