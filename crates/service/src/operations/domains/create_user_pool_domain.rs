//! CreateUserPoolDomain (oauth-federation.md §14).

use domain::Domain;
use store::Changes;
use wire::{CreateUserPoolDomainRequest, CreateUserPoolDomainResponse};

use super::{CLASSIC, check_name, check_version, refuse_routing, target};
use crate::{ApiError, Ctx, capacity, lookup, retry};

/// Gives a pool a domain.
///
/// # Errors
/// `ResourceNotFoundException`, `FeatureUnavailableInTierException`; `InvalidParameterException` for a bad name, one
/// that is taken, and a second domain of a kind.
pub async fn run(ctx: &Ctx, input: CreateUserPoolDomainRequest) -> Result<CreateUserPoolDomainResponse, ApiError> {
    let custom = input.custom_domain_config.as_ref();
    retry::on_conflict(ctx, async || {
        // Load. Only a name that can exist is looked up.
        let pool = lookup::current_pool(ctx, &input.user_pool_id).await?;
        check_name(&input.domain, custom)?;
        let taken = ctx.app.store.domain(&input.domain).await?;
        let present = ctx.app.store.domains(&pool.id).await?;

        // Decide.
        let domain = Domain {
            domain: input.domain.clone(),
            pool_id: pool.id.clone(),
            certificate_arn: custom.map(|custom| custom.certificate_arn.clone()),
            security_policy: custom.and_then(|custom| custom.security_policy),
            managed_login_version: input.managed_login_version.unwrap_or(CLASSIC),
            page_switches: 0,
            created_at: ctx.now,
            modified_at: ctx.now,
        };
        check_version(ctx, &pool, domain.managed_login_version)?;
        refuse_routing(input.routing.as_ref())?;
        if taken.is_some_and(|taken| taken.pool_id != pool.id) {
            return Err(ApiError::invalid_parameter("Domain already associated with another user pool."));
        }
        if present.iter().any(|present| present.is_custom() == domain.is_custom()) {
            return Err(ApiError::invalid_parameter("User pool already has a domain configured."));
        }

        // Commit.
        let answer = CreateUserPoolDomainResponse {
            managed_login_version: Some(domain.managed_login_version),
            cloud_front_domain: domain.is_custom().then(|| target(ctx)),
            routing: None,
        };
        let mut changes = Changes::new();
        capacity::hold(&mut changes, &pool);
        changes.insert(domain);
        ctx.app.commit(changes).await?;
        Ok(answer)
    })
    .await
}
