//! AdminListUserSessions (auth-flows.md §19): an administrator sees where a user is signed in.

use wire::{AdminListUserSessionsRequest, AdminListUserSessionsResponse};

use super::page;
use crate::{ApiError, Ctx, lookup, tracking};

/// Lists the sessions of a user; none of them is the caller's.
///
/// # Errors
/// `ResourceNotFoundException`, `OperationNotEnabledException`, `UserNotFoundException`, and
/// `InvalidParameterException` for a bad page token.
pub async fn run(ctx: &Ctx, input: AdminListUserSessionsRequest) -> Result<AdminListUserSessionsResponse, ApiError> {
    let pool = lookup::pool(ctx, &input.user_pool_id).await?;
    tracking::check_enabled(&pool)?;
    let user = lookup::user_for_administrator(ctx, &pool, &input.username).await?;
    let token = input.next_token.as_deref();
    let (sessions, next_token) = page(ctx, "AdminListUserSessions", &user, token, None).await?;
    Ok(AdminListUserSessionsResponse { sessions: Some(sessions), next_token })
}
