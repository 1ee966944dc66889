//! The challenges SMS_MFA and EMAIL_OTP as second factors: a code that was sent (auth-flows.md §6). The right one
//! makes the address that it went to a verified one.

use domain::{
    Factor, Medium, MfaMethod, User,
    session::{SignInSession, Waiting},
};
use store::{Changes, Stored};
use wire::{ChallengeNameType, ErrorKind};

use super::{Proven, Request, code, guard, second_factor, session};
use crate::{
    ApiError, Ctx,
    attributes::{alias_exists, new_claims, other_owner},
    retry,
};

/// Checks the answer to SMS_MFA.
///
/// # Errors
/// See auth-flows.md §7, §8 and §10.
pub(super) async fn verify_sms(ctx: &Ctx, request: &Request) -> Result<Proven, ApiError> {
    request.required("USERNAME")?;
    let given = request.required("SMS_MFA_CODE")?;
    let waiting = guard::unread(ctx, request, ChallengeNameType::SmsMfa)?;
    verify(ctx, request, &waiting, given, MfaMethod::Sms).await
}

/// Checks the answer to EMAIL_OTP, which is the second factor of this session.
///
/// # Errors
/// See auth-flows.md §7, §8 and §10.
pub(super) async fn verify_email(ctx: &Ctx, request: &Request) -> Result<Proven, ApiError> {
    let given = email_code(request)?;
    let waiting = guard::unread(ctx, request, ChallengeNameType::EmailOtp)?;
    verify(ctx, request, &waiting, given, MfaMethod::Email).await
}

async fn verify(
    ctx: &Ctx,
    request: &Request,
    waiting: &SignInSession,
    given: &str,
    method: MfaMethod,
) -> Result<Proven, ApiError> {
    let _turn = ctx.app.one_at_a_time(&request.pool.id, &waiting.sub).await?;
    retry::on_conflict(ctx, || attempt(ctx, request, waiting, given, method)).await
}

async fn attempt(
    ctx: &Ctx,
    request: &Request,
    waiting: &SignInSession,
    given: &str,
    method: MfaMethod,
) -> Result<Proven, ApiError> {
    let (standing, waiting) = guard::resumed(ctx, request, waiting).await?;
    let waiting = waiting.as_ref();
    standing.check_lock(ctx)?;
    // Whether one may still be set up is looked at in `after`.
    if !matches!(waiting.waiting, Waiting::NewEmail { .. }) {
        second_factor::check_due(ctx, request, &standing.user, waiting, method, &standing.seen()).await?;
    }
    if !code::matches(ctx, waiting, given) {
        standing.count_wrong(ctx, request).await?;
        return Err(ApiError::new(ErrorKind::CodeMismatch, "Invalid code or auth state for the user."));
    }
    let after = after(ctx, request, waiting, &standing.user).await?;
    standing.accept(ctx, request, waiting, method.factor(), after, Changes::new()).await
}

/// The user with the address that the code has proven; none when nothing changes.
///
/// # Errors
/// `NotAuthorizedException` when the user has another address by now, `AliasExistsException`.
pub(super) async fn after(
    ctx: &Ctx,
    request: &Request,
    waiting: &SignInSession,
    user: &Stored<User>,
) -> Result<Option<User>, ApiError> {
    let mut after = user.value.clone();
    let (medium, is_new) = match &waiting.waiting {
        Waiting::Code { medium, destination, .. } if user.address(*medium) == Some(destination.as_str()) => {
            (*medium, false)
        }
        Waiting::NewEmail { destination, .. } if user.address(Medium::Email).is_none() => {
            second_factor::check_set_up(ctx, request, user, waiting, MfaMethod::Email).await?;
            after.attributes.insert(Medium::Email.attribute().to_owned(), destination.clone());
            (Medium::Email, true)
        }
        // The address is another one by now: whoever reads the old one is not to get in by it.
        _ => return Err(session::invalid()),
    };
    if user.has_verified(medium.attribute()) {
        return Ok(None);
    }
    after.attributes.insert(medium.verified_attribute().to_owned(), "true".to_owned());
    after.modified_at = ctx.now;
    let claims = new_claims(&request.pool, Some(user), &after);
    match other_owner(ctx, &request.pool, &user.sub, &claims).await? {
        None => Ok(Some(after)),
        Some((kind, _)) if is_new => Err(alias_exists(kind)),
        // Decision: a sign-in does not fail because somebody else has verified the address before; it stays unverified.
        Some(_) => Ok(None),
    }
}

/// Whether the session of this answer to EMAIL_OTP waits for a second factor, and not for the first. It says so itself;
/// whether it is good for anything is looked at with the answer, after what is looked at before every session.
///
/// # Errors
/// `InvalidParameterException` for missing parameters, those of the secret hash, and `NotAuthorizedException` for what
/// is no session.
pub(super) fn is_second(ctx: &Ctx, request: &Request) -> Result<bool, ApiError> {
    let username = request.required("USERNAME")?;
    email_code(request)?;
    let text = request.required_session()?;
    request.check_secret_hash(ctx, username)?;
    let waiting = session::open(ctx, text, &request.client.id, ChallengeNameType::EmailOtp)?;
    Ok(waiting.sign_in.factors.contains(&Factor::Password))
}

/// The code of an answer to EMAIL_OTP. The service's prose has the first name; clients send the second.
fn email_code(request: &Request) -> Result<&str, ApiError> {
    request.parameter("EMAIL_MFA_CODE").map_or_else(|| request.required("EMAIL_OTP_CODE"), Ok)
}
