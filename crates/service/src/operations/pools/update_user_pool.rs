//! UpdateUserPool (accounts.md §13.4): everything that the request leaves out goes back to its default.

use domain::{Domain, Pool};
use store::{Changes, Stored};
use wire::{UpdateUserPoolRequest, UpdateUserPoolResponse};

use super::{
    lambda_config,
    settings::{self, Settings},
};
use crate::{
    ApiError, Ctx, import, lookup,
    operations::domains,
    retry,
    tiers::{self, Feature},
};

/// Replaces the pool's settings.
///
/// # Errors
/// `ResourceNotFoundException`, `InvalidParameterException` and the others of §13.5.
pub async fn run(ctx: &Ctx, input: UpdateUserPoolRequest) -> Result<UpdateUserPoolResponse, ApiError> {
    let pool_id = input.user_pool_id.clone();
    let pool_name = input.pool_name.clone();
    let settings = Settings::from(input);
    retry::on_conflict(ctx, async || {
        // Load.
        let before = lookup::current_pool(ctx, &pool_id).await?;
        let domains = ctx.app.store.domains(&before.id).await?;
        import::refuse_during_import(ctx, &before).await?;

        // Decide.
        let mut after = before.value.clone();
        settings::apply(ctx, &mut after, &settings)?;
        tiers::check_change(ctx, after.tier, &set_elsewhere(&after, &domains))?;
        after.name = pool_name.clone().unwrap_or(after.name);
        if ctx.own.is_seeding && after == before.value {
            return Ok(UpdateUserPoolResponse {});
        }
        after.modified_at = ctx.now;

        // Commit.
        let mut changes = Changes::new();
        changes.replace(&before, after.clone());
        ctx.app.commit(changes).await?;
        lambda_config::warn_of_unknown(ctx, &after);
        Ok(UpdateUserPoolResponse {})
    })
    .await
}

/// The features that the pool has from other operations, so that this one cannot switch them off.
fn set_elsewhere(pool: &Pool, domains: &[Stored<Domain>]) -> Vec<Feature> {
    let mut features = Vec::new();
    if pool.factors.web_authn.is_some() {
        features.push(Feature::PasswordlessSignIn);
    }
    if pool.factors.email.is_some() {
        features.push(Feature::EmailMfa);
    }
    if domains::use_managed_login(domains) {
        features.push(Feature::ManagedLogin);
    }
    if pool.sign_in.tracked_sessions.is_some() {
        features.push(Feature::SessionTracking);
    }
    features
}
