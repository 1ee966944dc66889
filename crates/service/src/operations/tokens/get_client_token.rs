//! GetClientToken (auth-flows.md §19): a client gets an access token for itself, for scopes of resource servers.
//!
//! Order: client, secret, flow, scopes.

use domain::Client;
use wire::{ClientAuthenticationResultType, ExplicitAuthFlowsType, GetClientTokenRequest, GetClientTokenResponse};

use crate::{ApiError, Ctx, operations::clients::settings::distinct, scopes, secret_hash, tokens::issue_to_client};

/// Answers a client's id and secret with an access token. Without `Scopes` it is good for all scopes of resource servers
/// that the client has.
///
/// `ClientMetadata` is for the pool's PreTokenGeneration function of the third version, whose failure is answered as
/// the other operations answer it.
///
/// # Errors
/// `NotAuthorizedException` for a client that is not there or does not prove itself, `TooManyRequestsException` after too
/// many wrong secrets, `InvalidParameterException` when it does not allow ALLOW_CLIENT_TOKEN_AUTH and for scopes that it
/// does not have.
pub async fn run(ctx: &Ctx, input: GetClientTokenRequest) -> Result<GetClientTokenResponse, ApiError> {
    // Load.
    let unauthorized = || ApiError::not_authorized("Invalid client or secret");
    let client = ctx.app.client(&input.client_id).await?.ok_or_else(unauthorized)?;
    let pool = ctx.app.pool(&client.pool_id).await?.ok_or_else(unauthorized)?;
    if !secret_hash::proves_itself(ctx, &client, Some(&input.secret))? {
        return Err(unauthorized());
    }
    if !client.explicit_auth_flows.contains(&ExplicitAuthFlowsType::AllowClientTokenAuth) {
        // Decision: neither error nor words are recorded; these are the general ones.
        return Err(ApiError::invalid_parameter("Auth flow not enabled for this client"));
    }
    // A scope whose resource server is gone counts again when it comes back.
    let usable = scopes::of_resource_servers(ctx, &pool, &client.oauth.scopes).await?;

    // Decide.
    let granted = granted(&client, input.scopes.as_deref().unwrap_or_default(), usable)?;
    let access_token = issue_to_client(ctx, &pool, &client, &granted, input.client_metadata.as_ref()).await?;
    Ok(GetClientTokenResponse {
        client_authentication_result: Some(ClientAuthenticationResultType {
            access_token: Some(access_token),
            expires_in: Some(client.access_token_seconds()),
            token_type: Some("Bearer".to_owned()),
        }),
    })
}

/// What was asked for, which must be among what the client has; or all of that.
///
/// Decision: error and words are not recorded. Like the token endpoint, the operation refuses a scope that the client
/// does not have, and a client that has none; a list that is empty is none.
fn granted(client: &Client, asked: &[String], usable: Vec<String>) -> Result<Vec<String>, ApiError> {
    if let Some(scope) = asked.iter().find(|scope| !usable.contains(scope)) {
        return Err(ApiError::invalid_parameter(format!("Invalid scope requested: {scope}")));
    }
    if usable.is_empty() {
        return Err(ApiError::invalid_parameter(format!(
            "Client {} has no scopes of resource servers. Add some to its AllowedOAuthScopes.",
            client.id
        )));
    }
    Ok(if asked.is_empty() { usable } else { distinct(asked) })
}
