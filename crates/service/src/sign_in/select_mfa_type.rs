//! The challenge SELECT_MFA_TYPE: the user chooses one of several second factors (auth-flows.md §6).

use domain::{
    MfaMethod,
    session::{SignInSession, Waiting},
};
use store::Changes;
use wire::ChallengeNameType;

use super::{Outcome, Proven, Request, code, guard, second_factor, session};
use crate::{ApiError, Ctx, retry};

/// What the service's prose calls codes by mail; clients say EMAIL_OTP.
const EMAIL: &str = "EMAIL_MFA";

/// The challenge of the factor that was chosen. A session is good for one choice: otherwise it would send any number
/// of messages.
///
/// # Errors
/// `InvalidParameterException` for what cannot be chosen; see auth-flows.md §7 and §8.
pub(super) async fn answer(ctx: &Ctx, request: &Request) -> Result<Outcome, ApiError> {
    request.required("USERNAME")?;
    let given = request.required("ANSWER")?;
    let waiting = guard::resume(ctx, request, ChallengeNameType::SelectMfaType).await?;
    let Waiting::Method(choices) = &waiting.waiting else { return Err(session::invalid()) };
    let is_meant = |method: &&MfaMethod| method.as_str() == given || (**method == MfaMethod::Email && given == EMAIL);
    let Some(method) = choices.iter().find(is_meant) else {
        // Decision: the service's words are not known.
        let names: Vec<_> = choices.iter().map(|method| method.as_str()).collect();
        return Err(ApiError::invalid_parameter(format!("ANSWER must be one of {}.", names.join(", "))));
    };
    let proven = retry::on_conflict(ctx, || choose(ctx, request, &waiting, *method)).await?;
    second_factor::ask(ctx, request, &proven, *method).await
}

async fn choose(ctx: &Ctx, request: &Request, waiting: &SignInSession, method: MfaMethod) -> Result<Proven, ApiError> {
    let standing = guard::standing(ctx, request, waiting).await?;
    standing.check_lock(ctx)?;
    let seen = standing.seen();
    second_factor::check_due(ctx, request, &standing.user, waiting, method, &seen).await?;
    // Clients repeat by themselves what came too often: the session must still be good then.
    if let Some(address) = domain::second_factor::medium_of(method).and_then(|medium| standing.user.address(medium)) {
        code::check_room(ctx, request, &waiting.sub, address, &seen).await?;
    }
    let proven = standing.go_on(ctx, request, waiting, None, Changes::new()).await?;
    Ok(Proven { seen, ..proven })
}
