//! Session tracking (auth-flows.md §19): in pools that have it switched on, one [`TrackedSession`] for each sign-in by
//! way of one client. While it is off nothing is read, written or put into tokens.
//!
//! [`follow`] is called in one place, where tokens are issued: a new sign-in begins a session, and refreshed tokens say
//! that it is still in use. A session's id is derived from the sign-in's `origin_jti` ([`id_of`]), so that tokens need
//! not carry it.
//!
//! | What happens | What becomes of the session |
//! |---|---|
//! | it is revoked, by its id or by its refresh token | the record goes, the sign-in's tokens are refused ([`Revocation`]) |
//! | a new sign-in where there are as many as there may be | the same, of the least recently used one |
//! | the user is signed out everywhere or disabled, the client is deleted, the refresh token expires | it [is over](is_over): no list shows it, and the next sign-in or the sweeper clears it away |
//! | the user is deleted | it goes along |
//!
//! Sign-ins from before tracking was switched on have no record and get none.
//!
//! There are no SSO sessions yet: a browser's session, the parent of the token sessions that it gives rise to, belongs
//! to the login pages. So every session is a TOKEN one without an `OriginSessionId`, and there is nothing that
//! `RevokeAssociatedSessions` LINKED could take along.

pub(crate) mod device;
mod location;

use domain::{Client, NewestSession, Pool, Revocation, SessionOrigin, TrackedSession, User, time};
use store::{Changes, CommitError, Key, Stored};
use wire::ErrorKind;

pub use self::location::{Location, Locations};
use crate::{ApiError, Ctx, retry, tokens::Grant};

/// What session ids are written with.
const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
/// Characters of a session id after `tkn`.
const ID_LENGTH: usize = 25;
/// How many records of a user are looked at: many more than a sign-in leaves behind, which are a hundred at most.
const MOST_READ: usize = 1_000;

/// Keeps track of a sign-in whose tokens are being issued.
///
/// A new one costs three reads and one changeset, which asserts the user, writes the user's [`NewestSession`] and the
/// session, and for each session that has to go reads and writes its revocation and deletes it. A refresh costs one
/// read and one write.
///
/// # Errors
/// `TooManyRequestsException` when too many sign-ins of the same user meet; `UserNotFoundException` and
/// `NotAuthorizedException` when the user has been deleted or disabled meanwhile.
pub(crate) async fn follow(
    ctx: &Ctx,
    pool: &Pool,
    client: &Client,
    user: &User,
    grant: &Grant,
) -> Result<(), ApiError> {
    match pool.sign_in.tracked_sessions {
        None => Ok(()),
        Some(most) if grant.is_new => begin(ctx, client, user, grant, most).await,
        Some(_) => touch(ctx, user, grant).await,
    }
}

/// A new session, which may cost the user the least recently used one.
async fn begin(ctx: &Ctx, client: &Client, user: &User, grant: &Grant, most: i64) -> Result<(), ApiError> {
    let (pool_id, sub, store) = (&user.pool_id, &user.sub, &ctx.app.store);
    // Sign-ins of one user meet in one row; on one server they need not find that out by conflicts.
    let _turn = ctx.app.one_at_a_time(pool_id, sub).await?;
    retry::on_conflict(ctx, || async {
        // Load.
        let (user, newest, sessions) = tokio::try_join!(
            store.user(pool_id, sub),
            store.user_part::<NewestSession>(pool_id, sub, ""),
            store.current_user_parts::<TrackedSession>(pool_id, sub, MOST_READ),
        )?;
        let user = user.ok_or_else(ApiError::no_such_user)?;
        if !user.enabled {
            return Err(ApiError::user_disabled());
        }

        // Decide.
        let session = new_session(ctx, client, &user, grant);
        let (mut live, mut over) = (Vec::new(), Vec::new());
        for old in sessions {
            if is_over(ctx, &user, &old).await? { over.push(old) } else { live.push(old) }
        }
        live.sort_by(|one, other| last_used(one).cmp(&last_used(other)));
        let room = usize::try_from(most).unwrap_or_default().saturating_sub(1);
        let evicted = live.len().saturating_sub(room);

        // Commit. A user who is deleted meanwhile must not leave a session behind.
        let mut changes = Changes::new();
        changes.assert(Key::User { pool_id: pool_id.clone(), sub: sub.clone() }, user.version);
        for old in &over {
            changes.delete_user_part(old);
        }
        for old in live.iter().take(evicted) {
            end(ctx, &mut changes, old).await?;
        }
        let latest = newest.as_ref().map_or(session.expires_at, |newest| newest.expires_at.max(session.expires_at));
        let (pool_id, sub, session_id) = (pool_id.clone(), sub.clone(), session.id.clone());
        changes.put_user_part(newest.as_ref(), NewestSession { pool_id, sub, session_id, expires_at: latest });
        changes.insert_user_part(session);
        Ok(ctx.app.commit(changes).await?)
    })
    .await
}

