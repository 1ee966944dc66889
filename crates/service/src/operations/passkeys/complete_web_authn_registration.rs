//! CompleteWebAuthnRegistration (auth-flows.md §14): a passkey that the browser has made becomes the user's.
//!
//! Order: access token, whether the pool takes passkeys, the registration that was begun and its client, how many the
//! user has, the credential. A wrong credential leaves the registration as it is; a right one uses it up.

use domain::{Passkey, PendingPasskey, Spent, passkey::name_beside};
use store::{Changes, CommitError, Key, Stored, Taken};
use wire::{CompleteWebAuthnRegistrationRequest, CompleteWebAuthnRegistrationResponse, ErrorKind};

use super::{check_count, check_enabled};
use crate::{
    ApiError, Ctx, retry,
    tokens::access::{self, Authenticated},
    web_authn,
};

/// Completes the registration that was begun last.
///
/// # Errors
/// Those of the access token (auth-flows.md §8), `WebAuthnNotEnabledException`, `LimitExceededException`,
/// `WebAuthnChallengeNotFoundException`, `WebAuthnClientMismatchException`, and those of [`web_authn::register`].
pub async fn run(
    ctx: &Ctx,
    input: CompleteWebAuthnRegistrationRequest,
) -> Result<CompleteWebAuthnRegistrationResponse, ApiError> {
    retry::on_conflict(ctx, || async {
        let caller = access::authenticate(ctx, &input.access_token).await?;
        let (pool, user) = (&caller.pool, &caller.user);
        check_enabled(pool)?;
        let pending = pending(ctx, &caller).await?;
        // After the registration, which can be completed only once: whoever comes second sees the first one's passkey.
        let present = web_authn::passkeys(ctx, pool, &user.sub).await?;
        check_count(present.len())?;

        let registered = web_authn::register(&pending.ceremony, user, &present, input.credential.clone())?;
        let (attachment, transports) = (registered.attachment, registered.transports);
        let others = present.iter().map(|passkey| &passkey.value);
        let passkey = Passkey {
            pool_id: pool.id.clone(),
            sub: user.sub.clone(),
            id: registered.id,
            name: name_beside(others, attachment.as_deref(), &transports),
            relying_party_id: pending.ceremony.relying_party_id.clone(),
            attachment,
            transports,
            created_at: ctx.now,
            verifier: registered.verifier,
        };

        let mut changes = Changes::new();
        changes.assert(Key::User { pool_id: pool.id.clone(), sub: user.sub.clone() }, user.version);
        changes.insert(Spent { id: pending.key.clone(), expires_at: pending.expires_at });
        changes.delete_user_part(&pending);
        changes.insert_user_part(passkey);
        match ctx.app.commit(changes).await {
            Err(CommitError::Taken(Taken::Spent { .. })) => Err(web_authn::challenge_not_found()),
            outcome => Ok(outcome?),
        }
    })
    .await?;
    Ok(CompleteWebAuthnRegistrationResponse {})
}

/// The registration that this user has begun with this client.
async fn pending(ctx: &Ctx, caller: &Authenticated) -> Result<Stored<PendingPasskey>, ApiError> {
    let pending = ctx.app.store.user_part::<PendingPasskey>(&caller.pool.id, &caller.user.sub, "").await?;
    let pending = pending.filter(|pending| ctx.now < pending.expires_at).ok_or_else(web_authn::challenge_not_found)?;
    if pending.client_id == caller.client.id {
        return Ok(pending);
    }
    let message = "The registration was started with another app client. Start and complete it with the same one.";
    Err(ApiError::new(ErrorKind::WebAuthnClientMismatch, message))
}
