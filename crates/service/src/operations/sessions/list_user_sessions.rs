//! ListUserSessions (auth-flows.md §19): users see where they are signed in.

use wire::{ListUserSessionsRequest, ListUserSessionsResponse};

use super::page;
use crate::{ApiError, Ctx, tokens::access, tracking};

/// Lists the sessions of the token's user, of all clients, and says which one the token is of.
///
/// # Errors
/// Those of the access token (auth-flows.md §8), `OperationNotEnabledException`, and `InvalidParameterException` for a
/// bad page token.
pub async fn run(ctx: &Ctx, input: ListUserSessionsRequest) -> Result<ListUserSessionsResponse, ApiError> {
    let caller = access::authenticate(ctx, &input.access_token).await?;
    tracking::check_enabled(&caller.pool)?;
    let current = caller.claims.origin_jti.as_deref().map(|jti| tracking::id_of(ctx, &caller.pool.id, jti));
    let token = input.next_token.as_deref();
    let (sessions, next_token) = page(ctx, "ListUserSessions", &caller.user, token, current.as_deref()).await?;
    Ok(ListUserSessionsResponse { sessions: Some(sessions), next_token })
}
