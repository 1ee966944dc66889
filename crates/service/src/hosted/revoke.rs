//! `POST /oauth2/revoke` (oauth-federation.md §8): a refresh token and all that belongs to its sign-in stop working, as
//! RevokeToken has it.

use serde_json::Value;
use wire::{ErrorKind, Operation, RevokeTokenRequest};

use super::{Parameters, Site, client_authentication, token::Refusal};
use crate::{Ctx, operations::tokens::revoke_token, quotas};

/// Revokes what a form names. `authorization` is the header of that name.
///
/// # Errors
/// Those of §8.
pub async fn answer(ctx: &Ctx, site: &Site, authorization: Option<&str>, form: &Parameters) -> Result<(), Refusal> {
    quotas::check(ctx, Operation::RevokeToken, &Value::Null)?;
    let credentials = client_authentication::credentials(authorization, form)?;
    client_authentication::client(ctx, &site.pool, &credentials).await?;
    let token = form.get("token").ok_or(Refusal::Known("invalid_request", None))?;
    let request = RevokeTokenRequest {
        token: token.to_owned(),
        client_id: credentials.client_id,
        client_secret: credentials.secret,
        revoke_associated_sessions: None,
    };
    match revoke_token::run(ctx, request).await {
        Ok(_) => Ok(()),
        Err(error) => Err(match error.kind {
            ErrorKind::UnsupportedOperation => Refusal::Known("invalid_request", None),
            ErrorKind::UnsupportedTokenType => Refusal::Known("unsupported_token_type", None),
            _ => error.into(),
        }),
    }
}
