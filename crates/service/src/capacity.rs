//! How many parts of a kind a pool may have (oauth-federation.md §23), exactly, whoever else adds one at the same time.

use domain::{Part, Pool};
use store::{Changes, Stored};

use crate::{ApiError, Ctx, quotas};

/// Refuses one more part of a pool that has `most` already; 0 is no limit. `things` is what they are called, in the
/// plural. Whoever adds one also holds the count with [`hold`].
///
/// # Errors
/// `LimitExceededException`.
pub async fn room_for<T: Part>(ctx: &Ctx, pool: &Pool, most: usize, things: &str) -> Result<(), ApiError> {
    let present = ctx.app.store.count_parts::<T>(&pool.id, most).await?;
    quotas::room(most, present, &format!("{things} in this user pool"))
}

/// Keeps what was counted, or not found, in a pool true until the commit: of two requests that add something at the
/// same time, one meets a conflict and looks again. It also keeps the pool from being deleted meanwhile.
pub fn hold(changes: &mut Changes, pool: &Stored<Pool>) {
    changes.replace(pool, pool.value.clone());
}
