//! AdminSetUserMFAPreference (auth-flows.md §13): an administrator chooses which second factors a user is asked for.

use wire::{AdminSetUserMFAPreferenceRequest, AdminSetUserMFAPreferenceResponse};

use super::{check_confirmed, preference::Wanted};
use crate::{ApiError, Ctx, lookup, retry};

/// Switches factors of a user on or off.
///
/// # Errors
/// `ResourceNotFoundException`, `UserNotFoundException`, `UserNotConfirmedException` and `InvalidParameterException`.
pub async fn run(
    ctx: &Ctx,
    input: AdminSetUserMFAPreferenceRequest,
) -> Result<AdminSetUserMFAPreferenceResponse, ApiError> {
    let wanted = Wanted::new(
        input.sms_mfa_settings.as_ref(),
        input.software_token_mfa_settings.as_ref(),
        input.email_mfa_settings.as_ref(),
        input.web_authn_mfa_settings.as_ref(),
    );
    let pool = lookup::pool(ctx, &input.user_pool_id).await?;
    retry::on_conflict(ctx, || async {
        let user = lookup::user_for_administrator(ctx, &pool, &input.username).await?;
        check_confirmed(&user)?;
        wanted.apply(ctx, &pool, &user).await
    })
    .await?;
    Ok(AdminSetUserMFAPreferenceResponse {})
}
