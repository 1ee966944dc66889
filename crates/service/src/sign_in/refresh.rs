//! REFRESH_TOKEN_AUTH: new access and ID tokens of the same sign-in (auth-flows.md §18). Attributes are read again.

use domain::User;
use wire::AuthenticationResultType;

use super::Request;
use crate::{
    ApiError, Ctx,
    tokens::{
        Occasion,
        refresh::{self, RefreshToken},
        renew,
    },
};

/// Answers REFRESH_TOKEN with an access token and an ID token.
///
/// # Errors
/// See auth-flows.md §8; `InvalidParameterException` where the client's refresh tokens are rotated,
/// `UserNotFoundException` when the user is gone.
pub(super) async fn run(ctx: &Ctx, request: &Request) -> Result<AuthenticationResultType, ApiError> {
    let (pool, client) = (&request.pool, &request.client);
    if client.rotates_refresh_tokens() {
        // Decision: the service's words are not recorded. The flow has no place for the token that replaces this one.
        return Err(ApiError::invalid_parameter(
            "REFRESH_TOKEN_AUTH is not enabled for the client, because its refresh tokens are rotated. \
             Use GetTokensFromRefreshToken.",
        ));
    }
    let token = request.required("REFRESH_TOKEN")?;
    if request.parameter("SECRET_HASH").is_none() {
        // Said first when it is missing; what it must be made of is known only when the token has been read.
        request.check_secret_hash(ctx, "")?;
    }
    let token = RefreshToken::open(ctx, &client.id, token)?;
    if token.pool_id != pool.id {
        return Err(refresh::invalid());
    }
    if request.parameter("SECRET_HASH").is_some() {
        let user = ctx.app.store.user(&pool.id, &token.sub).await?.ok_or_else(ApiError::no_such_user)?;
        check_secret_hash(ctx, request, &user)?;
    }
    renew(ctx, pool, client, &token, request.parameter("DEVICE_KEY"), &Occasion::refresh()).await
}

/// The hash is over the stored username; some clients only know the `sub` by now and use that.
fn check_secret_hash(ctx: &Ctx, request: &Request, user: &User) -> Result<(), ApiError> {
    let by_username = request.check_secret_hash(ctx, &user.username);
    if by_username.is_err() && user.username != user.sub {
        return request.check_secret_hash(ctx, &user.sub);
    }
    by_username
}