fn new_session(ctx: &Ctx, client: &Client, user: &User, grant: &Grant) -> TrackedSession {
    TrackedSession {
        pool_id: user.pool_id.clone(),
        sub: user.sub.clone(),
        id: id_of(ctx, &user.pool_id, &grant.origin_jti),
        origin_jti: grant.origin_jti.clone(),
        client_id: client.id.clone(),
        auth_time: grant.auth_time,
        created_at: ctx.now,
        last_active_at: ctx.now,
        origin: origin(ctx),
        expires_at: ctx.now.plus(client.refresh_token_seconds().saturating_mul(time::SECOND)),
    }
}

/// Says that a session is in use. Of several refreshes at the same moment one may do so for all.
async fn touch(ctx: &Ctx, user: &User, grant: &Grant) -> Result<(), ApiError> {
    let id = id_of(ctx, &user.pool_id, &grant.origin_jti);
    let Some(before) = ctx.app.store.user_part::<TrackedSession>(&user.pool_id, &user.sub, &id).await? else {
        return Ok(());
    };
    let mut after = before.value.clone();
    // The clock of the server that was asked before may be ahead of this one's.
    after.last_active_at = ctx.now.max(before.last_active_at);
    after.origin = origin(ctx);
    let mut changes = Changes::new();
    changes.put_user_part(Some(&before), after);
    match ctx.app.commit(changes).await {
        // Another refresh was quicker, or the session has just been ended: then these tokens are refused anyway.
        Err(CommitError::Conflict) => Ok(()),
        outcome => Ok(outcome?),
    }
}

/// Removes the record of a sign-in that the caller's changeset revokes.
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn forget(
    ctx: &Ctx,
    changes: &mut Changes,
    pool_id: &str,
    sub: &str,
    origin_jti: &str,
) -> Result<(), ApiError> {
    let id = id_of(ctx, pool_id, origin_jti);
    if let Some(session) = ctx.app.store.user_part::<TrackedSession>(pool_id, sub, &id).await? {
        changes.delete_user_part(&session);
    }
    Ok(())
}

/// Ends one of the user's sessions: its tokens are refused and its record goes.
///
/// # Errors
/// `ResourceNotFoundException` when the user has no such session, or it is over.
pub(crate) async fn revoke(ctx: &Ctx, user: &User, session_id: &str) -> Result<(), ApiError> {
    retry::on_conflict(ctx, || async {
        let session = ctx.app.store.user_part::<TrackedSession>(&user.pool_id, &user.sub, session_id).await?;
        let session = session.ok_or_else(no_such_session)?;
        if is_over(ctx, user, &session).await? {
            return Err(no_such_session());
        }
        let mut changes = Changes::new();
        end(ctx, &mut changes, &session).await?;
        Ok(ctx.app.commit(changes).await?)
    })
    .await
}

/// The changes that end a session.
async fn end(ctx: &Ctx, changes: &mut Changes, session: &Stored<TrackedSession>) -> Result<(), ApiError> {
    let (pool_id, origin_jti) = (session.pool_id.clone(), session.origin_jti.clone());
    if ctx.app.store.revocation(&pool_id, &origin_jti).await?.is_none() {
        // No access token lives longer than a day, and none is made from now on.
        let expires_at = session.expires_at.max(ctx.now.plus(time::DAY));
        changes.insert(Revocation { pool_id, origin_jti, expires_at });
    }
    changes.delete_user_part(session);
    Ok(())
}

