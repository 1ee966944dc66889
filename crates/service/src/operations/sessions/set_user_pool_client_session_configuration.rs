//! SetUserPoolClientSessionConfiguration (auth-flows.md §19): how long a browser's session may sign users in at a
//! client (`hosted::browser_session`).

use store::{Changes, Key};
use wire::{SetUserPoolClientSessionConfigurationRequest, SetUserPoolClientSessionConfigurationResponse};

use super::of_client;
use crate::{
    ApiError, Ctx, lookup, retry,
    tiers::{self, Feature},
    tracking,
};

/// Replaces what a client says about sessions.
///
/// # Errors
/// `ResourceNotFoundException`, `FeatureUnavailableInTierException`, `OperationNotEnabledException` while the pool does
/// not keep track of sign-ins.
pub async fn run(
    ctx: &Ctx,
    input: SetUserPoolClientSessionConfigurationRequest,
) -> Result<SetUserPoolClientSessionConfigurationResponse, ApiError> {
    retry::on_conflict(ctx, async || {
        // Load.
        let (before, pool) = lookup::current_client_of_pool(ctx, &input.user_pool_id, &input.client_id).await?;

        // Decide.
        tiers::check(ctx, pool.tier, &[Feature::SessionTracking])?;
        tracking::check_enabled(&pool)?;
        let mut after = before.value.clone();
        after.sso_minutes = Some(input.sso_session.max_validity_minutes);
        after.modified_at = ctx.now;
        let sso_session = Some(of_client(&after));

        // Commit, unless tracking is switched off meanwhile.
        let mut changes = Changes::new();
        changes.assert(Key::Pool { id: pool.id.clone() }, pool.version);
        changes.replace(&before, after);
        ctx.app.commit(changes).await?;
        Ok(SetUserPoolClientSessionConfigurationResponse {
            user_pool_id: Some(pool.value.id),
            client_id: Some(before.value.id),
            sso_session,
        })
    })
    .await
}
