//! VerifySoftwareToken (auth-flows.md §13): the first code from an app shows that it has the secret; the user has a
//! software token from then on. With a session nothing else is needed for the next sign-in to ask for it, and the answer
//! to MFA_SETUP switches it on; with an access token the user does that by SetUserMFAPreference.
//!
//! Order: exactly one of access token and session, who that is, whether the pool offers software tokens, limit of wrong
//! codes, code; then the token, its last used step and the end of what was pending change together. A session is used
//! up by success.

use crypto::{
    seal::Purpose,
    totp::{self, CodeCheck},
};
use domain::{
    AttemptPurpose, PendingSoftwareToken, Sealed, SoftwareToken, User, session::Waiting,
    software_token::secret_identity,
};
use store::{Changes, CommitError, Key, Stored, Taken};
use wire::{ErrorKind, VerifySoftwareTokenRequest, VerifySoftwareTokenResponse, VerifySoftwareTokenResponseType};

use super::{Credential, check_offered};
use crate::{
    ApiError, Ctx, codes, retry,
    sign_in::set_up::{self, SetUp},
    tokens::access::{self, Authenticated},
};

/// Wrong codes in an hour, after which none is looked at.
const MOST_WRONG: usize = 15;

/// Registers a software token.
///
/// # Errors
/// `InvalidParameterException`, those of the access token or the session, `SoftwareTokenMFANotFoundException`,
/// `EnableSoftwareTokenMFAException` for a wrong code, `ExpiredCodeException` for one that was used,
/// `TooManyRequestsException` after too many wrong ones.
pub async fn run(ctx: &Ctx, input: VerifySoftwareTokenRequest) -> Result<VerifySoftwareTokenResponse, ApiError> {
    let session = match Credential::of(input.access_token.as_deref(), input.session.as_deref())? {
        Credential::AccessToken(token) => {
            let Authenticated { pool, user, .. } = access::authenticate(ctx, token).await?;
            let _turn = ctx.app.one_at_a_time(&pool.id, &user.sub).await?;
            retry::on_conflict(ctx, || by_token(ctx, &input, token)).await?;
            None
        }
        Credential::Session(session) => {
            let SetUp { user, .. } = set_up::resume(ctx, session).await?;
            let _turn = ctx.app.one_at_a_time(&user.pool_id, &user.sub).await?;
            Some(retry::on_conflict(ctx, || by_session(ctx, &input, session)).await?)
        }
    };
    Ok(VerifySoftwareTokenResponse { status: Some(VerifySoftwareTokenResponseType::Success), session })
}

async fn by_token(ctx: &Ctx, input: &VerifySoftwareTokenRequest, token: &str) -> Result<(), ApiError> {
    let Authenticated { pool, user, .. } = access::authenticate(ctx, token).await?;
    check_offered(&pool)?;
    let (pending, before) = tokio::try_join!(
        ctx.app.store.user_part::<PendingSoftwareToken>(&pool.id, &user.sub, ""),
        ctx.app.store.user_part::<SoftwareToken>(&pool.id, &user.sub, ""),
    )?;
    let mut changes = Changes::new();
    let after = match (pending.filter(|pending| ctx.now < pending.expires_at), &before) {
        (Some(pending), _) => {
            let step = check_code(ctx, &user, &pending.secret, &input.user_code, None, &mut changes).await?;
            changes.delete_user_part(&pending);
            verified(ctx, input, &user, pending.value.secret, step)
        }
        // The one in use is verified once more: the answer to the first time may have been lost.
        (None, Some(before)) => {
            let last_step = before.last_step;
            let step = check_code(ctx, &user, &before.secret, &input.user_code, last_step, &mut changes).await?;
            let friendly_name = name(input).or_else(|| before.friendly_name.clone());
            SoftwareToken { friendly_name, last_step: Some(step), ..before.value.clone() }
        }
        // Decision: the service's words for this operation are not recorded.
        (None, None) => return Err(ApiError::invalid_parameter("User has not set up software token mfa")),
    };
    changes.put_user_part(before.as_ref(), after);
    Ok(ctx.app.commit(changes).await?)
}

