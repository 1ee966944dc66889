//! Session tracking (auth-flows.md §19): in pools that have it switched on, one [`TrackedSession`] for each sign-in by
//! way of one client, and one for each session of a browser at the login pages (`hosted::browser_session`), which is the
//! parent of the sign-ins that are born of it. While it is off nothing is read, written or put into tokens.
//!
//! [`follow`] is called in one place, where tokens are issued: a new sign-in begins a session, and refreshed tokens say
//! that it is still in use. A token session's id is derived from the sign-in's `origin_jti` ([`id_of`]), so that tokens
//! need not carry it; an SSO session's is drawn ([`new_sso_id`]) and stands in the browser's cookie. [`follow_browser`] is
//! called where that cookie is made.
//!
//! | What happens | What becomes of a token session |
//! |---|---|
//! | it is revoked, by its id or by its refresh token | the record goes, the sign-in's tokens are refused ([`Revocation`]) |
//! | a new sign-in where there are as many as there may be | the same, of the least recently used one |
//! | the user is signed out everywhere or disabled, the client is deleted, the refresh token expires | it [is over](is_over): no list shows it, and the next sign-in or the sweeper clears it away |
//! | the user is deleted | it goes along |
//!
//! | What happens | What becomes of an SSO session |
//! |---|---|
//! | the browser signs out at `/logout`, it is revoked, or a token session of its is with LINKED | the record goes, the cookie is refused ([`Spent`](domain::Spent)) |
//! | a new one where there are [as many as there may be](MOST_SSO_SESSIONS) | the same, of the least recently used one |
//! | the user is signed out everywhere or disabled, the cookie expires | it is over |
//! | it is revoked with LINKED | so are its token sessions, in the same changeset |
//!
//! `LastActiveDate` of an SSO session moves on when a sign-in is born of it and when the refresh token of one is rotated;
//! that a sign-in is born is one changeset with it, so that no sign-in slips past a revocation of its parent.
//!
//! Sign-ins from before tracking was switched on have no record and get none.

pub(crate) mod device;
mod ending;
mod location;

use domain::{
    BrowserSession, Client, NewestSession, Pool, SessionKind, SessionOrigin, TrackedSession, User, time,
    tracked_session::MOST_SSO_SESSIONS,
};
use store::{Changes, CommitError, Key, Stored};
use wire::ErrorKind;

pub(crate) use self::ending::{Associated, commit, end_browser, forget, has_ended, is_over, revoke};
pub use self::location::{Location, Locations};
use crate::{ApiError, Ctx, retry, tokens::Grant};

/// What session ids are written with.
const ALPHABET: &str = "abcdefghijklmnopqrstuvwxyz0123456789";
/// Characters of a session id after `tkn` or `sso`.
const ID_LENGTH: usize = 25;
/// How many records of a user are looked at: many more than sign-ins leave behind, which are two hundred at most.
const MOST_READ: usize = 1_000;

/// Keeps track of a sign-in whose tokens are being issued.
///
/// A new one costs three reads and one changeset, which asserts the user, writes the user's [`NewestSession`], the session
/// and its parent, and for each session that has to go reads and writes its revocation and deletes it. A refresh costs
/// one read and one write, and one more of each where it rotates the refresh token of a session with a parent.
///
/// # Errors
/// `TooManyRequestsException` when too many sign-ins of the same user meet; `UserNotFoundException` and
/// `NotAuthorizedException` when the user has been deleted or disabled meanwhile, the latter also when the browser
/// session has been ended that the sign-in comes from.
pub(crate) async fn follow(
    ctx: &Ctx,
    pool: &Pool,
    client: &Client,
    user: &User,
    grant: &Grant,
) -> Result<(), ApiError> {
    match pool.sign_in.tracked_sessions {
        None => Ok(()),
        Some(most) if grant.is_new => {
            let most = usize::try_from(most).unwrap_or_default();
            add(ctx, &of_tokens(ctx, client, user, grant), most, grant.browser_session.as_deref()).await
        }
        Some(_) => touch(ctx, user, grant).await,
    }
}

/// Keeps track of a browser whose user has just signed in at the login pages.
///
/// # Errors
/// Those of [`follow`].
pub(crate) async fn follow_browser(ctx: &Ctx, pool: &Pool, session: &BrowserSession) -> Result<(), ApiError> {
    match pool.sign_in.tracked_sessions {
        None => Ok(()),
        Some(_) => add(ctx, &of_browser(ctx, session), MOST_SSO_SESSIONS, None).await,
    }
}

