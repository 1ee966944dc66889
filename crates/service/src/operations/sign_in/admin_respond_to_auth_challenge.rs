//! AdminRespondToAuthChallenge (auth-flows.md §6): an administrator's server answers a sign-in's challenge.

use wire::{AdminRespondToAuthChallengeRequest, AdminRespondToAuthChallengeResponse};

use crate::{
    ApiError, Ctx,
    sign_in::{self, Outcome, Request},
};

/// The next challenge, or tokens.
///
/// # Errors
/// See auth-flows.md §8.
pub async fn run(
    ctx: &Ctx,
    input: AdminRespondToAuthChallengeRequest,
) -> Result<AdminRespondToAuthChallengeResponse, ApiError> {
    let (pool, client, metadata) = (&input.user_pool_id, &input.client_id, input.client_metadata);
    let request =
        Request::admin(ctx, pool, client, input.challenge_responses, input.session, metadata, input.context_data)
            .await?;
    let request = request.answering(input.challenge_name).from_endpoint(input.analytics_metadata);
    Ok(match sign_in::answer(ctx, &request, input.challenge_name).await? {
        Outcome::Challenge { name, session, parameters, available } => AdminRespondToAuthChallengeResponse {
            challenge_name: Some(name),
            session,
            challenge_parameters: Some(parameters),
            authentication_result: None,
            available_challenges: available,
        },
        Outcome::Completed(_) => return Err(sign_in::ends_elsewhere()),
        Outcome::Tokens(result) => AdminRespondToAuthChallengeResponse {
            challenge_name: None,
            session: None,
            challenge_parameters: Some([].into()),
            authentication_result: Some(result),
            available_challenges: None,
        },
    })
}
