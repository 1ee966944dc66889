//! The challenge SOFTWARE_TOKEN_MFA: a code that an app makes (auth-flows.md §6, §13). A code is right once: which
//! step was used last is in the token's row, whose version every right code has to get past.

use crypto::{seal::Purpose, totp};
use domain::{Factor, MfaMethod, SoftwareToken, session::SignInSession, software_token::secret_identity};
use store::Changes;
use wire::{ChallengeNameType, ErrorKind};

use super::{Proven, Request, guard, second_factor};
use crate::{ApiError, Ctx, retry};

/// Checks the answer.
///
/// # Errors
/// See auth-flows.md §7, §8 and §10.
pub(super) async fn verify(ctx: &Ctx, request: &Request) -> Result<Proven, ApiError> {
    request.required("USERNAME")?;
    let given = request.required("SOFTWARE_TOKEN_MFA_CODE")?;
    let waiting = guard::unread(ctx, request, ChallengeNameType::SoftwareTokenMfa)?;
    let _turn = ctx.app.one_at_a_time(&request.pool.id, &waiting.sub).await?;
    retry::on_conflict(ctx, || attempt(ctx, request, &waiting, given)).await
}

async fn attempt(ctx: &Ctx, request: &Request, waiting: &SignInSession, given: &str) -> Result<Proven, ApiError> {
    let (standing, waiting) = guard::resumed(ctx, request, waiting).await?;
    let waiting = waiting.as_ref();
    standing.check_lock(ctx)?;
    let seen = standing.seen();
    let token = seen.factors(ctx, request, &waiting.sub).await?.token.as_ref().ok_or_else(|| {
        // Decision: the service's words for a token that is gone since the challenge are not known.
        ApiError::new(ErrorKind::SoftwareTokenMFANotFound, "User has no software token any more. Please sign in again.")
    })?;
    second_factor::check_due(ctx, request, &standing.user, waiting, MfaMethod::SoftwareToken, &seen).await?;
    let identity = secret_identity(&token.pool_id, &token.sub);
    let secret = ctx.app.ring.open(Purpose::SoftwareToken, &identity, &token.secret)?;
    match totp::check(&secret, given, ctx.now, token.last_step) {
        totp::CodeCheck::Right { step } => {
            let mut changes = Changes::new();
            let used = SoftwareToken { last_step: Some(step), ..token.value.clone() };
            changes.put_user_part(Some(token), used);
            standing.accept(ctx, request, waiting, Factor::SoftwareToken, None, changes).await
        }
        // No guess: whoever sends it has seen it, and it opens nothing.
        totp::CodeCheck::Reused => {
            Err(ApiError::new(ErrorKind::ExpiredCode, "Your software token has already been used once."))
        }
        totp::CodeCheck::Wrong => {
            standing.count_wrong(ctx, request).await?;
            Err(ApiError::new(ErrorKind::CodeMismatch, "Invalid code received for user"))
        }
    }
}
