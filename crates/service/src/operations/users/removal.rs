//! The end of a user, by an administrator or by the user.

use domain::{AttemptPurpose, CodePurpose, Pool, User, names, search};
use store::{Changes, Key, Stored};

use crate::{ApiError, Ctx, codes};

/// Deletes a user with password, codes, counters and memberships. The names are free at once; the `sub` never comes back.
///
/// # Errors
/// When the store fails; a conflict when anything of the user changed meanwhile.
pub(super) async fn remove(ctx: &Ctx, pool: &Pool, user: &Stored<User>) -> Result<(), ApiError> {
    let (store, pool_id, sub) = (&ctx.app.store, pool.id.as_str(), user.sub.as_str());
    let mut changes = Changes::new();
    if let Some(password) = store.password(pool_id, sub).await? {
        changes.delete(Key::Password { pool_id: pool_id.to_owned(), sub: sub.to_owned() }, password.version);
    }
    for purpose in CodePurpose::ALL {
        if let Some(code) = store.code(pool_id, sub, purpose).await? {
            codes::discard(&mut changes, &code);
        }
    }
    for purpose in AttemptPurpose::ALL {
        if let Some(attempts) = store.attempts(pool_id, sub, purpose).await? {
            codes::forget(&mut changes, &attempts);
        }
    }
    for (kind, name) in names::claims(pool, user) {
        changes.release(pool_id, &name, kind, sub);
    }
    for key in search::keys(user) {
        changes.search(pool_id, key, sub, false);
    }
    changes.leave_all(pool_id, sub).drop_user_parts(pool_id, sub);
    changes.delete(Key::User { pool_id: pool_id.to_owned(), sub: sub.to_owned() }, user.version);
    changes.count_users(pool_id, -1);
    Ok(ctx.app.commit(changes).await?)
}
