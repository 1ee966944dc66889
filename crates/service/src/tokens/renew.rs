//! New tokens for a refresh token (auth-flows.md §18): whether it still counts, and the token that replaces it where
//! the client's refresh tokens are rotated.
//!
//! Refresh tokens of one sign-in are numbered. Which number counts is kept with the user (`RefreshFamily`), so that of
//! several servers only one can replace a token; who comes second finds it replaced. A replaced token that comes back
//! within the grace period gets the current number again: a retry does not split the family in two.

use domain::{Client, Pool, RefreshFamily, Revocation, User, refresh_family::Standing, time};
use store::{Changes, Key, RefreshSnapshot, Stored};
use wire::{AuthenticationResultType, UserStatusType};

use super::{
    access::{not_confirmed, password_reset_required},
    issue::{Grant, Replacement, issue},
    pre_token_generation::Occasion,
    refresh::{RefreshToken, invalid, reused, revoked},
};
use crate::{
    ApiError, Ctx, devices, retry,
    tracking::{self, Associated},
};

/// What came of a refresh; its changes are committed.
enum Renewed {
    Tokens(Box<AuthenticationResultType>),
    /// A replaced token came back, and the sign-in is revoked.
    Reused,
}

/// Answers a refresh token with new tokens of the same sign-in; a refresh token is among them where the client's are
/// rotated. `device_key` is the device that the client says it is.
///
/// Decision: a token that comes back after its grace period is in two hands, and nobody knows which of them is the
/// user's. So the whole sign-in ends.
///
/// # Errors
/// See auth-flows.md §8; `RefreshTokenReuseException` for one that was replaced, `UserNotFoundException` when the user
/// is gone.
pub async fn renew(
    ctx: &Ctx,
    pool: &Pool,
    client: &Client,
    token: &RefreshToken,
    device_key: Option<&str>,
    occasion: &Occasion<'_>,
) -> Result<AuthenticationResultType, ApiError> {
    if token.pool_id != pool.id {
        return Err(invalid());
    }
    let renewed = retry::on_conflict(ctx, || async {
        // Load.
        let (store, origin_jti) = (&ctx.app.store, token.origin_jti.as_str());
        let RefreshSnapshot { token: snapshot, family } =
            store.refresh_snapshot(&pool.id, &token.sub, origin_jti).await?;
        let user = snapshot.user.ok_or_else(ApiError::no_such_user)?;
        check(ctx, &user, token, snapshot.is_revoked)?;
        check_device(ctx, pool, token, device_key).await?;

        // Decide.
        let is_rotating = client.rotates_refresh_tokens();
        let grace = if is_rotating { client.refresh_grace_seconds() } else { 0 };
        let standing =
            family.as_ref().map_or(Standing::Current, |family| family.standing(token.number, grace, ctx.now));
        let mut changes = Changes::new();
        let expires_at = token.expires_at;
        let replacement = match standing {
            Standing::Reused => {
                changes.insert(revocation(ctx, token));
                tracking::forget(ctx, &mut changes, &pool.id, &token.sub, origin_jti, Associated::Stay).await?;
                ctx.app.commit(changes).await?;
                return Ok(Renewed::Reused);
            }
            Standing::Current | Standing::Retried if !is_rotating => None,
            Standing::Retried => family.map(|family| Replacement { number: family.current, expires_at }),
            Standing::Current => {
                let before = family.as_ref().map_or_else(
                    || RefreshFamily::new(&pool.id, &token.sub, origin_jti, expires_at),
                    |family| family.value.clone(),
                );
                let after = before.replacing(token.number, ctx.now);
                let number = after.current;
                changes.put_user_part(family.as_ref(), after);
                // A user who is deleted, disabled or signed out everywhere meanwhile gets no new token.
                changes.assert(Key::User { pool_id: pool.id.clone(), sub: token.sub.clone() }, user.version);
                Some(Replacement { number, expires_at })
            }
        };
        // Before the commit: when the tokens cannot be made, the old one must go on counting.
        let tokens = issue(ctx, pool, client, &user, &Grant::continued(token, replacement), occasion).await?;

        // Commit.
        if !changes.as_slice().is_empty() {
            ctx.app.commit(changes).await?;
        }
        Ok(Renewed::Tokens(Box::new(tokens)))
    })
    .await?;
    match renewed {
        Renewed::Tokens(tokens) => Ok(*tokens),
        Renewed::Reused if client.rotates_refresh_tokens() => Err(reused()),
        // It was replaced while they still were.
        Renewed::Reused => Err(revoked()),
    }
}

/// Ends the sign-in of a refresh token.
#[must_use]
pub fn revocation(ctx: &Ctx, token: &RefreshToken) -> Revocation {
    Revocation {
        pool_id: token.pool_id.clone(),
        origin_jti: token.origin_jti.clone(),
        // No access token lives longer than a day, and none is made from now on.
        expires_at: token.expires_at.max(ctx.now.plus(time::DAY)),
    }
}

fn check(ctx: &Ctx, user: &Stored<User>, token: &RefreshToken, is_revoked: bool) -> Result<(), ApiError> {
    if ctx.now >= token.expires_at {
        return Err(ApiError::not_authorized("Refresh Token has expired"));
    }
    if !user.enabled {
        return Err(ApiError::user_disabled());
    }
    if user.refuses_tokens_of(token.auth_time) || is_revoked {
        return Err(revoked());
    }
    match user.status {
        UserStatusType::ResetRequired => Err(password_reset_required()),
        UserStatusType::Unconfirmed => Err(not_confirmed()),
        _ => Ok(()),
    }
}

/// The refresh token of a device is good for nobody else, and for as long as the user has that device.
///
/// Decision: so a device has to be confirmed first, and tokens of administrators' sign-ins, of which documentation says
/// that they never refresh where devices are kept track of, are like any others. Tokens from the login pages, where browsers
/// confirm no devices, are not tied to one (oauth-federation.md §6).
async fn check_device(ctx: &Ctx, pool: &Pool, token: &RefreshToken, given: Option<&str>) -> Result<(), ApiError> {
    let own = token.device_key.as_deref();
    if pool.sign_in.devices.is_none() || own.is_none() || token.authorized.is_some() {
        // Nothing is checked; but who names another device than it was given is mistaken about itself.
        return if given.is_none() || given == own { Ok(()) } else { Err(devices::does_not_exist()) };
    }
    let Some(key) = given.filter(|given| Some(*given) == own) else { return Err(invalid()) };
    devices::find(ctx, pool, &token.sub, key).await?.map(|_| ()).ok_or_else(invalid)
}
