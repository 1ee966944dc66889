//! REFRESH_TOKEN_AUTH: new access and ID tokens of the same sign-in (auth-flows.md §18). Attributes are read again.

use domain::User;
use wire::{AuthenticationResultType, UserStatusType};

use super::Request;
use crate::{
    ApiError, Ctx,
    tokens::{
        self, Grant,
        access::{is_revoked, not_confirmed, password_reset_required},
        refresh::{self, RefreshToken},
    },
};

/// Answers REFRESH_TOKEN with an access token and an ID token.
///
/// # Errors
/// See auth-flows.md §8; `UserNotFoundException` when the user is gone.
pub(super) async fn run(ctx: &Ctx, request: &Request) -> Result<AuthenticationResultType, ApiError> {
    let (pool, client) = (&request.pool, &request.client);
    let token = request.required("REFRESH_TOKEN")?;
    if request.parameter("SECRET_HASH").is_none() {
        // Said first when it is missing; what it must be made of is known only when the token has been read.
        request.check_secret_hash(ctx, "")?;
    }
    request.check_device_key()?;
    let token = RefreshToken::open(ctx, &client.id, token)?;
    if token.pool_id != pool.id {
        return Err(refresh::invalid());
    }
    let user = ctx.app.store.user(&pool.id, &token.sub).await?.ok_or_else(ApiError::no_such_user)?;
    check_secret_hash(ctx, request, &user)?;
    if ctx.now >= token.expires_at {
        return Err(ApiError::not_authorized("Refresh Token has expired"));
    }
    if !user.enabled {
        return Err(ApiError::user_disabled());
    }
    if user.refuses_tokens_of(token.auth_time) || is_revoked(ctx, pool, Some(&token.origin_jti)).await? {
        return Err(refresh::revoked());
    }
    match user.status {
        UserStatusType::ResetRequired => Err(password_reset_required()),
        UserStatusType::Unconfirmed => Err(not_confirmed()),
        _ => tokens::issue(ctx, pool, client, &user, &Grant::continued(&token)).await,
    }
}

/// The hash is over the stored username; some clients only know the `sub` by now and use that.
fn check_secret_hash(ctx: &Ctx, request: &Request, user: &User) -> Result<(), ApiError> {
    let by_username = request.check_secret_hash(ctx, &user.username);
    if by_username.is_err() && user.username != user.sub {
        return request.check_secret_hash(ctx, &user.sub);
    }
    by_username
}
