//! AdminDisableProviderForUser (oauth-federation.md §18.2): a linked identity signs in as this user no more; or, for
//! a user of the pool itself, the password does not.
//!
//! Order: pool, form of the user, user; then what there is goes in one changeset.

use domain::{Pool, identity};
use store::{Changes, Key};
use wire::{AdminDisableProviderForUserRequest, AdminDisableProviderForUserResponse, UserStatusType};

use super::external::{self, Named};
use crate::{ApiError, Ctx, lookup, passwords, retry, users};

/// Ends a way to sign in.
///
/// # Errors
/// Those of AdminDisableProviderForUser in oauth-federation.md §18.2.
pub async fn run(
    ctx: &Ctx,
    input: AdminDisableProviderForUserRequest,
) -> Result<AdminDisableProviderForUserResponse, ApiError> {
    let pool = lookup::pool(ctx, &input.user_pool_id).await?;
    let named = Named::read(&input.user, "user", true)?;
    if named.is_own() && named.attribute != identity::SUBJECT {
        // Decision: the service's words are not recorded.
        return Err(ApiError::invalid_parameter(format!(
            "ProviderAttributeName must be {} for users of the user pool.",
            identity::SUBJECT
        )));
    }
    retry::on_conflict(ctx, || async {
        if named.is_own() { end_password(ctx, &pool, named.value).await } else { unlink(ctx, &pool, named).await }
    })
    .await?;
    Ok(AdminDisableProviderForUserResponse {})
}

/// Decision: the password is gone, and with it any reset code; the status becomes that of users who sign in at other
/// providers, so that no reset can be asked for. Once an administrator sets a password, it counts again. Tokens live
/// on: the user is neither disabled nor signed out.
async fn end_password(ctx: &Ctx, pool: &Pool, username: &str) -> Result<(), ApiError> {
    let before = lookup::user_for_administrator(ctx, pool, username).await?;
    let password = ctx.app.store.password(&pool.id, &before.sub).await?;
    if password.is_none() && before.status == UserStatusType::ExternalProvider {
        return Ok(());
    }
    let mut after = before.value.clone();
    after.status = UserStatusType::ExternalProvider;
    after.modified_at = ctx.now;
    let mut changes = Changes::new();
    if let Some(password) = password {
        changes.delete(Key::Password { pool_id: pool.id.clone(), sub: before.sub.clone() }, password.version);
    }
    passwords::end_reset_code(ctx, &mut changes, pool, &before.sub).await?;
    users::replace(&mut changes, pool, &before, after);
    Ok(ctx.app.commit(changes).await?)
}

/// A provider that is no longer there leaves identities behind, which can be taken away all the same.
async fn unlink(ctx: &Ctx, pool: &Pool, named: Named<'_>) -> Result<(), ApiError> {
    let sub = external::owner(ctx, pool, named.provider, named.attribute, named.value).await?;
    let sub = sub.ok_or_else(ApiError::no_such_user)?;
    let before = ctx.app.store.user(&pool.id, &sub).await?.ok_or_else(ApiError::no_such_user)?;
    let name = identity::name(named.provider, named.attribute, named.value);
    if before.identities.iter().any(|identity| identity.primary && identity.name() == name) {
        // Decision: not known of the service. Without it nobody could sign in as this user again, nor as another one of
        // the same name.
        return Err(ApiError::invalid_parameter(
            "The user is the identity's own profile, not linked to it. Disable or delete the user instead.",
        ));
    }
    let mut after = before.value.clone();
    after.identities.retain(|identity| identity.name() != name);
    after.modified_at = ctx.now;
    let mut changes = Changes::new();
    users::replace(&mut changes, pool, &before, after);
    Ok(ctx.app.commit(changes).await?)
}
