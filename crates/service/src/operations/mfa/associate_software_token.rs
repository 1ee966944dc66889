//! AssociateSoftwareToken (auth-flows.md §13): a secret for an app that makes codes. It counts for nothing until
//! VerifySoftwareToken has seen a code; the one in use stays in use until then.
//!
//! Order: exactly one of access token and session, who that is, whether the pool offers software tokens. With an access
//! token the secret waits in the store, with a session it travels in the next session.

use crypto::{seal::Purpose, totp};
use domain::{
    PendingSoftwareToken, Sealed, SoftwareToken, User, session::Waiting, software_token::secret_identity, time,
};
use store::{Changes, Key};
use wire::{AssociateSoftwareTokenRequest, AssociateSoftwareTokenResponse};

use super::{Credential, check_offered};
use crate::{
    ApiError, Ctx, retry,
    sign_in::set_up::{self, SetUp},
    tokens::access::{self, Authenticated},
};

/// How long a secret waits for its first code. Decision: the service does not say; a session waits for its own time.
const PATIENCE: i64 = time::HOUR;

/// Hands out a secret.
///
/// # Errors
/// `InvalidParameterException`, those of the access token or the session, and `SoftwareTokenMFANotFoundException`.
pub async fn run(ctx: &Ctx, input: AssociateSoftwareTokenRequest) -> Result<AssociateSoftwareTokenResponse, ApiError> {
    match Credential::of(input.access_token.as_deref(), input.session.as_deref())? {
        Credential::AccessToken(token) => retry::on_conflict(ctx, || by_token(ctx, token)).await,
        Credential::Session(session) => by_session(ctx, session).await,
    }
}

async fn by_token(ctx: &Ctx, token: &str) -> Result<AssociateSoftwareTokenResponse, ApiError> {
    let Authenticated { pool, user, .. } = access::authenticate(ctx, token).await?;
    check_offered(&pool)?;
    let before = ctx.app.store.user_part::<PendingSoftwareToken>(&pool.id, &user.sub, "").await?;
    let (code, secret) = new_secret(ctx, &user);
    let (pool_id, sub) = (user.pool_id.clone(), user.sub.clone());
    let pending =
        PendingSoftwareToken { pool_id: pool_id.clone(), sub: sub.clone(), secret, expires_at: ctx.now.plus(PATIENCE) };
    let mut changes = Changes::new();
    changes.assert(Key::User { pool_id, sub }, user.version).put_user_part(before.as_ref(), pending);
    ctx.app.commit(changes).await?;
    Ok(AssociateSoftwareTokenResponse { secret_code: Some(code), session: None })
}

/// Nothing is proven by asking for a secret: the session stays good, and a page that is loaded again asks again.
async fn by_session(ctx: &Ctx, session: &str) -> Result<AssociateSoftwareTokenResponse, ApiError> {
    let set_up = set_up::resume(ctx, session).await?;
    check_offered(set_up.pool())?;
    // Another sign-in has set one up since: whoever knows only the password must not replace it.
    let (pool_id, sub) = (&set_up.user.pool_id, &set_up.user.sub);
    if ctx.app.store.user_part::<SoftwareToken>(pool_id, sub, "").await?.is_some() {
        return Err(SetUp::invalid());
    }
    let (code, secret) = new_secret(ctx, &set_up.user);
    let session = set_up.next(ctx, Waiting::SoftwareToken { secret: Some(secret) })?;
    Ok(AssociateSoftwareTokenResponse { secret_code: Some(code), session: Some(session) })
}

/// A secret as the user types it into an app, and as it is kept.
fn new_secret(ctx: &Ctx, user: &User) -> (String, Sealed) {
    let secret: [u8; totp::SECRET_LENGTH] = crypto::random::bytes(ctx.entropy());
    let identity = secret_identity(&user.pool_id, &user.sub);
    let sealed = ctx.app.ring.seal(ctx.entropy(), Purpose::SoftwareToken, &identity, &secret);
    (totp::secret_code(&secret), sealed)
}
