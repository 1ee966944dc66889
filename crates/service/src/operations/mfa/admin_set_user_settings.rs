//! AdminSetUserSettings (auth-flows.md §13): the legacy way for administrators to switch a user's codes by text message
//! on or off.

use wire::{AdminSetUserSettingsRequest, AdminSetUserSettingsResponse};

use super::preference::apply_legacy;
use crate::{ApiError, Ctx, lookup, retry};

/// Switches codes by text message on or, with an empty list, off.
///
/// # Errors
/// `ResourceNotFoundException`, `UserNotFoundException` and `InvalidParameterException`.
pub async fn run(ctx: &Ctx, input: AdminSetUserSettingsRequest) -> Result<AdminSetUserSettingsResponse, ApiError> {
    let pool = lookup::pool(ctx, &input.user_pool_id).await?;
    retry::on_conflict(ctx, || async {
        let user = lookup::user_for_administrator(ctx, &pool, &input.username).await?;
        apply_legacy(ctx, &pool, &user, &input.mfa_options).await
    })
    .await?;
    Ok(AdminSetUserSettingsResponse {})
}
