//! Tokens that are asked for without signing in, and the end of sign-ins (auth-flows.md §18, §19).

pub mod admin_user_global_sign_out;
pub mod get_client_token;
pub mod get_derived_token;
pub mod get_tokens_from_refresh_token;
pub mod global_sign_out;
pub mod revoke_token;

use store::Changes;

use crate::{ApiError, Ctx, retry};

/// Refuses all tokens that a user has been given so far.
async fn sign_out_everywhere(ctx: &Ctx, pool_id: &str, sub: &str) -> Result<(), ApiError> {
    retry::on_conflict(ctx, || async {
        let before = ctx.app.store.user(pool_id, sub).await?.ok_or_else(ApiError::no_such_user)?;
        let mut after = before.value.clone();
        // `modified_at` stays: nothing that is shown about the user changes.
        // Those from a server whose clock is ahead of this one's, too.
        after.refuse_tokens_so_far(ctx.latest_now());
        let mut changes = Changes::new();
        changes.save(after, Some(before.version));
        Ok(ctx.app.commit(changes).await?)
    })
    .await
}
