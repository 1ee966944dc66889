//! RevokeToken (auth-flows.md §18): a refresh token and every access token of the same sign-in stop working; the
//! user's other sign-ins go on.

use store::Changes;
use wire::{ErrorKind, RevokeTokenRequest, RevokeTokenResponse};

use crate::{
    ApiError, Ctx, retry, secret_hash,
    tokens::{refresh::RefreshToken, revocation},
    tracking::{self, Associated},
};

/// Revokes a refresh token. A token that cannot be read, or was revoked before, is answered alike.
///
/// With `RevokeAssociatedSessions` LINKED the SSO session goes along that the sign-in was born of, if its pool keeps track
/// of sessions; its other sign-ins stay.
///
/// # Errors
/// `UnauthorizedException` for a client that does not prove itself, `TooManyRequestsException` after too many wrong
/// secrets, `UnsupportedOperationException` when it has revocation switched off, `UnsupportedTokenTypeException` for an
/// access or ID token.
pub async fn run(ctx: &Ctx, input: RevokeTokenRequest) -> Result<RevokeTokenResponse, ApiError> {
    // Decision: neither words nor conditions of the three refusals are known; the operation does not list
    // ResourceNotFoundException, so an unknown client is not authorized either.
    let unauthorized = || ApiError::new(ErrorKind::Unauthorized, "Invalid client or secret");
    let client = ctx.app.client(&input.client_id).await?.ok_or_else(unauthorized)?;
    if !secret_hash::proves_itself(ctx, &client, input.client_secret.as_deref())? {
        return Err(unauthorized());
    }
    if !client.enable_token_revocation {
        return Err(ApiError::new(ErrorKind::UnsupportedOperation, "Token revocation is not enabled for this client."));
    }
    if crypto::token::unverified_kid(&input.token).is_ok() {
        return Err(ApiError::new(ErrorKind::UnsupportedTokenType, "Only refresh tokens can be revoked."));
    }
    let Ok(token) = RefreshToken::open(ctx, &client.id, &input.token) else { return Ok(RevokeTokenResponse {}) };
    let associated = Associated::of(input.revoke_associated_sessions);
    retry::on_conflict(ctx, || async {
        if ctx.app.store.revocation(&token.pool_id, &token.origin_jti).await?.is_some() {
            return Ok(());
        }
        let mut changes = Changes::new();
        tracking::forget(ctx, &mut changes, &token.pool_id, &token.sub, &token.origin_jti, associated).await?;
        changes.insert(revocation(ctx, &token));
        tracking::commit(ctx, changes).await
    })
    .await?;
    Ok(RevokeTokenResponse {})
}
