//! SetUserPoolSessionConfiguration (auth-flows.md §19): whether sign-ins are kept track of, and how many per user.

use store::Changes;
use wire::{SetUserPoolSessionConfigurationRequest, SetUserPoolSessionConfigurationResponse, UserSessionTrackingType};

use super::of_pool;
use crate::{
    ApiError, Ctx, lookup, retry,
    tiers::{self, Feature},
};

/// Replaces what a pool says about sessions. A lower number ends sessions only at each user's next sign-in. Records
/// stay while tracking is off, and count again when it is back on.
///
/// # Errors
/// `ResourceNotFoundException`, `FeatureUnavailableInTierException`.
pub async fn run(
    ctx: &Ctx,
    input: SetUserPoolSessionConfigurationRequest,
) -> Result<SetUserPoolSessionConfigurationResponse, ApiError> {
    let most = input.token_session.max_per_user;
    retry::on_conflict(ctx, async || {
        // Load.
        let before = lookup::current_pool(ctx, &input.user_pool_id).await?;

        // Decide. The operation belongs to the plan, whatever it sets.
        tiers::check(ctx, before.tier, &[Feature::SessionTracking])?;
        let mut after = before.value.clone();
        after.sign_in.tracked_sessions =
            (input.user_session_tracking == UserSessionTrackingType::Enabled).then_some(most);
        after.sign_in.most_sessions = Some(most);
        after.modified_at = ctx.now;
        let answer = of_pool(&after);

        // Commit.
        let mut changes = Changes::new();
        changes.replace(&before, after);
        ctx.app.commit(changes).await?;
        Ok(SetUserPoolSessionConfigurationResponse {
            user_pool_id: answer.user_pool_id,
            user_session_tracking: answer.user_session_tracking,
            token_session: answer.token_session,
        })
    })
    .await
}
