//! UserMigration at a sign-in (triggers-security.md §10): a function looks at the password of somebody whom nobody knows.
//!
//! What it looks at is guessed at like any password of our own, so that the same guards come before it: one guess at a
//! name at a time, the lock of a name after five wrong ones, and the limit of the client's address. Who may try as often
//! as the function answers would try the passwords of all who have not come along yet.
//!
//! Order: the client's address, the turn, whether the user has come along meanwhile, the lock, the function.

use domain::{AttemptPurpose, Attempts, User};
use store::{Changes, Stored};
use wire::ErrorKind;

use super::{Request, guard};
use crate::{
    ApiError, Ctx, codes, lookup, retry,
    triggers::{self, Trigger},
    user_migration::{self, Newcomer},
};

/// The user whom nobody knew, brought along; none where the pool has no such function, or it does not know the user.
///
/// # Errors
/// `NotAuthorizedException` while the name or the client's address has been wrong too often; see
/// [`user_migration::bring`].
pub(super) async fn bring(
    ctx: &Ctx,
    request: &Request,
    username: &str,
    password: &str,
) -> Result<Option<Stored<User>>, ApiError> {
    let pool = &request.pool;
    if triggers::function(pool, Trigger::UserMigration).is_none() {
        return Ok(None);
    }
    let guess = guard::guess(ctx, request)?;
    let sub = lookup::subject(ctx, pool, username, None);
    let _turn = ctx.app.one_at_a_time(&pool.id, &sub).await?;
    if let Some(user) = lookup::user(ctx, pool, username).await? {
        return Ok(Some(user));
    }
    let attempts = ctx.app.store.attempts(&pool.id, &sub, AttemptPurpose::Migration).await?;
    guard::check_lock(ctx, attempts.as_ref())?;
    let newcomer = Newcomer {
        client: &request.client,
        username,
        password: Some(password),
        validation_data: request.validation_data.as_ref(),
        metadata: None,
    };
    let brought = user_migration::bring(ctx, pool, &newcomer).await;
    match &brought {
        Ok(Some(_)) => {
            if let Some(attempts) = &attempts {
                let mut changes = Changes::new();
                codes::forget(&mut changes, attempts);
                // Another server may have counted meanwhile; the row goes when its time has come.
                _ = ctx.app.commit(changes).await;
            }
        }
        Ok(None) => {
            count(ctx, &pool.id, &sub).await?;
            // Where unknown users are hidden the stand-in is looked at next, and counts for the address there.
            if !request.client.hides_unknown_users() {
                guess.was_wrong();
            }
        }
        Err(refusal) if refusal.kind == ErrorKind::UserLambdaValidation => {
            count(ctx, &pool.id, &sub).await?;
            guess.was_wrong();
        }
        // A function that could not be asked has said nothing about the password.
        Err(_) => {}
    }
    brought
}

async fn count(ctx: &Ctx, pool_id: &str, sub: &str) -> Result<(), ApiError> {
    retry::on_conflict(ctx, async || {
        let before = ctx.app.store.attempts(pool_id, sub, AttemptPurpose::Migration).await?;
        let mut counted = before.as_ref().map_or_else(
            || Attempts::none(pool_id, sub, AttemptPurpose::Migration, ctx.now),
            |before| before.value.clone(),
        );
        counted.record_sign_in_failure(ctx.now);
        let mut changes = Changes::new();
        changes.put(before.as_ref(), counted);
        Ok(ctx.app.commit(changes).await?)
    })
    .await
}
