//! SetUserMFAPreference (auth-flows.md §13): users choose which second factors they are asked for.

use wire::{SetUserMFAPreferenceRequest, SetUserMFAPreferenceResponse};

use super::preference::Wanted;
use crate::{ApiError, Ctx, retry, tokens::access};

/// Switches factors of the user whom the token is about on or off.
///
/// # Errors
/// Those of the access token, and `InvalidParameterException`.
pub async fn run(ctx: &Ctx, input: SetUserMFAPreferenceRequest) -> Result<SetUserMFAPreferenceResponse, ApiError> {
    let wanted = Wanted::new(
        input.sms_mfa_settings.as_ref(),
        input.software_token_mfa_settings.as_ref(),
        input.email_mfa_settings.as_ref(),
        input.web_authn_mfa_settings.as_ref(),
    );
    retry::on_conflict(ctx, || async {
        let authenticated = access::authenticate(ctx, &input.access_token).await?;
        wanted.apply(ctx, &authenticated.pool, &authenticated.user).await
    })
    .await?;
    Ok(SetUserMFAPreferenceResponse {})
}
