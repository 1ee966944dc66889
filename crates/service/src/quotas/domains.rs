//! Requests to pools' domains (oauth-federation.md §5), whatever they ask for: those of one client address, those in the
//! name of one client, and all of them. What is counted elsewhere, such as sign-ins, counts there as well.

use super::network;
use crate::{ApiError, Ctx};

/// Whether a request to this domain is looked at.
///
/// # Errors
/// `TooManyRequestsException`.
pub fn at_domain(ctx: &Ctx, domain: &str) -> Result<(), ApiError> {
    let (rates, throttle) = (&ctx.app.settings.quotas.rates, &ctx.app.throttle);
    if rates.per_domain_and_address != 0 {
        let key = ("address at domain", domain, network(ctx.client_address));
        throttle.take(key, rates.per_domain_and_address, 1, ctx)?;
    }
    if rates.per_domain != 0 {
        throttle.take(("domain", domain), rates.per_domain, 1, ctx)?;
    }
    Ok(())
}

/// Whether one that names this client of the domain's pool is. Where the pool has two domains, they count together.
///
/// # Errors
/// `TooManyRequestsException`.
pub(crate) fn of_client_at_domain(ctx: &Ctx, client_id: &str) -> Result<(), ApiError> {
    match ctx.app.settings.quotas.rates.per_domain_and_client {
        0 => Ok(()),
        rate => ctx.app.throttle.take(("client at domain", client_id), rate, 1, ctx),
    }
}
