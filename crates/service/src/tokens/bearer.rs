//! Tokens of a pool that somebody brings to be exchanged (auth-flows.md §19, GetDerivedToken): whom they are about, and
//! whether they are still good. Those of other issuers: [`foreign`](super::foreign),
//! [`assertions`](super::assertions).
//!
//! Order: form, key, signature, kind and issuer, client, expiry, user, revocation, status.

use crypto::token::unverified_kid;
use domain::{IdentityProvider, NameKind, Pool, Spent, User, identity};
use serde::Deserialize;
use serde_json::Value;
use store::Stored;
use wire::UserStatusType;

use super::issuer;
use crate::{ApiError, Ctx};

/// What kind of token it is said to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An access token.
    Access,
    /// An ID token.
    Id,
}

/// What a token is brought for; refusals name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It says who the new token is about.
    Subject,
    /// It says who acts.
    Actor,
}

/// A token that is good.
pub struct Bearer {
    /// Whom it is about; none for a client that speaks for itself.
    pub user: Option<Stored<User>>,
    /// The id of the user, or of the client.
    pub sub: String,
    /// The client of the pool that it was given to; none where another issuer has made it.
    pub client_id: Option<String>,
    /// What it is good for: nothing, where it is an ID token. None where it sets no limit.
    pub scopes: Option<Vec<String>>,
    /// The sign-in.
    pub origin_jti: Option<String>,
    /// When the user signed in, in seconds.
    pub auth_time: i64,
    /// From this second on it is refused.
    pub expires_at: i64,
    /// The level of assurance that the sign-in satisfied.
    pub acr: Option<String>,
    /// How the user signed in.
    pub amr: Vec<String>,
    /// Who acts for the user with it already.
    pub act: Option<Value>,
    /// The mark of what is good for once, still to be left.
    pub spends: Option<Spent>,
}

/// What is looked at of the claims of either kind.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    iss: String,
    token_use: String,
    exp: i64,
    auth_time: i64,
    client_id: Option<String>,
    aud: Option<String>,
    username: Option<String>,
    #[serde(default)]
    scope: String,
    origin_jti: Option<String>,
    acr: Option<String>,
    #[serde(default)]
    amr: Vec<String>,
    act: Option<Value>,
}

/// Reads a token that a pool has signed.
///
/// Decision: the words are those for access tokens as credentials (§8), with what the token was brought for.
///
/// # Errors
/// `NotAuthorizedException`; `UserNotFoundException` when the user is gone.
pub async fn read(ctx: &Ctx, pool: &Pool, token: &str, kind: Kind, role: Role) -> Result<Bearer, ApiError> {
    let invalid = || role.refused("Invalid {}");
    let kid = unverified_kid(token).map_err(|_| invalid())?;
    let keys = ctx.app.tokens.pool_keys(&ctx.app, &pool.id).await?;
    // The other kind is signed by another key, and every pool has its own.
    let key = match kind {
        Kind::Access => keys.access_verifier(&kid, ctx.now),
        Kind::Id => keys.id_verifier(&kid, ctx.now),
    };
    let claims = key.ok_or_else(invalid)?.verify(token).map_err(|_| invalid())?;
    let claims: Claims = serde_json::from_slice(&claims).map_err(|_| invalid())?;
    let (token_use, client_id) = match kind {
        Kind::Access => ("access", claims.client_id),
        Kind::Id => ("id", claims.aud),
    };
    if claims.token_use != token_use || claims.iss != issuer(&ctx.app.settings, &pool.id) {
        return Err(invalid());
    }
    // A client that was deleted takes its tokens along. An ID token that was made for somebody outside has none.
    let client_id = client_id.ok_or_else(invalid)?;
    ctx.app.client(&client_id).await?.filter(|client| client.pool_id == pool.id).ok_or_else(invalid)?;
    if ctx.now.seconds() >= claims.exp {
        return Err(role.refused("{} has expired"));
    }
    let user = if kind == Kind::Access && claims.username.is_none() {
        if claims.sub != client_id {
            return Err(invalid());
        }
        None
    } else {
        let snapshot = ctx.app.store.token_snapshot(&pool.id, &claims.sub, claims.origin_jti.as_deref()).await?;
        let user = snapshot.user.ok_or_else(ApiError::no_such_user)?;
        check_user(&user, claims.auth_time, snapshot.is_revoked, role)?;
        Some(user)
    };
    let scopes = if kind == Kind::Access { claims.scope.as_str() } else { "" };
    Ok(Bearer {
        user,
        sub: claims.sub,
        client_id: Some(client_id),
        scopes: Some(scopes.split_whitespace().map(str::to_owned).collect()),
        origin_jti: claims.origin_jti,
        auth_time: claims.auth_time,
        expires_at: claims.exp,
        acr: claims.acr,
        amr: claims.amr,
        act: claims.act,
        spends: None,
    })
}

/// The bearer of what a provider has signed about its user `subject`, who must be linked to a user of the pool and may use
/// tokens of a sign-in at `auth_time`; good until `expires_at`. Both are in seconds.
///
/// # Errors
/// `UserNotFoundException` when nobody is linked; those of [`check_user`].
pub(super) async fn linked(
    ctx: &Ctx,
    pool: &Pool,
    provider: &IdentityProvider,
    subject: &str,
    auth_time: i64,
    expires_at: i64,
    role: Role,
) -> Result<Bearer, ApiError> {
    let name = identity::name(&provider.name, identity::SUBJECT, subject);
    let sub = ctx.app.store.name_owner(&pool.id, &name, NameKind::Identity).await?;
    let sub = sub.ok_or_else(ApiError::no_such_user)?;
    let user = ctx.app.store.user(&pool.id, &sub).await?.ok_or_else(ApiError::no_such_user)?;
    check_user(&user, auth_time, false, role)?;
    Ok(Bearer {
        user: Some(user),
        sub,
        client_id: None,
        scopes: None,
        origin_jti: None,
        auth_time,
        expires_at,
        acr: None,
        amr: Vec::new(),
        act: None,
        spends: None,
    })
}

/// Whether a token of this user counts that is from a sign-in at `auth_time`.
fn check_user(user: &User, auth_time: i64, is_revoked: bool, role: Role) -> Result<(), ApiError> {
    if !user.enabled {
        return Err(ApiError::user_disabled());
    }
    if user.refuses_tokens_of(auth_time) || is_revoked {
        return Err(role.refused("{} has been revoked"));
    }
    // Decision: the model of the operation does not know the errors of these states.
    if matches!(user.status, UserStatusType::ResetRequired | UserStatusType::Unconfirmed) {
        return Err(role.refused("Invalid {}"));
    }
    Ok(())
}

impl Role {
    /// The refusal of a token, whose name takes the place of `{}`.
    pub(crate) fn refused(self, text: &str) -> ApiError {
        ApiError::not_authorized(text.replace("{}", self.name()))
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Subject => "Subject Token",
            Self::Actor => "Actor Token",
        }
    }
}
