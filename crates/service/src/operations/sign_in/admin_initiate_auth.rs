//! AdminInitiateAuth (auth-flows.md §4): an administrator's server begins a sign-in.

use wire::{AdminInitiateAuthRequest, AdminInitiateAuthResponse};

use crate::{
    ApiError, Ctx,
    sign_in::{self, Outcome, Request},
};

/// The first challenge, or tokens.
///
/// # Errors
/// See auth-flows.md §8.
pub async fn run(ctx: &Ctx, input: AdminInitiateAuthRequest) -> Result<AdminInitiateAuthResponse, ApiError> {
    // `Session` continues a confirmed sign-up in USER_AUTH; the other flows have no use for it.
    let (pool, client, metadata) = (&input.user_pool_id, &input.client_id, input.client_metadata);
    let request = Request::admin(ctx, pool, client, input.auth_parameters, input.session, metadata, input.context_data)
        .await?
        .that_begins()
        .from_endpoint(input.analytics_metadata);
    Ok(match sign_in::begin(ctx, &request, input.auth_flow).await? {
        Outcome::Challenge { name, session, parameters, available } => AdminInitiateAuthResponse {
            challenge_name: Some(name),
            session,
            challenge_parameters: Some(parameters),
            authentication_result: None,
            available_challenges: available,
        },
        Outcome::Completed(_) => return Err(sign_in::ends_elsewhere()),
        Outcome::Tokens(result) => AdminInitiateAuthResponse {
            challenge_name: None,
            session: None,
            challenge_parameters: Some([].into()),
            authentication_result: Some(result),
            available_challenges: None,
        },
    })
}
