//! SetUserSettings (auth-flows.md §13): the legacy way for users to switch codes by text message on or off.

use wire::{SetUserSettingsRequest, SetUserSettingsResponse};

use super::preference::apply_legacy;
use crate::{ApiError, Ctx, retry, tokens::access};

/// Switches codes by text message on or, with an empty list, off.
///
/// # Errors
/// Those of the access token, and `InvalidParameterException`.
pub async fn run(ctx: &Ctx, input: SetUserSettingsRequest) -> Result<SetUserSettingsResponse, ApiError> {
    retry::on_conflict(ctx, || async {
        let authenticated = access::authenticate(ctx, &input.access_token).await?;
        apply_legacy(ctx, &authenticated.pool, &authenticated.user, &input.mfa_options).await
    })
    .await?;
    Ok(SetUserSettingsResponse {})
}
