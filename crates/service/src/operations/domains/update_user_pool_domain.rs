//! UpdateUserPoolDomain (oauth-federation.md §14).
//!
//! Decision: what a request leaves out stays as it is.

use store::Changes;
use wire::{UpdateUserPoolDomainRequest, UpdateUserPoolDomainResponse};

use super::{check_certificate, check_version, find, refuse_routing, target};
use crate::{ApiError, Ctx, capacity, lookup, retry};

/// Changes the certificate of a custom domain, or which pages a domain shows.
///
/// # Errors
/// `ResourceNotFoundException`, `FeatureUnavailableInTierException`; `InvalidParameterException` for a domain that is
/// not the pool's, and for a certificate for a prefix.
pub async fn run(ctx: &Ctx, input: UpdateUserPoolDomainRequest) -> Result<UpdateUserPoolDomainResponse, ApiError> {
    retry::on_conflict(ctx, async || {
        // Load.
        let pool = lookup::current_pool(ctx, &input.user_pool_id).await?;
        let before = find(ctx, &pool, &input.domain).await?;

        // Decide.
        let mut after = before.value.clone();
        if let Some(custom) = &input.custom_domain_config {
            if !after.is_custom() {
                // Decision: the service's words are not recorded.
                return Err(ApiError::invalid_parameter("CustomDomainConfig cannot be given for a prefix domain."));
            }
            check_certificate(custom)?;
            after.certificate_arn = Some(custom.certificate_arn.clone());
            after.security_policy = custom.security_policy;
        }
        after.managed_login_version = input.managed_login_version.unwrap_or(after.managed_login_version);
        if after.managed_login_version != before.managed_login_version {
            after.page_switches += 1;
        }
        check_version(ctx, &pool, after.managed_login_version)?;
        refuse_routing(input.routing.as_ref())?;
        after.modified_at = ctx.now;

        // Commit. The pool's tier must still be what it was.
        let answer = UpdateUserPoolDomainResponse {
            managed_login_version: Some(after.managed_login_version),
            cloud_front_domain: after.is_custom().then(|| target(ctx)),
            routing: None,
        };
        let mut changes = Changes::new();
        capacity::hold(&mut changes, &pool);
        changes.replace(&before, after);
        ctx.app.commit(changes).await?;
        Ok(answer)
    })
    .await
}
