//! What a user can sign in with: `ConfiguredUserAuthFactors` (auth-flows.md §19).

use domain::{Medium, MfaMethod, Passkey, Pool, SoftwareToken, User};
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
    let (password, passkeys, token) = tokio::try_join!(
        ctx.app.store.password(&pool.id, &user.sub),
        ctx.app.store.current_user_parts::<Passkey>(&pool.id, &user.sub, 1),
        ctx.app.store.user_part::<SoftwareToken>(&pool.id, &user.sub, ""),
    )?;
    let takes_code = |factor: AuthFactorType, medium: Medium, method: MfaMethod| {
        user.address(medium).is_some() && (pool.sign_in.first_factors.contains(&factor) || user.mfa.has(method))
    };
    let factors = [
        (AuthFactorType::Password, password.is_some()),
        (AuthFactorType::EmailOtp, takes_code(AuthFactorType::EmailOtp, Medium::Email, MfaMethod::Email)),
        (AuthFactorType::SmsOtp, takes_code(AuthFactorType::SmsOtp, Medium::Sms, MfaMethod::Sms)),
        (AuthFactorType::WebAuthn, !passkeys.is_empty()),
        (AuthFactorType::SoftwareToken, token.is_some()),
    ];
    Ok(factors.into_iter().filter(|(_, is_there)| *is_there).map(|(factor, _)| factor).collect())
}
