//! DescribeUserPoolDomain (oauth-federation.md §14): a domain that does not exist has an empty description.

use domain::Domain;
use wire::{
    CustomDomainConfigType, DescribeUserPoolDomainRequest, DescribeUserPoolDomainResponse, DomainDescriptionType,
    DomainStatusType,
};

use super::{is_name, target};
use crate::{ApiError, Ctx, date_version};

/// Shows a domain of any pool.
///
/// # Errors
/// When the store cannot be read.
pub async fn run(ctx: &Ctx, input: DescribeUserPoolDomainRequest) -> Result<DescribeUserPoolDomainResponse, ApiError> {
    let found = if is_name(&input.domain) { ctx.app.store.domain(&input.domain).await? } else { None };
    let description = found.map(|domain| description(ctx, domain.value)).unwrap_or_default();
    Ok(DescribeUserPoolDomainResponse { domain_description: Some(description) })
}

/// Decision: `S3Bucket` is left out, since there is none.
fn description(ctx: &Ctx, domain: Domain) -> DomainDescriptionType {
    DomainDescriptionType {
        user_pool_id: Some(domain.pool_id),
        aws_account_id: Some(ctx.app.settings.account_id.clone()),
        domain: Some(domain.domain),
        s3_bucket: None,
        cloud_front_distribution: Some(target(ctx)),
        version: Some(date_version::of(domain.modified_at)),
        status: Some(DomainStatusType::Active),
        custom_domain_config: domain
            .certificate_arn
            .map(|certificate_arn| CustomDomainConfigType { certificate_arn, security_policy: domain.security_policy }),
        managed_login_version: Some(domain.managed_login_version),
        routing: None,
    }
}
