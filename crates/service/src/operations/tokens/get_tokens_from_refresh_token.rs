//! GetTokensFromRefreshToken (auth-flows.md §18): new tokens of the same sign-in, and where the client's refresh tokens
//! are rotated, the refresh token that takes the place of this one.
//!
//! Order: client, its secret, the token, then what `tokens::renew` checks.

use wire::{GetTokensFromRefreshTokenRequest, GetTokensFromRefreshTokenResponse};

use crate::{
    ApiError, Ctx, lookup, secret_hash,
    tokens::{Occasion, refresh::RefreshToken, renew},
};

/// Answers a refresh token with new tokens. The flows that a client lists do not matter here.
///
/// Functions are told what they are told of a sign-in, `ClientMetadata` included.
///
/// # Errors
/// `ResourceNotFoundException` for an unknown client, `TooManyRequestsException` after too many wrong secrets,
/// `RefreshTokenReuseException` for a token that was replaced, and those of auth-flows.md §8.
pub async fn run(
    ctx: &Ctx,
    input: GetTokensFromRefreshTokenRequest,
) -> Result<GetTokensFromRefreshTokenResponse, ApiError> {
    let (client, pool) = lookup::client_and_pool(ctx, &input.client_id).await?;
    let secret = input.client_secret.as_deref();
    if !secret_hash::proves_itself(ctx, &client, secret)? {
        // Decision: the words are those that refreshing without a secret has been seen to answer, and for a wrong one
        // those that are nearest to the ones for a wrong hash.
        return Err(ApiError::not_authorized(match secret {
            None => format!("Client {} is configured for secret but secret was not received", client.id),
            Some(_) => format!("Unable to verify secret for client {}", client.id),
        }));
    }
    let token = RefreshToken::open(ctx, &client.id, &input.refresh_token)?;
    let occasion = Occasion::sign_in(None, input.client_metadata.as_ref());
    let tokens = renew(ctx, &pool, &client, &token, input.device_key.as_deref(), &occasion).await?;
    Ok(GetTokensFromRefreshTokenResponse { authentication_result: Some(tokens) })
}