async fn by_session(ctx: &Ctx, input: &VerifySoftwareTokenRequest, session: &str) -> Result<String, ApiError> {
    let set_up = set_up::resume(ctx, session).await?;
    check_offered(set_up.pool())?;
    let Waiting::SoftwareToken { secret: Some(secret) } = set_up.waiting() else { return Err(SetUp::invalid()) };
    let user = &set_up.user;
    // Another sign-in has set one up since: whoever knows only the password must not replace it.
    if ctx.app.store.user_part::<SoftwareToken>(&user.pool_id, &user.sub, "").await?.is_some() {
        return Err(SetUp::invalid());
    }
    let mut changes = Changes::new();
    let step = check_code(ctx, user, secret, &input.user_code, None, &mut changes).await?;
    changes.insert_user_part(verified(ctx, input, user, secret.clone(), step));
    set_up.spend(&mut changes);
    match ctx.app.commit(changes).await {
        Err(CommitError::Taken(Taken::Spent { .. })) => return Err(SetUp::used()),
        outcome => outcome?,
    }
    set_up.next(ctx, Waiting::SoftwareToken { secret: None })
}

/// The token as it is from now on. The code that showed it is not good for a sign-in any more.
fn verified(ctx: &Ctx, input: &VerifySoftwareTokenRequest, user: &User, secret: Sealed, step: i64) -> SoftwareToken {
    SoftwareToken {
        pool_id: user.pool_id.clone(),
        sub: user.sub.clone(),
        secret,
        friendly_name: name(input),
        last_step: Some(step),
        created_at: ctx.now,
    }
}

/// What the user calls the app, unless that is nothing.
fn name(input: &VerifySoftwareTokenRequest) -> Option<String> {
    input.friendly_device_name.clone().filter(|name| !name.is_empty())
}

/// The step of a right code. A wrong one is counted, in a commit of its own. `changes` get what the decision rests on:
/// the user, and the count, so that guesses in parallel gain nothing over guesses in a row.
async fn check_code(
    ctx: &Ctx,
    user: &Stored<User>,
    secret: &Sealed,
    code: &str,
    last_step: Option<i64>,
    changes: &mut Changes,
) -> Result<i64, ApiError> {
    let (pool_id, sub, purpose) = (user.pool_id.as_str(), user.sub.as_str(), AttemptPurpose::VerifySoftwareToken);
    let attempts = ctx.app.store.attempts(pool_id, sub, purpose).await?;
    // Decision: of the errors that the model of this operation knows, this is the one for too many tries.
    let counted = codes::count_request(ctx, attempts.as_ref(), (pool_id, sub), purpose, MOST_WRONG)
        .map_err(|refusal| ApiError::new(ErrorKind::TooManyRequests, refusal.message))?;
    let secret = ctx.app.ring.open(Purpose::SoftwareToken, &secret_identity(pool_id, sub), secret)?;
    let refusal = match totp::check(&secret, code, ctx.now, last_step) {
        CodeCheck::Right { step } => {
            match &attempts {
                Some(attempts) => codes::forget(changes, attempts),
                None => drop(changes.assert_no_attempts(pool_id, sub, purpose)),
            }
            changes.assert(Key::User { pool_id: pool_id.to_owned(), sub: sub.to_owned() }, user.version);
            return Ok(step);
        }
        CodeCheck::Reused => ApiError::new(ErrorKind::ExpiredCode, "Your software token has already been used once."),
        CodeCheck::Wrong => {
            ApiError::new(ErrorKind::EnableSoftwareTokenMFA, "Code mismatch and fail enable Software Token MFA")
        }
    };
    let mut changes = Changes::new();
    changes.put(attempts.as_ref(), counted);
    ctx.app.commit(changes).await?;
    Err(refusal)
}
