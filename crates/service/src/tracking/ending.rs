//! How sessions end ([`super`]), and which are over.

use domain::{BrowserSession, Pool, Revocation, SessionKind, Spent, TrackedSession, User, time};
use store::{Changes, CommitError, Stored, Taken};
use wire::RevokeAssociatedSessionsType;

use super::{MOST_READ, id_of};
use crate::{ApiError, Ctx, retry};

/// What else ends with a session: `RevokeAssociatedSessions`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Associated {
    /// Nothing.
    Stay,
    /// The SSO session that a token session was born of; the token sessions that were born of an SSO session.
    End,
}

impl Associated {
    /// What a request says, which may be nothing.
    pub(crate) fn of(given: Option<RevokeAssociatedSessionsType>) -> Self {
        if given == Some(RevokeAssociatedSessionsType::Linked) { Self::End } else { Self::Stay }
    }
}

/// Ends one of the user's sessions: its tokens, or the browser's cookie, are refused, and its record goes.
///
/// # Errors
/// `ResourceNotFoundException` when the user has no such session, or it is over.
pub(crate) async fn revoke(ctx: &Ctx, user: &User, session_id: &str, associated: Associated) -> Result<(), ApiError> {
    let (pool_id, sub, store) = (&user.pool_id, &user.sub, &ctx.app.store);
    retry::on_conflict(ctx, || async {
        let session = store.user_part::<TrackedSession>(pool_id, sub, session_id).await?;
        let session = session.ok_or_else(no_such_session)?;
        if is_over(ctx, user, &session).await? {
            return Err(no_such_session());
        }
        let others = match (associated, session.kind) {
            (Associated::Stay, _) => Vec::new(),
            (Associated::End, SessionKind::Token) => parent(ctx, &session).await?.into_iter().collect(),
            // A sign-in that is born meanwhile changes the record that is deleted below.
            (Associated::End, SessionKind::Sso) => {
                let all = store.current_user_parts::<TrackedSession>(pool_id, sub, MOST_READ).await?;
                all.into_iter().filter(|other| other.origin_session_id.as_deref() == Some(session_id)).collect()
            }
        };
        let mut changes = Changes::new();
        for session in others.iter().chain([&session]) {
            end(ctx, &mut changes, session).await?;
        }
        commit(ctx, changes).await
    })
    .await
}

/// Removes the record of a sign-in that the caller's changeset revokes, and ends the SSO session that it was born of where
/// that is wanted. The changeset is for [`commit`].
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn forget(
    ctx: &Ctx,
    changes: &mut Changes,
    pool_id: &str,
    sub: &str,
    origin_jti: &str,
    associated: Associated,
) -> Result<(), ApiError> {
    let id = id_of(ctx, pool_id, origin_jti);
    let Some(session) = ctx.app.store.user_part::<TrackedSession>(pool_id, sub, &id).await? else { return Ok(()) };
    changes.delete_user_part(&session);
    if associated == Associated::End
        && let Some(parent) = parent(ctx, &session).await?
    {
        end(ctx, changes, &parent).await?;
    }
    Ok(())
}

/// Ends a browser's session, whether the pool keeps track of it or not: a cookie with it is of no use any more.
///
/// # Errors
/// When the store fails.
pub(crate) async fn end_browser(ctx: &Ctx, session: &BrowserSession) -> Result<(), ApiError> {
    let (sub, id) = (&session.authentication.sub, &session.authentication.session_id);
    retry::on_conflict(ctx, || async {
        let mut changes = Changes::new();
        match ctx.app.store.user_part::<TrackedSession>(&session.pool_id, sub, id).await? {
            Some(record) => end(ctx, &mut changes, &record).await?,
            None if is_spent(ctx, id).await? => return Ok(()),
            None => {
                changes.insert(Spent { id: id.clone(), expires_at: session.expires_at });
            }
        }
        commit(ctx, changes).await
    })
    .await
}

