//! Sessions of browsers at the login pages (oauth-federation.md §5, §20): who has signed in need not do so again for a
//! while. The session is sealed in a cookie; where the pool keeps track of sessions, it is listed as well, and can be
//! revoked.
//!
//! It lasts from the interactive sign-in on, and nothing makes it longer: 60 minutes, or in pools that keep track of
//! sessions as long as the longest window of a client. Each client's own window (`SSOSession.MaxValidityMinutes`) decides
//! whether it is still good there. What was [ended](end), whether at `/logout` or by way of [`crate::tracking`], is marked as
//! spent, so that no copy of the cookie is good for anything. A domain that changes between classic and managed pages ends
//! all of its sessions.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use crypto::seal::Purpose;
use domain::{BrowserSession, Client, Pool, assurance, client::DEFAULT_SSO_MINUTES, oauth::Authentication, time};
use wire::{Timestamp, UserStatusType};

use super::{Site, authorize::Asked, federation};
use crate::{ApiError, Ctx, operations::identity_providers::COGNITO, tracking};

/// How many clients are read at once to find the longest window.
const PAGE: usize = 1_000;
/// Bytes of a cookie that is looked at: browsers keep no longer ones.
const LONGEST_COOKIE: usize = 4_096;

/// A session that was just begun.
pub struct Begun {
    /// The value of the cookie: some 900 characters of base64url.
    pub cookie: String,
    /// For how many seconds the browser keeps it.
    pub seconds: i64,
    /// The authentication, which knows its session now.
    pub authentication: Authentication,
}

/// Begins a session after an interactive sign-in.
///
/// # Errors
/// When the store fails; in pools that keep track of sessions also when the user has been deleted or disabled meanwhile.
pub async fn begin(ctx: &Ctx, site: &Site, client: &Client, authentication: Authentication) -> Result<Begun, ApiError> {
    let pool = &site.pool;
    let authentication = Authentication { session_id: tracking::new_sso_id(ctx), ..authentication };
    let expires_at =
        Timestamp::from_seconds(authentication.auth_time).plus(longest_window(ctx, pool).await? * time::MINUTE);
    let session = BrowserSession {
        pool_id: pool.id.clone(),
        client_id: client.id.clone(),
        authentication: authentication.clone(),
        expires_at,
        page_switches: site.domain.page_switches,
    };
    tracking::follow_browser(ctx, pool, &session).await?;
    let payload = serde_json::to_vec(&session)?;
    let sealed = ctx.app.ring.seal_bytes(ctx.entropy(), Purpose::BrowserSession, &pool.id, &payload);
    let seconds = expires_at.seconds().saturating_sub(ctx.now.seconds());
    Ok(Begun { cookie: URL_SAFE_NO_PAD.encode(sealed), seconds, authentication })
}

/// The session in a cookie, if it is still good for this client: the user is there and enabled, nobody has ended it, it is
/// not older than the client and the request (`max_age`, levels of assurance) want it, the domain shows the same pages
/// still, and the client has its provider, which is the one that the request names, if it names one.
///
/// Decisions: GlobalSignOut ends sessions of browsers, too, which the service's outlive; so does whatever keeps a user from
/// refreshing tokens. `acr_values` is satisfied by the lowest level that it names. A request that names no provider takes
/// a session of any.
///
/// # Errors
/// When the store fails.
pub async fn usable(
    ctx: &Ctx,
    site: &Site,
    client: &Client,
    asked: &Asked,
    cookie: &str,
) -> Result<Option<BrowserSession>, ApiError> {
    let pool = &site.pool;
    let Some(session) = open(ctx, pool, cookie) else { return Ok(None) };
    let authentication = &session.authentication;
    let provider = authentication.provider.as_str();
    let is_wanted = asked.provider.as_deref().is_none_or(|named| named == provider);
    if session.page_switches != site.domain.page_switches {
        return Ok(None);
    }
    if !is_wanted || !is_recent(ctx, pool, client, asked, authentication) || !is_assured(asked, authentication) {
        return Ok(None);
    }
    let has_provider = match provider {
        COGNITO => client.supported_identity_providers.iter().any(|name| name == COGNITO),
        _ => federation::provider_of(ctx, pool, client, provider).await?.is_some(),
    };
    if !has_provider || tracking::has_ended(ctx, pool, &session).await? {
        return Ok(None);
    }
    let user = ctx.app.store.user(&pool.id, &authentication.sub).await?;
    let may_enter = user.is_some_and(|user| {
        let is_waiting = matches!(user.status, UserStatusType::ResetRequired | UserStatusType::Unconfirmed);
        user.enabled && !is_waiting && !user.refuses_tokens_of(authentication.auth_time)
    });
    Ok(may_enter.then_some(session))
}

