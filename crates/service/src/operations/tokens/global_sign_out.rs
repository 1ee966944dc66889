//! GlobalSignOut (auth-flows.md §18): users end all of their own sign-ins. New ones work at once.

use wire::{GlobalSignOutRequest, GlobalSignOutResponse};

use super::sign_out_everywhere;
use crate::{ApiError, Ctx, tokens::access};

/// Refuses all tokens of the token's user from now on, this one included.
///
/// # Errors
/// Those of the access token (auth-flows.md §8).
pub async fn run(ctx: &Ctx, input: GlobalSignOutRequest) -> Result<GlobalSignOutResponse, ApiError> {
    let caller = access::authenticate(ctx, &input.access_token).await?;
    sign_out_everywhere(ctx, &caller.pool.id, &caller.user.sub).await?;
    Ok(GlobalSignOutResponse {})
}
