//! DeleteUser (accounts.md §10.2): users delete themselves by access token.

use wire::DeleteUserRequest;

use super::removal;
use crate::{ApiError, Ctx, retry, tokens::access};

/// Deletes the user whom the token is about.
///
/// # Errors
/// Those of the access token (auth-flows.md §8).
pub async fn run(ctx: &Ctx, input: DeleteUserRequest) -> Result<(), ApiError> {
    retry::on_conflict(ctx, || async {
        let authenticated = access::authenticate(ctx, &input.access_token).await?;
        removal::remove(ctx, &authenticated.pool, &authenticated.user).await
    })
    .await
}
