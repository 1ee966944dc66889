//! Sign-ins at the login pages (oauth-federation.md §4.1), step by step. They count for the same quotas as those that come
//! through the API.

use serde_json::json;
use wire::{AuthFlowType, ChallengeNameType, Operation};

use crate::{
    ApiError, Ctx, quotas,
    sign_in::{self, Outcome, Request},
};

/// The first step, as InitiateAuth takes it.
///
/// # Errors
/// `TooManyRequestsException`, and those of [`sign_in::begin`].
pub async fn begin(ctx: &Ctx, request: &Request, flow: AuthFlowType) -> Result<Outcome, ApiError> {
    count(ctx, request, Operation::InitiateAuth)?;
    sign_in::begin(ctx, request, flow).await
}

/// The next step, as RespondToAuthChallenge takes it.
///
/// # Errors
/// `TooManyRequestsException`, and those of [`sign_in::answer`].
pub async fn answer(ctx: &Ctx, request: Request, challenge: ChallengeNameType) -> Result<Outcome, ApiError> {
    count(ctx, &request, Operation::RespondToAuthChallenge)?;
    sign_in::answer(ctx, &request.answering(challenge), challenge).await
}

fn count(ctx: &Ctx, request: &Request, operation: Operation) -> Result<(), ApiError> {
    let username = request.parameters.get("USERNAME");
    let counted = json!({"ClientId": request.client.id, "AuthParameters": {"USERNAME": username}});
    quotas::check(ctx, operation, &counted)
}
