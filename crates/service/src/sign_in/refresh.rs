//! REFRESH_TOKEN_AUTH: new access and ID tokens of the same sign-in (auth-flows.md §18). Attributes are read again.

use domain::User;
use wire::{AuthenticationResultType, ErrorKind};

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
/// See auth-flows.md §8; `UserNotFoundException` when the user is gone.
pub(super) async fn run(ctx: &Ctx, request: &Request) -> Result<AuthenticationResultType, ApiError> {
    let (pool, client) = (&request.pool, &request.client);
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
///
/// Decision: the words for a wrong one are those of all reports on refreshing since 2022; they differ from the words of
/// the other flows, which reports on refreshing have up to 2021.
fn check_secret_hash(ctx: &Ctx, request: &Request, user: &User) -> Result<(), ApiError> {
    let mut checked = request.check_secret_hash(ctx, &user.username);
    if checked.is_err() && user.username != user.sub {
        checked = request.check_secret_hash(ctx, &user.sub);
    }
    checked.map_err(|refusal| match refusal.kind {
        ErrorKind::NotAuthorized => {
            ApiError::not_authorized(format!("SecretHash does not match for the client: {}", request.client.id))
        }
        _ => refusal,
    })
}
