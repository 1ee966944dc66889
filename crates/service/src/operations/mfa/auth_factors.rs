//! What a user can sign in with: `ConfiguredUserAuthFactors` (auth-flows.md §19).

use domain::{Medium, MfaMethod, Pool, User, UserPartKind};
use wire::AuthFactorType;

use crate::{ApiError, Ctx};

/// The factors that the user has, first and second ones alike.
///
/// Decision: an address counts where the pool takes a code to it as a first factor, or the user has switched it on as a
/// second one; a password, a passkey and a software token count when they are there.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn configured(ctx: &Ctx, pool: &Pool, user: &User) -> Result<Vec<AuthFactorType>, ApiError> {
    let (password, parts) = tokio::try_join!(
        ctx.app.store.password(&pool.id, &user.sub),
        ctx.app.store.user_part_documents(&pool.id, &user.sub, usize::MAX),
    )?;
    let has_part = |kind: UserPartKind| parts.iter().any(|part| part.kind == kind.number());
    let takes_code = |factor: AuthFactorType, medium: Medium, method: MfaMethod| {
        user.address(medium).is_some() && (pool.sign_in.first_factors.contains(&factor) || user.mfa.has(method))
    };
    let factors = [
        (AuthFactorType::Password, password.is_some()),
        (AuthFactorType::EmailOtp, takes_code(AuthFactorType::EmailOtp, Medium::Email, MfaMethod::Email)),
        (AuthFactorType::SmsOtp, takes_code(AuthFactorType::SmsOtp, Medium::Sms, MfaMethod::Sms)),
        (AuthFactorType::WebAuthn, has_part(UserPartKind::Passkey)),
        (AuthFactorType::SoftwareToken, has_part(UserPartKind::SoftwareToken)),
    ];
    Ok(factors.into_iter().filter(|(_, is_there)| *is_there).map(|(factor, _)| factor).collect())
}
