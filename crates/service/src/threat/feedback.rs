//! What users say about events, by the token or the link in a notice (triggers-security.md §15.3, §15.4).
//!
//! A token is sealed and says for which event it is good and until when. Whoever has it needs nothing else, and can do
//! nothing else with it than to say whether that event was the user's doing: as often as they like, the last word counts.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use crypto::seal::Purpose;
use domain::{AuthEvent, time};
use serde::{Deserialize, Serialize};
use serde_json::json;
use wire::{FeedbackValueType, Operation, Timestamp};

use super::history;
use crate::{ApiError, Ctx, lookup, quotas, records::activity};

/// How long a token may be used, in milliseconds.
///
/// Decision: the service's term is not recorded. A week reaches whoever reads their mail at weekends.
const LIFETIME: i64 = 7 * time::DAY;
/// Longest token that is looked at, in characters: far above any that was made here.
const LONGEST: usize = 1_024;
/// `Provider` of what users say.
///
/// Decision: the service's word for users is not recorded.
const PROVIDER: &str = "User";

/// For which event a token is good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// The pool.
    pub pool_id: String,
    /// The user.
    pub sub: String,
    /// The event.
    pub event_id: String,
    /// Until when, exclusively.
    expires_at: Timestamp,
}

/// A token by which whoever has it may say whether an event was their doing, good for a week: letters, digits, `-` and
/// `_`.
///
/// # Errors
/// When it cannot be written.
pub fn token(ctx: &Ctx, event: &AuthEvent) -> Result<String, ApiError> {
    let (pool_id, sub, event_id) = (event.pool_id.clone(), event.sub.clone(), event.id.clone());
    let content = serde_json::to_vec(&Subject { pool_id, sub, event_id, expires_at: ctx.now.plus(LIFETIME) })?;
    Ok(URL_SAFE_NO_PAD.encode(ctx.app.ring.seal_bytes(ctx.entropy(), Purpose::FeedbackToken, "", &content)))
}

/// The link to the page on which whoever follows it may say this about an event.
///
/// Decision: the service answers on the pool's domain, at a path that is not recorded. Here the server itself answers, so
/// that a pool needs no domain for links, and the page asks before it takes the answer, because mail scanners follow
/// links, too.
///
/// # Errors
/// When the token cannot be written.
pub fn link(ctx: &Ctx, event: &AuthEvent, value: FeedbackValueType) -> Result<String, ApiError> {
    let base_url = ctx.app.settings.base_url.trim_end_matches('/');
    Ok(format!("{base_url}/eventFeedback/?token={}&value={}", token(ctx, event)?, value.as_str()))
}

/// For which event a token is good, while it is.
///
/// # Errors
/// `NotAuthorizedException` for what is no token of this server, and a week after it was made.
pub fn subject(ctx: &Ctx, token: &str) -> Result<Subject, ApiError> {
    let opened = || {
        if token.len() > LONGEST {
            return None;
        }
        let sealed = URL_SAFE_NO_PAD.decode(token).ok()?;
        let content = ctx.app.ring.open_bytes(Purpose::FeedbackToken, "", &sealed).ok()?;
        serde_json::from_slice::<Subject>(&content).ok()
    };
    opened().filter(|subject| ctx.now < subject.expires_at).ok_or_else(invalid)
}

/// What [`give`] does, for whoever has followed a [`link`]: no operation has counted the request.
///
/// # Errors
/// Those of [`subject`] and of [`give`]; `TooManyRequestsException` beyond the quota of UpdateAuthEventFeedback.
pub async fn give_by_link(ctx: &Ctx, token: &str, value: FeedbackValueType) -> Result<(), ApiError> {
    let subject = subject(ctx, token)?;
    let request = json!({"UserPoolId": subject.pool_id, "Username": subject.sub});
    quotas::check(ctx, Operation::UpdateAuthEventFeedback, &request)?;
    give(ctx, &subject, value).await
}

/// The answer to a token that is not good here.
///
/// Decision: the service's words are not recorded.
pub(crate) fn invalid() -> ApiError {
    ApiError::not_authorized("Invalid feedback token.")
}

/// Keeps what the holder of a token for `subject` says.
///
/// # Errors
/// `ResourceNotFoundException` when pool or event are gone, `UserNotFoundException` when the user is;
/// `UserPoolAddOnNotEnabledException` where threat protection is off.
pub async fn give(ctx: &Ctx, subject: &Subject, value: FeedbackValueType) -> Result<(), ApiError> {
    let Subject { pool_id, sub, event_id, .. } = subject;
    let pool = lookup::pool(ctx, pool_id).await?;
    super::check_enabled(&pool)?;
    let user = ctx.app.store.user(pool_id, sub).await?.ok_or_else(ApiError::no_such_user)?;
    let event = history::judge(ctx, (pool_id, sub, event_id), value, PROVIDER).await?;
    activity::tell(ctx, &pool, &user.username, &event);
    Ok(())
}
