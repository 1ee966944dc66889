//! `SecretHash` (accounts.md §3): asked for exactly when the client has a secret; any active secret counts.
//!
//! A hash sent to a client without a secret is refused, since nothing could have made it: reports of the service
//! disagree, and answering "fine" to a proof that proves nothing would be a lie.

use domain::{Client, ClientSecret};

use crate::{
    ApiError, Caller, Ctx,
    quotas::{self, Guess, Guessed},
};

/// Checks `given` for `username` as the request spells it.
///
/// # Errors
/// `NotAuthorizedException` with the chapter's texts.
pub fn check(ctx: &Ctx, client: &Client, username: &str, given: Option<&str>) -> Result<(), ApiError> {
    let refused = || ApiError::not_authorized(format!("Unable to verify secret hash for client {}", client.id));
    match (client.secrets.is_empty(), given) {
        (true, None) => Ok(()),
        (true, Some(_)) => Err(refused()),
        (false, None) => Err(ApiError::not_authorized(format!(
            "Client {} is configured with secret but SECRET_HASH was not received",
            client.id
        ))),
        (false, Some(given)) => {
            let secrets =
                client.secrets.iter().map(|secret| reveal(ctx, client, secret)).collect::<Result<Vec<_>, _>>()?;
            if crypto::hash::secret_hash_matches(given, username, &client.id, secrets.iter().map(String::as_str)) {
                Ok(())
            } else {
                Err(refused())
            }
        }
    }
}

/// The hash that proves a client to its own server, for what the login pages call in its name; none for a public client.
///
/// # Errors
/// When the secret cannot be opened with the master keys.
pub fn made(ctx: &Ctx, client: &Client, username: &str) -> Result<Option<String>, ApiError> {
    let Some(secret) = client.secrets.first() else { return Ok(None) };
    let clear = reveal(ctx, client, secret)?;
    Ok(Some(crypto::hash::secret_hash(username, &client.id, &clear)))
}

/// A client secret in clear.
///
/// # Errors
/// When it cannot be opened with the master keys.
pub fn reveal(ctx: &Ctx, client: &Client, secret: &ClientSecret) -> Result<String, ApiError> {
    let clear = ctx.app.ring.open(crypto::seal::Purpose::ClientSecret, &client.id, &secret.value)?;
    String::from_utf8(clear.to_vec()).map_err(ApiError::internal)
}

/// Whether the secret that a client shows in clear is one of its own; a public client has none to show. Wrong ones count for
/// the address that they come from, unless the request is signed.
///
/// # Errors
/// `TooManyRequestsException` while the address has guessed too often; when a secret cannot be opened with the master keys.
pub fn proves_itself(ctx: &Ctx, client: &Client, given: Option<&str>) -> Result<bool, ApiError> {
    let Some(given) = given else { return Ok(client.secrets.is_empty()) };
    let guess = match ctx.caller {
        Caller::AccessKey { .. } => Guess::of_nobody(),
        _ => quotas::guess(ctx, Guessed::Clients, ctx.client_address).ok_or_else(quotas::exceeded)?,
    };
    let mut matches = false;
    for secret in &client.secrets {
        let clear = reveal(ctx, client, secret)?;
        matches |= crypto::hash::constant_time_eq(clear.as_bytes(), given.as_bytes());
    }
    if !matches {
        guess.was_wrong();
    }
    Ok(matches)
}
