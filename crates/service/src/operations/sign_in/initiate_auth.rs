//! InitiateAuth (auth-flows.md §4): a client begins a sign-in.

use wire::{InitiateAuthRequest, InitiateAuthResponse};

use crate::{
    ApiError, Ctx,
    sign_in::{self, Outcome, Request},
};

/// The first challenge, or tokens.
///
/// # Errors
/// See auth-flows.md §8.
pub async fn run(ctx: &Ctx, input: InitiateAuthRequest) -> Result<InitiateAuthResponse, ApiError> {
    // `Session` continues a confirmed sign-up in USER_AUTH; the other flows have no use for it.
    let (parameters, session, metadata) = (input.auth_parameters, input.session, input.client_metadata);
    let request = Request::public(ctx, &input.client_id, parameters, session, metadata, input.user_context_data)
        .await?
        .that_begins()
        .from_endpoint(input.analytics_metadata);
    Ok(match sign_in::begin(ctx, &request, input.auth_flow).await? {
        Outcome::Challenge { name, session, parameters, available } => InitiateAuthResponse {
            challenge_name: Some(name),
            session,
            challenge_parameters: Some(parameters),
            authentication_result: None,
            available_challenges: available,
        },
        Outcome::Completed(_) => return Err(sign_in::ends_elsewhere()),
        Outcome::Tokens(result) => InitiateAuthResponse {
            challenge_name: None,
            session: None,
            challenge_parameters: Some([].into()),
            authentication_result: Some(result),
            available_challenges: None,
        },
    })
}
