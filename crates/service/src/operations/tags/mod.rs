//! Tags (accounts.md §17): of all that has an ARN, only pools have tags.

pub mod list_tags_for_resource;
pub mod tag_resource;
pub mod untag_resource;

use std::collections::BTreeMap;

use domain::Pool;
use store::Stored;

use crate::{ApiError, Ctx, lookup};

/// Most tags on a pool.
const MOST: usize = 50;
/// What keys of the service's own tags begin with, in whatever case.
const RESERVED: &str = "aws:";

/// Says what is wrong with a pool's tags, if anything. Lengths have been checked before.
///
/// Decision: the service's words are not recorded.
pub(super) fn fault(tags: &BTreeMap<String, String>) -> Option<String> {
    let is_reserved =
        |key: &&String| key.get(..RESERVED.len()).is_some_and(|prefix| prefix.eq_ignore_ascii_case(RESERVED));
    if let Some(key) = tags.keys().find(is_reserved) {
        return Some(format!("The tag key {key} is not allowed: keys that begin with {RESERVED} are reserved."));
    }
    (tags.len() > MOST).then(|| format!("A user pool cannot have more than {MOST} tags."))
}

/// The pool that an ARN names, as it is at this moment.
///
/// # Errors
/// `ResourceNotFoundException` for a pool that is not there, or not in that region or account;
/// `InvalidParameterException` for an ARN of anything else.
async fn pool(ctx: &Ctx, arn: &str) -> Result<Stored<Pool>, ApiError> {
    let mut parts = arn.splitn(6, ':');
    let (_arn, _partition, service) = (parts.next(), parts.next(), parts.next());
    let id = parts.nth(2).and_then(|resource| resource.strip_prefix("userpool/"));
    let (Some("cognito-idp"), Some(id)) = (service, id) else {
        // Decision: the service's words are not recorded.
        return Err(ApiError::invalid_parameter(format!("The resource ARN {arn} is not that of a user pool.")));
    };
    let pool = lookup::current_pool(ctx, id).await?;
    if ctx.pool_arn(&pool) == arn { Ok(pool) } else { Err(lookup::no_such_pool(id)) }
}
