//! SetUserPoolMfaConfig (accounts.md §16): second factors and passkeys.

use store::Changes;
use wire::{SetUserPoolMfaConfigRequest, SetUserPoolMfaConfigResponse};

use super::factors;
use crate::{ApiError, Ctx, lookup, retry};

/// Changes what the request names of the pool's factors.
///
/// # Errors
/// `ResourceNotFoundException`, `InvalidParameterException` and `FeatureUnavailableInTierException`.
pub async fn run(ctx: &Ctx, input: SetUserPoolMfaConfigRequest) -> Result<SetUserPoolMfaConfigResponse, ApiError> {
    retry::on_conflict(ctx, async || {
        // Load.
        let before = lookup::current_pool(ctx, &input.user_pool_id).await?;

        // Decide.
        let mut after = before.value.clone();
        factors::apply(ctx, &mut after, &input)?;
        after.modified_at = ctx.now;
        let answer = factors::answer(&after);

        // Commit.
        let mut changes = Changes::new();
        changes.replace(&before, after);
        ctx.app.commit(changes).await?;
        Ok(SetUserPoolMfaConfigResponse {
            sms_mfa_configuration: answer.sms_mfa_configuration,
            software_token_mfa_configuration: answer.software_token_mfa_configuration,
            email_mfa_configuration: answer.email_mfa_configuration,
            mfa_configuration: answer.mfa_configuration,
            web_authn_configuration: answer.web_authn_configuration,
        })
    })
    .await
}
