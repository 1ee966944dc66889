//! The challenge MFA_SETUP: a user of whom a second factor is demanded sets one up (auth-flows.md §6, §13). A software
//! token has been verified by VerifySoftwareToken, whose session comes here; a mail address is given here and proven
//! by the challenge EMAIL_OTP, with which it becomes the user's.

use domain::{
    Factor, MfaMethod, Pool,
    attributes::{self, Writer},
    session::{SignInSession, Waiting},
};
use store::Changes;
use wire::{AttributeType, ChallengeNameType};

use super::{Outcome, Proven, Request, code, guard, next, second_factor, session};
use crate::{
    ApiError, Ctx,
    attributes::{Wording, refused},
    retry,
};

/// What comes after the set-up: tokens, or a code to the mail address that was given.
///
/// # Errors
/// `InvalidParameterException` for a set-up that is not complete and for what is no mail address; see auth-flows.md §7
/// and §8.
pub(super) async fn answer(ctx: &Ctx, request: &Request) -> Result<Outcome, ApiError> {
    let waiting = guard::resume(ctx, request, ChallengeNameType::MfaSetup).await?;
    match &waiting.waiting {
        Waiting::SoftwareToken { secret: None } => {
            let proven = retry::on_conflict(ctx, || with_token(ctx, request, &waiting)).await?;
            next::step(ctx, request, proven).await
        }
        Waiting::Method(methods) => {
            // Clients send the first, the service's guide shows the second.
            let address = request.parameter("EMAIL").or_else(|| request.parameter("email"));
            let Some(address) = address.filter(|_| methods.contains(&MfaMethod::Email)) else {
                return Err(incomplete());
            };
            let proven = retry::on_conflict(ctx, || with_email(ctx, request, &waiting, address)).await?;
            code::send_to_new_email(ctx, request, &proven, address, second_factor::DIGITS).await
        }
        Waiting::SoftwareToken { secret: Some(_) } => Err(incomplete()),
        _ => Err(session::invalid()),
    }
}

/// Decision: the service's words are not known.
fn incomplete() -> ApiError {
    ApiError::invalid_parameter(
        "MFA set-up is not complete. Verify a software token with VerifySoftwareToken and answer with the session that it returns, or give EMAIL where EMAIL_OTP can be set up.",
    )
}

async fn with_token(ctx: &Ctx, request: &Request, waiting: &SignInSession) -> Result<Proven, ApiError> {
    let standing = guard::standing(ctx, request, waiting).await?;
    let seen = standing.seen();
    let token = seen.factors(ctx, request, &waiting.sub).await?.token.as_ref().ok_or_else(session::invalid)?;
    second_factor::check_set_up(ctx, request, &standing.user, waiting, MfaMethod::SoftwareToken).await?;
    let mut changes = Changes::new();
    changes.assert_user_part(token);
    // What was demanded and set up is asked for from now on, without SetUserMFAPreference; it takes nobody's preference
    // away.
    let mut after = standing.user.value.clone();
    after.mfa.set(MfaMethod::SoftwareToken, true);
    after.mfa.preferred.get_or_insert(MfaMethod::SoftwareToken);
    after.modified_at = ctx.now;
    let mut proven = standing.go_on(ctx, request, waiting, Some(after), changes).await?;
    proven.sign_in = proven.sign_in.with(Factor::SoftwareToken);
    Ok(proven)
}

async fn with_email(ctx: &Ctx, request: &Request, waiting: &SignInSession, address: &str) -> Result<Proven, ApiError> {
    let standing = guard::standing(ctx, request, waiting).await?;
    second_factor::check_set_up(ctx, request, &standing.user, waiting, MfaMethod::Email).await?;
    let given = AttributeType { name: "email".to_owned(), value: Some(address.to_owned()) };
    attributes::updated(&lenient(&request.pool), Writer::Client(&request.client), &standing.user, &[given])
        .map_err(|refusal| refused(refusal, Wording::Update))?;
    let seen = standing.seen();
    code::check_room(ctx, request, &waiting.sub, address, &seen).await?;
    let proven = standing.go_on(ctx, request, waiting, None, Changes::new()).await?;
    Ok(Proven { seen, ..proven })
}

/// The pool with a mail address that may be given where there is none yet, as everything can that never changes.
fn lenient(pool: &Pool) -> Pool {
    let mut lenient = pool.clone();
    for schema in lenient.schema.iter_mut().filter(|schema| schema.name.as_deref() == Some("email")) {
        schema.mutable = Some(true);
    }
    lenient
}
