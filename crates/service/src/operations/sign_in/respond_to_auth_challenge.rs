//! RespondToAuthChallenge (auth-flows.md §6): a client answers a sign-in's challenge.

use wire::{RespondToAuthChallengeRequest, RespondToAuthChallengeResponse};

use crate::{
    ApiError, Ctx,
    sign_in::{self, Outcome, Request},
};

/// The next challenge, or tokens.
///
/// # Errors
/// See auth-flows.md §8.
pub async fn run(ctx: &Ctx, input: RespondToAuthChallengeRequest) -> Result<RespondToAuthChallengeResponse, ApiError> {
    let (responses, session, metadata) = (input.challenge_responses, input.session, input.client_metadata);
    let request = Request::public(ctx, &input.client_id, responses, session, metadata, input.user_context_data).await?;
    let request = request.answering(input.challenge_name).from_endpoint(input.analytics_metadata);
    Ok(match sign_in::answer(ctx, &request, input.challenge_name).await? {
        Outcome::Challenge { name, session, parameters, available } => RespondToAuthChallengeResponse {
            challenge_name: Some(name),
            session,
            challenge_parameters: Some(parameters),
            authentication_result: None,
            available_challenges: available,
        },
        Outcome::Completed(_) => return Err(sign_in::ends_elsewhere()),
        Outcome::Tokens(result) => RespondToAuthChallengeResponse {
            challenge_name: None,
            session: None,
            challenge_parameters: Some([].into()),
            authentication_result: Some(result),
            available_challenges: None,
        },
    })
}