/// Whether somebody has ended a browser's session.
///
/// Decision: where the pool keeps track of sessions, one that it has no record of counts as ended, too: one from before
/// that was switched on, which its user could neither see nor revoke.
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn has_ended(ctx: &Ctx, pool: &Pool, session: &BrowserSession) -> Result<bool, ApiError> {
    let (sub, id) = (&session.authentication.sub, &session.authentication.session_id);
    if is_spent(ctx, id).await? {
        return Ok(true);
    }
    let is_tracked = pool.sign_in.tracked_sessions.is_some();
    Ok(is_tracked && ctx.app.store.user_part::<TrackedSession>(&pool.id, sub, id).await?.is_none())
}

/// The SSO session with this id among those that a sign-in can be born of. None where the pool has not kept track of it,
/// or keeps track no more because it has expired.
///
/// # Errors
/// `NotAuthorizedException` when somebody has ended it: an authorization code from before is worth nothing then.
pub(super) async fn living<'a>(
    ctx: &Ctx,
    live: &'a [Stored<TrackedSession>],
    id: &str,
) -> Result<Option<&'a Stored<TrackedSession>>, ApiError> {
    let found = live.iter().find(|session| session.id == id);
    if found.is_none() && is_spent(ctx, id).await? {
        // Decision: neither the error nor its words are recorded.
        return Err(ApiError::not_authorized("Session has been revoked"));
    }
    Ok(found)
}

/// The changes that end a session. They are for [`commit`].
pub(super) async fn end(ctx: &Ctx, changes: &mut Changes, session: &Stored<TrackedSession>) -> Result<(), ApiError> {
    let (pool_id, origin_jti) = (session.pool_id.clone(), session.origin_jti.clone());
    changes.delete_user_part(session);
    match session.kind {
        SessionKind::Token => {
            if ctx.app.store.revocation(&pool_id, &origin_jti).await?.is_none() {
                // No access token lives longer than a day, and none is made from now on.
                let expires_at = session.expires_at.max(ctx.now.plus(time::DAY));
                changes.insert(Revocation { pool_id, origin_jti, expires_at });
            }
        }
        SessionKind::Sso => {
            if !is_spent(ctx, &session.id).await? {
                changes.insert(Spent { id: session.id.clone(), expires_at: session.expires_at });
            }
        }
    }
    Ok(())
}

/// Commits changes that end sessions. What somebody else has ended meanwhile is found so when it is decided anew.
pub(crate) async fn commit(ctx: &Ctx, changes: Changes) -> Result<(), ApiError> {
    match ctx.app.commit(changes).await {
        Err(CommitError::Taken(Taken::Spent { .. })) => Err(CommitError::Conflict.into()),
        outcome => Ok(outcome?),
    }
}

/// Whether a session is over although its record is still there.
///
/// Decision: an SSO session is good for all clients of its pool, and so outlives the one that the user signed in for.
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn is_over(ctx: &Ctx, user: &User, session: &TrackedSession) -> Result<bool, ApiError> {
    if ctx.now >= session.expires_at || !user.enabled || user.refuses_tokens_of(session.auth_time) {
        return Ok(true);
    }
    Ok(session.kind == SessionKind::Token && ctx.app.client(&session.client_id).await?.is_none())
}

/// The SSO session that a token session was born of, if it is still there.
async fn parent(ctx: &Ctx, session: &TrackedSession) -> Result<Option<Stored<TrackedSession>>, ApiError> {
    let Some(id) = &session.origin_session_id else { return Ok(None) };
    Ok(ctx.app.store.user_part(&session.pool_id, &session.sub, id).await?)
}

async fn is_spent(ctx: &Ctx, session_id: &str) -> Result<bool, ApiError> {
    Ok(ctx.app.store.spent(session_id).await?.is_some())
}

fn no_such_session() -> ApiError {
    // Decision: the service's words are not recorded.
    ApiError::not_found("Session does not exist.")
}
