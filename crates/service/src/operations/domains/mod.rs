//! Domains of pools (oauth-federation.md §14): at most one prefix under the server's own domain and one whole domain
//! name each.

pub mod create_user_pool_domain;
pub mod delete_user_pool_domain;
pub mod describe_user_pool_domain;
pub mod update_user_pool_domain;

use domain::{Domain, Pool};
use store::Stored;
use wire::{CustomDomainConfigType, RoutingType};

use crate::{
    ApiError, Ctx,
    tiers::{self, Feature},
};

/// What a prefix, or a label of a domain name, looks like, as the service's message spells it.
const FORMAT: &str = r"^[a-z0-9](?:[a-z0-9\-]{0,61}[a-z0-9])?$";
/// Most characters in a label.
const LONGEST_LABEL: usize = 63;
/// Words that no prefix may contain.
const RESERVED: [&str; 3] = ["aws", "amazon", "cognito"];
/// The pages that a domain shows when nothing is said: the classic ones.
const CLASSIC: i64 = 1;
/// Managed login pages.
const MANAGED: i64 = 2;

/// Whether it looks like a prefix, or like a label of a domain name.
fn is_label(text: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=LONGEST_LABEL).contains(&text.len())
        && text.bytes().all(is_inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// Whether a domain of that name can exist at all.
fn is_name(text: &str) -> bool {
    text.split('.').all(is_label)
}

/// Checks the name of a domain to be, which is a whole domain name where `custom` is given, and a prefix elsewhere.
///
/// # Errors
/// `InvalidParameterException`.
fn check_name(name: &str, custom: Option<&CustomDomainConfigType>) -> Result<(), ApiError> {
    let Some(custom) = custom else {
        if !is_label(name) {
            return Err(ApiError::invalid_parameter(format!(
                "The domain name contains an invalid character. Domain names can only contain lower-case letters, numbers, and hyphens. Please enter a different name that follows this format: {FORMAT}"
            )));
        }
        return match RESERVED.into_iter().find(|word| name.contains(word)) {
            Some(word) => Err(ApiError::invalid_parameter(format!("Domain cannot contain reserved word: {word}"))),
            None => Ok(()),
        };
    };
    // Decision: the parent's address record is not looked up; that there is a parent below a top-level domain is.
    if !is_name(name) || name.split('.').count() < 3 {
        return Err(ApiError::invalid_parameter(
            "Custom domain is not a valid subdomain: give a lower-case name below a registered domain, such as auth.example.com.",
        ));
    }
    check_certificate(custom)
}

/// A certificate is named as ACM names those that CloudFront takes.
///
/// # Errors
/// `InvalidParameterException`.
fn check_certificate(custom: &CustomDomainConfigType) -> Result<(), ApiError> {
    let parts: Vec<&str> = custom.certificate_arn.splitn(6, ':').collect();
    match parts.as_slice() {
        [_arn, _partition, "acm", "us-east-1", _account, resource] if resource.starts_with("certificate/") => Ok(()),
        _ => Err(ApiError::invalid_parameter(
            "The specified SSL certificate doesn't exist, isn't in us-east-1 region, isn't valid, or doesn't include a valid certificate chain.",
        )),
    }
}

/// Checks which pages are asked for.
///
/// # Errors
/// `InvalidParameterException`; `FeatureUnavailableInTierException` for managed login in the LITE tier.
fn check_version(ctx: &Ctx, pool: &Pool, version: i64) -> Result<(), ApiError> {
    let bound = match version {
        CLASSIC => return Ok(()),
        MANAGED => return tiers::check(ctx, pool.tier, &[Feature::ManagedLogin]),
        ..CLASSIC => "greater than or equal to 1",
        _ => "less than or equal to 2",
    };
    // Decision: the model has no bounds; these are the words for one.
    Err(ApiError::invalid_parameter(format!(
        "1 validation error detected: Value '{version}' at 'managedLoginVersion' failed to satisfy constraint: Member must have value {bound}"
    )))
}

/// Whether a pool with these domains needs more than the LITE tier.
pub(super) fn use_managed_login(domains: &[Stored<Domain>]) -> bool {
    domains.iter().any(|domain| domain.managed_login_version == MANAGED)
}

/// Failover leads to a replica in another region, of which there is none.
///
/// # Errors
/// `InvalidParameterException`.
fn refuse_routing(routing: Option<&RoutingType>) -> Result<(), ApiError> {
    if routing.is_some_and(|routing| routing.failover.is_some()) {
        return Err(ApiError::not_supported("Routing.Failover"));
    }
    Ok(())
}

/// A pool's own domain of that name.
///
/// # Errors
/// `InvalidParameterException` where there is none.
async fn find(ctx: &Ctx, pool: &Pool, name: &str) -> Result<Stored<Domain>, ApiError> {
    let found = if is_name(name) { ctx.app.store.domain(name).await? } else { None };
    found
        .filter(|domain| domain.pool_id == pool.id)
        .ok_or_else(|| ApiError::invalid_parameter("No such domain or user pool exists."))
}

/// The host that a custom domain has to lead to, where the service names one of CloudFront's: this server's own.
pub(crate) fn target(ctx: &Ctx) -> String {
    let base = ctx.app.settings.base_url.as_str();
    let rest = base.split_once("://").map_or(base, |(_scheme, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    let is_port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let host = authority.rsplit_once(':').filter(|(_host, port)| is_port(port)).map(|(host, _port)| host);
    host.unwrap_or(authority).to_owned()
}

#[cfg(test)]
mod tests {
    use wire::CustomDomainConfigType;

    use super::check_name;

    #[test]
    fn prefixes_are_labels_without_reserved_words() {
        for good in ["a", "0", "my-app", "a--b", &"x".repeat(63)] {
            assert!(check_name(good, None).is_ok(), "{good}");
        }
        let long = "x".repeat(64);
        for bad in ["", "-a", "a-", "A", "a.b", "a_b", "a b", "ä", "a\0", long.as_str()] {
            let message = check_name(bad, None).unwrap_err().message;
            assert!(message.starts_with("The domain name contains an invalid character."), "{bad}: {message}");
        }
        for (bad, word) in [("myaws", "aws"), ("amazonia", "amazon"), ("x-cognito", "cognito")] {
            let message = check_name(bad, None).unwrap_err().message;
            assert_eq!(message, format!("Domain cannot contain reserved word: {word}"));
        }
    }

    #[test]
    fn custom_domains_stand_below_a_domain_and_have_a_certificate() {
        let custom = |arn: &str| CustomDomainConfigType { certificate_arn: arn.to_owned(), security_policy: None };
        let certificate = custom("arn:aws:acm:us-east-1:123456789012:certificate/0f3c");
        for good in ["auth.example.com", "a.b.c.d", "aws.example.com"] {
            assert!(check_name(good, Some(&certificate)).is_ok(), "{good}");
        }
        for bad in ["example.com", "prefix", "auth.Example.com", "auth..com", ".example.com", "auth.example.com."] {
            let message = check_name(bad, Some(&certificate)).unwrap_err().message;
            assert!(message.starts_with("Custom domain is not a valid subdomain"), "{bad}: {message}");
        }
        for bad in [
            "arn:aws:acm:eu-west-1:123456789012:certificate/0f3c",
            "arn:aws:iam:us-east-1:123456789012:certificate/0f3c",
            "arn:aws:acm:us-east-1:123456789012:key/0f3c",
        ] {
            let message = check_name("auth.example.com", Some(&custom(bad))).unwrap_err().message;
            assert!(message.contains("specified SSL certificate doesn't exist"), "{bad}: {message}");
        }
    }
}
