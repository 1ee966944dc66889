//! Choices of USER_AUTH that are made one by one (auth-flows.md §6): the answers to SELECT_CHALLENGE, PASSWORD and
//! PASSWORD_SRP.
//!
//! Decision: a CREDENTIAL beside WEB_AUTHN proves nothing, since what a passkey signs is handed out with the challenge
//! WEB_AUTHN alone. It is ignored as parameters are that nothing asks for, and the challenge is what is answered.

use wire::ChallengeNameType;

use super::{Outcome, Request, session, user_auth};
use crate::{ApiError, Ctx};

/// Takes the ANSWER to SELECT_CHALLENGE, with the password or SRP_A if it brings one along.
///
/// # Errors
/// See auth-flows.md §7 and §8; `InvalidParameterException` for what cannot be chosen.
pub(super) async fn select(ctx: &Ctx, request: &Request) -> Result<Outcome, ApiError> {
    request.required("USERNAME")?;
    let answer = request.required("ANSWER")?;
    let (subject, waiting) = user_auth::resume(ctx, request, ChallengeNameType::SelectChallenge).await?;
    // What the user can begin with is looked at again: a second factor may have been switched on meanwhile.
    let choices = user_auth::offers(ctx, request, &subject).await?;
    // Decision: the service's words for a choice that is not on the list are not known.
    let choice = choices
        .into_iter()
        .find(|choice| choice.as_str() == answer)
        .ok_or_else(|| ApiError::invalid_parameter("Selected challenge is not available"))?;
    user_auth::take(ctx, request, &subject, choice, Some(session::mark(&waiting))).await
}

/// Checks the answer to PASSWORD.
///
/// # Errors
/// See auth-flows.md §7 and §8.
pub(super) async fn password(ctx: &Ctx, request: &Request) -> Result<Outcome, ApiError> {
    request.required("USERNAME")?;
    request.required("PASSWORD")?;
    let (subject, waiting) = user_auth::resume(ctx, request, ChallengeNameType::Password).await?;
    user_auth::prove_password(ctx, request, &subject, Some(session::mark(&waiting))).await
}

/// Takes the SRP_A that answers PASSWORD_SRP.
///
/// # Errors
/// See auth-flows.md §7 and §8.
pub(super) async fn password_srp(ctx: &Ctx, request: &Request) -> Result<Outcome, ApiError> {
    request.required("USERNAME")?;
    request.required("SRP_A")?;
    let (subject, waiting) = user_auth::resume(ctx, request, ChallengeNameType::PasswordSrp).await?;
    user_auth::begin_srp(ctx, request, &subject, Some(session::mark(&waiting))).await
}