/// Whether a session is over although its record is still there.
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn is_over(ctx: &Ctx, user: &User, session: &TrackedSession) -> Result<bool, ApiError> {
    let is_past = ctx.now >= session.expires_at || !user.enabled || user.refuses_tokens_of(session.auth_time);
    Ok(is_past || ctx.app.client(&session.client_id).await?.is_none())
}

/// The id of the token session of a sign-in.
pub(crate) fn id_of(ctx: &Ctx, pool_id: &str, origin_jti: &str) -> String {
    let key = ctx.app.ring.subkey("ids of sessions");
    let mac = crypto::hash::hmac_sha256_fields(&key, &[pool_id.as_bytes(), origin_jti.as_bytes()]);
    let mut rest = mac.iter().take(16).fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
    let mut id = "tkn".to_owned();
    // 36^25 is a little more than 2^128.
    for _ in 0..ID_LENGTH {
        let digit = usize::try_from(rest % 36).unwrap_or_default();
        id.extend(ALPHABET.get(digit).map(|byte| char::from(*byte)));
        rest /= 36;
    }
    id
}

/// Refuses an operation on sessions of a pool that does not keep track of them.
///
/// Decision: that the service answers this error where tracking is off is not confirmed, and its words are not
/// recorded.
///
/// # Errors
/// `OperationNotEnabledException`.
pub(crate) fn check_enabled(pool: &Pool) -> Result<(), ApiError> {
    if pool.sign_in.tracked_sessions.is_some() {
        return Ok(());
    }
    Err(ApiError::new(
        ErrorKind::OperationNotEnabled,
        "User session tracking is not enabled for this user pool. Enable it with SetUserPoolSessionConfiguration.",
    ))
}

/// What sessions are ordered by when one has to go: the least recently used one comes first.
fn last_used(session: &TrackedSession) -> (wire::Timestamp, wire::Timestamp, &str) {
    (session.last_active_at, session.created_at, &session.id)
}

/// From where this request comes.
///
/// Decision: through AdminInitiateAuth, too, that is whoever sends the request. `ContextData`, in which an
/// administrator's server can name its user's address, is for threat protection.
fn origin(ctx: &Ctx) -> SessionOrigin {
    let Location { city, country } = ctx.app.settings.locations.of(ctx.client_address);
    let device = device::from_user_agent(ctx.user_agent.as_deref());
    SessionOrigin { device, address: ctx.client_address.to_string(), city, country }
}

fn no_such_session() -> ApiError {
    // Decision: the service's words are not recorded.
    ApiError::not_found("Session does not exist.")
}

#[cfg(test)]
mod tests {
    use domain::session::SignIn;
    use serde_json::json;
    use wire::AuthFlowType;

    use super::*;
    use crate::messages::{
        Sender,
        testing::{app, ctx, pool, user},
    };

    /// Between the last proof and the session, another server may have done anything.
    #[tokio::test]
    async fn nobody_who_is_shut_out_meanwhile_begins_a_session() {
        let app = app(Sender::Inbox, true).await;
        let ctx = ctx(&app);
        let alice = user("alice", &[]);
        let mut pool = pool();
        pool.sign_in.tracked_sessions = Some(3);
        let client: Client = serde_json::from_value(json!({
            "id": "client", "pool_id": pool.id, "name": "c", "created_at": 0.0, "modified_at": 0.0, "secrets": [],
            "refresh_token_validity": 30, "explicit_auth_flows": [], "enable_token_revocation": true,
            "auth_session_validity": 3,
        }))
        .unwrap();
        let grant = Grant::new(&ctx, &alice, &SignIn::new(AuthFlowType::UserPasswordAuth));
        let begun = async || follow(&ctx, &pool, &client, &alice, &grant).await.map_err(|error| error.to_string());
        assert_eq!(begun().await, Err("UserNotFoundException: User does not exist.".to_owned()));
        let mut changes = Changes::new();
        changes.insert(User { enabled: false, ..alice.clone() });
        app.store.commit(changes).await.unwrap();
        assert_eq!(begun().await, Err("NotAuthorizedException: User is disabled.".to_owned()));
        let kept = app.store.current_user_parts::<TrackedSession>(&pool.id, &alice.sub, 10).await.unwrap();
        assert!(kept.is_empty());
    }
}