/// Ends the session in a cookie, so that a copy of the cookie is of no use either. Its tokens stay good. What is no cookie
/// of this pool, or no longer good, is left alone.
///
/// # Errors
/// When the store fails.
pub async fn end(ctx: &Ctx, site: &Site, cookie: &str) -> Result<(), ApiError> {
    match open(ctx, &site.pool, cookie) {
        Some(session) => tracking::end_browser(ctx, &session).await,
        None => Ok(()),
    }
}

/// What is in a cookie of this pool, if it has not expired.
fn open(ctx: &Ctx, pool: &Pool, cookie: &str) -> Option<BrowserSession> {
    if cookie.len() > LONGEST_COOKIE {
        return None;
    }
    let sealed = URL_SAFE_NO_PAD.decode(cookie).ok()?;
    let payload = ctx.app.ring.open_bytes(Purpose::BrowserSession, &pool.id, &sealed).ok()?;
    let session: BrowserSession = serde_json::from_slice(&payload).ok()?;
    (session.pool_id == pool.id && ctx.now < session.expires_at).then_some(session)
}

/// Whether the sign-in is not longer ago than client and request want it. `max_age=0` asks for a new one in any case.
fn is_recent(ctx: &Ctx, pool: &Pool, client: &Client, asked: &Asked, authentication: &Authentication) -> bool {
    // A sign-in right after a sign-out counts from the next second on.
    let age = ctx.now.seconds().saturating_sub(authentication.auth_time).max(0);
    age < window(pool, client).saturating_mul(60) && asked.max_age.is_none_or(|most| most > 0 && age <= most)
}

/// Whether the sign-in reaches a level that the request takes.
fn is_assured(asked: &Asked, authentication: &Authentication) -> bool {
    let least = asked.acr_values.iter().copied().min();
    least.is_none() || assurance::level(&authentication.factors).max(authentication.level) >= least
}

/// For how many minutes a browser's session may sign users in at a client. The setting sleeps while the pool does not keep
/// track of sessions.
fn window(pool: &Pool, client: &Client) -> i64 {
    match pool.sign_in.tracked_sessions {
        Some(_) => client.sso_minutes.unwrap_or(DEFAULT_SSO_MINUTES),
        None => DEFAULT_SSO_MINUTES,
    }
}

/// The longest window of the pool's clients, at least an hour. All of them are read, some milliseconds' work where there
/// are a thousand.
///
/// Decision: a window that is made longer does so for later sign-ins.
async fn longest_window(ctx: &Ctx, pool: &Pool) -> Result<i64, ApiError> {
    let mut longest = DEFAULT_SSO_MINUTES;
    if pool.sign_in.tracked_sessions.is_none() {
        return Ok(longest);
    }
    let mut after = None;
    loop {
        let clients = ctx.app.store.clients(&pool.id, after.as_deref(), PAGE).await?;
        longest = clients.iter().map(|client| window(pool, client)).max().unwrap_or(longest).max(longest);
        match clients.last() {
            Some(last) if clients.len() == PAGE => after = Some(last.id.clone()),
            _ => return Ok(longest),
        }
    }
}