/// A new session, which may cost the user the least recently used one of its kind. `parent` is the id of the browser
/// session that it comes from.
async fn add(ctx: &Ctx, new: &TrackedSession, most: usize, parent: Option<&str>) -> Result<(), ApiError> {
    let (pool_id, sub, store) = (&new.pool_id, &new.sub, &ctx.app.store);
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

        // Decide. Of several exchanges of one authorization code each begins the same sign-in.
        if sessions.iter().any(|old| old.id == new.id) {
            return Ok(());
        }
        let (mut live, mut over) = (Vec::new(), Vec::new());
        for old in sessions {
            if is_over(ctx, &user, &old).await? { over.push(old) } else { live.push(old) }
        }
        let parent = match parent {
            Some(id) => ending::living(ctx, &live, id).await?,
            None => None,
        };
        let session = TrackedSession { origin_session_id: parent.map(|parent| parent.id.clone()), ..new.clone() };
        let mut alike: Vec<_> = live.iter().filter(|old| old.kind == session.kind).collect();
        alike.sort_by(|one, other| last_used(one).cmp(&last_used(other)));
        let evicted = alike.len().saturating_sub(most.saturating_sub(1));

        // Commit. A user who is deleted meanwhile must not leave a session behind, and a parent that is ended meanwhile
        // has no more children.
        let mut changes = Changes::new();
        changes.assert(Key::User { pool_id: pool_id.clone(), sub: sub.clone() }, user.version);
        if let Some(parent) = parent {
            changes.put_user_part(Some(parent), used(ctx, parent));
        }
        for old in &over {
            changes.delete_user_part(old);
        }
        for old in alike.into_iter().take(evicted) {
            ending::end(ctx, &mut changes, old).await?;
        }
        let latest = newest.as_ref().map_or(session.expires_at, |newest| newest.expires_at.max(session.expires_at));
        let (pool_id, sub, session_id) = (pool_id.clone(), sub.clone(), session.id.clone());
        changes.put_user_part(newest.as_ref(), NewestSession { pool_id, sub, session_id, expires_at: latest });
        changes.insert_user_part(session);
        commit(ctx, changes).await
    })
    .await
}

/// The record of a new sign-in.
fn of_tokens(ctx: &Ctx, client: &Client, user: &User, grant: &Grant) -> TrackedSession {
    TrackedSession {
        pool_id: user.pool_id.clone(),
        sub: user.sub.clone(),
        id: id_of(ctx, &user.pool_id, &grant.origin_jti),
        kind: SessionKind::Token,
        origin_jti: grant.origin_jti.clone(),
        origin_session_id: None,
        client_id: client.id.clone(),
        auth_time: grant.auth_time,
        created_at: ctx.now,
        last_active_at: ctx.now,
        origin: origin(ctx),
        expires_at: ctx.now.plus(client.refresh_token_seconds().saturating_mul(time::SECOND)),
    }
}

/// The record of a new browser session.
fn of_browser(ctx: &Ctx, session: &BrowserSession) -> TrackedSession {
    let authentication = &session.authentication;
    TrackedSession {
        pool_id: session.pool_id.clone(),
        sub: authentication.sub.clone(),
        id: authentication.session_id.clone(),
        kind: SessionKind::Sso,
        origin_jti: authentication.session_id.clone(),
        origin_session_id: None,
        client_id: session.client_id.clone(),
        auth_time: authentication.auth_time,
        created_at: ctx.now,
        last_active_at: ctx.now,
        origin: origin(ctx),
        expires_at: session.expires_at,
    }
}

/// Says that a session is in use, and its parent where the refresh token is rotated. Of several refreshes at the same
/// moment one may do so for all.
async fn touch(ctx: &Ctx, user: &User, grant: &Grant) -> Result<(), ApiError> {
    let (pool_id, sub, store) = (&user.pool_id, &user.sub, &ctx.app.store);
    let id = id_of(ctx, pool_id, &grant.origin_jti);
    let Some(before) = store.user_part::<TrackedSession>(pool_id, sub, &id).await? else { return Ok(()) };
    let mut changes = Changes::new();
    changes.put_user_part(Some(&before), TrackedSession { origin: origin(ctx), ..used(ctx, &before) });
    if grant.replacement.is_some()
        && let Some(id) = &before.origin_session_id
        && let Some(parent) = store.user_part::<TrackedSession>(pool_id, sub, id).await?
    {
        changes.put_user_part(Some(&parent), used(ctx, &parent));
    }
    match ctx.app.commit(changes).await {
        // Another refresh was quicker, or the session has just been ended: then these tokens are refused anyway.
        Err(CommitError::Conflict) => Ok(()),
        outcome => Ok(outcome?),
    }
}

/// The record of a session that is used now.
///
/// Decision: an SSO session keeps the device and the address of the browser that signed in: codes and refresh tokens may
/// come from an application's server.
fn used(ctx: &Ctx, session: &Stored<TrackedSession>) -> TrackedSession {
    // The clock of the server that was asked before may be ahead of this one's.
    TrackedSession { last_active_at: ctx.now.max(session.last_active_at), ..session.value.clone() }
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
        id.extend(ALPHABET.as_bytes().get(digit).map(|byte| char::from(*byte)));
        rest /= 36;
    }
    id
}

/// The id of a new SSO session.
pub(crate) fn new_sso_id(ctx: &Ctx) -> String {
    format!("sso{}", crypto::random::alphanumeric(ctx.entropy(), ID_LENGTH, ALPHABET))
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
